package e2e_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/go-sql-driver/mysql"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// system is a running stack with the access that only a test has: root's connections to
// the databases, a Temporal client, and a link between the programs and user_db, so that
// it can fail without main_db.
type system struct {
	*stack.Stack
	dir      string
	front    string            // where callers find the API, if not at its own address
	env      map[string]string // of the worker; read at its next start
	userLink *link
	giveBack func() error // the port of MariaDB
	mainDB   *sql.DB
	userDB   *sql.DB
	temporal client.Client
}

func startSystem(ctx context.Context, dir string, edit ...func(*stack.Options)) (*system, error) {
	programs, err := bench.programs()
	if err != nil {
		return nil, err
	}
	mariaDB, giveBack, err := stack.DrawPort(ctx)
	if err != nil {
		return nil, err
	}
	userLink, err := newLink(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(mariaDB)))
	if err != nil {
		return nil, errors.Join(err, giveBack())
	}
	worker := map[string]string{"USER_DB_ADDR": userLink.addr(), "NOTICE_SETTLE": "1s"}
	opts := stack.Options{
		Dir:      dir,
		Ports:    stack.Ports{MariaDB: mariaDB},
		Programs: programs,
		Env: map[stack.Part]map[string]string{
			stack.API:    {"USER_DB_ADDR": userLink.addr()},
			stack.Worker: worker,
		},
		Throwaway: true,
		Restart:   false, // a part that ends by itself is a failure, not to be hidden
	}
	for _, change := range edit {
		change(&opts)
	}
	started, err := stack.Start(ctx, opts)
	if err != nil {
		return nil, errors.Join(err, userLink.close(), giveBack())
	}
	s := &system{Stack: started, dir: dir, env: worker, userLink: userLink, giveBack: giveBack}
	if err := s.connect(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *system) connect(ctx context.Context) (err error) {
	if s.mainDB, err = open(s.RootDSN("main_db")); err != nil {
		return err
	}
	if s.userDB, err = open(s.RootDSN("user_db")); err != nil {
		return err
	}
	s.temporal, err = client.DialContext(ctx, client.Options{HostPort: s.TemporalAddress(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	return err
}

func open(dsn string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.Logger = &mysql.NopLogger{} // the tests kill the server; that it is gone is no news
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// stop stops everything and checks the logs.
func (s *system) stop() error {
	if s.temporal != nil {
		s.temporal.Close()
	}
	var problems []error
	for _, db := range []*sql.DB{s.mainDB, s.userDB} {
		if db != nil {
			_ = db.Close() // an idle connection may have ended with a server that the test killed
		}
	}
	return errors.Join(append(problems, s.Stop(), s.userLink.close(), s.giveBack(), checkLogs(s.dir, stack.API, stack.Worker))...)
}

// personal lists personal data of the tests: names, logins, birth dates.
var personal = []string{"E. Test", "@example.org", loginEnd, born}

// checkLogs searches the logs of a stack for data races, panics, 500s and personal data.
func checkLogs(dir string, parts ...stack.Part) error {
	var problems []error
	for _, part := range parts {
		path := filepath.Join(dir, "logs", string(part)+".log")
		text, err := os.ReadFile(path)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		marks := []string{"WARNING: DATA RACE", "\npanic: ", "fatal error: ", `"msg":"unexpected error"`}
		for _, mark := range append(marks, personal...) {
			if at := bytes.Index(text, []byte(mark)); at >= 0 {
				excerpt := text[at:min(at+4000, len(text))]
				problems = append(problems, fmt.Errorf("%s printed:\n%s", part, excerpt))
			}
		}
	}
	return errors.Join(problems...)
}

// count runs a SELECT of one number.
func count(t *testing.T, db *sql.DB, query string, args ...any) int {
	t.Helper()
	n, err := tryCount(t.Context(), db, query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func tryCount(ctx context.Context, db *sql.DB, query string, args ...any) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = db.QueryRowContext(ctx, query, args...).Scan(&n)
	return n, err
}
