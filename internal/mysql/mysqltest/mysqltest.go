// Package mysqltest gives a test a real database of its own.
package mysqltest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
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
	require.NoError(tb, migrate(tb.Context(), db, migrations))
	return db, cfg
}

// schemas holds what migrations led to in the first database that they were applied
// to, by their content, so that another database can be made of it in a fraction of the
// time.
var schemas struct {
	sync.Mutex
	known map[string][]statement
}

// statement is SQL with its arguments.
type statement struct {
	text string
	args []any
}

// migrate applies migrations to an empty database, or makes of it what they led to in
// another.
func migrate(ctx context.Context, db *sql.DB, migrations fs.FS) error {
	key, err := contents(migrations)
	if err != nil {
		return err
	}
	schemas.Lock()
	schema, known := schemas.known[key]
	if !known {
		defer schemas.Unlock()
		if _, err := mysql.Migrate(ctx, db, migrations); err != nil {
			return err
		}
		if schema, err = describe(ctx, db); err != nil {
			return fmt.Errorf("describe what the migrations led to: %w", err)
		}
		if schemas.known == nil {
			schemas.known = map[string][]statement{}
		}
		schemas.known[key] = schema
		return nil
	}
	schemas.Unlock()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	// Tables may name others that come later.
	err = execute(ctx, conn, slices.Concat([]statement{{text: "SET foreign_key_checks = 0"}}, schema, []statement{{text: "SET foreign_key_checks = 1"}}))
	return errors.Join(err, conn.Close())
}

func execute(ctx context.Context, conn *sql.Conn, statements []statement) error {
	for _, s := range statements {
		if _, err := conn.ExecContext(ctx, s.text, s.args...); err != nil {
			return fmt.Errorf("%s: %w", s.text, err)
		}
	}
	return nil
}

// contents identifies migrations.
func contents(migrations fs.FS) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(migrations, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(migrations, path)
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text) // never fails
		return err
	})
	return string(sum.Sum(nil)), err
}

// describe returns the statements that make the tables of a database with their rows.
func describe(ctx context.Context, db *sql.DB) (schema []statement, err error) {
	tables, err := texts(ctx, db, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name")
	if err != nil {
		return nil, err
	}
	for _, table := range tables {
		var name, create string
		if err := db.QueryRowContext(ctx, "SHOW CREATE TABLE "+table).Scan(&name, &create); err != nil {
			return nil, err
		}
		rows, err := inserts(ctx, db, table)
		if err != nil {
			return nil, err
		}
		schema = append(append(schema, statement{text: create}), rows...)
	}
	return schema, nil
}

// inserts returns the statements that insert the rows that a table has.
func inserts(ctx context.Context, db *sql.DB, table string) (all []statement, err error) {
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+table) //nolint:gosec // a table of the test database
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		text := "INSERT INTO " + table + " VALUES (?" + strings.Repeat(",?", len(columns)-1) + ")"
		all = append(all, statement{text, values})
	}
	return all, rows.Err()
}

// texts returns the first column of a query's rows.
func texts(ctx context.Context, db *sql.DB, query string) (all []string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
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
