package records_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/records"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/server/servertest"
	"github.com/mrmrthon/mrmrthon/api/splits"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	organizerID = "01926b1e-0000-7000-8000-000000000001"
	rivalID     = "01926b1e-0000-7000-8000-000000000002"
	runnerID    = "01926b1e-0000-7000-8000-000000000003"
)

// bundle is the whole API with the calls under test, on two databases of its
// own, and a race of the organizer's.
type bundle struct {
	main   *maindb.Store
	ledger *userdb.Store
	users  *userdb.Accounts
	worker *userdb.Ledger
	inMain func(t *testing.T, statement string) // executes it in main_db
	inUser func(t *testing.T, statement string) // and in user_db
	router http.Handler
	raceID string
	path   string // of the race's records
	pokes  *atomic.Int64
	ahead  records.Ahead
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{pokes: &atomic.Int64{}}
	mainDB, mainCfg := mysqltest.New(t, maindb.Migrations())
	userDB, userCfg := mysqltest.New(t, userdb.Migrations())
	b.main = maindb.New(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.API), time.Now)
	b.ledger = userdb.New(mysqltest.As(t, userCfg, userdb.Grants(), mysql.API), time.Now)
	b.users = userdb.NewAccounts(mysqltest.As(t, userCfg, userdb.Grants(), mysql.API), time.Now)
	b.worker = userdb.NewLedger(mysqltest.As(t, userCfg, userdb.Grants(), mysql.Worker), time.Now)
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
	r, err := b.main.CreateRace(t.Context(), race.Race{
		ID: uuid.NewString(), OrganizerID: organizerID, Name: "Harbour Half", Date: race.Date{Year: 2026, Month: 3, Day: 1},
		Distance: 21_097_500, Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}, Scoring: "agegrade-2025",
		Status: race.Scheduled,
	})
	require.NoError(t, err)
	b.raceID, b.path = r.ID, "/v1/races/"+r.ID+"/official-records"
	b.inUser(t, `INSERT INTO user (user_id, user_type, name, phone, sex, total_point, created_at, updated_at)
		VALUES ('`+runnerID+`', 'runner', '', '', '', 0, NOW(6), NOW(6))`)

	b.mount(b.ledger)
	return b
}

// mount builds the API on that ledger.
func (b *bundle) mount(ledger *userdb.Store) {
	router, api := server.New(servertest.Config(servertest.Callers{
		"organizer": {UserID: organizerID, Type: auth.Organizer},
		"rival":     {UserID: rivalID, Type: auth.Organizer},
		"runner":    {UserID: runnerID, Type: auth.Runner},
	}, b.main))
	plans.Register(api, plans.Config{
		Store: b.main, Runners: b.users, Poke: func() { b.pokes.Add(1) }, Now: time.Now,
		Settings: plans.Settings{PlanLifetime: time.Hour, FileLifetime: time.Hour},
		StandIns: imports.StandIns{Entrants: b.main.EnteredInPerson, Runners: b.users, LoginHash: func(login string) string { return login }},
	})
	records.Register(api, records.Config{
		Store: b.main, Ledger: ledger, Splits: splits.NewReader(b.main, time.Now), Log: slog.New(slog.DiscardHandler),
		Poke: func() { b.pokes.Add(1) },
		Ahead: func(raceID string, pending int) (records, seconds int) {
			if b.ahead == nil {
				return 0, 0
			}
			return b.ahead(raceID, pending)
		},
		WorkflowID: func(raceID, recordID string, revision int) string {
			return fmt.Sprintf("credit/%s/%s/r%d", raceID, recordID, revision)
		},
		TraceURL: func(workflowID string) string { return "http://ui/" + workflowID },
	})
	b.router = router
}

type header map[string]string

// call sends body, as it is or as JSON, for the holder of a token.
func (b *bundle) call(t *testing.T, token, method, path string, body any, headers ...header) *httptest.ResponseRecorder {
	t.Helper()
	text, isText := body.(string)
	if !isText && body != nil {
		encoded, err := json.Marshal(body)
		require.NoError(t, err)
		text = string(encoded)
	}
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(text))
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if text != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, set := range headers {
		for name, value := range set {
			request.Header.Set(name, value)
		}
	}
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, request)
	return recorder
}

