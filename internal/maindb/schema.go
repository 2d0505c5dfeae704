package maindb

import (
	"context"
	"embed"
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
// need and no more, and returns how many migrations it applied. cfg must log in
// with an account that may do so.
func Migrate(ctx context.Context, cfg mysql.Config, account string) (applied int, err error) {
	return mysql.Prepare(ctx, cfg, Migrations(), grants, account)
}
