// Package postgres keeps a state in a PostgreSQL database, in tables of its own: see
// [script].
//
// Nothing is a transaction that waits for a client, but for reading a version and
// writing a note, so that who is stopped in the middle stands in nobody's way. What a
// version says is written first, where nobody looks; one statement then makes it the
// newest, if the one that it comes after is that still, and the lock is held. The same
// goes for each part of the record of a run: it is inserted by one statement that looks at
// the lock, and keeps it from changing hands meanwhile, so that a run that has lost the
// lock adds nothing. The lock is a row that says until when it is held, by the clock of
// the server. No session is needed for any of this, and PgBouncer may hand out
// connections by the transaction.
package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rollcall-cli/rollcall/internal/database"
	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/state"
)

// Store is a state in a database.
type Store struct {
	place  *database.Place
	pool   *pgxpool.Pool
	schema string
	name   string
	length time.Duration // of a lease

	// down says that the database was not to be reached the last time that it was tried.
	down atomic.Bool
	// looked says that the tables are those of this version of the program.
	looked atomic.Bool

	mu         sync.Mutex
	lease      *store.Lease // of the lock, while it is held
	generation int64        // of the lock while it is held
	me         string       // who holds it then, as the table has it
}

var _ state.Shared = (*Store)(nil)

const (
	// silence is how long the database may take for one statement, and patience for all
	// attempts at it together while the lock is not held.
	silence  = 15 * time.Second
	patience = 30 * time.Second
	// idle is how long a transaction waits for who is stopped in the middle of it.
	idle = 5 * time.Second
	// kept is how long what was uploaded for nothing stays.
	kept = "1 day"
)

func open(o store.Opening) (*Store, error) {
	v := o.Settings
	s := &Store{schema: v.Text("schema"), name: v.Text("name"), length: v.Duration("lease")}
	var err error
	if s.place, err = database.Parse(v.Secret("url").Reveal(), database.Postgres); err != nil {
		return nil, fmt.Errorf("the url of the state: %w", err)
	}
	security, err := s.place.Security(v)
	if err != nil {
		return nil, s.access(err, "correct the block postgres of the state")
	}
	conn, err := s.place.Postgres(security, silence)
	if err != nil {
		return nil, s.access(err, "unset them")
	}
	// PgBouncer knows no statement that was prepared in another transaction, and not
	// every parameter of a session.
	conn.DefaultQueryExecMode = pgx.QueryExecModeExec
	delete(conn.RuntimeParams, "client_encoding")
	pool, err := pgxpool.ParseConfig("host=localhost sslmode=disable")
	if err != nil {
		return nil, s.access(err, "unset the PG… variables of the environment")
	}
	pool.ConnConfig, pool.MaxConns, pool.MinConns = conn, 4, 0
	if s.pool, err = pgxpool.NewWithConfig(context.Background(), pool); err != nil {
		return nil, s.access(err, "correct the block postgres of the state")
	}
	return s, nil
}

// Close ends the connections.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// Name says which state it is, and where.
func (s *Store) Name(older int) string {
	name := fmt.Sprintf("%q in %s", s.name, s.place)
	if older > 0 {
		name = "the version before of " + name
	}
	return name
}

// in writes the names of tables, as {version}, with the schema.
func (s *Store) in(query string) string {
	return strings.NewReplacer("{", pgx.Identifier{s.schema}.Sanitize()+".", "}", "").Replace(query)
}

// try makes attempts at what may be done more than once, while the connection is lost or
// the server is about to be there again: for as long as the lock lasts, if it is held,
// and otherwise four of them. Of a database that was waited for already, it makes one.
func (s *Store) try(ctx context.Context, f func(ctx context.Context) error) error {
	const attempts = 4
	begun := time.Now()
	for n := 1; ; n++ {
		err := s.once(ctx, f)
		again := err != nil && passing(err) && ctx.Err() == nil
		if !again || !s.lasts() && (n >= attempts || s.down.Load() || time.Since(begun) > patience) {
			s.down.Store(again)
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(min(n*n, 10)) * 100 * time.Millisecond):
		}
	}
}

// lock returns the lease of the lock, nil while it is not held, its generation, and who
// holds it, as the table has it.
func (s *Store) lock() (lease *store.Lease, generation int64, me string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease, s.generation, s.me
}

// lasts reports whether the lock is held and lasts long enough.
func (s *Store) lasts() bool {
	lease, _, _ := s.lock()
	return lease != nil && lease.Lasts()
}

