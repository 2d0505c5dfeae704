package sample

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeAPI answers according to the API's contract and records the calls.
type fakeAPI struct {
	mu       sync.Mutex
	calls    []string
	password string
	race     *RaceRequest
	starters int
	records  int
	credited int // grows with each count of the credits
	step     int
	refuse   func(r *http.Request) int // a status to answer with instead; 0: none
}

func (f *fakeAPI) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if c == call {
			n++
		}
	}
	return n
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	call := r.Method + " " + r.URL.Path
	f.calls = append(f.calls, call)
	if f.refuse != nil {
		if status := f.refuse(r); status != 0 {
			f.answer(w, status, map[string]any{"title": http.StatusText(status), "detail": "refused by the test"})
			return
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	if call != "POST /v1/users" && call != "POST /v1/login" && r.Header.Get("Authorization") != "Bearer token" {
		f.answer(w, http.StatusUnauthorized, map[string]any{})
		return
	}
	f.route(w, r, call, body)
}

func (f *fakeAPI) route(w http.ResponseWriter, r *http.Request, call string, body []byte) {
	var fields struct {
		Password string `json:"password"`
	}
	switch call {
	case "POST /v1/users":
		_ = json.Unmarshal(body, &fields)
		if f.password != "" {
			f.answer(w, http.StatusConflict, map[string]any{"title": "Conflict"})
			return
		}
		f.password = fields.Password
		f.answer(w, http.StatusCreated, map[string]any{"user_id": "organizer-1"})
	case "POST /v1/login":
		_ = json.Unmarshal(body, &fields)
		if f.password != fields.Password {
			f.answer(w, http.StatusUnauthorized, map[string]any{})
			return
		}
		f.answer(w, http.StatusOK, map[string]any{"access_token": "token"})
	case "GET /v1/me":
		f.answer(w, http.StatusOK, map[string]any{"user_id": "organizer-1"})
	case "GET /v1/races":
		f.listRaces(w, r.URL.Query().Get("organizer_id"), r.URL.Query().Get("cursor"))
	case "POST /v1/races":
		f.race = &RaceRequest{}
		_ = json.Unmarshal(body, f.race)
		f.answer(w, http.StatusCreated, map[string]any{"race_id": "race-1"})
	case "POST /v1/races/race-1/participants/import":
		f.imports(w, body, &f.starters)
	case "POST /v1/races/race-1/official-records/import":
		f.imports(w, body, &f.records)
	case "GET /v1/races/race-1/credits":
		f.credited = min(f.credited+f.step, f.records)
		f.answer(w, http.StatusOK, Credits{
			Total: f.records, Pending: f.records - f.credited, Rejected: min(1, f.credited), Credited: max(0, f.credited-1),
		})
	case "POST /v1/races/race-1/finalize":
		f.answer(w, http.StatusAccepted, map[string]any{})
	case "GET /v1/races/race-1/official-records":
		f.listRecords(w, r.URL.Query().Get("credit_status"))
	default:
		f.answer(w, http.StatusNotFound, map[string]any{})
	}
}

// listRaces has two pages, the first without the race that is looked for.
func (f *fakeAPI) listRaces(w http.ResponseWriter, organizer, cursor string) {
	if organizer != "organizer-1" {
		f.answer(w, http.StatusUnprocessableEntity, map[string]any{"detail": "whose races?"})
		return
	}
	if cursor == "" {
		f.answer(w, http.StatusOK, map[string]any{
			"items":       []any{map[string]any{"race_id": "race-2", "name": "Boston Marathon 2004", "date": "2003-04-21"}},
			"next_cursor": "2",
		})
		return
	}
	items := []any{}
	if f.race != nil {
		items = append(items, map[string]any{"race_id": "race-1", "name": f.race.Name, "date": f.race.Date})
	}
	f.answer(w, http.StatusOK, map[string]any{"items": items})
}

func (f *fakeAPI) imports(w http.ResponseWriter, body []byte, rows *int) {
	n := bytes.Count(body, []byte("\n")) - 1
	added := n - *rows
	*rows = n
	f.answer(w, http.StatusOK, map[string]any{"added": added, "unchanged": n - added, "errors": []any{}})
}

func (f *fakeAPI) listRecords(w http.ResponseWriter, status string) {
	credit := map[string]any{"status": status, "points": 612, "trace_url": "http://ui/credit"}
	if status == "rejected" {
		credit = map[string]any{"status": status, "reason": "no participant with bib 7"}
	}
	f.answer(w, http.StatusOK, map[string]any{"items": []any{
		map[string]any{"record_id": "1", "bib": "1754", "gun_time": "4:18:54", "credit": credit},
	}})
}

func (f *fakeAPI) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(err)
	}
}

