package plans_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/imports"
	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/server/servertest"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const organizerID = "01926b1e-0000-7000-8000-000000000001"

// bundle is the API with the calls under test, on two databases of its own.
type bundle struct {
	main   *maindb.Store
	users  *userdb.Accounts
	router http.Handler
	later  *maindb.Store // two hours later
}

func setup(t testing.TB) *bundle {
	t.Helper()
	mainDB, mainCfg := mysqltest.New(t, maindb.Migrations())
	_, userCfg := mysqltest.New(t, userdb.Migrations())
	b := &bundle{
		later: maindb.New(mainDB, func() time.Time { return time.Now().Add(2 * time.Hour) }),
		main:  maindb.New(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.API), time.Now),
		users: userdb.NewAccounts(mysqltest.As(t, userCfg, userdb.Grants(), mysql.API), time.Now),
	}
	router, api := server.New(servertest.Config(servertest.Callers{"organizer": {UserID: organizerID, Type: auth.Organizer}}, b.main))
	plans.Register(api, plans.Config{
		Store: b.main, Runners: b.users, Poke: func() {}, Now: time.Now,
		Settings: plans.Settings{PlanLifetime: time.Hour, FileLifetime: time.Hour},
		StandIns: imports.StandIns{Entrants: b.main.EnteredInPerson, Runners: b.users, LoginHash: func(login string) string {
			sum := sha256.Sum256([]byte(login))
			return hex.EncodeToString(sum[:])
		}},
	})
	b.router = router
	return b
}

func (b *bundle) race(t testing.TB, change func(*race.Race)) string {
	t.Helper()
	r := race.Race{
		ID: uuid.Must(uuid.NewV7()).String(), OrganizerID: organizerID, Name: "Harbour Marathon", Date: race.Date{Year: 2026, Month: 10, Day: 11},
		Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}, Scoring: "agegrade-2025", Status: race.Scheduled,
		Divisions: []race.Division{{Name: "Women", Sex: race.Female}, {Name: "Men", Sex: race.Male}},
	}
	if change != nil {
		change(&r)
	}
	created, err := b.main.CreateRace(t.Context(), r)
	require.NoError(t, err)
	return created.ID
}

// call sends a body, as it is or as JSON, and returns the answer.
func (b *bundle) call(t testing.TB, method, path string, body any) *httptest.ResponseRecorder {
	t.Helper()
	data, raw := body.([]byte)
	contentType := "application/octet-stream"
	if !raw && body != nil {
		var err error
		data, err = json.Marshal(body)
		require.NoError(t, err)
		contentType = "application/json"
	}
	request := httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader(data))
	request.Header.Set("Authorization", "Bearer organizer")
	request.Header.Set("Content-Type", contentType)
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, request)
	return recorder
}

func decode[T any](t testing.TB, answer *httptest.ResponseRecorder, status int) (body T) {
	t.Helper()
	require.Equal(t, status, answer.Code, answer.Body.String())
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &body))
	return body
}

type object = map[string]any

func importsOf(raceID string) string { return "/v1/races/" + raceID + "/imports" }

func (b *bundle) plan(t testing.TB, raceID, file string, query ...string) plans.ImportPlan {
	t.Helper()
	values := url.Values{}
	for i := 0; i < len(query); i += 2 {
		values.Set(query[i], query[i+1])
	}
	return decode[plans.ImportPlan](t, b.call(t, http.MethodPost, importsOf(raceID)+"?"+values.Encode(), []byte(file)), http.StatusCreated)
}

type applied struct {
	Status       string               `json:"status"`
	Done         *plans.RowCounts     `json:"done"`
	Consequences *maindb.Consequences `json:"consequences"`
}

func (b *bundle) apply(t testing.TB, raceID string, plan plans.ImportPlan, more ...object) applied {
	t.Helper()
	body := object{"hash": plan.Hash}
	for _, m := range more {
		maps.Copy(body, m)
	}
	return decode[applied](t, b.call(t, http.MethodPost, importsOf(raceID)+"/"+plan.ImportID+"/apply", body), http.StatusOK)
}

func (b *bundle) rows(t testing.TB, raceID string, plan plans.ImportPlan) []plans.FileRow {
	t.Helper()
	return decode[struct{ Items []plans.FileRow }](t, b.call(t, http.MethodGet, importsOf(raceID)+"/"+plan.ImportID+"/rows?limit=1000", nil), http.StatusOK).Items
}

// inputs returns the hash of what the standings of a race are computed from.
func (b *bundle) inputs(t testing.TB, raceID string) string {
	t.Helper()
	in, err := b.main.StandingsInputs(t.Context(), raceID)
	require.NoError(t, err)
	sum, err := standings.Hash(standings.Rules{Ranking: in.Race.Ranking, Divisions: in.Race.Divisions}, in.Entries)
	require.NoError(t, err)
	return hex.EncodeToString(sum[:])
}

// problem is what a refused call is answered with.
type problem struct {
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}
