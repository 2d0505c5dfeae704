package main

import (
	"context"
	"log/slog"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// migrateSettings name the accounts that the programs log in with, and those
// that may change the databases.
type migrateSettings struct {
	MainDB mysql.Config `envPrefix:"MAIN_DB_"`
	UserDB mysql.Config `envPrefix:"USER_DB_"`

	MainUser     string `env:"MIGRATE_MAIN_DB_USER,required" help:"the account that may change main_db and grant rights on it"`
	MainPassword string `env:"MIGRATE_MAIN_DB_PASSWORD,required,unset" secret:"true" help:"its password"`
	UserUser     string `env:"MIGRATE_USER_DB_USER,required" help:"the account that may change user_db and grant rights on it"`
	UserPassword string `env:"MIGRATE_USER_DB_PASSWORD,required,unset" secret:"true" help:"its password"`
}

// runMigrate brings both databases up to date and grants the accounts that the
// programs log in with.
func runMigrate(ctx context.Context, settings migrateSettings, log *slog.Logger) error {
	for _, database := range []struct {
		as, password string
		cfg          mysql.Config
		migrate      func(ctx context.Context, cfg mysql.Config, account string) (int, error)
	}{
		{settings.MainUser, settings.MainPassword, settings.MainDB, maindb.Migrate},
		{settings.UserUser, settings.UserPassword, settings.UserDB, userdb.Migrate},
	} {
		account := database.cfg.User
		database.cfg.User, database.cfg.Password = database.as, database.password
		applied, err := database.migrate(ctx, database.cfg, account)
		if err != nil {
			return err
		}
		log.InfoContext(ctx, "database is up to date", "database", database.cfg.Name, "migrations_applied", applied)
	}
	return nil
}
