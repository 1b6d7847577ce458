package sql

import (
	"context"
	"crypto/tls"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console"
)

// Check looks for problems: rights, what the profile finds, and how safe the way is.
func (c *Console) Check(ctx context.Context) ([]console.Finding, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := []console.Finding{c.checkTLS(ctx)}
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, c.unread(err)
	}
	defer discard(conn) // and with it the transaction
	a := c.ask(conn)
	if err := a.begin(ctx, a.d.beginWrite); err != nil {
		return nil, c.unread(err)
	}
	tables := []struct{ check, table, columns, update string }{{"owner_table", ownerTable, ownerColumns, "dn = dn"}, {"ledger_table", ledgerTable, "owner, lineage", "lineage = lineage"}}
	for _, t := range tables {
		if t.table == ledgerTable && !c.known.Ledger {
			found = append(found, console.Finding{Check: t.check, Status: "warning", Evidence: ledgerTable + " is not there, or the user of url may not read it: that the state of another configuration has the same owner would not be noticed",
				Remedy: "run rollcall console setup, which makes the table; where it is there, grant what is missing; " + rightsPage + " lists the rights"})
			continue
		}
		f := rights(ctx, a, []string{
			"UPDATE " + t.table + " SET " + t.update + " WHERE 1 = 0", "DELETE FROM " + t.table + " WHERE 1 = 0",
			"INSERT INTO " + t.table + " (" + t.columns + ") SELECT " + t.columns + " FROM " + t.table + " WHERE 1 = 0",
		})
		f.Check = t.check
		found = append(found, f)
		if f.Status == "ok" {
			continue
		}
		// A failed statement ends a transaction of PostgreSQL.
		if _, err := a.run(ctx, "ROLLBACK"); err != nil {
			return nil, c.unread(err)
		}
		if err := a.begin(ctx, a.d.beginWrite); err != nil {
			return nil, c.unread(err)
		}
	}
	more, err := c.profile.check(ctx, a)
	if err != nil {
		return nil, c.unread(err)
	}
	return append(found, more...), nil
}

// rights runs statements that hit nothing, to find out whether they may be run.
func rights(ctx context.Context, a asker, statements []string) console.Finding {
	for _, s := range statements {
		if _, err := a.run(ctx, s); err != nil {
			return console.Finding{Check: "rights", Status: "failed", Evidence: explained(err).Error(), Remedy: "grant what is missing; " + rightsPage + " lists the rights"}
		}
	}
	return console.Finding{Check: "rights", Status: "ok", Evidence: "rows may be read, made, changed and removed"}
}

// soon is how long a certificate is to last at least.
const soon = 14 * 24 * time.Hour

// checkTLS looks at the server's certificate.
func (c *Console) checkTLS(ctx context.Context) console.Finding {
	f := console.Finding{Check: "tls", Status: "ok"}
	if c.security == nil {
		f.Evidence = "without TLS: the server is on this machine"
		return f
	}
	var until time.Time
	security := c.security.Clone()
	security.VerifyConnection = func(s tls.ConnectionState) error {
		until = s.PeerCertificates[0].NotAfter
		return nil
	}
	err := c.handshake(ctx, security)
	switch left := time.Until(until); {
	case err != nil:
		f.Status, f.Evidence, f.Remedy = "failed", explained(err).Error(), "look at the certificate of the server"
	case until.IsZero():
		f.Status, f.Evidence, f.Remedy = "failed", "the server has shown no certificate", "look at the TLS settings of the server"
	case left < soon:
		f.Status, f.Evidence, f.Remedy = "warning", fmt.Sprintf("the certificate of the server expires on %[2]s, in %[1]d days", int(left.Hours()/24), until.UTC().Format("2006-01-02")), "renew it"
	default:
		f.Evidence = fmt.Sprintf("the certificate of the server expires on %s", until.UTC().Format("2006-01-02"))
	}
	return f
}

// handshake makes a connection of its own.
func (c *Console) handshake(ctx context.Context, security *tls.Config) error {
	connector, err := c.place.connector(security, c.timeout)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// firstOf names the first of many.
func firstOf(all []string) string {
	const most = 5
	if n := len(all); n > most {
		return strings.Join(all[:most], ", ") + fmt.Sprintf(" and %d more", n-most)
	}
	return strings.Join(all, ", ")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