func (s *Store) once(ctx context.Context, f func(ctx context.Context) error) error {
	inner, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	err := f(inner)
	if err != nil && inner.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %v", silence)
	}
	return err
}

// exec runs a statement with retries, and returns how many rows it has changed.
func (s *Store) exec(ctx context.Context, query string, args ...any) (rows int64, err error) {
	err = s.try(ctx, func(ctx context.Context) error {
		tag, err := s.pool.Exec(ctx, s.in(query), args...)
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// row asks for one row, with retries.
func (s *Store) row(ctx context.Context, query string, args []any, to ...any) error {
	return s.try(ctx, func(ctx context.Context) error { return s.pool.QueryRow(ctx, s.in(query), args...).Scan(to...) })
}

// held is the lock, if this process holds it and it lasts: a condition that keeps it
// from changing hands until the statement has ended. $1 is the state, $2 the
// generation, and $3 how long it has to last, in seconds.
const held = "SELECT 1 FROM {lock} WHERE state = $1 AND generation = $2::bigint AND holder IS NOT NULL AND ($3::float8 <= 0 OR expires > clock_timestamp() + $3::float8 * interval '1 second') FOR SHARE"

// condition returns the arguments of held.
func (s *Store) condition(ctx context.Context) ([]any, error) {
	lease, generation, _ := s.lock()
	if lease == nil {
		return nil, state.Lost(s.Name(0))
	}
	if err := lease.Held(ctx); err != nil {
		return nil, err
	}
	return []any{s.name, generation, lease.Margin().Seconds()}, nil
}

// whole is the condition under which a version is committed: whose lock it is.
func (s *Store) whole(ctx context.Context) ([]any, error) {
	args, err := s.condition(ctx)
	if err == nil {
		args[2] = 0.0
	}
	return args, err
}

// why says why a statement with the condition held has changed nothing; nil if the
// reason is another one, or was that the lock did not last long enough, which it does by
// now.
func (s *Store) why(ctx context.Context, condition []any) error {
	var mine, lasts bool
	err := s.row(ctx, "SELECT generation = $2::bigint AND holder IS NOT NULL, $3::float8 <= 0 OR expires > clock_timestamp() + $3::float8 * interval '1 second' FROM {lock} WHERE state = $1", condition, &mine, &lasts)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return s.failed(err)
	}
	lease, _, _ := s.lock()
	switch lost := state.Lost(s.Name(0)); {
	case mine && lasts:
		return nil
	case lease == nil:
		return lost
	case mine:
		return s.failed(lease.Renew(ctx))
	default:
		lease.Lose(lost)
		return lost
	}
}

// Newest asks which version is the newest.
func (s *Store) Newest(ctx context.Context) (v state.Version, err error) {
	if err := s.known(ctx); err != nil {
		return v, err
	}
	err = s.row(ctx, "SELECT lineage, serial, sum FROM {version} WHERE state = $1 ORDER BY serial DESC LIMIT 1", []any{s.name}, &v.Lineage, &v.Serial, &v.Sum)
	return v, s.failed(err)
}

// Open reads a version from the database as it is now.
func (s *Store) Open(ctx context.Context, older int) (io.ReadCloser, error) {
	var tx pgx.Tx
	var upload string
	var parts int
	err := s.try(ctx, func(ctx context.Context) (err error) {
		if tx, err = s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, s.in("SELECT upload, parts FROM {version} WHERE state = $1 ORDER BY serial DESC OFFSET $2::int LIMIT 1"), s.name, older).Scan(&upload, &parts)
		if err != nil {
			_ = tx.Rollback(ctx) // what failed is reported
		}
		return err
	})
	if err != nil {
		return nil, s.failed(err)
	}
	part := 0
	return store.NewReader(func() (data []byte, err error) {
		if part == parts {
			return nil, io.EOF
		}
		err = s.once(ctx, func(ctx context.Context) error {
			return tx.QueryRow(ctx, s.in("SELECT data FROM {content} WHERE upload = $1 AND part = $2::int"), upload, part).Scan(&data)
		})
		part++
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, s.access(errors.New("a part of the version is missing"), "rollcall state pull --older 1 has the version before")
		}
		return data, s.failed(err)
	}, func() error { return tx.Rollback(context.WithoutCancel(ctx)) })
}

