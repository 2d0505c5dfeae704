package userdb_test

import (
	"context"
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// accountsBundle is a store in a database of its own, with a clock that stands.
type accountsBundle struct {
	db     *sql.DB
	store  *userdb.Accounts
	ledger *userdb.Ledger

	mu  sync.Mutex
	now time.Time
}

func setupAccounts(t testing.TB) *accountsBundle {
	t.Helper()
	db, cfg := mysqltest.New(t, userdb.Migrations())
	b := &accountsBundle{db: db, now: time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC)}
	b.store = userdb.NewAccounts(mysqltest.As(t, cfg, userdb.Grants(), mysql.API), b.clock)
	b.ledger = userdb.NewLedger(mysqltest.As(t, cfg, userdb.Grants(), mysql.Worker), b.clock)
	return b
}

func (b *accountsBundle) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *accountsBundle) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *accountsBundle) account(t testing.TB, login string) userdb.Account {
	t.Helper()
	a, err := b.store.CreateAccount(t.Context(), userdb.Account{
		UserID: uuid.NewString(), LoginID: login, PasswordHash: "hash 1", Type: auth.Runner, Name: "Uta", Phone: "+49 30 1",
		BirthDate: race.Date{Year: 1970, Month: time.January, Day: 2}, Sex: race.Female,
	})
	require.NoError(t, err)
	return a
}

func TestCreateAccount(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	made := b.account(t, "uta@example.org")

	byID, err := b.store.Account(t.Context(), made.UserID)
	require.NoError(t, err)
	require.Equal(t, made, byID)
	byLogin, err := b.store.AccountByLogin(t.Context(), "uta@example.org")
	require.NoError(t, err)
	require.Equal(t, made, byLogin)

	for _, login := range []string{"", "somebody", "UTA@example.org"} {
		_, err = b.store.AccountByLogin(t.Context(), login)
		require.ErrorIs(t, err, race.ErrNotFound, login)
	}
	_, err = b.store.Account(t.Context(), uuid.NewString())
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestCreateAccountAgainWithTheSameID(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	made := b.account(t, "uta")
	again := made
	again.PasswordHash = "hashed again with another salt"
	got, err := b.store.CreateAccount(t.Context(), again)
	require.NoError(t, err)
	require.Equal(t, made, got, "what was there first stays")
}

func TestLoginsAreUnique(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	const racers = 8
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			_, errs[i] = b.store.CreateAccount(context.WithoutCancel(t.Context()), userdb.Account{
				UserID: uuid.NewString(), LoginID: "private@example.org", PasswordHash: "h", Type: auth.Runner,
			})
		})
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		var conflict *race.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, "login_id", conflict.Field)
		require.NotContains(t, err.Error(), "private")
	}
	require.Equal(t, 1, made)
}

