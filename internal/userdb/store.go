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

// Store reads and writes user_db. Each method owns its transaction.
type Store struct {
	db      *sql.DB
	queries *gen.Queries
	now     func() time.Time
}

// New returns a store over db that reads the time from now.
func New(db *sql.DB, now func() time.Time) *Store {
	return &Store{db: db, queries: gen.New(db), now: now}
}

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed grants.sql
var grants string

// Migrations returns the schema, in goose's form and order.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the embedded folder has another name: no build of ours passes its tests
	}
	return files
}

// Migrate brings the schema up to date, grants the account what the programs
// need and no more, and returns how many migrations it applied. cfg must log in
// with an account that may do so.
func Migrate(ctx context.Context, cfg mysql.Config, account string) (applied int, err error) {
	return mysql.Prepare(ctx, cfg, Migrations(), grants, account)
}
