package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// maxExported is how many rows of a table are read at most.
const maxExported = 100_000

// RowsAbout returns, by table, the rows of which one of the columns holds an ID, as
// far as the account that the pool logs in with may read them: every table that has
// such a column, also one that a later migration adds. Hashes and other binary
// columns are left out.
func RowsAbout(ctx context.Context, db *sql.DB, columns []string, id string) (map[string][]map[string]any, error) {
	tables, err := readableColumns(ctx, db)
	if err != nil {
		return nil, err
	}
	found := map[string][]map[string]any{}
	for table, all := range tables {
		var conditions []string
		var args []any
		for _, column := range columns {
			if slices.Contains(all, column) {
				conditions, args = append(conditions, "`"+column+"` = ?"), append(args, id)
			}
		}
		if len(conditions) == 0 {
			continue
		}
		statement := fmt.Sprintf("SELECT %s FROM %s WHERE %s LIMIT %d", "`"+strings.Join(all, "`, `")+"`", "`"+table+"`", strings.Join(conditions, " OR "), maxExported)
		if found[table], err = QueryRows(ctx, db, statement, args...); err != nil {
			return nil, fmt.Errorf("read the rows of %s about an ID: %w", table, err)
		}
	}
	return found, nil
}

// readableColumns returns the columns that may be read, without binary ones and
// hashes, by table.
func readableColumns(ctx context.Context, db *sql.DB) (map[string][]string, error) {
	rows, err := QueryRows(ctx, db, `SELECT table_name AS t, column_name AS c FROM information_schema.columns
WHERE table_schema = DATABASE() AND data_type NOT LIKE '%binary' AND data_type NOT LIKE '%blob' AND column_name NOT LIKE '%hash'
ORDER BY table_name, ordinal_position`)
	if err != nil {
		return nil, fmt.Errorf("list columns: %w", err)
	}
	tables := map[string][]string{}
	for _, row := range rows {
		table, _ := row["t"].(string)
		column, _ := row["c"].(string)
		tables[table] = append(tables[table], column)
	}
	return tables, nil
}

// QueryRows returns the rows of a query as maps by column: texts, numbers, times and
// nil.
func QueryRows(ctx context.Context, db *sql.DB, statement string, args ...any) (list []map[string]any, err error) {
	rows, err := db.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says what went wrong
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := make(map[string]any, len(columns))
		for i, column := range columns {
			if text, ok := values[i].([]byte); ok {
				values[i] = string(text)
			}
			row[column] = values[i]
		}
		list = append(list, row)
	}
	return list, rows.Err()
}
