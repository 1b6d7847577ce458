package sql

import (
	"context"
	dbsql "database/sql"
	"database/sql/driver"
	"time"
)

var errConnDone = dbsql.ErrConnDone

// session is the connection that changes the database. It holds the lock of the owner
// and has all transactions, so that whoever gets the lock after it was lost knows that
// its last transaction has ended, too: the database frees the lock with the connection.
type session struct {
	conn *dbsql.Conn
	// asked is when it was known to be there.
	asked time.Time
}

// recent is how long a connection is trusted to be there.
const recent = time.Second

// lockPause is how long to wait before the lock is asked for again.
const lockPause = 50 * time.Millisecond

// hold returns the session that changes the database. It begins one where there is
// none, or none any more, and waits for the lock as long as the database may be silent.
func (c *Console) hold(ctx context.Context) (asker, error) {
	if s := c.session; s != nil {
		a := c.ask(s.conn)
		// One that was asked just now is there, or its next answer says that it is not.
		if time.Since(s.asked) < recent {
			return a, nil
		}
		if _, err := a.run(ctx, "SELECT 1"); err == nil {
			s.asked = time.Now()
			return a, nil
		}
		c.drop()
	}
	conn, err := c.connect(ctx)
	if err != nil {
		return asker{}, err
	}
	a := c.ask(conn)
	for deadline := time.Now().Add(c.lockWait); ; {
		held, err := c.tryLock(ctx, a)
		switch {
		case err != nil:
			discard(conn)
			return asker{}, err
		case held:
			c.session = &session{conn, time.Now()}
			return a, nil
		case time.Now().After(deadline):
			discard(conn)
			return asker{}, errLocked
		}
		t := time.NewTimer(lockPause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			discard(conn)
			return asker{}, ctx.Err()
		}
	}
}

func (c *Console) tryLock(ctx context.Context, a asker) (bool, error) {
	guarded, _, done := a.guard(ctx)
	defer done()
	held, err := a.d.tryLock(guarded, a.conn, c.owner)
	return held, ended(guarded, err)
}

// drop ends the session.
func (c *Console) drop() {
	if c.session != nil {
		discard(c.session.conn)
		c.session = nil
	}
}

// discard ends a connection rather than giving it back.
func discard(conn *dbsql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // this is how
	_ = conn.Close()
}

// connect makes a connection.
func (c *Console) connect(ctx context.Context) (*dbsql.Conn, error) {
	a := asker{silence: c.timeout}
	guarded, _, done := a.guard(ctx)
	defer done()
	conn, err := c.db.Conn(guarded)
	return conn, ended(guarded, err)
}

func (c *Console) ask(conn *dbsql.Conn) asker { return asker{c.place.d, conn, c.timeout} }

// reading calls f in a transaction that sees the database as it is at one moment. It is
// the session's connection that reads, if changing is set: what another run, or a
// connection that was lost, has begun has then ended.
func (c *Console) reading(ctx context.Context, changing bool, f func(a asker) error) error {
	var a asker
	if changing {
		var err error
		if a, err = c.hold(ctx); err != nil {
			return err
		}
	} else {
		conn, err := c.connect(ctx)
		if err != nil {
			return err
		}
		a = c.ask(conn)
	}
	err := a.begin(ctx, a.d.beginRead)
	if err == nil {
		err = f(a)
	}
	_, ending := a.run(context.WithoutCancel(ctx), "ROLLBACK")
	switch {
	case changing && ending != nil:
		c.drop()
	case changing:
	case ending != nil:
		discard(a.conn)
	default:
		_ = a.conn.Close() // which gives it back
	}
	return err
}
