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

// Program is a program that logs in to the databases. Each has an account of its
// own, so that what one of them cannot do, nobody can who takes it over.
type Program string

// The programs. A file of grants has a program's name and ".sql".
const (
	API    Program = "api"
	Worker Program = "worker"
)

// Accounts are the accounts of one database that the programs log in with.
type Accounts map[Program]string

// Prepare brings the database that cfg logs in to up to date and grants the
// accounts what the programs' files say. It returns how many migrations it
// applied.
func Prepare(ctx context.Context, cfg Config, migrations, grants fs.FS, accounts Accounts) (applied int, err error) {
	db, err := Open(cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if applied, err = Migrate(ctx, db, migrations); err != nil {
		return applied, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	for program, account := range accounts {
		if err := Grant(ctx, db, grants, program, account); err != nil {
			return applied, fmt.Errorf("%s: %w", cfg.Name, err)
		}
	}
	return applied, nil
}

// Migrate applies the migrations in files that db does not have yet, in order, and
// returns how many it applied. Two programs may call it at once: the second finds
// nothing left to do, or the same failure as the first.
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

// Grant grants an account what the program's file in grants says: statements that
// end with a semicolon, in which {account} stands for the account. It is run after
// Migrate, since a grant on a table needs the table.
func Grant(ctx context.Context, db *sql.DB, grants fs.FS, program Program, account string) error {
	text, err := fs.ReadFile(grants, string(program)+".sql")
	if err != nil {
		return fmt.Errorf("read the grants of the %s: %w", program, err)
	}
	quoted := "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(account) + "'@'%'"
	for statement := range strings.SplitAfterSeq(string(text), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := db.ExecContext(ctx, strings.ReplaceAll(statement, "{account}", quoted)); err != nil {
			return fmt.Errorf("grant the %s its rights: %w", program, full(err))
		}
	}
	return nil
}
