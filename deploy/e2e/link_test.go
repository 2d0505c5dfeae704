package e2e_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// link forwards connections to a server until it is cut. A cut link drops its
// connections and refuses new ones, like a server that is down.
type link struct {
	address  string // drawn, so that nobody takes the port while the link is cut
	giveBack func() error
	target   string

	mu       sync.Mutex
	listener net.Listener // nil while cut
	open     map[net.Conn]struct{}
	passing  sync.WaitGroup
}

func newLink(ctx context.Context, target string) (*link, error) {
	port, giveBack, err := stack.DrawPort(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), giveBack: giveBack, target: target, open: map[net.Conn]struct{}{}}
	if err := l.restore(ctx); err != nil {
		return nil, errors.Join(err, giveBack())
	}
	return l, nil
}

func (l *link) addr() string { return l.address }

// restore accepts connections again.
func (l *link) restore(ctx context.Context) error {
	listener, err := stack.Listen(ctx, l.address)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener = listener
	l.passing.Go(func() { l.accept(listener) })
	return nil
}

// cut drops all connections and refuses new ones until restore.
func (l *link) cut() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener == nil {
		return nil
	}
	err := l.listener.Close()
	l.listener = nil
	for conn := range l.open {
		_ = conn.Close()
	}
	clear(l.open)
	return err
}

func (l *link) close() error {
	err := l.cut()
	l.passing.Wait()
	return errors.Join(err, l.giveBack())
}

func (l *link) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // cut
		}
		l.passing.Go(func() { l.pass(listener, conn) })
	}
}

// pass copies in both directions until one end closes, and then closes both.
func (l *link) pass(listener net.Listener, near net.Conn) {
	far, err := net.Dial("tcp", l.target) //nolint:noctx // bound by the link's own life
	if err != nil {
		_ = near.Close()
		return
	}
	if !l.keep(listener, near, far) {
		return
	}
	defer l.drop(near, far)
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		l.passing.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // the end of a connection is no news
			ended <- struct{}{}
		})
	}
	<-ended
}

// keep remembers the connections, or closes them if the link was cut in the meantime.
func (l *link) keep(listener net.Listener, conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range conns {
		if l.listener != listener {
			_ = conn.Close()
			continue
		}
		l.open[conn] = struct{}{}
	}
	return l.listener == listener
}

func (l *link) drop(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
		delete(l.open, conn)
	}
}
