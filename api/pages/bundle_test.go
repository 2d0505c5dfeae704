package pages_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/api/accounts"
	"github.com/mrmrthon/mrmrthon/api/changes"
	"github.com/mrmrthon/mrmrthon/api/claims"
	"github.com/mrmrthon/mrmrthon/api/disputes"
	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/api/keys"
	"github.com/mrmrthon/mrmrthon/api/leaderboard"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/pages"
	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/posts"
	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/records"
	"github.com/mrmrthon/mrmrthon/api/series"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/splits"
	"github.com/mrmrthon/mrmrthon/api/staff"
	"github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/api/tasks"
	"github.com/mrmrthon/mrmrthon/api/webhooks"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// testBundle is the pages in the real frame, on two real databases.
type testBundle struct {
	router   http.Handler
	main     *maindb.Store
	outcomes *maindb.Outcomes // with the rights of the worker
	accounts *userdb.Accounts
	// accountsAt returns the same accounts at another time.
	accountsAt func(clock func() time.Time) *userdb.Accounts
	ledger     *userdb.Ledger // the worker's
	steps      *activities.Standings
	series     *activities.Series
	passkeys   auth.PasskeyRule // who needs one
	entering   *maindb.Entering // nil: the usual
	organizer  string
	raceID     string
	users      map[string]string // user IDs by bib
	records    map[string]string // record IDs by bib
	logs       lockedBuffer
	temporal   fakeTemporal
	letters    letterBox
}

// sessionLifetime is how long a browser stays logged in.
const sessionLifetime = 30 * 24 * time.Hour

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// nobody has a token.
type nobody struct{}

func (nobody) Verify(string) (auth.Identity, error) { return auth.Identity{}, http.ErrNoCookie }

func setup(t testing.TB) *testBundle {
	t.Helper()
	_, mainCfg := mysqltest.New(t, maindb.Migrations())
	_, userCfg := mysqltest.New(t, userdb.Migrations())
	userDB := mysqltest.As(t, userCfg, userdb.Grants(), mysql.API)
	b := &testBundle{
		accountsAt: func(clock func() time.Time) *userdb.Accounts { return userdb.NewAccounts(userDB, clock) },
		main:       maindb.New(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.API), time.Now),
		accounts:   userdb.NewAccounts(userDB, time.Now),
		ledger:     userdb.NewLedger(mysqltest.As(t, userCfg, userdb.Grants(), mysql.Worker), time.Now),
		users:      map[string]string{}, records: map[string]string{},
	}
	b.outcomes = maindb.NewOutcomes(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.Worker), time.Now)
	b.series = activities.NewSeries(b.outcomes, func(context.Context, string) error { return nil }, time.Now)
	b.steps = activities.NewStandings(b.outcomes, b.ledger, time.Now,
		activities.NewStandingsMetrics(prometheus.NewRegistry()))
	b.organizer = newID()
	_, err := b.accounts.CreateAccount(t.Context(), userdb.Account{
		UserID: b.organizer, LoginID: "office@example.org", Type: auth.Organizer, Name: "Race Office",
	})
	require.NoError(t, err)
	b.serve(t, time.Now, "https://results.example.org/")
	return b
}

// loseUserDB has the pages find no user_db any more.
func (b *testBundle) loseUserDB(t testing.TB) {
	t.Helper()
	nowhere, err := mysql.Open(mysql.Config{Addr: "127.0.0.1:1", User: "nobody", Name: "nothing", MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, nowhere.Close()) })
	b.accounts = userdb.NewAccounts(nowhere, time.Now)
	b.serve(t, time.Now, "https://results.example.org/")
}

