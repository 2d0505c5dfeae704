// Package mysqltest gives a test a real database of its own.
package mysqltest

import (
	"database/sql"
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
func New(t *testing.T, migrations fs.FS) (*sql.DB, mysql.Config) {
	t.Helper()
	addr := os.Getenv("TEST_MYSQL_ADDR")
	require.NotEmpty(t, addr, "TEST_MYSQL_ADDR is not set: run the tests with `make test`")
	server := mysql.Config{
		Addr: addr, User: "root", Password: os.Getenv("TEST_MYSQL_ROOT_PASSWORD"), MaxConns: 1,
	}
	admin, err := mysql.Open(server)
	require.NoError(t, err)

	cfg := server
	cfg.Name = "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	cfg.MaxConns = 16
	_, err = admin.ExecContext(t.Context(), "CREATE DATABASE "+cfg.Name+" CHARACTER SET utf8mb4")
	require.NoError(t, err)
	db, err := mysql.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, db.Close())
		_, err := admin.Exec("DROP DATABASE " + cfg.Name) //nolint:noctx // the test's context is over by now
		require.NoError(t, err)
		require.NoError(t, admin.Close())
	})
	_, err = mysql.Migrate(t.Context(), db, migrations)
	require.NoError(t, err)
	return db, cfg
}
