package main

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/command"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type operatorBundle struct {
	store     *userdb.Accounts
	passwords *auth.Passwords
}

func setupOperator(t *testing.T) *operatorBundle {
	t.Helper()
	db, _ := mysqltest.New(t, userdb.Migrations())
	passwords, err := auth.NewPasswords()
	require.NoError(t, err)
	return &operatorBundle{store: userdb.NewAccounts(db, time.Now), passwords: passwords}
}

func (b *operatorBundle) ensure(t *testing.T, login, password string) (string, error) {
	t.Helper()
	return ensureOperator(t.Context(), b.store, b.passwords, operatorConfig{Login: login, Password: password})
}

func (b *operatorBundle) account(t *testing.T, login string) userdb.Account {
	t.Helper()
	account, err := b.store.AccountByLogin(t.Context(), login)
	require.NoError(t, err)
	return account
}

func TestOperatorIsAddedOnceAndKeptRight(t *testing.T) {
	t.Parallel()
	b := setupOperator(t)
	done, err := b.ensure(t, " Ops@example.org", "first password of ops")
	require.NoError(t, err)
	require.Equal(t, "added", done)
	added := b.account(t, "ops@example.org")
	require.Equal(t, auth.Operator, added.Type)

	done, err = b.ensure(t, "ops@example.org", "first password of ops")
	require.NoError(t, err)
	require.Equal(t, "nothing", done)
	require.Equal(t, added, b.account(t, "ops@example.org"))

	_, token := auth.NewRefreshToken()
	session := userdb.Session{ID: uuid.NewString(), Account: added, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	require.NoError(t, b.store.StartSession(t.Context(), session, token))
	done, err = b.ensure(t, "ops@example.org", "second password of ops")
	require.NoError(t, err)
	require.Equal(t, "password changed", done)
	changed := b.account(t, "ops@example.org")
	require.Equal(t, added.UserID, changed.UserID)
	outcome, err := b.passwords.Check(t.Context(), "second password of ops", changed.PasswordHash)
	require.NoError(t, err)
	require.True(t, outcome.Match)
	_, next := auth.NewRefreshToken()
	_, err = b.store.RotateToken(t.Context(), token, next, func(userdb.Session) time.Time { return time.Now().Add(time.Hour) })
	require.ErrorIs(t, err, userdb.ErrNoSession, "sessions under the old password are over")
}

func TestOperatorsAddedAtOnceAreOne(t *testing.T) {
	t.Parallel()
	b := setupOperator(t)
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = b.ensure(t, "ops", "first password of ops") })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func TestOperatorRefuses(t *testing.T) {
	t.Parallel()
	b := setupOperator(t)
	_, err := b.store.CreateAccount(t.Context(), userdb.Account{
		UserID: uuid.NewString(), LoginID: "private-runner", PasswordHash: "h", Type: auth.Runner, Name: "Uta",
	})
	require.NoError(t, err)
	for _, test := range []struct{ login, password, problem string }{
		{"private-runner", "first password of ops", "login of a runner"},
		{"", "first password of ops", "OPERATOR_LOGIN must"},
		{"ops", "short", "OPERATOR_PASSWORD must"},
		{"ops", "password123", "OPERATOR_PASSWORD is guessed"},
	} {
		_, err := b.ensure(t, test.login, test.password)
		require.ErrorContains(t, err, test.problem)
		require.NotContains(t, err.Error(), test.password)
		require.NotContains(t, err.Error(), "private")
	}
	require.Equal(t, auth.Runner, b.account(t, "private-runner").Type)
}

// The command as it is run, with its settings in the environment.
func TestRunOperator(t *testing.T) {
	t.Parallel()
	db, cfg := mysqltest.New(t, userdb.Migrations())
	var logs bytes.Buffer
	require.Zero(t, commands().Main(t.Context(), command.System{Args: []string{"operator"}, ErrOut: &logs, Environ: []string{
		"USER_DB_ADDR=" + cfg.Addr, "USER_DB_NAME=" + cfg.Name, "USER_DB_USER=" + cfg.User, "USER_DB_PASSWORD=" + cfg.Password,
		"OPERATOR_LOGIN=private-ops", "OPERATOR_PASSWORD=private password of ops",
	}}), logs.String())
	require.Contains(t, logs.String(), `"done":"added"`)
	require.NotContains(t, logs.String(), "private")
	account, err := userdb.NewAccounts(db, time.Now).AccountByLogin(t.Context(), "private-ops")
	require.NoError(t, err)
	require.Equal(t, auth.Operator, account.Type)
}
