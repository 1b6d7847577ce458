package servertest

import "testing"

// TestSQL: a database server keeps what was written when it is killed, and two
// databases have nothing in common.
func TestSQL(t *testing.T) {
	for name, start := range map[string]func(T) *SQL{"PostgreSQL": NewPostgres, "MariaDB": NewMariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			_, a := s.Database(t)
			_, b := s.Database(t)
			if _, err := a.Exec("CREATE TABLE people (n int)"); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Exec("SELECT n FROM people"); err == nil {
				t.Error("a table of another database is there")
			}
			s.Kill()
			s.Start()
			var n int
			if err := a.QueryRow("SELECT count(*) FROM people").Scan(&n); err != nil {
				// The first connection was one of before.
				if err = a.QueryRow("SELECT count(*) FROM people").Scan(&n); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
