package sql

import (
	"context"
	dbsql "database/sql"
	"errors"
	"time"
)

// asker asks a database, within a transaction or without one.
type asker struct {
	d    *dialect
	conn *dbsql.Conn
	// silence is how long the database may say nothing.
	silence time.Duration
}

var errSilent = errors.New("it did not answer in time")

// guard returns a context that ends when the database is silent too long, and what
// says that it was not.
func (a asker) guard(ctx context.Context) (guarded context.Context, heard, done func()) {
	guarded, cancel := context.WithCancelCause(ctx)
	t := time.AfterFunc(a.silence, func() { cancel(errSilent) })
	return guarded, func() { t.Reset(a.silence) }, func() {
		t.Stop()
		cancel(nil)
	}
}

// ended returns why a question has failed.
func ended(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == errSilent {
		return errSilent
	}
	return err
}

// each calls f for each row of an answer.
func (a asker) each(ctx context.Context, query string, args []any, f func(scan func(...any) error) error) (err error) {
	ctx, heard, done := a.guard(ctx)
	defer done()
	defer func() { err = ended(ctx, err) }()
	rows, err := a.conn.QueryContext(ctx, a.d.bind(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		heard()
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// run runs a statement and returns how many rows it hit.
func (a asker) run(ctx context.Context, query string, args ...any) (int64, error) {
	return a.raw(ctx, a.d.bind(query), args...)
}

// raw is run for a statement that has the placeholders of the dialect.
func (a asker) raw(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, _, done := a.guard(ctx)
	defer done()
	r, err := a.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, ended(ctx, err)
	}
	return r.RowsAffected()
}

// one runs a statement that has to hit one row.
func (a asker) one(ctx context.Context, query string, args ...any) error {
	n, err := a.run(ctx, query, args...)
	if err == nil && n != 1 {
		return errMoved
	}
	return err
}

// errMoved is a statement that did not find what was read before.
var errMoved = errors.New("the rows are not those that were read")

// begin begins a transaction.
func (a asker) begin(ctx context.Context, how []string) error {
	for _, statement := range how {
		if _, err := a.run(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// chunk is how many keys one query asks for.
const chunk = 500

// inChunks calls f with parts of a list.
func inChunks(all []string, f func(some []string) error) error {
	for len(all) > 0 {
		n := min(chunk, len(all))
		if err := f(all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}