// Commit uploads a version and makes it the newest.
func (s *Store) Commit(ctx context.Context, after state.Version, write func(io.Writer) (state.Version, error), ready func() error) error {
	if _, err := s.whole(ctx); err != nil {
		return err
	}
	upload, parts := rand.Text(), 0
	unwanted := true
	defer func() {
		if unwanted {
			_, _ = s.exec(context.WithoutCancel(ctx), "DELETE FROM {content} WHERE upload = $1 AND NOT EXISTS (SELECT 1 FROM {version} v WHERE v.upload = $1)", upload)
		}
	}()
	w, err := store.NewWriter(func(part []byte) error {
		_, err := s.exec(ctx, "INSERT INTO {content} (upload, part, data) VALUES ($1, $2::int, $3) ON CONFLICT DO NOTHING", upload, parts, part)
		parts++
		return s.failed(err)
	})
	if err != nil {
		return err
	}
	next, err := write(w)
	if err != nil {
		w.Abort()
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if _, err := s.whole(ctx); err != nil {
		return err
	}
	if err := s.follows(ctx, after); err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	condition, err := s.whole(ctx)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	unwanted = false // from here on, whoever sends the statement cannot be sure that it was not run
	rows, err := s.exec(ctx, `WITH held AS (`+held+`), newest AS (SELECT lineage, serial, sum FROM {version} WHERE state = $1 ORDER BY serial DESC LIMIT 1)
INSERT INTO {version} (state, serial, lineage, sum, upload, parts)
SELECT $1, $4::bigint, $5::text, $6::text, $7::text, $8::int FROM held
WHERE (SELECT count(*) FROM {content} WHERE upload = $7::text) = $8::int AND ($9::text = '' AND NOT EXISTS (SELECT 1 FROM newest) OR EXISTS (SELECT 1 FROM newest WHERE sum = $9::text AND serial = $10::bigint))`,
		append(condition, next.Serial, next.Lineage, next.Sum, upload, parts, after.Sum, after.Serial)...)
	if err == nil && rows == 1 {
		return nil
	}
	if err != nil && !duplicate(err) {
		// It may be under way. From now on it finds another lock.
		if fenced := s.renumber(ctx); fenced != nil {
			return fenced
		}
	}
	// A statement that was sent again may meet itself.
	var mine bool
	var there int
	asked := s.row(ctx, "SELECT EXISTS (SELECT 1 FROM {version} WHERE state = $1 AND serial = $2::bigint AND upload = $3::text), (SELECT count(*) FROM {content} WHERE upload = $3::text)", []any{s.name, next.Serial, upload}, &mine, &there)
	switch {
	case asked == nil && mine:
		return nil
	case err != nil && !duplicate(err):
		return s.failed(err)
	case asked != nil:
		return s.failed(asked)
	}
	unwanted = true // the statement was answered, and has changed nothing
	if lost := s.why(ctx, condition); lost != nil {
		return lost
	}
	if there != parts {
		return s.access(errors.New("what was uploaded is not there any more, as after a day"), "run the command again")
	}
	return state.ErrOvertaken
}

// renumber gives the lock, if it is held, another generation, so that what was sent before
// and is not done by now will not be done.
func (s *Store) renumber(ctx context.Context) error {
	condition, err := s.whole(ctx)
	if err != nil {
		return err
	}
	generation := condition[1].(int64)
	rows, err := s.exec(ctx, "UPDATE {lock} SET generation = $2::bigint + 1 WHERE state = $1 AND holder IS NOT NULL AND generation = $2::bigint", s.name, generation)
	if err != nil {
		return s.failed(err)
	}
	var now int64
	if rows == 0 { // a statement that was sent again has met itself, or somebody else has the lock
		_, _, me := s.lock()
		if err := s.row(ctx, "SELECT generation FROM {lock} WHERE state = $1 AND holder = $2", []any{s.name, me}, &now); err != nil || now != generation+1 {
			return s.why(ctx, condition)
		}
	}
	s.mu.Lock()
	s.generation = generation + 1
	s.mu.Unlock()
	return nil
}

// follows is an error unless a version is the newest.
func (s *Store) follows(ctx context.Context, after state.Version) error {
	newest, err := s.Newest(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		newest, err = state.Version{}, nil
	}
	if err == nil && newest != after {
		err = state.ErrOvertaken
	}
	return err
}

// Forget removes old versions, and what was uploaded for nothing.
func (s *Store) Forget(ctx context.Context, below int64) error {
	condition, err := s.whole(ctx)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, `WITH held AS (`+held+`)
DELETE FROM {version} WHERE state = $1 AND serial < $4::bigint AND EXISTS (SELECT 1 FROM held)
AND serial NOT IN (SELECT serial FROM {version} WHERE state = $1 ORDER BY serial DESC LIMIT 2)`, append(condition, below)...)
	if err == nil {
		_, err = s.exec(ctx, "DELETE FROM {content} WHERE (upload, part) IN (SELECT upload, part FROM {content} c WHERE written < clock_timestamp() - interval '"+kept+"' AND NOT EXISTS (SELECT 1 FROM {version} v WHERE v.upload = c.upload) LIMIT 200)")
	}
	return s.failed(err)
}

