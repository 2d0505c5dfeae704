package ops_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/server/servertest"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/workflows"
)

const (
	operatorID = "01926b1e-0000-7000-8000-000000000001"
	runnerID   = "01926b1e-0000-7000-8000-000000000003"
)

var errNoAnswer = fmt.Errorf("describe: %w: connection refused", temporal.ErrUnavailable)

// fakeTemporal is a Temporal in memory. Workflows are found by their ID.
type fakeTemporal struct {
	mu      sync.Mutex
	down    bool
	noReset bool // resets are refused
	latest  map[string]temporal.Execution
	runs    []temporal.Run // what visibility finds of any record
	failed  []temporal.Run // and of failed credits
	audits  []temporal.Run
	found   object // what every audit found
	rebuild func(ctx context.Context, userID string) (before, after int64, err error)
	rebuilt activities.Total
	hangs   bool     // no worker takes the workflows
	resets  []string // workflow ID and reason
}

func (f *fakeTemporal) Describe(_ context.Context, workflowID string) (temporal.Execution, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return temporal.Execution{}, errNoAnswer
	}
	found, ok := f.latest[workflowID]
	if !ok {
		return temporal.Execution{}, fmt.Errorf("describe: %w", race.ErrNotFound)
	}
	return found, nil
}

func (f *fakeTemporal) List(_ context.Context, query string, _ int) ([]temporal.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.down:
		return nil, errNoAnswer
	case strings.Contains(query, "AuditCredits"):
		return f.audits, nil
	case !strings.Contains(query, "Terminated"):
		return f.runs, nil
	}
	var of []temporal.Run
	for _, run := range f.failed {
		if _, raceID, only := strings.Cut(query, "RaceId = '"); !only || strings.Contains(run.WorkflowID, strings.TrimSuffix(raceID, "'")) {
			of = append(of, run)
		}
	}
	return of, nil
}

func (f *fakeTemporal) Reset(_ context.Context, run temporal.Run, reason string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down || f.noReset {
		return "", errNoAnswer
	}
	f.resets = append(f.resets, run.WorkflowID+" "+run.RunID+" "+reason)
	return "new-run", nil
}

func (f *fakeTemporal) Start(ctx context.Context, options client.StartWorkflowOptions, _ any, args ...any) (temporal.Run, error) {
	if f.down {
		return temporal.Run{}, errNoAnswer
	}
	if len(args) == 1 {
		if of, ok := args[0].(workflows.TotalInput); ok {
			before, after, err := f.rebuild(ctx, of.UserID)
			f.rebuilt = activities.Total{Before: before, After: after}
			return temporal.Run{WorkflowID: options.ID, RunID: "total-run"}, err
		}
	}
	return temporal.Run{WorkflowID: options.ID, RunID: "audit-run", Status: temporal.Running}, nil
}

func (f *fakeTemporal) Result(_ context.Context, _ temporal.Run, result any) error {
	if f.hangs {
		return errNoAnswer
	}
	if total, ok := result.(*activities.Total); ok {
		*total = f.rebuilt
		return nil
	}
	text, err := json.Marshal(f.found)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, result)
}

// bundle is the whole API with the calls under test, on two databases of its
// own, and a race.
type bundle struct {
	main     *maindb.Store
	ledger   *userdb.Store
	accounts *userdb.Accounts
	outcomes *maindb.Outcomes // the worker's
	credits  *userdb.Ledger
	inMain   func(t *testing.T, statement string)
	inUser   func(t *testing.T, statement string)
	temporal *fakeTemporal
	letters  *letterBox
	router   http.Handler
	registry *prometheus.Registry
	raceID   string
	pokes    *atomic.Int64
	ahead    time.Duration // the API's clock is ahead of the databases'
	wake     func(raceID string) error
}

func (b *bundle) wakeStandings(_ context.Context, raceID string) (string, error) {
	return "standings/" + raceID, b.wake(raceID)
}

func (b *bundle) wakeSeries(_ context.Context, seriesID string) (string, error) {
	return "series/" + seriesID, b.wake(seriesID)
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{pokes: &atomic.Int64{}, temporal: &fakeTemporal{latest: map[string]temporal.Execution{}}, letters: &letterBox{}}
	mainDB, mainCfg := mysqltest.New(t, maindb.Migrations())
	userDB, userCfg := mysqltest.New(t, userdb.Migrations())
	b.main = maindb.New(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.API), time.Now)
	b.accounts = userdb.NewAccounts(mysqltest.As(t, userCfg, userdb.Grants(), mysql.API), time.Now)
	b.ledger = b.accounts.Store
	b.outcomes = maindb.NewOutcomes(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.Worker), time.Now)
	b.credits = userdb.NewLedger(mysqltest.As(t, userCfg, userdb.Grants(), mysql.Worker), time.Now)
	b.temporal.rebuild = b.credits.RebuildTotal
	b.inMain = func(t *testing.T, statement string) {
		t.Helper()
		_, err := mainDB.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	b.inUser = func(t *testing.T, statement string) {
		t.Helper()
		_, err := userDB.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	b.inUser(t, `INSERT INTO user (user_id, user_type, name, phone, sex, total_point, created_at, updated_at)
		VALUES ('`+runnerID+`', 'runner', '', '', '', 0, NOW(6), NOW(6))`)
	b.raceID = b.addRace(t)
	b.mount(b.main, b.ledger)
	return b
}

func (b *bundle) addRace(t *testing.T) string {
	t.Helper()
	r, err := b.main.CreateRace(t.Context(), race.Race{
		ID: newID(), OrganizerID: newID(), Name: "Harbour Half", Date: race.Date{Year: 2026, Month: 3, Day: 1},
		Distance: 21_097_500, Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}, Scoring: "agegrade-2025",
		Status: race.Scheduled,
	})
	require.NoError(t, err)
	return r.ID
}

