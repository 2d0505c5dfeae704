package leaderboard_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/leaderboard"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// ledger holds races with their credits and entrants in memory.
type ledger struct {
	races    map[int][]string // by year
	credits  map[string]map[string]race.Credit
	entrants map[string][]maindb.Entrant
	reads    int
}

func (l *ledger) RacesOfSeason(_ context.Context, year int) ([]string, error) {
	l.reads++
	return l.races[year], nil
}

func (l *ledger) Entrants(_ context.Context, raceID string) ([]maindb.Entrant, error) {
	return l.entrants[raceID], nil
}

func (l *ledger) RaceCredits(_ context.Context, raceID string) (map[string]race.Credit, error) {
	return l.credits[raceID], nil
}

func (l *ledger) Runners(_ context.Context, ids []string) (map[string]userdb.Runner, error) {
	runners := map[string]userdb.Runner{}
	for _, id := range ids {
		runners[id] = userdb.Runner{UserID: id, Name: "Name of " + id}
	}
	return runners, nil
}

type nobody struct{}

func (nobody) Verify(string) (auth.Identity, error) { return auth.Identity{}, errors.New("nobody") }

func (nobody) Race(context.Context, string) (race.Race, error) {
	return race.Race{}, race.ErrNotFound
}

// run enters a runner in a race with points.
func (l *ledger) run(year int, raceID, userID string, sex race.Sex, age int, points int64) {
	if l.credits[raceID] == nil {
		l.credits[raceID] = map[string]race.Credit{}
		l.races[year] = append(l.races[year], raceID)
	}
	l.credits[raceID][raceID+userID] = race.Credit{UserID: userID, Points: points, Status: race.Credited}
	l.entrants[raceID] = append(l.entrants[raceID], maindb.Entrant{UserID: userID, Sex: sex, Age: age})
}

func setup(t *testing.T) (l *ledger, get func(query string) (status int, body map[string]any)) {
	t.Helper()
	l = &ledger{races: map[int][]string{}, credits: map[string]map[string]race.Credit{}, entrants: map[string][]maindb.Entrant{}}
	router, api := server.New(server.Config{
		Verifier: nobody{}, Races: nobody{}, Fingerprint: sha256.Sum256, Log: slog.New(slog.DiscardHandler),
		Registry: prometheus.NewRegistry(), Health: http.NotFoundHandler(),
	})
	leaderboard.Register(api, l, l, time.Now)
	return l, func(query string) (int, map[string]any) {
		recorder := httptest.NewRecorder()
		router.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/leaderboard?"+query, http.NoBody))
		var body map[string]any
		require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &body))
		return recorder.Code, body
	}
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
	l, get := setup(t)
	l.run(2026, "spring", "ada", race.Female, 39, 800)
	l.run(2026, "spring", "bea", race.Female, 20, 500)
	l.run(2026, "spring", "cem", race.Male, 50, 400)
	l.run(2026, "spring", "dan", race.Male, race.UnknownAge, 400)
	l.run(2026, "spring", "eve", race.Female, 30, 0) // nothing to show
	l.run(2026, "autumn", "ada", race.Female, 40, 100)
	l.run(2026, "autumn", "bea", race.Female, 20, 400)
	l.run(2026, "autumn", "cem", race.Male, 50, 500)
	l.run(2026, "autumn", "dan", "", race.UnknownAge, 500)
	l.run(2025, "earlier", "eve", race.Female, 29, 900)
	l.credits["autumn"]["rejected"] = race.Credit{Status: race.Rejected}

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
		status, body := get(query)
		if want.users == nil {
			require.Equal(t, http.StatusUnprocessableEntity, status, query)
			continue
		}
		require.Equal(t, http.StatusOK, status, query)
		require.Equal(t, want.users, column(t, body, "user_id"), query)
		require.Equal(t, want.places, column(t, body, "place"), query)
		require.Equal(t, want.points, column(t, body, "points"), query)
	}
	_, body := get("season=2026")
	require.Equal(t, []any{"Name of ada", "Name of bea", "Name of cem", "Name of dan"}, column(t, body, "name"))
	require.Equal(t, []any{40., 20., 50., nil}, column(t, body, "age"))
	require.Equal(t, []any{2., 2., 2., 2.}, column(t, body, "races"))
}

func TestPagesAndMemory(t *testing.T) {
	t.Parallel()
	l, get := setup(t)
	for i, user := range []string{"a", "b", "c", "d", "e"} {
		l.run(2026, "race", user, race.Female, 30, int64(1000-i))
	}
	var users []any
	cursor := ""
	for {
		_, body := get("season=2026&limit=2&cursor=" + cursor)
		users = append(users, column(t, body, "user_id")...)
		next, more := body["next_cursor"].(string)
		if !more {
			break
		}
		cursor = next
	}
	require.Equal(t, []any{"a", "b", "c", "d", "e"}, users)
	require.Equal(t, 1, l.reads)
}

func TestBadQueries(t *testing.T) {
	t.Parallel()
	_, get := setup(t)
	for _, query := range []string{
		"", "season=abc", "season=1800", "season=2026&age_group=old", "season=2026&age_group=44-40", "season=2026&age_group=40",
		"season=2026&age_group=-", "season=2026&age_group=500-", "season=2026&best=0", "season=2026&sex=Q", "season=2026&cursor=zz",
	} {
		status, _ := get(query)
		require.Equal(t, http.StatusUnprocessableEntity, status, query)
	}
}
