package races_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/claims"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/server/servertest"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// testBundle is the calls of this package in the real frame, on two real
// databases.
type testBundle struct {
	router    http.Handler
	races     *crashing
	users     *userdb.Accounts
	pokes     atomic.Int32
	wakes     atomic.Int32
	organizer string // their token

	inUser       func(tb testing.TB, statement string, args ...any) // executes it in user_db
	countUsers   func(*testing.T) int
	countEntries func(*testing.T) int
	queries      func(*testing.T) int // how many the API has made, over its only connection from the first call on
	publish      func(t *testing.T, raceID string)
}

// crashing is the real store, which can fail where a process may die: after the
// accounts were written and before the entries are.
type crashing struct {
	*maindb.Store
	crash atomic.Bool
}

var errCrash = errors.New("died between the two databases")

func (c *crashing) ImportStartList(ctx context.Context, raceID string, rows []maindb.StartListRow, planned []maindb.PlannedRow) (int, error) {
	if c.crash.Load() {
		return 0, errCrash
	}
	return c.Store.ImportStartList(ctx, raceID, rows, planned)
}

func setup(tb testing.TB) *testBundle {
	tb.Helper()
	b := &testBundle{organizer: "organizer/" + newID()}
	mainDB, mainCfg := mysqltest.New(tb, maindb.Migrations())
	userDB, userCfg := mysqltest.New(tb, userdb.Migrations())
	asAPI := mysqltest.As(tb, mainCfg, maindb.Grants(), mysql.API)
	b.races = &crashing{Store: maindb.New(asAPI, time.Now)}
	b.queries = func(t *testing.T) (n int) {
		t.Helper()
		asAPI.SetMaxOpenConns(1) // whose statements the server counts
		var name string
		require.NoError(t, asAPI.QueryRowContext(t.Context(), "SHOW SESSION STATUS LIKE 'Com_select'").Scan(&name, &n))
		return n
	}
	b.users = userdb.NewAccounts(mysqltest.As(tb, userCfg, userdb.Grants(), mysql.API), time.Now)
	b.inUser = func(tb testing.TB, statement string, args ...any) {
		tb.Helper()
		_, err := userDB.ExecContext(tb.Context(), statement, args...)
		require.NoError(tb, err)
	}
	b.countUsers = func(t *testing.T) (n int) {
		t.Helper()
		require.NoError(t, userDB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM user").Scan(&n))
		return n
	}
	b.countEntries = func(t *testing.T) (n int) {
		t.Helper()
		require.NoError(t, mainDB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM participant").Scan(&n))
		return n
	}
	b.publish = func(t *testing.T, raceID string) {
		t.Helper()
		_, err := mainDB.ExecContext(t.Context(), "UPDATE race SET status = 'official' WHERE race_id = ?", raceID)
		require.NoError(t, err)
	}
	router, api := server.New(servertest.Config(servertest.Tokens{}, b.races))
	races.Register(api, races.Config{
		Races: b.races.Store, StartLists: b.races, Runners: b.users, LoginHash: func(login string) string { return claims.LoginHash(sha256.Sum256, login) }, Poke: func() { b.pokes.Add(1) },
		Wake:    func(context.Context, string) { b.wakes.Add(1) },
		Actions: repair.NewLog(b.races.Store, slog.New(slog.DiscardHandler), prometheus.NewRegistry()),
	})
	b.router = router
	return b
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// runner makes a runner's account and returns the user ID and the token.
func (b *testBundle) runner(t *testing.T, login string, sex race.Sex, born race.Date) (userID, token string) {
	t.Helper()
	account, err := b.users.CreateAccount(t.Context(), userdb.Account{
		UserID: newID(), LoginID: login, PasswordHash: "hash", Type: auth.Runner, Name: "Name of " + login, Sex: sex, BirthDate: born,
	})
	require.NoError(t, err)
	b.inUser(t, "UPDATE user SET email = login_id WHERE user_id = ?", account.UserID)
	return account.UserID, "runner/" + account.UserID
}

type answer struct {
	status int
	body   map[string]any
	raw    string
}

// call makes a call; headers are names and values in turn.
func (b *testBundle) call(tb testing.TB, method, path, token, body string, headers ...string) answer {
	tb.Helper()
	request := httptest.NewRequestWithContext(tb.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Set(pair[0], pair[1])
	}
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, request)
	got := answer{status: recorder.Code, raw: recorder.Body.String()}
	if got.raw != "" {
		require.NoError(tb, json.Unmarshal(recorder.Body.Bytes(), &got.body), got.raw)
	}
	return got
}

// text returns a property of the answer, "" when it has none of the name.
func (a answer) text(name string) string {
	text, _ := a.body[name].(string)
	return text
}

// list returns a list of the answer.
func (a answer) list(tb testing.TB, name string) []map[string]any {
	tb.Helper()
	var lists map[string]json.RawMessage
	require.NoError(tb, json.Unmarshal([]byte(a.raw), &lists))
	var list []map[string]any
	require.NoError(tb, json.Unmarshal(lists[name], &list), a.raw)
	return list
}

// locations are the places that a problem document names.
func (a answer) locations(t *testing.T) []string {
	t.Helper()
	var problem huma.ErrorModel
	require.NoError(t, json.Unmarshal([]byte(a.raw), &problem))
	var locations []string
	for _, e := range problem.Errors {
		locations = append(locations, e.Location)
	}
	return locations
}

const spring = `{"name":"Spring Run","date":"2026-04-19","distance_m":21097.5,"ranking":{"basis":"gun"}%s}`

// with adds properties to the race of these tests.
func with(properties string) string { return strings.Replace(spring, "%s", properties, 1) }

// created creates a race and returns its path.
func (b *testBundle) created(tb testing.TB, properties string) string {
	tb.Helper()
	got := b.call(tb, http.MethodPost, "/v1/races", b.organizer, with(properties))
	require.Equal(tb, http.StatusCreated, got.status, got.raw)
	return "/v1/races/" + got.text("race_id")
}

func raceID(path string) string { return strings.TrimPrefix(path, "/v1/races/") }
