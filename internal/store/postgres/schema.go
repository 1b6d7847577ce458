package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-cli/rollcall/internal/store"
)

// format is the version of the tables.
const format = 1

// script makes the tables, in a schema of their own, which %s names:
//
//	version   a version of a state: the newest has the highest serial
//	content   its text, in parts of zstd, under a name that no other upload has
//	document  a record of a run or a note; with a tag once nothing is added any more
//	part      a part of a document, which is compressed on its own
//	lock      who may write a state, until when, and how often that has changed hands
//
// What is written before it counts, as the content of a version that did not come
// about, is not in anybody's way, and removed a day later.
const script = `CREATE TABLE %[1]s.format (version integer NOT NULL);
INSERT INTO %[1]s.format VALUES (1);
CREATE TABLE %[1]s.content (
  upload  text        NOT NULL,
  part    integer     NOT NULL,
  data    bytea       NOT NULL,
  written timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (upload, part)
);
ALTER TABLE %[1]s.content ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE %[1]s.version (
  state   text        NOT NULL,
  serial  bigint      NOT NULL,
  lineage text        NOT NULL,
  sum     text        NOT NULL,
  upload  text        NOT NULL,
  parts   integer     NOT NULL,
  written timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (state, serial)
);
CREATE TABLE %[1]s.document (
  state text NOT NULL,
  name  text NOT NULL,
  tag   text,
  PRIMARY KEY (state, name)
);
CREATE TABLE %[1]s.part (
  state  text   NOT NULL,
  name   text   NOT NULL,
  at     bigint NOT NULL,
  length bigint NOT NULL,
  data   bytea  NOT NULL,
  PRIMARY KEY (state, name, at),
  FOREIGN KEY (state, name) REFERENCES %[1]s.document ON DELETE CASCADE
);
ALTER TABLE %[1]s.part ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE %[1]s.lock (
  state      text        PRIMARY KEY,
  generation bigint      NOT NULL,
  holder     text,
  previous   text,
  expires    timestamptz NOT NULL,
  covered    float8      NOT NULL DEFAULT 0
);
`

func setup(ctx context.Context, o store.Opening) (store.Setup, error) {
	s, err := open(o)
	if err != nil {
		return store.Setup{}, err
	}
	defer s.Close()
	found, err := s.format(ctx)
	if err != nil {
		return store.Setup{}, s.failed(err)
	}
	if found != 0 {
		return store.Setup{}, s.readable(found)
	}
	text := fmt.Sprintf(script, pgx.Identifier{s.schema}.Sanitize())
	var schema bool
	if err := s.row(ctx, "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", []any{s.schema}, &schema); err != nil {
		return store.Setup{}, s.failed(err)
	}
	if !schema {
		text = "CREATE SCHEMA " + pgx.Identifier{s.schema}.Sanitize() + ";\n" + text
	}
	return store.Setup{Script: text, Run: func(ctx context.Context) error {
		s, err := open(o)
		if err != nil {
			return err
		}
		defer s.Close()
		return s.failed(s.try(ctx, func(ctx context.Context) error {
			return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
				_, err := tx.Conn().PgConn().Exec(ctx, text).ReadAll()
				return err
			})
		}))
	}}, nil
}

// format returns the version of the tables that are there; 0 for none.
func (s *Store) format(ctx context.Context) (version int, err error) {
	err = s.try(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, s.in("SELECT version FROM {format}")).Scan(&version)
	})
	if missing(err) || errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// known is an error if the tables are those of another version of the program, which is
// looked for once.
func (s *Store) known(ctx context.Context) error {
	if s.looked.Load() {
		return nil
	}
	found, err := s.format(ctx)
	if err != nil {
		return s.failed(err)
	}
	if found != 0 { // without tables, what is asked for says so
		err = s.readable(found)
	}
	s.looked.Store(err == nil && found != 0)
	return err
}

// readable is an error if the tables are those of another version of the program.
func (s *Store) readable(found int) error {
	if found == format {
		return nil
	}
	return s.access(fmt.Errorf("its tables are of format %d, and this version of rollcall uses %d", found, format), "use the version of rollcall that the others use")
}
