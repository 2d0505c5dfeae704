package maindb

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

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
// need and no more, and returns how many migrations it applied. db must be
// opened with an account that may do so.
func Migrate(ctx context.Context, db *sql.DB, account string) (applied int, err error) {
	if applied, err = mysql.Migrate(ctx, db, Migrations()); err != nil {
		return applied, fmt.Errorf("main_db: %w", err)
	}
	if err := mysql.Grant(ctx, db, grants, account); err != nil {
		return applied, fmt.Errorf("main_db: %w", err)
	}
	return applied, nil
}