// History returns the records and the notes.
func (s *Store) History() state.History { return history{s} }

// partial is the length from which a part is written although nobody has asked for it.
const partial = 4 * store.PartSize

// small is how many octets of a document are read together.
const small = 8 << 20

type history struct{ s *Store }

func (h history) List(ctx context.Context) (all []state.Listed, err error) {
	s := h.s
	err = s.try(ctx, func(ctx context.Context) error {
		all = nil
		rows, err := s.pool.Query(ctx, s.in("SELECT name, coalesce(tag, '') FROM {document} WHERE state = $1"), s.name)
		if err != nil {
			return err
		}
		var l state.Listed
		_, err = pgx.ForEachRow(rows, []any{&l.Name, &l.Tag}, func() error {
			all = append(all, l)
			return nil
		})
		return err
	})
	return all, s.failed(err)
}

func (h history) Open(ctx context.Context, name string) (state.Document, error) {
	s := h.s
	var parts []store.Part
	var read [][]byte
	var there bool
	err := s.try(ctx, func(ctx context.Context) error {
		parts, read, there = nil, nil, false
		rows, err := s.pool.Query(ctx, s.in(`SELECT coalesce(p.at, -1), coalesce(p.length, 0),
CASE WHEN sum(octet_length(p.data)) OVER () <= $3::bigint THEN p.data END
FROM {document} d LEFT JOIN {part} p USING (state, name) WHERE state = $1 AND name = $2 ORDER BY 1`), s.name, name, small)
		if err != nil {
			return err
		}
		var p store.Part
		var data []byte
		_, err = pgx.ForEachRow(rows, []any{&p.At, &p.Length, &data}, func() error {
			if there = true; p.At >= 0 {
				parts, read = append(parts, p), append(read, bytes.Clone(data))
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, s.failed(err)
	}
	if !there {
		return nil, &fs.PathError{Op: "open", Path: name + " of " + s.Name(0), Err: fs.ErrNotExist}
	}
	return store.NewDocument(name+" of "+s.Name(0), parts, func(i int) (text []byte, err error) {
		data := read[i]
		if data == nil {
			if err := s.row(ctx, "SELECT data FROM {part} WHERE state = $1 AND name = $2 AND at = $3::bigint", []any{s.name, name, parts[i].At}, &data); err != nil {
				return nil, s.failed(err)
			}
		}
		return store.Decompress(data)
	}), nil
}

func (h history) Append(ctx context.Context, name string, length int64) (state.Log, error) {
	s := h.s
	l := &log{s: s, ctx: ctx, name: name}
	condition, err := s.condition(ctx)
	if err != nil {
		return nil, err
	}
	if length < 0 {
		rows, err := s.exec(ctx, `WITH held AS (`+held+`) INSERT INTO {document} (state, name) SELECT $1, $4 FROM held
ON CONFLICT (state, name) DO UPDATE SET tag = NULL WHERE NOT EXISTS (SELECT 1 FROM {part} p WHERE p.state = $1 AND p.name = $4)`, append(condition, name)...)
		if err != nil {
			return nil, s.failed(err)
		}
		if rows == 0 {
			if err := s.why(ctx, condition); err != nil {
				return nil, err
			}
			return nil, &fs.PathError{Op: "create", Path: name + " of " + s.Name(0), Err: fs.ErrExist}
		}
		return l, nil
	}
	l.at = length
	return l, s.transact(ctx, condition, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, s.in("UPDATE {document} SET tag = NULL WHERE state = $1 AND name = $2"), s.name, name)
		if err == nil && tag.RowsAffected() == 0 {
			err = &fs.PathError{Op: "open", Path: name + " of " + s.Name(0), Err: fs.ErrNotExist}
		}
		if err == nil {
			_, err = tx.Exec(ctx, s.in("DELETE FROM {part} WHERE state = $1 AND name = $2 AND at >= $3::bigint"), s.name, name, length)
		}
		if err != nil {
			return err
		}
		// The part in which the end is.
		var at int64
		var data []byte
		err = tx.QueryRow(ctx, s.in("SELECT at, data FROM {part} WHERE state = $1 AND name = $2 AND at + length > $3::bigint"), s.name, name, length).Scan(&at, &data)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		var text []byte
		if err == nil {
			text, err = store.Decompress(data)
		}
		if err == nil {
			_, err = tx.Exec(ctx, s.in("UPDATE {part} SET length = $4::bigint, data = $5 WHERE state = $1 AND name = $2 AND at = $3::bigint"), s.name, name, at, length-at, store.Compress(text[:length-at]))
		}
		return err
	})
}

// transact runs a transaction during which the lock cannot change hands.
func (s *Store) transact(ctx context.Context, condition []any, f func(ctx context.Context, tx pgx.Tx) error) error {
	err := s.try(ctx, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL idle_in_transaction_session_timeout = %d", idle.Milliseconds())); err != nil {
				return err
			}
			var one int
			if err := tx.QueryRow(ctx, s.in(held), condition...).Scan(&one); err != nil {
				if errors.Is(err, pgx.ErrNoRows) {
					err = errNotHeld
				}
				return err
			}
			return f(ctx, tx)
		})
	})
	if errors.Is(err, errNotHeld) {
		if lost := s.why(ctx, condition); lost != nil {
			return lost
		}
		return state.Lost(s.Name(0))
	}
	return s.failed(err)
}

