package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// migrateSettings are the databases, with accounts that may change them and grant
// rights on them, and the accounts that the programs log in with.
type migrateSettings struct {
	MainDB mysql.Config `envPrefix:"MAIN_DB_"`
	UserDB mysql.Config `envPrefix:"USER_DB_"`

	MainAPI    string `env:"MAIN_DB_API_USER,required" help:"the account that the API logs in to main_db with"`
	MainWorker string `env:"MAIN_DB_WORKER_USER,required" help:"the account that the worker logs in to main_db with"`
	UserAPI    string `env:"USER_DB_API_USER,required" help:"the account that the API logs in to user_db with"`
	UserWorker string `env:"USER_DB_WORKER_USER,required" help:"the account that the worker logs in to user_db with"`
}

// runMigrate brings both databases up to date and grants each program's account
// what the program needs.
func runMigrate(ctx context.Context, settings migrateSettings, log *slog.Logger) error {
	for _, database := range []struct {
		cfg      mysql.Config
		migrate  func(ctx context.Context, cfg mysql.Config, accounts mysql.Accounts) (int, error)
		accounts mysql.Accounts
	}{
		{settings.MainDB, maindb.Migrate, mysql.Accounts{mysql.API: settings.MainAPI, mysql.Worker: settings.MainWorker}},
		{settings.UserDB, userdb.Migrate, mysql.Accounts{mysql.API: settings.UserAPI, mysql.Worker: settings.UserWorker}},
	} {
		applied, err := database.migrate(ctx, database.cfg, database.accounts)
		if err != nil {
			return err
		}
		log.InfoContext(ctx, "database is up to date", "database", database.cfg.Name, "migrations_applied", applied)
	}
	return nil
}

// verifySettings are what the change log is verified with.
type verifySettings struct {
	MainDB mysql.Config `envPrefix:"MAIN_DB_"`
	Anchor string       `env:"CHANGE_LOG_ANCHOR" help:"the anchor that an earlier verification printed, kept outside of the database: the log is verified from there on; the whole log when empty"`
}

// runVerifyLog fails if somebody has tampered with the change log.
func runVerifyLog(ctx context.Context, settings verifySettings, log *slog.Logger) (err error) {
	db, err := mysql.Open(settings.MainDB)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return maindb.New(db, time.Now).VerifyLog(ctx, settings.Anchor, log)
}