// mount builds the API on those stores.
func (b *bundle) mount(store *maindb.Store, ledger *userdb.Store) {
	b.registry = prometheus.NewRegistry()
	cfg := servertest.Config(servertest.Callers{"operator": {UserID: operatorID, Type: auth.Operator}}, b.main)
	cfg.Registry = b.registry
	router, api := server.New(cfg)
	ops.Register(api, ops.Config{
		Store: store, Ledger: ledger, Accounts: b.accounts, Workflows: b.temporal, Letters: b.letters,
		Poke: func() { b.pokes.Add(1) }, WakeStandings: b.wakeStandings, WakeSeries: b.wakeSeries, TraceURL: func(id string) string { return "http://ui/" + id },
		Now: func() time.Time { return time.Now().Add(b.ahead) }, Log: slog.New(slog.DiscardHandler), Actions: repair.NewLog(store, slog.New(slog.DiscardHandler), b.registry),
	})
	b.router = router
}

// down is the address of a database that is not there.
func down(t *testing.T) *sql.DB {
	t.Helper()
	db, err := mysql.Open(mysql.Config{Addr: "127.0.0.1:1", User: "nobody", Name: "nothing", MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func workflowID(raceID, recordID string, revision int) string {
	return fmt.Sprintf("credit/%s/%s/r%d", raceID, recordID, revision)
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

type object = map[string]any

// call makes a call as an operator.
func (b *bundle) call(t *testing.T, method, path string, body any) *httptest.ResponseRecorder {
	t.Helper()
	text := ""
	if body != nil {
		encoded, err := json.Marshal(body)
		require.NoError(t, err)
		text = string(encoded)
	}
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(text))
	request.Header.Set("Authorization", "Bearer operator")
	if text != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, request)
	return recorder
}

// decode returns the answer, which must have that status.
func decode[T any](t *testing.T, answer *httptest.ResponseRecorder, status int) (body T) {
	t.Helper()
	require.Equal(t, status, answer.Code, answer.Body.String())
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &body))
	return body
}

// post posts a record and takes it off the outbox, as the relay does.
func (b *bundle) post(t *testing.T, raceID, bib string) race.Record {
	t.Helper()
	r, _, err := b.main.PostRecord(t.Context(), raceID, newID(),
		race.Result{Bib: bib, Gun: 5_000_000, Status: race.Finished}, maindb.Change{By: operatorID})
	require.NoError(t, err)
	require.Equal(t, 1, b.outbox(t))
	return r
}

// correct makes the next revision of a record.
func (b *bundle) correct(t *testing.T, r race.Record, gun race.Time) race.Record {
	t.Helper()
	r, _, err := b.main.PatchRecord(t.Context(), r.RaceID, r.ID, r.Revision, maindb.RecordPatch{Gun: &gun},
		maindb.Change{By: operatorID, Reason: "read late"})
	require.NoError(t, err)
	require.Equal(t, 1, b.outbox(t))
	return r
}

// settle writes the outcome of the record's revision to the ledger.
func (b *bundle) settle(t *testing.T, r race.Record, status race.CreditStatus) {
	t.Helper()
	c := race.Credit{
		RecordID: r.ID, RaceID: r.RaceID, Revision: r.Revision, Status: status,
		Rule: "agegrade", Edition: "2025", WorkflowID: workflowID(r.RaceID, r.ID, r.Revision),
	}
	if status == race.Credited {
		c.UserID, c.Points = runnerID, int64(700+r.Revision)
	} else {
		c.Reason = "no participant with bib " + r.Result.Bib
	}
	_, err := b.credits.ApplyCredit(t.Context(), c)
	require.NoError(t, err)
}

// runs makes the workflow of a record's latest revision be as given.
func (b *bundle) runs(r race.Record, status temporal.Status, more ...temporal.PendingActivity) {
	id := workflowID(r.RaceID, r.ID, r.Revision)
	b.temporal.latest[id] = temporal.Execution{
		Run:     temporal.Run{WorkflowID: id, RunID: "run-of-" + r.Result.Bib, Status: status, StartedAt: time.Now()},
		Pending: more,
	}
}

// outbox drains the outbox and returns how many rows it had.
func (b *bundle) outbox(t *testing.T) int {
	t.Helper()
	n, err := b.main.SendOutbox(t.Context(), 100_000, func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
		return rows, nil
	})
	require.NoError(t, err)
	return n
}

// action is an operator's action as the API shows it.
type action struct {
	Actor      string         `json:"actor"`
	OperatorID string         `json:"operator_id"`
	Action     string         `json:"action"`
	Target     string         `json:"target"`
	Reason     string         `json:"reason"`
	Before     any            `json:"before"`
	After      map[string]any `json:"after"`
	FinishedAt string         `json:"finished_at"`
}

func (b *bundle) actions(t *testing.T, query string) (items []action, next string) {
	t.Helper()
	page := decode[struct {
		Items      []action `json:"items"`
		NextCursor string   `json:"next_cursor"`
	}](t, b.call(t, http.MethodGet, "/v1/ops/actions"+query, nil), http.StatusOK)
	return page.Items, page.NextCursor
}

// lastAction returns the newest action, which must be over.
func (b *bundle) lastAction(t *testing.T) action {
	t.Helper()
	items, _ := b.actions(t, "?limit=1")
	require.Len(t, items, 1)
	require.Equal(t, operatorID, items[0].OperatorID)
	require.NotEmpty(t, items[0].FinishedAt)
	return items[0]
}
