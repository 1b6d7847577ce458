package sql

import (
	"context"
	dbsql "database/sql"
	"fmt"
	"hash/fnv"
	"strings"
)

// dialect is what PostgreSQL and MariaDB do not have in common. Queries of this
// package are written for both, with ? in the place of each value.
type dialect struct {
	// name is that of the product, scheme that of URLs.
	name, scheme string
	postgres     bool
	// beginRead and beginWrite begin a transaction: one sees the database as it is at
	// one moment, the other sees what is committed and locks what it reads to change.
	beginRead, beginWrite []string
	// version asks for that of the server.
	version string
	// text is the type that a value is cast to, to be compared as a text.
	text string
	// within is the expression for whether a text, %s, has another in it, which is ?.
	within string
	// ownerTable and ledgerTable are the scripts that make the table of owners and that
	// of ledgers.
	ownerTable, ledgerTable string
}

var postgres = &dialect{
	name: "PostgreSQL", scheme: "postgres", postgres: true,
	beginRead:  []string{"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"},
	beginWrite: []string{"BEGIN ISOLATION LEVEL READ COMMITTED"},
	version:    "SHOW server_version",
	text:       "text",
	within:     "strpos(%s, ?) > 0",
	ownerTable: `CREATE TABLE rollcall_owner (
  ref        varchar(255) PRIMARY KEY,
  address    varchar(255),
  owner      varchar(128),
  directory  varchar(128),
  guid       varchar(36),
  type       varchar(8)   NOT NULL,
  status     varchar(8)   NOT NULL,
  aliases    text         NOT NULL,
  username   text         NOT NULL,
  dn         text         NOT NULL,
  attributes text         NOT NULL,
  UNIQUE (owner, directory, guid)
);
CREATE INDEX rollcall_owner_address ON rollcall_owner (address);
`,
	ledgerTable: `CREATE TABLE rollcall_ledger (
  owner   varchar(255) PRIMARY KEY,
  lineage varchar(32)  NOT NULL
);
`,
}

// mysql is the dialect of MariaDB, and of MySQL where it is the same.
var mysql = &dialect{
	name: "MariaDB", scheme: "mysql",
	beginRead:  []string{"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"},
	beginWrite: []string{"SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION READ WRITE"},
	version:    "SELECT VERSION()",
	text:       "char",
	within:     "INSTR(%s, ?) > 0",
	ownerTable: `CREATE TABLE rollcall_owner (
  ref        varchar(255) PRIMARY KEY,
  address    varchar(255),
  owner      varchar(128),
  directory  varchar(128),
  guid       varchar(36),
  type       varchar(8)   NOT NULL,
  status     varchar(8)   NOT NULL,
  aliases    mediumtext   NOT NULL,
  username   text         NOT NULL,
  dn         text         NOT NULL,
  attributes mediumtext   NOT NULL,
  UNIQUE KEY mark (owner, directory, guid),
  KEY address (address)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
`,
	ledgerTable: `CREATE TABLE rollcall_ledger (
  owner   varchar(255) PRIMARY KEY,
  lineage varchar(32)  NOT NULL
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
`,
}

// bind writes a query with the placeholders of the dialect.
func (d *dialect) bind(query string) string {
	if !d.postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitAfterSeq(query, "?") {
		text, cut := strings.CutSuffix(part, "?")
		b.WriteString(text)
		if cut {
			n++
			fmt.Fprintf(&b, "$%d", n)
		}
	}
	return b.String()
}

// tryLock takes the lock of an owner for as long as the connection lives, unless
// somebody has it. Two configurations have two owners, and do not wait for each
// other.
func (d *dialect) tryLock(ctx context.Context, c *dbsql.Conn, owner string) (held bool, err error) {
	if d.postgres {
		h := fnv.New32a()
		_, _ = h.Write([]byte(owner)) // never fails
		err = c.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1, $2)", lockClass, int32(h.Sum32())).Scan(&held)
		return held, err
	}
	var n dbsql.NullInt64
	err = c.QueryRowContext(ctx, "SELECT GET_LOCK(CONCAT('rollcall ', LEFT(MD5(CONCAT(DATABASE(), ' ', ?)), 32)), 0)", owner).Scan(&n)
	return n.Int64 == 1, err
}

// lockClass is the first half of the key of PostgreSQL's advisory locks: "roll".
const lockClass int32 = 0x726f6c6c

// marks is a list of n placeholders.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?,", n), ",") }

// values are texts as arguments of a query.
func values(texts []string) []any {
	all := make([]any, len(texts))
	for i, t := range texts {
		all[i] = t
	}
	return all
}
