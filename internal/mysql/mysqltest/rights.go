package mysqltest

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// Rights says what a program may do with each table, in words like
// "select, insert, update (status, updated_at)"; a table that is not there, or an
// empty text, is out of its reach. Columns stand where the right is narrower than
// the table.
type Rights map[string]map[mysql.Program]string

// TestRights logs in as each program and tries every statement on every column of
// every table of the schema. What the grants allow must be what want says, no less
// and no more, and a table without a line in want is a failure.
func TestRights(t *testing.T, migrations, grants fs.FS, want Rights) {
	t.Helper()
	_, cfg := New(t, migrations)
	owner, err := mysql.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, owner.Close()) })
	tables := columns(t, owner, cfg.Name)
	for table := range want {
		require.Contains(t, tables, table, "the schema has no such table")
	}
	for _, program := range []mysql.Program{mysql.API, mysql.Worker} {
		db := As(t, cfg, grants, program)
		for table, columns := range tables {
			require.Contains(t, want, table, "say what the programs may do with this table, here and in their grants")
			require.Equal(t, spelledOut(t, want[table][program], columns), tried(t, db, table, columns), "what the %s may do with %s", program, table)
		}
	}
}

// columns returns the columns of each table.
func columns(t *testing.T, db *sql.DB, schema string) map[string][]string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT table_name, column_name FROM information_schema.columns
		WHERE table_schema = ? ORDER BY table_name, ordinal_position`, schema)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	found := map[string][]string{}
	for rows.Next() {
		var table, column string
		require.NoError(t, rows.Scan(&table, &column))
		found[table] = append(found[table], column)
	}
	require.NoError(t, rows.Err())
	return found
}

// spelledOut returns the columns of each right; "delete" has none.
func spelledOut(t *testing.T, text string, columns []string) map[string][]string {
	t.Helper()
	rights := map[string][]string{}
	for text != "" {
		right, rest, _ := strings.Cut(text, ",")
		if name, _, narrow := strings.Cut(right, "("); narrow {
			list, after, closed := strings.Cut(text[len(name)+1:], ")")
			require.True(t, closed, text)
			rest = strings.TrimPrefix(after, ",")
			rights[strings.TrimSpace(name)] = slices.Sorted(slices.Values(strings.Fields(strings.ReplaceAll(list, ",", " "))))
		} else {
			rights[strings.TrimSpace(right)] = slices.Sorted(slices.Values(columns))
		}
		text = rest
	}
	if _, may := rights["delete"]; may {
		rights["delete"] = []string{}
	}
	return rights
}

// tried returns what the account may do: the columns of each right, as spelledOut.
// No statement touches a row.
func tried(t *testing.T, db *sql.DB, table string, columns []string) map[string][]string {
	t.Helper()
	rights := map[string][]string{}
	for _, column := range slices.Sorted(slices.Values(columns)) {
		for right, statement := range map[string]string{
			"select": fmt.Sprintf("SELECT %s FROM %s WHERE 1 = 0", column, table),
			"insert": fmt.Sprintf("INSERT INTO %[2]s (%[1]s) SELECT NULL FROM DUAL WHERE 1 = 0", column, table),
			"update": fmt.Sprintf("UPDATE %[2]s SET %[1]s = NULL WHERE 1 = 0", column, table),
		} {
			if allowed(t, db, statement) {
				rights[right] = append(rights[right], column)
			}
		}
	}
	if allowed(t, db, "DELETE FROM "+table+" WHERE 1 = 0") {
		rights["delete"] = []string{}
	}
	for _, never := range []string{"DROP TABLE " + table, "TRUNCATE TABLE " + table, "ALTER TABLE " + table + " COMMENT ''"} {
		require.False(t, allowed(t, db, never), never)
	}
	return rights
}

// allowed reports whether the server lets the account do that.
func allowed(t *testing.T, db *sql.DB, statement string) bool {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement)
	const tableDenied, columnDenied, noDefault = 1142, 1143, 1364
	if denied, ok := errors.AsType[*driver.MySQLError](err); ok {
		switch denied.Number {
		case tableDenied, columnDenied:
			return false
		case noDefault: // of another column of an INSERT
			return true
		}
	}
	require.NoError(t, err, statement)
	return true
}