var errNotHeld = errors.New("the lock is not held")

// log is a document that is written: what was written is a part from when it is synced,
// or long.
type log struct {
	s    *Store
	ctx  context.Context
	name string
	at   int64 // where the next part begins
	buf  bytes.Buffer
}

func (l *log) Write(text []byte) (int, error) {
	l.buf.Write(text)
	if l.buf.Len() >= partial {
		return len(text), l.Sync()
	}
	return len(text), nil
}

func (l *log) Sync() error {
	if l.buf.Len() == 0 {
		return nil
	}
	ctx := context.WithoutCancel(l.ctx)
	data := store.Compress(l.buf.Bytes())
	written, err := l.insert(ctx, data)
	if err == nil && !written { // the lock had too little time, and was renewed
		written, err = l.insert(ctx, data)
	}
	if err != nil {
		return err
	}
	if !written {
		return fmt.Errorf("%s of %s: somebody else has written to it", l.name, l.s.Name(0))
	}
	l.at += int64(l.buf.Len())
	l.buf.Reset()
	return nil
}

// insert adds a part, and reports whether it is there.
func (l *log) insert(ctx context.Context, data []byte) (bool, error) {
	condition, err := l.s.condition(ctx)
	if err != nil {
		return false, err
	}
	rows, err := l.s.exec(ctx, `WITH held AS (`+held+`) INSERT INTO {part} (state, name, at, length, data) SELECT $1, $4, $5::bigint, $6::bigint, $7 FROM held ON CONFLICT DO NOTHING`,
		append(condition, l.name, l.at, l.buf.Len(), data)...)
	if err != nil || rows > 0 {
		return rows > 0, l.s.failed(err)
	}
	// One that was sent again may meet itself.
	var mine bool
	err = l.s.row(ctx, "SELECT data = $4 FROM {part} WHERE state = $1 AND name = $2 AND at = $3::bigint", []any{l.s.name, l.name, l.at, data}, &mine)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, l.s.failed(err)
	}
	if mine {
		return true, nil
	}
	return false, l.s.why(ctx, condition)
}

// Finish gives the document its tag.
func (l *log) Finish() error {
	if err := l.Sync(); err != nil {
		return err
	}
	ctx := context.WithoutCancel(l.ctx)
	condition, err := l.s.whole(ctx)
	if err != nil {
		return err
	}
	rows, err := l.s.exec(ctx, `WITH held AS (`+held+`) UPDATE {document} SET tag = $5 WHERE state = $1 AND name = $4 AND EXISTS (SELECT 1 FROM held)`, append(condition, l.name, strings.ToLower(rand.Text()[:13]))...)
	if err == nil && rows == 0 {
		return l.s.why(ctx, condition)
	}
	return l.s.failed(err)
}