// serve mounts the pages as the API does.
func (b *testBundle) serve(t testing.TB, clock func() time.Time, publicURL string) {
	t.Helper()
	router, api := server.New(server.Config{
		Verifier: nobody{}, Races: b.main, Keys: b.main, Fingerprint: sha256.Sum256,
		Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), Health: http.NotFoundHandler(),
	})
	reader := standings.Register(api, standings.Config{
		Store: b.main, Wake: func(context.Context, string) {}, Ledger: b.accounts.Store, WorkflowID: workflows.CreditWorkflowID, TraceURL: func(id string) string { return id }, Now: clock, Log: slog.New(slog.DiscardHandler),
	})
	passwords, _ := hashed(t)
	checks, err := auth.NewPasskeys(publicURL)
	require.NoError(t, err)
	many := auth.SignUpConfig{PerAddress: 1000, PerMinute: 1000}
	people := accounts.Register(api, accounts.Config{
		Store: b.accounts, EraseRecords: func(ctx context.Context, userID string) error { _, err := b.main.Leave(ctx, userID); return err },
		ExportRecords: b.main.Export, Passwords: passwords, Throttle: auth.NewThrottle(clock), SignUps: auth.NewSignUpLimit(many, clock),
		Recoveries: auth.NewSignUpLimit(many, clock), SessionExpiry: auth.Config{RefreshTokenTTL: 2 * sessionLifetime, SessionLifetime: sessionLifetime}.SessionExpiry, Passkeys: checks, RequirePasskey: b.passkeys,
		TraceURL: func(id string) string { return id }, Now: clock, Log: slog.New(slog.DiscardHandler),
	})
	quiet := slog.New(slog.DiscardHandler)
	link := func(id string) string { return id }
	readings := splits.NewReader(b.main, clock)
	recorded := records.Register(api, records.Config{
		Store: b.main, Ledger: b.accounts.Store, Poke: func() {}, TraceURL: link, Splits: readings, Log: quiet,
		WorkflowID: func(raceID, recordID string, revision int) string { return fmt.Sprint(raceID, recordID, revision) },
	})
	files := plans.Register(api, plans.Config{
		Store: b.main, Runners: b.accounts, Poke: func() {}, Now: clock, Settings: plans.Settings{PlanLifetime: time.Hour, FileLifetime: time.Hour},
		StandIns: imports.StandIns{Entrants: b.main.EnteredInPerson, Runners: b.accounts, LoginHash: func(login string) string {
			return fmt.Sprintf("%x", sha256.Sum256([]byte(login)))
		}},
	})
	actions := repair.NewLog(b.main, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	require.NoError(t, pages.Register(router, pages.Config{
		Claims: claims.Register(api, claims.Config{
			Store: b.main, Runners: b.accounts, Hash: sha256.Sum256, Codes: auth.NewCodeLimit(clock), Poke: func() {},
		}),
		Disputes: disputes.Register(api, b.main, func(context.Context, string) {}),
		Posts:    posts.Register(api, posts.Config{Store: b.main, People: reader.People, Now: clock}),
		Tasks:    tasks.Register(api, tasks.Config{Store: b.main, Accounts: b.accounts.Store, PublicURL: publicURL, Now: clock}),
		Settings: races.Register(api, races.Config{
			Races: b.main, StartLists: b.main, Runners: b.accounts, Entering: b.entering, Poke: func() {}, Wake: func(context.Context, string) {}, Actions: actions,
			LoginHash:    func(login string) string { return claims.LoginHash(sha256.Sum256, login) },
			TransferCode: func(transferID string) string { return claims.Code(sha256.Sum256, transferID, "transfer") },
		}),
		Files: files, Records: recorded,
		People: people, Keys: b.main, Fingerprint: sha256.Sum256,
		Splits:       readings,
		Series:       series.Register(api, series.Config{Store: b.main, Reader: reader, Wake: func(context.Context, string) {}, Now: clock, Log: quiet}),
		Staff:        staff.Register(api, staff.Config{Store: b.main, Accounts: b.accounts.Store, HashLogin: sha256.Sum256, Actions: actions, Now: clock}),
		Operations:   b.operations(api, clock, actions),
		APIKeys:      keys.Register(api, b.main, b.accounts, clock),
		Changes:      changes.Register(api, b.main),
		Webhooks:     webhooks.Register(api, webhooks.Config{Store: b.main, Now: clock}),
		CountCredits: records.Counter(b.main, b.accounts.Store, nil),
		Standings:    reader, Seasons: leaderboard.Register(api, b.main, b.accounts.Store, clock),
		Races: b.main, Accounts: b.accounts.Store, PublicURL: publicURL, Log: slog.New(slog.NewTextHandler(&b.logs, nil)), Now: clock,
	}))
	b.router = router
}

// runnerRow is a runner of a test's race.
type runnerRow struct {
	bib, name string
	sex       race.Sex
	age       int
	field     race.Field
	time      string // empty: did not finish
}

var field = []runnerRow{
	{"1", "Ada Alm", race.Female, 30, race.Runner, "2:30:00"},
	{"2", "김하나", race.Female, 31, race.Runner, "2:31:00"},
	{"3", "Cem Can", race.Male, 45, race.Runner, "2:31:00"},
	{"4", "Dan Dow", race.Male, 50, race.Runner, "2:40:00.5"},
	{"W 5/a", "Ève Núñez", race.Female, race.UnknownAge, race.Wheelchair, "1:50:00"},
	{"6", "Fay Fox", race.Female, 28, race.Runner, ""},
}

func springMarathon(organizer string) race.Race {
	forty := 40
	return race.Race{
		ID: newID(), OrganizerID: organizer, Name: "Spring Marathon", City: "Seoul", Date: race.Date{Year: 2026, Month: time.April, Day: 19},
		Distance: 42_195_000, Scoring: "agegrade-2025", Capacity: 500,
		Ranking:   race.Ranking{Basis: race.Gun, DivisionsBasis: race.Net, Ties: race.TiesShare},
		Divisions: []race.Division{{Name: "F open", Sex: race.Female}, {Name: "M40+", Sex: race.Male, MinAge: &forty}},
	}
}

