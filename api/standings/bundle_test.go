package standings_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/api/series"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/server/servertest"
	"github.com/mrmrthon/mrmrthon/api/splits"
	"github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	ranked "github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// testBundle is the calls of this package in the real frame, on two real
// databases, with a race of five runners: Ada wins before Bea, Cem, Dan and
// Ève, who share nothing.
type testBundle struct {
	router   http.Handler
	main     *counting
	accounts *userdb.Accounts
	ledger   *userdb.Ledger // the worker's
	// ofMain runs a statement of one column and one row on main_db.
	ofMain func(t *testing.T, statement string) (value string)
	// ofUser runs a statement on user_db.
	ofUser    func(t *testing.T, statement string)
	clock     *clock
	steps     *activities.Standings
	series    *activities.Series
	stop      func()
	organizer string // their token
	raceID    string
	users     map[string]string // user IDs by bib
	records   map[string]string // record IDs by bib

	mu    sync.Mutex
	woken []string
	tally standings.Tally
}

// clock goes on by itself and can be advanced.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += by
}

// counting is the real store, which counts the versions that are loaded.
type counting struct {
	*maindb.Store
	mu    sync.Mutex
	heads int
	loads int // of versions with their rows
}

func (c *counting) Standings(ctx context.Context, raceID string, version int) (maindb.StandingsHead, []ranked.Row, error) {
	c.mu.Lock()
	c.loads++
	c.mu.Unlock()
	return c.Store.Standings(ctx, raceID, version)
}

func (c *counting) versionsLoaded() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loads
}

func (c *counting) LatestStandings(ctx context.Context, raceID string) (maindb.StandingsHead, error) {
	c.mu.Lock()
	c.heads++
	c.mu.Unlock()
	return c.Store.LatestStandings(ctx, raceID)
}

func (c *counting) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heads
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func setup(t *testing.T) *testBundle {
	t.Helper()
	mainDB, mainCfg := mysqltest.New(t, maindb.Migrations())
	userDB, userCfg := mysqltest.New(t, userdb.Migrations())
	organizer := newID()
	clock := &clock{}
	stopping := make(chan struct{})
	b := &testBundle{
		main:     &counting{Store: maindb.New(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.API), clock.Now)},
		accounts: userdb.NewAccounts(mysqltest.As(t, userCfg, userdb.Grants(), mysql.API), clock.Now),
		ledger:   userdb.NewLedger(mysqltest.As(t, userCfg, userdb.Grants(), mysql.Worker), clock.Now), clock: clock,
		stop: sync.OnceFunc(func() { close(stopping) }), organizer: "organizer/" + organizer,
		users: map[string]string{}, records: map[string]string{},
	}
	t.Cleanup(b.stop)
	b.ofMain = func(t *testing.T, statement string) (value string) {
		t.Helper()
		require.NoError(t, mainDB.QueryRowContext(t.Context(), statement).Scan(&value))
		return value
	}
	b.ofUser = func(t *testing.T, statement string) {
		t.Helper()
		_, err := userDB.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	outcomes := maindb.NewOutcomes(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.Worker), clock.Now)
	b.series = activities.NewSeries(outcomes, b.rank, clock.Now)
	b.steps = activities.NewStandings(outcomes, b.ledger, clock.Now, activities.NewStandingsMetrics(prometheus.NewRegistry()))
	b.steps.Series = b.series
	router, api := server.New(servertest.Config(servertest.Tokens{}, b.main))
	reader := standings.Register(api, standings.Config{
		Splits: splits.NewReader(b.main, clock.Now), Store: b.main.Store, Versions: b.main, Ledger: b.accounts.Store, Stopping: stopping, Now: clock.Now, Log: slog.New(slog.DiscardHandler),
		WorkflowID: func(_, recordID string, revision int) string { return fmt.Sprintf("%s/r%d", recordID, revision) },
		TraceURL:   func(workflowID string) string { return "http://trace/" + workflowID },
		Wake: func(_ context.Context, raceID string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.woken = append(b.woken, raceID)
		},
		CountCredits: func(context.Context, string) (standings.Tally, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.tally, nil
		},
	})
	b.accounts.Changed = reader.Forget
	series.Register(api, series.Config{
		Store: b.main.Store, Reader: reader, Now: clock.Now, Log: slog.New(slog.DiscardHandler),
		Wake: func(ctx context.Context, seriesID string) { _ = b.rank(ctx, seriesID) }, // a failure shows in what is read
	})
	b.router = router
	b.addRace(t, organizer)
	return b
}