func (l *log) Close() error { return nil }

func (h history) Replace(ctx context.Context, name string, write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	s := h.s
	condition, err := s.whole(ctx)
	if err != nil {
		return err
	}
	return s.transact(ctx, condition, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, s.in("INSERT INTO {document} (state, name) VALUES ($1, $2) ON CONFLICT (state, name) DO UPDATE SET tag = NULL"), s.name, name)
		if err == nil {
			_, err = tx.Exec(ctx, s.in("DELETE FROM {part} WHERE state = $1 AND name = $2"), s.name, name)
		}
		for at, rest := int64(0), text.Bytes(); err == nil && len(rest) > 0; {
			part := rest[:min(len(rest), partial)]
			_, err = tx.Exec(ctx, s.in("INSERT INTO {part} (state, name, at, length, data) VALUES ($1, $2, $3::bigint, $4::bigint, $5)"), s.name, name, at, len(part), store.Compress(part))
			at, rest = at+int64(len(part)), rest[len(part):]
		}
		return err
	})
}

func (h history) Remove(ctx context.Context, names ...string) error {
	condition, err := h.s.whole(ctx)
	if err != nil {
		return err
	}
	rows, err := h.s.exec(ctx, `WITH held AS (`+held+`) DELETE FROM {document} WHERE state = $1 AND name = ANY($4) AND EXISTS (SELECT 1 FROM held)`, append(condition, names)...)
	if err == nil && rows == 0 {
		return h.s.why(ctx, condition)
	}
	return h.s.failed(err)
}

// access is the error of a database that cannot be used.
func (s *Store) access(err error, advice string) *state.AccessError {
	return &state.AccessError{Store: s.Name(0), Err: err, Advice: advice}
}

// failed makes an error of the store of one of the database.
func (s *Store) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return &fs.PathError{Op: "open", Path: s.Name(0), Err: fs.ErrNotExist}
	case errors.Is(err, context.Canceled), errors.Is(err, fs.ErrNotExist), errors.As(err, new(*state.LostError)), errors.As(err, new(*state.AccessError)), errors.As(err, new(*state.LockedError)):
		return err
	}
	var said *pgconn.PgError
	errors.As(err, &said)
	failure := s.access(explained(err), fmt.Sprintf("look whether the database can be reached at %s from here", s.place))
	switch {
	case strings.Contains(err.Error(), "server refused TLS"):
		failure.Advice = "let the server speak TLS: it is not on this machine"
	case said == nil && database.Untrusted(err):
		failure.Advice = "name the authority of the server's certificate with ca_file, and the server by a name of the certificate in url"
	case said == nil:
	case strings.HasPrefix(said.Code, "28"):
		failure.Refused, failure.Advice = true, "correct the user or the password in url"
	case missing(err):
		failure.Err, failure.Advice = errors.New("the database has no tables of rollcall in schema "+s.schema), "rollcall state setup makes them"
	case said.Code == "3D000":
		failure.Advice = "correct the database in url"
	case said.Code == "42P07":
		failure.Advice = "some of the tables are there already: drop schema " + s.schema + ", if nothing else is in it"
	case said.Code == "42501":
		failure.Advice = "grant the rights that docs/howto/shared-state.md lists to the user of url"
	case said.Code == "25006":
		failure.Advice = "name the server in url that can be written"
	default:
		failure.Advice = "look into the log of PostgreSQL"
	}
	return failure
}

// explained is an error without who asked.
func explained(err error) error {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return fmt.Errorf("the database says: %s (SQLSTATE %s)", said.Message, said.Code)
	}
	return database.Unnamed(err)
}

// code returns the SQLSTATE of an error; "" for one of the connection.
func code(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}

// missing reports whether a table or the schema is not there.
func missing(err error) bool { return code(err) == "42P01" || code(err) == "3F000" }

// duplicate reports whether a key is there already.
func duplicate(err error) bool { return code(err) == "23505" }

// passing reports whether what has failed may work if it is asked for again.
func passing(err error) bool {
	switch c := code(err); {
	case c == "":
		return !errors.Is(err, pgx.ErrNoRows) && !errors.Is(err, errNotHeld) && !errors.Is(err, fs.ErrNotExist) && !database.Untrusted(err)
	case c == "57P01", c == "57P02", c == "57P03", c == "25P03", c == "40001", c == "40P01", strings.HasPrefix(c, "08"):
		return true
	}
	return false
}
