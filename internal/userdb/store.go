// Package userdb keeps accounts, their refresh tokens and the point ledger in
// user_db. It never touches main_db.
package userdb

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// Store reads user_db. Each method owns its transaction. What may write it is
// divided as the grants of the programs are (grants/*.sql).
type Store struct {
	db      *sql.DB
	queries *gen.Queries
	now     func() time.Time
}

// New returns a store over db that reads the time from now.
func New(db *sql.DB, now func() time.Time) *Store {
	return &Store{db: db, queries: gen.New(db), now: now}
}

// Accounts writes accounts and their sessions. Only the API has one.
type Accounts struct {
	*Store
	// Changed is called with accounts whose name, or whether it is shown, has changed,
	// so that this process forgets what it keeps of them. It does not block; nil: nothing
	// is kept.
	Changed func(userIDs ...string)
}

// NewAccounts returns the writer of accounts over db.
func NewAccounts(db *sql.DB, now func() time.Time) *Accounts { return &Accounts{Store: New(db, now)} }

// Ledger writes credits, ledger lines and totals. Only the worker has one: the
// program that faces the internet can move no points, whatever becomes of it.
type Ledger struct{ *Store }

// NewLedger returns the writer of the ledger over db.
func NewLedger(db *sql.DB, now func() time.Time) *Ledger { return &Ledger{New(db, now)} }

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