func TestAccountsWithoutALogin(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	b.account(t, "")
	b.account(t, "") // any number of them
	_, err := b.store.AccountByLogin(t.Context(), "")
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestUpdateAccount(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	made := b.account(t, "uta")
	name, phone, none, sex := "Uta P.", "", race.Date{}, race.NonBinary

	got, err := b.store.UpdateAccount(t.Context(), made.UserID, userdb.Change{Name: &name})
	require.NoError(t, err)
	want := made
	want.Name = name
	require.Equal(t, want, got, "what is not named stays")

	got, err = b.store.UpdateAccount(t.Context(), made.UserID, userdb.Change{Phone: &phone, BirthDate: &none, Sex: &sex})
	require.NoError(t, err)
	want.Phone, want.BirthDate, want.Sex = phone, none, sex
	require.Equal(t, want, got)
	got, err = b.store.Account(t.Context(), made.UserID)
	require.NoError(t, err)
	require.Equal(t, want, got)

	_, err = b.store.UpdateAccount(t.Context(), uuid.NewString(), userdb.Change{Name: &name})
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestPasswordChangeEndsTheOtherSessions(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	a := b.account(t, "uta")
	kept, other := b.session(t, a), b.session(t, a)
	stranger := b.session(t, b.account(t, "alberto"))

	name := "not to be written"
	_, err := b.store.UpdateAccount(t.Context(), a.UserID, userdb.Change{
		Name: &name, CheckedHash: "stale", Password: &userdb.PasswordChange{NewHash: "hash 2"},
	})
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)
	unchanged, err := b.store.Account(t.Context(), a.UserID)
	require.NoError(t, err)
	require.Equal(t, a, unchanged)

	got, err := b.store.UpdateAccount(t.Context(), a.UserID, userdb.Change{
		CheckedHash: "hash 1", Password: &userdb.PasswordChange{NewHash: "hash 2", KeptSession: kept.id},
	})
	require.NoError(t, err)
	require.Equal(t, "hash 2", got.PasswordHash)
	require.NoError(t, b.rotate(t, &kept))
	require.ErrorIs(t, b.rotate(t, &other), userdb.ErrNoSession)
	require.NoError(t, b.rotate(t, &stranger))

	late := userdb.Session{ID: uuid.NewString(), Account: a} // read before the change
	_, hash := auth.NewRefreshToken()
	require.ErrorIs(t, b.store.StartSession(t.Context(), late, hash), race.ErrNotFound,
		"a login with the old password that was under way is refused")
}

func TestUpgradeHash(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	a := b.account(t, "uta")
	going := b.session(t, a)
	upgraded, err := b.store.UpgradeHash(t.Context(), a.UserID, "hash 1", "stronger")
	require.NoError(t, err)
	require.True(t, upgraded)
	require.NoError(t, b.rotate(t, &going), "sessions go on")

	upgraded, err = b.store.UpgradeHash(t.Context(), a.UserID, "hash 1", "of the old password")
	require.NoError(t, err)
	require.False(t, upgraded)
	got, err := b.store.Account(t.Context(), a.UserID)
	require.NoError(t, err)
	require.Equal(t, "stronger", got.PasswordHash)
}

func TestEraseAccount(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	a := b.account(t, "uta@example.org")
	going := b.session(t, a)
	_, err := b.ledger.ApplyCredit(t.Context(), race.Credit{
		RecordID: uuid.NewString(), RaceID: uuid.NewString(), Revision: 1, Status: race.Credited, UserID: a.UserID, Points: 812,
		Rule: "agegrade", Edition: "2025", WorkflowID: "w", Parts: &race.Parts{Sex: race.Female},
	})
	require.NoError(t, err)

	require.NoError(t, b.store.EraseAccount(t.Context(), a.UserID))
	_, err = b.store.Account(t.Context(), a.UserID)
	require.ErrorIs(t, err, race.ErrNotFound)
	_, err = b.store.AccountByLogin(t.Context(), "uta@example.org")
	require.ErrorIs(t, err, race.ErrNotFound)
	_, err = b.store.Points(t.Context(), a.UserID, 0, 10)
	require.ErrorIs(t, err, race.ErrNotFound)
	require.ErrorIs(t, b.rotate(t, &going), userdb.ErrNoSession)
	require.ErrorIs(t, b.store.EraseAccount(t.Context(), a.UserID), race.ErrNotFound)
	name := "back again"
	_, err = b.store.UpdateAccount(t.Context(), a.UserID, userdb.Change{Name: &name})
	require.ErrorIs(t, err, race.ErrNotFound)

	var total, lines int64
	var left string
	require.NoError(t, b.db.QueryRowContext(t.Context(), `SELECT u.total_point, COUNT(p.point_id),
		CONCAT(COALESCE(u.login_id, ''), COALESCE(u.password_hash, ''), u.name, u.phone, COALESCE(u.birth_date, ''), u.sex,
		COALESCE((SELECT MAX(parts) FROM credit), ''), COALESCE(MAX(p.parts), ''))
		FROM user u JOIN point p ON p.user_id = u.user_id WHERE u.user_id = ? GROUP BY u.user_id`, a.UserID).
		Scan(&total, &lines, &left))
	require.EqualValues(t, 812, total)
	require.EqualValues(t, 1, lines)
	require.Empty(t, left, "no personal data is left")

	b.account(t, "uta@example.org") // the login is free again
}

func TestPoints(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	a, other := b.account(t, "uta"), b.account(t, "alberto")
	empty, err := b.store.Points(t.Context(), a.UserID, 0, 10)
	require.NoError(t, err)
	require.Zero(t, empty)

	recordID, raceID := uuid.NewString(), uuid.NewString()
	for revision, points := range []int64{700, 712, 731} {
		_, err := b.ledger.ApplyCredit(t.Context(), race.Credit{
			RecordID: recordID, RaceID: raceID, Revision: revision + 1, Status: race.Credited, UserID: a.UserID, Points: points,
			Rule: "agegrade", Edition: "2025", WorkflowID: "credit/x",
		})
		require.NoError(t, err)
	}
	_, err = b.ledger.ApplyCredit(t.Context(), race.Credit{
		RecordID: uuid.NewString(), RaceID: raceID, Revision: 1, Status: race.Credited, UserID: other.UserID, Points: 5, Rule: "fixed",
	})
	require.NoError(t, err)

	var seen []int64
	sum, before := int64(0), int64(0)
	for {
		page, err := b.store.Points(t.Context(), a.UserID, before, 2)
		require.NoError(t, err)
		require.EqualValues(t, 731, page.Total, "on every page, the one behind the last too")
		if len(page.Lines) == 0 {
			break
		}
		for _, line := range page.Lines {
			seen = append(seen, line.Points)
			sum += line.Points
			before = line.ID
			require.Equal(t, raceID, line.RaceID)
			require.Equal(t, recordID, line.RecordID)
			require.Equal(t, "agegrade", line.Rule)
			require.Equal(t, "2025", line.Edition)
			require.Equal(t, "credit/x", line.WorkflowID)
			require.Equal(t, b.now, line.CreatedAt)
		}
	}
	require.Equal(t, []int64{731, -712, 712, -700, 700}, seen, "newest first")
	require.EqualValues(t, 731, sum)

	_, err = b.store.Points(t.Context(), uuid.NewString(), 0, 10)
	require.ErrorIs(t, err, race.ErrNotFound)
}
