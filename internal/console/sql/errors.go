package sql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/database"
)

// class is what kind of error a database has given.
type class uint8

const (
	other       class = iota
	lost              // the connection has ended, or none was made
	login             // the user or the password is not taken
	noDatabase        // there is no such database
	temporary         // it may work later: a deadlock, too many connections, no space
	duplicate         // a key is there already
	noParent          // a row that another refers to is not there
	denied            // the right is missing
	readOnly          // nothing can be written there
	noTable           // a table or a column is not there
	tooLong           // a value does not fit
	interrupted       // the server ends
)

// classes are those of SQLSTATE (PostgreSQL appendix A), by their beginning; a longer
// one counts.
var classes = map[string]class{
	"08": lost, "28": login, "3D000": noDatabase,
	"40": temporary, "53": temporary, "55P03": temporary, "57014": temporary,
	"57P01": interrupted, "57P02": interrupted, "57P03": interrupted,
	"23505": duplicate, "23503": noParent, "42501": denied, "25006": readOnly,
	"42P01": noTable, "42703": noTable, "3F000": noTable, "22001": tooLong,
}

// numbers are those of MariaDB's errors.
var numbers = map[uint16]class{
	1045: login, 1698: login, 1251: login, 1862: login, 1044: login, 1049: noDatabase,
	1040: temporary, 1203: temporary, 1205: temporary, 1213: temporary, 1021: temporary, 1114: temporary, 1020: temporary, 1969: temporary,
	1062: duplicate, 1452: noParent, 1142: denied, 1143: denied, 1227: denied, 1290: readOnly, 1792: readOnly, 1836: readOnly,
	1146: noTable, 1054: noTable, 1406: tooLong, 1053: interrupted, 1927: interrupted, 1317: interrupted,
}

// classify says of what kind an error is, and what the server has said, if it has.
func classify(err error) (c class, said string) {
	var pg *pgconn.PgError
	var my *mysqldriver.MySQLError
	var network net.Error
	switch {
	case errors.As(err, &pg):
		c = other
		for _, n := range []int{5, 2} {
			if known, ok := classes[pg.Code[:min(n, len(pg.Code))]]; ok {
				c = known
				break
			}
		}
		return c, fmt.Sprintf("%s (SQLSTATE %s)", pg.Message, pg.Code)
	case errors.As(err, &my):
		return numbers[my.Number], fmt.Sprintf("%s (error %d)", my.Message, my.Number)
	case errors.Is(err, errSilent), errors.Is(err, driver.ErrBadConn), errors.Is(err, mysqldriver.ErrInvalidConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.As(err, &network), errors.As(err, new(*pgconn.ConnectError)), errors.Is(err, errConnDone), errors.Is(err, context.DeadlineExceeded):
		return lost, ""
	case untrusted(err):
		return lost, ""
	}
	return other, ""
}

func untrusted(err error) bool {
	return database.Untrusted(err) || errors.Is(err, mysqldriver.ErrNoTLS)
}

// saidError is an error with what the server has said, which is quoted.
type saidError struct {
	text, said string
	err        error
}

func (e *saidError) Error() string  { return e.text + e.said }
func (e *saidError) Quoted() string { return e.said }
func (e *saidError) Unwrap() error  { return e.err }

// statementError is an error in a statement of the configuration.
type statementError struct {
	name string
	err  error
}

func (e *statementError) Error() string { return fmt.Sprintf("the statement %s: %v", e.name, e.err) }
func (e *statementError) Unwrap() error { return e.err }

// explained is an error without who asked.
func explained(err error) error {
	_, said := classify(err)
	var statement *statementError
	switch {
	case said != "" && errors.As(err, &statement):
		return &saidError{fmt.Sprintf("the statement %s: the database says: ", statement.name), said, err}
	case said != "":
		return &saidError{"the database says: ", said, err}
	case errors.Is(err, errSilent):
		return errSilent
	case errors.As(err, new(*net.OpError)):
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, mysqldriver.ErrInvalidConn), errors.Is(err, errConnDone):
		return errors.New("the connection was lost")
	}
	return database.Unnamed(err)
}

