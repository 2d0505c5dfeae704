// Package maindb keeps races, participants, official and unofficial records and
// the outbox in main_db. It never touches user_db.
package maindb

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// Store reads main_db and writes what people decide. Each method owns its
// transaction. The grants of the programs (grants/*.sql) are narrower than their
// types: the worker has a Store too, of which it may only raise revisions.
type Store struct {
	db      *sql.DB
	queries *gen.Queries
	now     func() time.Time
	planned *plannedChange // not nil on the store of a Plan: changes of a race are rolled back

	// outboxTurn remembers which race this process has to send next from the
	// outbox.
	outboxTurn struct {
		sync.Mutex
		served string // the race served last
		starts map[string]headStart
	}
}

// New returns a store over db that reads the time from now.
func New(db *sql.DB, now func() time.Time) *Store {
	return &Store{db: db, queries: gen.New(db), now: now}
}

// Outcomes writes what the worker finds out: standings, what the audit has seen,
// and what could not be credited. Only the worker has one.
type Outcomes struct{ *Store }

// NewOutcomes returns the writer of outcomes over db.
func NewOutcomes(db *sql.DB, now func() time.Time) *Outcomes { return &Outcomes{New(db, now)} }

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed grants/*.sql
var grants embed.FS

// Migrations returns the schema, in goose's form and order.
func Migrations() fs.FS { return folder(migrations, "migrations") }

// Grants returns what each program may do, one file of statements for each.
func Grants() fs.FS { return folder(grants, "grants") }

func folder(of embed.FS, name string) fs.FS {
	files, err := fs.Sub(of, name)
	if err != nil {
		panic(err) // impossible: the folder is embedded under this name
	}
	return files
}

// Migrate migrates the schema, grants the accounts what their programs need and
// no more, and returns how many migrations it applied. cfg must log in with an
// account that may do so.
func Migrate(ctx context.Context, cfg mysql.Config, accounts mysql.Accounts) (applied int, err error) {
	return mysql.Prepare(ctx, cfg, Migrations(), Grants(), accounts)
}

// insertRows completes into, which ends in VALUES, with one row for each item, in
// one statement. row appends the columns of an item to args. It is for what sqlc
// cannot express: a statement with a variable number of rows. The caller limits
// items to a chunk.
func insertRows[T any](ctx context.Context, tx *sql.Tx, into string, items []T, row func(args []any, item T) []any) error {
	if len(items) == 0 {
		return nil
	}
	args := row(nil, items[0])
	columns := len(args)
	args = append(make([]any, 0, columns*len(items)), args...)
	for _, item := range items[1:] {
		args = row(args, item)
	}
	one := "(" + strings.Repeat(",?", columns)[1:] + ")"
	statement := into + strings.Repeat(","+one, len(items))[1:] //nolint:gosec // only placeholders are added
	if _, err := tx.ExecContext(ctx, statement, args...); err != nil {
		table, _, _ := strings.Cut(strings.TrimPrefix(into, "INSERT INTO "), " ")
		return fmt.Errorf("insert %d rows into %s: %w", len(items), strings.TrimSpace(table), err)
	}
	return nil
}

// execFor runs a statement that reads the items from its only parameter, by
// JSON_TABLE(?, '$[*]' COLUMNS (…)). Joined directly to a table with a forced
// index, it reads and locks only the rows of those items. With an IN list the
// optimizer scans a small table instead, whatever the hints say, and waits for rows
// that others have locked.
func execFor[T any](ctx context.Context, tx *sql.Tx, statement string, items []T) error {
	list, err := json.Marshal(items)
	if err != nil {
		return fmt.Errorf("list %d items: %w", len(items), err)
	}
	_, err = tx.ExecContext(ctx, statement, string(list)) // MySQL takes no binary string for JSON
	return err
}