type object = map[string]any

// shown is a record as a client reads it.
type shown struct {
	RecordID string      `json:"record_id"`
	RaceID   string      `json:"race_id"`
	Revision int         `json:"revision"`
	Bib      string      `json:"bib"`
	GunTime  string      `json:"gun_time"`
	NetTime  string      `json:"net_time"`
	Status   string      `json:"status"`
	Sequence int         `json:"sequence"`
	Removed  bool        `json:"removed"`
	Waiting  bool        `json:"waiting_for_bib"`
	Credit   shownCredit `json:"credit"`

	Implausible   string `json:"implausible"`
	TimeConfirmed bool   `json:"time_confirmed"`
	// Of a record that was looked up.
	Revisions []struct {
		GunTime string `json:"gun_time"`
		Reason  string `json:"reason"`

		TimeConfirmed bool `json:"time_confirmed"`

		ChangedBy string `json:"changed_by"`
		TraceURL  string `json:"trace_url"`
	} `json:"revisions"`
}

type shownCredit struct {
	Status   string `json:"status"`
	Points   *int64 `json:"points"`
	Parts    object `json:"parts"`
	Reason   string `json:"reason"`
	TraceURL string `json:"trace_url"`
}

type page struct {
	Items      []shown `json:"items"`
	NextCursor string  `json:"next_cursor"`
}

// problem is what a refused call is answered with.
type problem struct {
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

// locations returns the fields that a problem names.
func (p problem) locations() []string {
	var fields []string
	for _, detail := range p.Errors {
		fields = append(fields, detail.Location)
	}
	return fields
}

// decode returns the answer, which must have that status.
func decode[T any](t *testing.T, answer *httptest.ResponseRecorder, status int) (body T) {
	t.Helper()
	require.Equal(t, status, answer.Code, answer.Body.String())
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &body))
	return body
}

func (b *bundle) pathOf(r shown) string { return b.path + "/" + r.RecordID }

// trace is where the credit of a record's revision is shown.
func (b *bundle) trace(r shown, revision int) string {
	return fmt.Sprintf("http://ui/credit/%s/%s/r%d", b.raceID, r.RecordID, revision)
}

func (b *bundle) post(t *testing.T, body object) shown {
	t.Helper()
	return decode[shown](t, b.call(t, "organizer", http.MethodPost, b.path, body), http.StatusCreated)
}

func (b *bundle) patch(t *testing.T, r shown, body object) shown {
	t.Helper()
	answer := b.call(t, "organizer", http.MethodPatch, b.pathOf(r), body, header{"If-Match": fmt.Sprint(r.Revision)})
	return decode[shown](t, answer, http.StatusOK)
}

func (b *bundle) remove(t *testing.T, r shown, query string, body any) shown {
	t.Helper()
	answer := b.call(t, "organizer", http.MethodDelete, b.pathOf(r)+query, body, header{"If-Match": fmt.Sprint(r.Revision)})
	return decode[shown](t, answer, http.StatusOK)
}

func (b *bundle) get(t *testing.T, r shown) shown {
	t.Helper()
	return decode[shown](t, b.call(t, "organizer", http.MethodGet, b.pathOf(r), nil), http.StatusOK)
}

func (b *bundle) list(t *testing.T, query string) page {
	t.Helper()
	return decode[page](t, b.call(t, "organizer", http.MethodGet, b.path+query, nil), http.StatusOK)
}

// settle writes the outcome of a record's revision to the ledger.
func (b *bundle) settle(t *testing.T, r shown, revision int, status race.CreditStatus) {
	t.Helper()
	c := race.Credit{
		RecordID: r.RecordID, RaceID: b.raceID, Revision: revision, Status: status,
		Rule: "agegrade", Edition: "2025", WorkflowID: "w",
	}
	if status == race.Credited {
		c.UserID, c.Points, c.Parts = runnerID, 700, &race.Parts{Rule: "agegrade-2025"}
	} else {
		c.Reason = "no participant with bib " + r.Bib
	}
	_, err := b.worker.ApplyCredit(t.Context(), c)
	require.NoError(t, err)
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