func setup(t *testing.T, api *fakeAPI) (Options, *bytes.Buffer) {
	t.Helper()
	if api.step == 0 {
		api.step = 1000
	}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	race, err := Boston2004(20)
	require.NoError(t, err)
	var out bytes.Buffer
	return Options{API: server.URL + "/", Login: "sample", Password: "secret", Race: race, Out: &out}, &out
}

func TestLoad(t *testing.T) {
	t.Parallel()
	api := &fakeAPI{step: 10}
	opts, out := setup(t, api)

	s, err := Load(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, "race-1", s.RaceID)
	require.Equal(t, Credits{Total: 20, Credited: 19, Rejected: 1}, s.Credits)
	require.Equal(t, 20, s.Done)
	require.Equal(t, map[string]int{"no participant with bib …": 1}, s.Reasons)
	require.Equal(t, "http://ui/credit", s.Example.Credit.TraceURL)
	require.Equal(t, opts.Race.Create, *api.race)
	require.Contains(t, out.String(), "20 added, 0 changed, 0 unchanged, 0 rows with errors")

	var printed bytes.Buffer
	s.Print(&printed)
	require.Contains(t, printed.String(), "1  no participant with bib …")
	require.Contains(t, printed.String(), "bib 1754 ran 4:18:54: 612 points")
	require.NotContains(t, printed.String()+out.String(), "secret")
}

func TestLoadTwiceDoesNothingTheSecondTime(t *testing.T) {
	t.Parallel()
	api := &fakeAPI{}
	opts, _ := setup(t, api)
	_, err := Load(t.Context(), opts)
	require.NoError(t, err)
	s, err := Load(t.Context(), opts)
	require.NoError(t, err)
	require.Zero(t, s.Done)
	require.Equal(t, 20, s.Credits.Total)
	require.Equal(t, 1, api.count("POST /v1/races"))
	require.Equal(t, 1, api.count("POST /v1/races/race-1/participants/import"))
	require.Equal(t, 1, api.count("POST /v1/races/race-1/official-records/import"))
	var printed bytes.Buffer
	s.Print(&printed)
	require.Contains(t, printed.String(), "was loaded before")
}

func TestLoadContinuesAfterAnInterruption(t *testing.T) {
	t.Parallel()
	api := &fakeAPI{}
	opts, _ := setup(t, api)
	api.refuse = func(r *http.Request) int {
		if strings.HasSuffix(r.URL.Path, "/official-records/import") {
			return http.StatusInternalServerError
		}
		return 0
	}
	_, err := Load(t.Context(), opts)
	require.ErrorContains(t, err, "POST /v1/races/race-1/official-records/import: 500 Internal Server Error: refused by the test")

	api.mu.Lock()
	api.refuse = nil
	api.mu.Unlock()
	s, err := Load(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, 20, s.Done)
	require.Equal(t, 1, api.count("POST /v1/races"))
}

func TestLoadWaitsForAnAPIThatIsNotAvailable(t *testing.T) {
	t.Parallel()
	api := &fakeAPI{}
	opts, _ := setup(t, api)
	refused := map[string]bool{}
	api.refuse = func(r *http.Request) int {
		if call := fmt.Sprint(r.Method, r.URL.Path); strings.HasSuffix(call, "/login") && !refused[call] {
			refused[call] = true
			return http.StatusServiceUnavailable
		}
		return 0
	}
	_, err := Load(t.Context(), opts)
	require.NoError(t, err)
	require.Equal(t, 2, api.count("POST /v1/login"))
}

func TestLoadWithTheWrongPasswordSaysSo(t *testing.T) {
	t.Parallel()
	api := &fakeAPI{password: "another"}
	opts, _ := setup(t, api)
	_, err := Load(t.Context(), opts)
	require.ErrorContains(t, err, "the login sample exists with another password")
}

func TestBarIsDrawnOnATerminal(t *testing.T) {
	t.Parallel()
	api := &fakeAPI{step: 5}
	opts, out := setup(t, api)
	opts.Terminal = true
	_, err := Load(t.Context(), opts)
	require.NoError(t, err)
	require.Contains(t, out.String(), "100%")
	require.Contains(t, out.String(), "(20/20")
}
