// Package mysqltest gives a test a real database of its own.
package mysqltest

import (
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// New creates an empty database on the test server, applies the migrations and
// drops it when the test ends. The server is named by TEST_MYSQL_ADDR and
// TEST_MYSQL_ROOT_PASSWORD, which `make test` sets; without them the test
// fails, since nothing was tested.
func New(tb testing.TB, migrations fs.FS) (*sql.DB, mysql.Config) {
	tb.Helper()
	addr := os.Getenv("TEST_MYSQL_ADDR")
	require.NotEmpty(tb, addr, "TEST_MYSQL_ADDR is not set: run the tests with `make test`")
	server := mysql.Config{
		Addr: addr, User: "root", Password: os.Getenv("TEST_MYSQL_ROOT_PASSWORD"), MaxConns: 1,
	}
	admin, err := mysql.Open(server)
	require.NoError(tb, err)

	cfg := server
	cfg.Name = "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	cfg.MaxConns = 16
	_, err = admin.ExecContext(tb.Context(), "CREATE DATABASE "+cfg.Name+" CHARACTER SET utf8mb4 COLLATE "+mysql.Collation)
	require.NoError(tb, err)
	db, err := mysql.Open(cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		require.NoError(tb, db.Close())
		_, err := admin.Exec("DROP DATABASE " + cfg.Name) //nolint:noctx // the test's context is over by now
		require.NoError(tb, err)
		require.NoError(tb, admin.Close())
	})
	_, err = mysql.Migrate(tb.Context(), db, migrations)
	require.NoError(tb, err)
	return db, cfg
}

// Account makes an account with what a program is granted in the test database
// that cfg is of, and returns how to log in with it. Tests of a program use it, so
// that a statement without a grant fails there and not in production.
func Account(tb testing.TB, cfg mysql.Config, grants fs.FS, program mysql.Program) mysql.Config {
	tb.Helper()
	owner, err := mysql.Open(cfg)
	require.NoError(tb, err)
	id := uuid.New()
	account := cfg
	account.User, account.Password = fmt.Sprintf("t_%s_%x", program, id[:8]), uuid.NewString()
	_, err = owner.ExecContext(tb.Context(), "CREATE USER '"+account.User+"'@'%' IDENTIFIED BY '"+account.Password+"'")
	require.NoError(tb, err)
	tb.Cleanup(func() {
		_, err := owner.Exec("DROP USER '" + account.User + "'@'%'") //nolint:noctx // the test's context is over by now
		require.NoError(tb, err)
		require.NoError(tb, owner.Close())
	})
	require.NoError(tb, mysql.Grant(tb.Context(), owner, grants, program, account.User))
	return account
}

// As returns a pool that is logged in with such an account.
func As(tb testing.TB, cfg mysql.Config, grants fs.FS, program mysql.Program) *sql.DB {
	tb.Helper()
	db, err := mysql.Open(Account(tb, cfg, grants, program))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}
