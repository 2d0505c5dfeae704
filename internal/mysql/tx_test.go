package mysql_test

import (
	"context"
	"database/sql"
	"io"
	"net"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
)

// relay passes one connection on to a server until it is muted: from then on it
// takes what the client says and answers nothing.
type relay struct {
	net.Listener
	mute  func()
	muted chan struct{}
	over  chan struct{} // closed at the test's end
	ends  sync.WaitGroup
}

func newRelay(t *testing.T, target string) *relay {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{Listener: listener, muted: make(chan struct{}), over: make(chan struct{})}
	r.mute = sync.OnceFunc(func() { close(r.muted) })
	r.ends.Go(func() {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		r.ends.Go(func() { <-r.over; _ = near.Close() }) // the other end may have been first
		far, err := (&net.Dialer{}).DialContext(context.WithoutCancel(t.Context()), "tcp", target)
		if err != nil {
			return
		}
		defer func() { _ = far.Close() }()
		r.ends.Go(func() { _, _ = io.Copy(near, far) })
		r.pass(far, near)
	})
	t.Cleanup(func() {
		r.mute()
		require.NoError(t, listener.Close())
		close(r.over)
		r.ends.Wait()
	})
	return r
}

// pass hands over what the client says, and swallows it once muted.
func (r *relay) pass(far, near net.Conn) {
	buffer := make([]byte, 4096)
	for {
		n, err := near.Read(buffer)
		if err != nil {
			return
		}
		select {
		case <-r.muted:
			continue
		default:
		}
		if _, err := far.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func TestACommitWaitsForASilentServerNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	_, cfg := mysqltest.New(t, fstest.MapFS{"1_things.sql": &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE thing (id INT PRIMARY KEY);\n")}})
	way := newRelay(t, cfg.Addr)
	cfg.Addr, cfg.MaxConns = way.Addr().String(), 1
	db, err := mysql.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	require.NoError(t, db.PingContext(t.Context())) // connected, so that it is the commit that takes too long
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err = mysql.InTx(ctx, db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO thing VALUES (1)")
		way.mute()
		return err
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "commit")
}
