package stack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.temporal.io/api/workflowservice/v1"
	_ "modernc.org/sqlite" // the driver of the dev server's database file
)

// visibilityTable is what lists, counts and searches of workflows read. The dev
// server writes it once per closed workflow, with 45 indexes: one for each
// column that anybody could ever filter by, among them 18 for search attributes
// that nobody has registered.
const visibilityTable = "executions_visibility"

// lists are the indexes that lists and our own searches use, whatever the
// search attributes are.
func lists() []string {
	return []string{"default_idx", "by_workflow_id", "by_workflow_type", "by_status"}
}

// trimVisibility keeps the indexes of lists and of the registered search
// attributes, and drops the others, which cost the server a fifth of its CPU.
// Every query still works: one by another column (task queue, history size,
// parent, …) reads the namespace's rows instead of an index.
// An attribute that is registered later gets its index back at the next start.
//
// It is done while the server runs, since the file is made by its first start;
// SQLite gives every statement the indexes that are there. A failure costs
// speed alone, so that it is said and no more.
func (s *Stack) trimVisibility(ctx context.Context, service workflowservice.WorkflowServiceClient) {
	columns, err := registeredColumns(ctx, service)
	if err == nil {
		err = keepIndexes(ctx, s.folder.path("temporal", "temporal.db"), columns)
	}
	if err != nil {
		s.console.say("temporal keeps indexes that nobody needs, and is slower for it: %v", err)
	}
}

// registeredColumns are the columns that hold the namespace's search
// attributes, such as Keyword01.
func registeredColumns(ctx context.Context, service workflowservice.WorkflowServiceClient) ([]string, error) {
	namespace, err := service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: temporalNamespace})
	if err != nil {
		return nil, fmt.Errorf("describe the namespace: %w", err)
	}
	return slices.Sorted(maps.Keys(namespace.GetConfig().GetCustomSearchAttributeAliases())), nil
}

// keepIndexes gives the visibility table the indexes of lists and columns, and
// no others.
func keepIndexes(ctx context.Context, file string, columns []string) (err error) {
	db, err := sql.Open("sqlite", "file:"+file+"?mode=rw&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	present, err := indexes(ctx, db)
	if err != nil {
		return err
	}
	wanted := map[string]string{} // name to column
	for _, name := range lists() {
		wanted[name] = ""
	}
	for _, column := range columns {
		if name, ok := indexOf(column); ok {
			wanted[name] = column
		}
	}
	for _, name := range present {
		if _, keep := wanted[name]; keep {
			delete(wanted, name)
		} else if _, err := db.ExecContext(ctx, "DROP INDEX IF EXISTS "+name); err != nil {
			return fmt.Errorf("drop index %s: %w", name, err)
		}
	}
	for name, column := range wanted {
		if column == "" {
			continue // another version of the schema names its lists otherwise
		}
		if _, err := db.ExecContext(ctx, indexDefinition(name, column)); err != nil {
			return fmt.Errorf("create index %s: %w", name, err)
		}
	}
	return nil
}

// indexes lists the table's indexes except the primary key's.
func indexes(ctx context.Context, db *sql.DB) (names []string, err error) {
	rows, err := db.QueryContext(ctx,
		"SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", visibilityTable)
	if err != nil {
		return nil, fmt.Errorf("list the indexes: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

var allocated = regexp.MustCompile(`^(Bool|Datetime|Double|Int|Keyword)(\d\d)$`)

// indexOf is the name that Temporal's schema gives the index of a column. Those
// of texts and lists of keywords are full-text tables, which stay as they are.
func indexOf(column string) (name string, ok bool) {
	match := allocated.FindStringSubmatch(column)
	if match == nil {
		return "", false
	}
	return "by_" + strings.ToLower(match[1]) + "_" + match[2], true
}

// indexDefinition is the one of Temporal's schema (schema/sqlite/v3/visibility).
func indexDefinition(name, column string) string {
	return fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (namespace_id, %s, "+
		"(COALESCE(close_time, '9999-12-31 23:59:59+00:00')) DESC, start_time DESC, run_id)", name, visibilityTable, column)
}
