package leaderboard_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/leaderboard"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/server/servertest"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// testBundle is the calls of this package on two databases of their own.
type testBundle struct {
	router http.Handler
	store  *maindb.Store
	late   atomic.Int64                                      // nanoseconds that the clock has been moved by
	inMain func(t *testing.T, statement string, args ...any) // executes it in main_db
	inUser func(t *testing.T, statement string, args ...any) // and in user_db
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	mainDB, mainCfg := mysqltest.New(t, maindb.Migrations())
	userDB, userCfg := mysqltest.New(t, userdb.Migrations())
	b := &testBundle{}
	b.inMain = func(t *testing.T, statement string, args ...any) {
		t.Helper()
		_, err := mainDB.ExecContext(t.Context(), statement, args...)
		require.NoError(t, err)
	}
	b.inUser = func(t *testing.T, statement string, args ...any) {
		t.Helper()
		_, err := userDB.ExecContext(t.Context(), statement, args...)
		require.NoError(t, err)
	}
	b.store = maindb.New(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.API), time.Now)
	router, api := server.New(servertest.Config(servertest.Tokens{}, b.store))
	leaderboard.Register(api, b.store, userdb.New(mysqltest.As(t, userCfg, userdb.Grants(), mysql.API), time.Now),
		func() time.Time { return time.Now().Add(time.Duration(b.late.Load())) })
	b.router = router
	return b
}

func (b *testBundle) pass(d time.Duration) { b.late.Add(int64(d)) }

func (b *testBundle) get(t *testing.T, query string) (status int, body map[string]any) {
	t.Helper()
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/leaderboard?"+query, http.NoBody))
	require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &body))
	return recorder.Code, body
}

// run enters a runner in a race with points.
func (b *testBundle) run(t *testing.T, year int, raceID, userID string, sex race.Sex, age, points int) {
	t.Helper()
	month := time.April
	if raceID == "autumn" {
		month = time.October
	}
	b.inMain(t, `INSERT IGNORE INTO race (race_id, organizer_id, name, city, race_date, distance_mm, ranking_basis, divisions_basis,
		ties, divisions, scoring, points, capacity, status, created_at, updated_at)
		VALUES (?, 'organizer', '', '', ?, 10000000, 'gun', 'gun', 'share', '[]', 'agegrade-2025', 0, 0, 'provisional', NOW(6), NOW(6))`,
		raceID, race.Date{Year: year, Month: month, Day: 1}.String())
	var known any
	if age != race.UnknownAge {
		known = age
	}
	b.inMain(t, `INSERT INTO participant (participant_id, race_id, user_id, bib, bib_key, sex, age, field, status, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, 'runner', 'entered', NOW(6), NOW(6))`,
		raceID+userID, raceID, userID, userID, userID, sex, known)
	b.inMain(t, `INSERT INTO official_record (record_id, race_id, revision, bib, bib_key, held_bib, status, removed, created_at, updated_at)
		VALUES (?, ?, 1, ?, ?, ?, 'OK', FALSE, NOW(6), NOW(6))`, raceID+userID, raceID, userID, userID, userID)
	b.inUser(t, `INSERT IGNORE INTO user (user_id, user_type, name, phone, sex, total_point, created_at, updated_at)
		VALUES (?, 'runner', ?, '', '', 0, NOW(6), NOW(6))`, userID, "Name of "+userID)
	b.credit(t, raceID, userID, race.Credited, points)
}

func (b *testBundle) credit(t *testing.T, raceID, userID string, status race.CreditStatus, points int) {
	t.Helper()
	b.inUser(t, `INSERT INTO credit (record_id, race_id, revision, status, user_id, points, rule, edition, reason, workflow_id, updated_at)
		VALUES (?, ?, 1, ?, NULLIF(?, ''), ?, 'fixed', '', '', '', NOW(6))`, raceID+userID, raceID, status, userID, points)
}

// column returns a member of each item.
func column(t *testing.T, body map[string]any, member string) []any {
	t.Helper()
	list, ok := body["items"].([]any)
	require.True(t, ok)
	values := []any{}
	for _, entry := range list {
		item, ok := entry.(map[string]any)
		require.True(t, ok)
		values = append(values, item[member])
	}
	return values
}

