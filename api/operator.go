package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// operatorConfig names the operator's account.
type operatorConfig struct {
	Login    string `env:"OPERATOR_LOGIN,required" help:"the operator's login"`
	Password string `env:"OPERATOR_PASSWORD,required,unset" secret:"true" help:"the operator's password"`
}

type operatorSettings struct {
	UserDB   mysql.Config `envPrefix:"USER_DB_"`
	Operator operatorConfig
}

// runOperator adds the operator or changes the operator's password. It may be run
// at every start: an account that is already right is left alone.
func runOperator(ctx context.Context, settings operatorSettings, log *slog.Logger) (err error) {
	db, err := mysql.Open(settings.UserDB)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	passwords, err := auth.NewPasswords()
	if err != nil {
		return err
	}
	done, err := ensureOperator(ctx, userdb.NewAccounts(db, time.Now), passwords, settings.Operator)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "operator account is as it should be", "done", done)
	return nil
}

// ensureOperator creates or updates cfg's account and returns what it did:
// "added", "nothing" or "password changed". It never turns an account of
// another kind into an operator.
func ensureOperator(ctx context.Context, store *userdb.Accounts, passwords *auth.Passwords, cfg operatorConfig) (string, error) {
	login, err := auth.ParseLogin(cfg.Login)
	if err != nil {
		return "", fmt.Errorf("OPERATOR_LOGIN %w", err)
	}
	if err := auth.CheckPassword(cfg.Password, login); err != nil {
		return "", fmt.Errorf("OPERATOR_PASSWORD %w", err)
	}
	account, err := store.AccountByLogin(ctx, login)
	if errors.Is(err, race.ErrNotFound) {
		if err = addOperator(ctx, store, passwords, login, cfg.Password); err == nil {
			return "added", nil
		}
		if _, taken := errors.AsType[*race.ConflictError](err); !taken {
			return "", err
		}
		account, err = store.AccountByLogin(ctx, login) // another process created it first
	}
	if err != nil {
		return "", err
	}
	if account.Type != auth.Operator {
		return "", fmt.Errorf("OPERATOR_LOGIN is the login of a %s: choose another", account.Type)
	}
	return matchPassword(ctx, store, passwords, account, cfg.Password)
}

func addOperator(ctx context.Context, store *userdb.Accounts, passwords *auth.Passwords, login, password string) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	hash, err := passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	_, err = store.CreateAccount(ctx, userdb.Account{
		UserID: id.String(), LoginID: login, PasswordHash: hash, Type: auth.Operator, Name: "Operator",
	})
	return err
}

func matchPassword(ctx context.Context, store *userdb.Accounts, passwords *auth.Passwords, account userdb.Account, password string,
) (string, error) {
	outcome, err := passwords.Check(ctx, password, account.PasswordHash)
	if err != nil {
		return "", err
	}
	if outcome.Match {
		return "nothing", nil
	}
	hash, err := passwords.Hash(ctx, password)
	if err != nil {
		return "", err
	}
	_, err = store.UpdateAccount(ctx, account.UserID, userdb.Change{
		CheckedHash: account.PasswordHash, Password: &userdb.PasswordChange{NewHash: hash},
	})
	if err != nil {
		return "", err
	}
	return "password changed", nil
}