// addRace adds a race with its start list, records and credits, and ranks it.
func (b *testBundle) addRace(t testing.TB, r race.Race, field []runnerRow) {
	t.Helper()
	added, err := b.main.CreateRace(t.Context(), r)
	require.NoError(t, err)
	b.raceID = added.ID
	var rows []maindb.StartListRow
	var standIns []userdb.Runner
	for _, r := range field {
		user := newID()
		b.users[r.bib] = user
		standIns = append(standIns, userdb.Runner{UserID: user, Name: r.name, Sex: r.sex})
		rows = append(rows, maindb.StartListRow{
			Bib: r.bib, Sex: r.sex, Age: r.age, Field: r.field, StandIn: maindb.RunnerAccount{UserID: user, Sex: r.sex},
		})
	}
	require.NoError(t, b.accounts.EnsureRunners(t.Context(), standIns))
	planned, err := b.main.PlanStartList(t.Context(), b.raceID, rows)
	require.NoError(t, err)
	_, err = b.main.ImportStartList(t.Context(), b.raceID, rows, planned)
	require.NoError(t, err)
	for i, r := range field {
		b.records[r.bib] = newID()
		result := race.Result{Bib: r.bib, Status: race.DidNotFinish}
		if r.time != "" {
			gun, err := race.ParseTime(r.time)
			require.NoError(t, err)
			result = race.Result{Bib: r.bib, Status: race.Finished, Gun: gun, Net: gun - race.Time(1000*i)}
		}
		_, _, err := b.main.PostRecord(t.Context(), b.raceID, b.records[r.bib], result, maindb.Change{By: b.organizer})
		require.NoError(t, err)
	}
	for i, r := range field {
		b.credit(t, r.bib, int64(900-i))
	}
	b.recompute(t)
}

// credit credits the latest revision of a bib's record.
func (b *testBundle) credit(t testing.TB, bib string, points int64) {
	t.Helper()
	record, err := b.main.Record(t.Context(), b.raceID, b.records[bib])
	require.NoError(t, err)
	age := 30
	_, err = b.ledger.ApplyCredit(t.Context(), race.Credit{
		RecordID: record.ID, RaceID: b.raceID, Revision: record.Revision, Status: race.Credited, UserID: b.users[bib],
		Points: points, Rule: "agegrade", Edition: "2025", WorkflowID: "credit/" + bib,
		Parts: &race.Parts{
			Rule: "agegrade-2025", Clock: race.Gun, Time: "2:30:00", Sex: race.Female, Age: &age, OpenStandard: "2:09:56", AgeFactor: .9903,
			AgeGradePercent: float64(points) / 10,
		},
	})
	require.NoError(t, err)
}

func (b *testBundle) correct(t testing.TB, bib, reason string, patch maindb.RecordPatch) {
	t.Helper()
	record, err := b.main.Record(t.Context(), b.raceID, b.records[bib])
	require.NoError(t, err)
	_, _, err = b.main.PatchRecord(t.Context(), b.raceID, record.ID, record.Revision, patch, maindb.Change{By: b.organizer, Reason: reason})
	require.NoError(t, err)
	b.credit(t, bib, 0)
	b.recompute(t)
}

// recompute does what the race's workflow does.
func (b *testBundle) recompute(t testing.TB) {
	t.Helper()
	_, err := b.steps.RecomputeStandings(t.Context(), activities.RecomputeInput{RaceID: b.raceID})
	require.NoError(t, err)
	// What the caches kept is of before: a new process knows nothing.
	b.serve(t, time.Now, "https://results.example.org/")
}

// publish makes the race official.
func (b *testBundle) publish(t testing.TB) {
	t.Helper()
	_, err := b.main.OpenPublication(t.Context(), b.raceID, b.organizer, 0)
	require.NoError(t, err)
	b.recompute(t)
	found, err := b.main.Race(t.Context(), b.raceID)
	require.NoError(t, err)
	require.Equal(t, race.Official, found.Status)
}

// path is the address of a page about the race.
func (b *testBundle) path(lang, rest string) string { return "/" + lang + "/races/" + b.raceID + rest }

type answer struct {
	status int
	header http.Header
	body   string
	*goquery.Document
}

// get asks for a page; headers are names and values in turn.
func (b *testBundle) get(t testing.TB, path string, headers ...string) answer {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, request)
	got := answer{status: recorder.Code, header: recorder.Header(), body: recorder.Body.String()}
	if recorder.Header().Get("Content-Encoding") == "" {
		var err error
		got.Document, err = goquery.NewDocumentFromReader(strings.NewReader(got.body))
		require.NoError(t, err)
	}
	return got
}

// texts returns the texts of what a selector finds, with single spaces.
func (a answer) texts(selector string) []string {
	found := []string{}
	a.Find(selector).Each(func(_ int, s *goquery.Selection) {
		found = append(found, strings.Join(strings.Fields(s.Text()), " "))
	})
	return found
}

// column returns the texts of a column of the standings, by its number.
func (a answer) column(selector string) []string {
	return a.texts("table.standings tbody tr " + selector)
}
