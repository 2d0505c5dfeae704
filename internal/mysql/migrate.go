package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
)

// Prepare brings the database that cfg logs in to up to date and grants the
// account what statements say. It returns how many migrations it applied.
func Prepare(ctx context.Context, cfg Config, files fs.FS, statements, account string) (applied int, err error) {
	db, err := Open(cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if applied, err = Migrate(ctx, db, files); err != nil {
		return applied, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	if err := Grant(ctx, db, statements, account); err != nil {
		return applied, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	return applied, nil
}

// Migrate applies the migrations in files that db does not have yet, in order,
// and returns how many those were. Two programs may call it at once: the second
// finds nothing left to do, or the first one's failure.
func Migrate(ctx context.Context, db *sql.DB, files fs.FS) (applied int, err error) {
	provider, err := goose.NewProvider(goose.DialectMySQL, db, files)
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return len(results), fmt.Errorf("migrate: %w", full(err))
	}
	return len(results), nil
}

// Grant runs the statements of a grants file, separated by semicolons, with
// {account} replaced by the account that a program logs in with. It is run
// after Migrate, since a grant on a table needs the table.
func Grant(ctx context.Context, db *sql.DB, statements, account string) error {
	quoted := "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(account) + "'@'%'"
	for statement := range strings.SplitSeq(statements, ";") {
		statement = strings.TrimSpace(strings.ReplaceAll(statement, "{account}", quoted))
		if statement == "" {
			continue
		}
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("grant: %w", full(err))
		}
	}
	return nil
}