// addRace makes the race, its start list and its records.
func (b *testBundle) addRace(t *testing.T, organizer string) {
	t.Helper()
	forty := 40
	added, err := b.main.CreateRace(t.Context(), race.Race{
		ID: newID(), OrganizerID: organizer, Name: "Test Marathon", Date: race.Date{Year: 2026, Month: 4, Day: 20},
		Distance: 42_195_000, Scoring: "agegrade-2025",
		Ranking:   race.Ranking{Basis: race.Gun, DivisionsBasis: race.Net, Ties: race.TiesShare},
		Divisions: []race.Division{{Name: "F open", Sex: race.Female}, {Name: "M40+", Sex: race.Male, MinAge: &forty}},
	})
	require.NoError(t, err)
	b.raceID = added.ID
	var rows []maindb.StartListRow
	var accounts []userdb.Runner
	for i, r := range []struct {
		bib, name string
		sex       race.Sex
		age       int
	}{
		{"1", "Ada Alm", race.Female, 30},
		{"2", "Bea Bok", race.Female, 31},
		{"3", "Cem Can", race.Male, 45},
		{"4", "=Dan Dow", race.Male, 50},
		{"5", "Ève Núñez", race.Female, race.UnknownAge},
	} {
		user := newID()
		b.users[r.bib] = user
		accounts = append(accounts, userdb.Runner{UserID: user, Name: r.name, Sex: r.sex})
		field := race.Runner
		if i == 4 {
			field = race.Wheelchair
		}
		rows = append(rows, maindb.StartListRow{
			Bib: r.bib, Sex: r.sex, Age: r.age, Field: field,
			StandIn: maindb.RunnerAccount{UserID: user, Sex: r.sex},
		})
	}
	require.NoError(t, b.accounts.EnsureRunners(t.Context(), accounts))
	planned, err := b.main.PlanStartList(t.Context(), b.raceID, rows)
	require.NoError(t, err)
	_, err = b.main.ImportStartList(t.Context(), b.raceID, rows, planned)
	require.NoError(t, err)
	for i, bib := range []string{"1", "2", "3", "4", "5"} {
		b.records[bib] = newID()
		_, _, err := b.main.PostRecord(t.Context(), b.raceID, b.records[bib], race.Result{
			Bib: bib, Gun: race.Time(8_000_000 + 1000*i), Net: race.Time(7_990_000 - 2000*i), Status: race.Finished,
		}, maindb.Change{By: organizer})
		require.NoError(t, err)
	}
}

// credit credits the latest revision of a bib's record.
func (b *testBundle) credit(t *testing.T, bib string, points int64) {
	t.Helper()
	record, err := b.main.Record(t.Context(), b.raceID, b.records[bib])
	require.NoError(t, err)
	facts, err := b.main.Facts(t.Context(), record.ID)
	require.NoError(t, err)
	_, err = b.ledger.ApplyCredit(t.Context(), race.Credit{
		RecordID: record.ID, RaceID: b.raceID, Revision: record.Revision, Status: race.Credited, UserID: b.users[bib],
		Points: points, Rule: "agegrade", Edition: "2025", WorkflowID: fmt.Sprintf("credit/%s/r%d", bib, record.Revision),
		Fingerprint: facts.Fingerprint(),
		Parts:       &race.Parts{Rule: "agegrade-2025", AgeGradePercent: float64(points) / 10},
	})
	require.NoError(t, err)
}

// creditAll credits everybody 100 points a bib.
func (b *testBundle) creditAll(t *testing.T) {
	t.Helper()
	for i, bib := range []string{"1", "2", "3", "4", "5"} {
		b.credit(t, bib, int64(100*(i+1)))
	}
}

func (b *testBundle) patch(t *testing.T, bib, reason string, patch maindb.RecordPatch) {
	t.Helper()
	record, err := b.main.Record(t.Context(), b.raceID, b.records[bib])
	require.NoError(t, err)
	_, changed, err := b.main.PatchRecord(t.Context(), b.raceID, record.ID, record.Revision, patch, maindb.Change{By: "organizer", Reason: reason})
	require.NoError(t, err)
	require.True(t, changed)
}

// recompute does what the race's workflow does, and lets this process notice.
func (b *testBundle) recompute(t *testing.T) activities.Recomputed {
	t.Helper()
	result, err := b.steps.RecomputeStandings(t.Context(), activities.RecomputeInput{RaceID: b.raceID})
	require.NoError(t, err)
	b.clock.Advance(time.Second)
	return result
}

func (b *testBundle) wakes() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.woken)
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

// call makes a call; headers are names and values in turn.
func (b *testBundle) call(t *testing.T, method, path, token, body string, headers ...string) answer {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, "/v1/races/"+b.raceID+path, strings.NewReader(body))
	if strings.HasPrefix(path, "/v1/") {
		request = httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Set(pair[0], pair[1])
	}
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, request)
	got := answer{status: recorder.Code, header: recorder.Header(), raw: recorder.Body.String()}
	if strings.Contains(recorder.Header().Get("Content-Type"), "json") && got.raw != "" {
		require.NoError(t, json.Unmarshal(recorder.Body.Bytes(), &got.body), got.raw)
	}
	return got
}

func (b *testBundle) get(t *testing.T, path string, headers ...string) answer {
	t.Helper()
	return b.call(t, http.MethodGet, path, "", "", headers...)
}

// items returns a member of each item of a list.
func (a answer) items(t *testing.T, member string) []any {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.raw)
	list, ok := a.body["items"].([]any)
	require.True(t, ok, a.raw)
	values := []any{}
	for _, entry := range list {
		item, ok := entry.(map[string]any)
		require.True(t, ok)
		values = append(values, item[member])
	}
	return values
}