func TestLeaderboard(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.verify(t, true)
	b.run(t, 2026, "spring", "ada", race.Female, 39, 800)
	b.run(t, 2026, "spring", "bea", race.Female, 20, 500)
	b.run(t, 2026, "spring", "cem", race.Male, 50, 400)
	b.run(t, 2026, "spring", "dan", race.Male, race.UnknownAge, 400)
	b.run(t, 2026, "spring", "eve", race.Female, 30, 0) // nothing to show
	b.run(t, 2026, "autumn", "ada", race.Female, 40, 100)
	b.run(t, 2026, "autumn", "bea", race.Female, 20, 400)
	b.run(t, 2026, "autumn", "cem", race.Male, 50, 500)
	b.run(t, 2026, "autumn", "dan", "", race.UnknownAge, 500)
	b.run(t, 2025, "earlier", "eve", race.Female, 29, 900)
	b.credit(t, "autumn", "", race.Rejected, 0)

	for query, want := range map[string]struct{ users, places, points []any }{
		// Equal totals: Ada's best race is the better one; the others are equal in all.
		"season=2026":                    {[]any{"ada", "bea", "cem", "dan"}, []any{1., 2., 2., 2.}, []any{900., 900., 900., 900.}},
		"season=2026&best=1":             {[]any{"ada", "bea", "cem", "dan"}, []any{1., 2., 2., 2.}, []any{800., 500., 500., 500.}},
		"season=2026&best=5":             {[]any{"ada", "bea", "cem", "dan"}, []any{1., 2., 2., 2.}, []any{900., 900., 900., 900.}},
		"season=2026&sex=M":              {[]any{"cem", "dan"}, []any{1., 1.}, []any{900., 900.}},
		"season=2026&age_group=40-44":    {[]any{"ada"}, []any{1.}, []any{900.}},
		"season=2026&age_group=40%2B":    {[]any{"ada", "cem"}, []any{1., 2.}, []any{900., 900.}},
		"season=2026&age_group=-39":      {[]any{"bea"}, []any{1.}, []any{900.}},
		"season=2026&sex=X":              {[]any{}, []any{}, []any{}},
		"season=2025":                    {[]any{"eve"}, []any{1.}, []any{900.}},
		"season=2024":                    {[]any{}, []any{}, []any{}},
		"season=2026&sex=F&age_group=0+": {nil, nil, nil}, // a plus that is not escaped is a space
	} {
		status, body := b.get(t, query)
		if want.users == nil {
			require.Equal(t, http.StatusUnprocessableEntity, status, query)
			continue
		}
		require.Equal(t, http.StatusOK, status, query)
		require.Equal(t, want.users, column(t, body, "user_id"), query)
		require.Equal(t, want.places, column(t, body, "place"), query)
		require.Equal(t, want.points, column(t, body, "points"), query)
	}
	_, body := b.get(t, "season=2026")
	require.Equal(t, []any{"Name of ada", "Name of bea", "Name of cem", "Name of dan"}, column(t, body, "name"))
	require.Equal(t, []any{40., 20., 50., nil}, column(t, body, "age"))
	require.Equal(t, []any{2., 2., 2., 2.}, column(t, body, "races"))
}

func TestPagesAreOfOneReading(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.verify(t, true)
	for i, user := range []string{"a", "b", "c", "d", "e"} {
		b.run(t, 2026, "race", user, race.Female, 30, 1000-i)
	}
	var users []any
	cursor := ""
	for {
		_, body := b.get(t, "season=2026&limit=2&cursor="+cursor)
		users = append(users, column(t, body, "user_id")...)
		next, more := body["next_cursor"].(string)
		if !more {
			break
		}
		if cursor == "" {
			b.run(t, 2026, "race", "winner", race.Female, 30, 2000)
		}
		cursor = next
	}
	require.Equal(t, []any{"a", "b", "c", "d", "e"}, users, "all pages are of one reading")
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, query := range []string{
		"", "season=abc", "season=1800", "season=2026&age_group=old", "season=2026&age_group=44-40", "season=2026&age_group=40",
		"season=2026&age_group=-", "season=2026&age_group=41-45", "season=2026&age_group=40-40", "season=2026&age_group=41%2B", "season=2026&age_group=-40", "season=2026&age_group=500-", "season=2026&best=0", "season=2026&sex=Q", "season=2026&cursor=zz",
	} {
		status, _ := b.get(t, query)
		require.Equal(t, http.StatusUnprocessableEntity, status, query)
	}
}

// verify says whether operators vouch for the organizer of these tests.
func (b *testBundle) verify(t *testing.T, verified bool) {
	t.Helper()
	_, err := b.store.SetVerified(t.Context(), "organizer", verified, maindb.Change{})
	require.NoError(t, err)
}

func TestOnlyVerifiedOrganizersAndComputedPointsCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, 2026, "spring", "ada", race.Female, 39, 800)
	b.run(t, 2026, "autumn", "ada", race.Female, 39, 1_000_000)
	b.inMain(t, "UPDATE race SET scoring = 'fixed', points = 1000000 WHERE race_id = 'autumn'")
	leads := func() []any {
		_, body := b.get(t, "season=2026")
		return column(t, body, "points")
	}
	require.Empty(t, leads(), "a new organizer is not verified")
	b.verify(t, true)
	require.Empty(t, leads(), "as it is for up to a minute")
	b.pass(time.Minute)
	require.Equal(t, []any{800.}, leads(), "fixed points never count across races")
	b.verify(t, false)
	b.pass(time.Minute)
	require.Empty(t, leads())
}

// While a claim moves points to an account, the credit is still that of the stand-in
// and the entry is the account's already.
func TestAResultIsOnTheLeaderboardWhileAClaimMovesIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.verify(t, true)
	b.run(t, 2026, "spring", "standin", race.Female, 42, 800)
	b.inMain(t, "UPDATE participant SET user_id = 'ada' WHERE user_id = 'standin'")
	for _, query := range []string{"season=2026", "season=2026&sex=F", "season=2026&age_group=40-44"} {
		_, body := b.get(t, query)
		require.Equal(t, []any{800.}, column(t, body, "points"), query)
	}
}