// engineError is a table without transactions.
type engineError struct{ table, engine string }

func (e engineError) Error() string {
	return fmt.Sprintf("the table %s is of engine %s, which has no transactions", e.table, e.engine)
}

// viewError is a view that does not show of which tables it is.
type viewError struct{ view string }

func (e viewError) Error() string {
	return fmt.Sprintf("the view %s does not show its tables, which must have transactions", e.view)
}

var (
	errNoDomains = errors.New("the table domain has no domain")
	errLocked    = errors.New("another run of this configuration changes the database")
)

// unread makes an error of the console of one of the database, when nothing was to be
// changed.
func (c *Console) unread(err error) error {
	if err == nil || errors.As(err, new(*console.ReadError)) || errors.As(err, new(*console.RefusedError)) {
		return err
	}
	kind, _ := classify(err)
	why := explained(err)
	var statement *statementError
	advice := "look into the log of " + c.place.d.name
	switch {
	case kind == login:
		return &console.RefusedError{Console: c.label, Err: why}
	case errors.Is(err, errNoDomains):
		advice = "make the domain in PostfixAdmin first"
	case errors.As(err, new(engineError)):
		advice = "change it with ALTER TABLE … ENGINE=InnoDB"
	case errors.As(err, new(viewError)):
		advice = "GRANT SHOW VIEW on it to the user of url"
	case errors.Is(err, errLocked):
		advice = "wait for it to end; if it has crashed, the database ends its connection by itself"
	case errors.As(err, new(profileError)):
		advice = "correct the block statements; rollcall doctor looks at them"
	case untrusted(err):
		advice = "name the authority of the server's certificate with ca_file, and the server by a name of the certificate in url"
	case kind == lost || kind == interrupted:
		advice = fmt.Sprintf("look whether %s can be reached at %s from here", c.place.d.name, c.place)
	case kind == noDatabase:
		advice = "correct the database in url"
	case kind == denied:
		advice = "grant the right to the user of url; " + rightsPage + " lists what is needed"
	case kind == noTable && (strings.Contains(why.Error(), ownerTable) || strings.Contains(why.Error(), ledgerTable)):
		advice = "run rollcall console setup, which makes the table"
	case kind == noTable && c.postfix():
		advice = "look whether url names the database of PostfixAdmin, and search_path of the user its schema"
	case kind == noTable:
		advice = "correct statements.read"
	case kind == temporary:
		advice = "try again later"
	case errors.As(err, &statement):
		advice = "correct statements." + statement.name
	}
	return &console.ReadError{Console: c.label, Err: why, Advice: advice}
}

// page is where users read about this kind, rightsPage where its rights are.
const (
	page       = "docs/reference/sql.md"
	rightsPage = "docs/howto/console-sql.md"
)

// failed makes an answer of an error of a change that was not made.
func (c *Console) failed(err error) *apply.Error {
	var e *apply.Error
	if errors.As(err, &e) {
		return e
	}
	kind, _ := classify(err)
	text := explained(err).Error()
	switch kind {
	case lost, interrupted, temporary:
		return &apply.Error{Code: apply.Temporary, Message: "not made: " + text}
	case duplicate:
		return &apply.Error{Code: apply.Refused, Message: text + "; another row has it: look for it in the database"}
	case noParent:
		return &apply.Error{Code: apply.Refused, Message: text + "; is the domain in the database?"}
	case denied, readOnly:
		return &apply.Error{Code: apply.Refused, Message: text + "; grant the rights that " + rightsPage + " lists, on a server that can be written"}
	case tooLong:
		return &apply.Error{Code: apply.Refused, Message: text}
	}
	if errors.Is(err, errMoved) {
		return &apply.Error{Code: apply.Changed, Message: "the account is not what the plan saw"}
	}
	return &apply.Error{Code: apply.Refused, Message: text}
}
