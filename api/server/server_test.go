package server_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/server/servertest"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

const (
	raceID      = "01926b1e-0000-7000-8000-000000000001"
	otherRaceID = "01926b1e-0000-7000-8000-000000000002"
)

type races map[string]race.Race

func (r races) RaceFor(_ context.Context, id, userID string) (race.Race, race.Role, error) {
	found, ok := r[id]
	switch {
	case !ok:
		return race.Race{}, "", race.ErrNotFound
	case found.OrganizerID == userID:
		return found, race.Owner, nil
	}
	return found, "", nil
}

// keys is a KeyStore in memory.
type keys struct {
	mu   sync.Mutex
	rows map[server.Hash]maindb.Reservation
}

func (k *keys) ReserveKey(_ context.Context, key, request server.Hash, id, _ string) (maindb.Reservation, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if row, ok := k.rows[key]; ok {
		return row, nil
	}
	k.rows[key] = maindb.Reservation{ResourceID: id, RequestHash: request}
	return k.rows[key], nil
}

func (k *keys) SaveResponse(_ context.Context, key server.Hash, status int, body []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	row := k.rows[key]
	row.Response = &maindb.StoredResponse{Status: status, Body: body}
	k.rows[key] = row
	return nil
}

func (k *keys) ReleaseKey(_ context.Context, key server.Hash) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.rows, key)
	return nil
}

func init() {
	server.Access["POST /v1/test-secrets"] = server.Rule{Who: server.Organizer, Creates: true, Secret: true}
}

type testBundle struct {
	t      *testing.T
	router http.Handler
	api    huma.API
	logs   *strings.Builder
}

func setup(t *testing.T, edit ...func(*server.Config)) *testBundle {
	t.Helper()
	logs := &strings.Builder{}
	cfg := server.Config{
		Verifier: servertest.Callers{
			"runner":    {UserID: "r1", Type: auth.Runner},
			"organizer": {UserID: "o1", Type: auth.Organizer},
			"operator":  {UserID: "p1", Type: auth.Operator},
		},
		Races: races{
			raceID:      {ID: raceID, OrganizerID: "o1"},
			otherRaceID: {ID: otherRaceID, OrganizerID: "o2"},
		},
		Keys: &keys{rows: map[server.Hash]maindb.Reservation{}},
		Fingerprint: func(data []byte) server.Hash {
			mac := hmac.New(sha256.New, []byte("key of these tests"))
			mac.Write(data)
			return server.Hash(mac.Sum(nil))
		},
		Log:      telemetry.NewLogger(logs, slog.LevelDebug),
		Registry: prometheus.NewRegistry(),
		Health:   http.NotFoundHandler(),
	}
	for _, change := range edit {
		change(&cfg)
	}
	router, api := server.New(cfg)
	return &testBundle{t: t, router: router, api: api, logs: logs}
}

type answer struct {
	*httptest.ResponseRecorder
	problem huma.ErrorModel
}

func (b *testBundle) call(method, path, token, body string, headers ...string) answer {
	b.t.Helper()
	request := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, request)
	got := answer{ResponseRecorder: recorder}
	if recorder.Header().Get("Content-Type") == "application/problem+json" {
		require.NoError(b.t, json.Unmarshal(recorder.Body.Bytes(), &got.problem))
		require.Equal(b.t, recorder.Code, got.problem.Status)
	}
	return got
}

type created struct {
	Body struct {
		ID string `json:"id"`
	}
}

type newRace struct {
	Body struct {
		Name string `json:"name" minLength:"1"`
	}
}

// serveCreations answers POST /v1/races with the ID that what it creates gets.
func (b *testBundle) serveCreations(handler func(context.Context, *newRace) (*created, error)) {
	server.Register(b.api, huma.Operation{
		OperationID: "create-race", Method: http.MethodPost, Path: "/v1/races", DefaultStatus: http.StatusCreated,
	}, handler)
}

func echoID(ctx context.Context, _ *newRace) (*created, error) {
	out := &created{}
	out.Body.ID = server.ResourceID(ctx)
	return out, nil
}

func TestAccess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	type none struct{}
	type path struct {
		RaceID string `path:"race_id"`
	}
	for _, op := range []huma.Operation{
		{OperationID: "a", Method: http.MethodGet, Path: "/v1/me"},
		{OperationID: "b", Method: http.MethodGet, Path: "/v1/me/points"},
	} {
		server.Register(b.api, op, func(context.Context, *none) (*none, error) { return &none{}, nil })
	}
	server.Register(b.api, huma.Operation{OperationID: "c", Method: http.MethodGet, Path: "/v1/races/{race_id}/credits"},
		func(ctx context.Context, in *path) (*none, error) {
			require.Equal(t, in.RaceID, server.RaceFrom(ctx).ID)
			return &none{}, nil
		})
	server.Register(b.api, huma.Operation{OperationID: "d", Method: http.MethodGet, Path: "/v1/nobody-listed-this"},
		func(context.Context, *none) (*none, error) { return &none{}, nil })

	for _, c := range []struct {
		token, path string
		want        int
	}{
		{"", "/v1/me", 401},
		{"forged", "/v1/me", 401},
		{"runner", "/v1/me", 204},
		{"organizer", "/v1/me", 204},
		{"operator", "/v1/me", 204},
		{"runner", "/v1/me/points", 204},
		{"organizer", "/v1/me/points", 403},
		{"", "/v1/races/" + raceID + "/credits", 401},
		{"runner", "/v1/races/" + raceID + "/credits", 403},
		{"operator", "/v1/races/" + raceID + "/credits", 403},
		{"organizer", "/v1/races/" + raceID + "/credits", 204},
		{"organizer", "/v1/races/" + otherRaceID + "/credits", 403},
		{"organizer", "/v1/races/01926b1e-0000-7000-8000-00000000ffff/credits", 404},
		{"organizer", "/v1/races/not-an-id/credits", 404},
		{"operator", "/v1/nobody-listed-this", 403},
		{"", "/v1/no-such-path", 404},
	} {
		got := b.call(http.MethodGet, c.path, c.token, "")
		require.Equal(t, c.want, got.Code, "%s as %q: %s", c.path, c.token, got.Body)
	}
	require.NotEmpty(t, b.call(http.MethodGet, "/v1/me", "", "").Header().Get("WWW-Authenticate"))
	require.Equal(t, 405, b.call(http.MethodPut, "/v1/me", "runner", "").Code)
}

func TestProblemsNameTheFieldAndHideTheValue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.serveCreations(echoID)

	got := b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"x","secret-field":"hunter2"}`)
	require.Equal(t, 422, got.Code)
	require.Equal(t, "body.secret-field", got.problem.Errors[0].Location)
	require.NotContains(t, got.Body.String(), "hunter2")

	got = b.call(http.MethodPost, "/v1/races", "organizer", `{}`)
	require.Equal(t, 422, got.Code)
	require.Equal(t, huma.ErrorDetail{Location: "body.name", Message: "is required"}, *got.problem.Errors[0])

	got = b.call(http.MethodPost, "/v1/races", "organizer", `{"name":12345}`)
	require.Equal(t, 422, got.Code)
	require.Equal(t, "body.name", got.problem.Errors[0].Location)
	require.NotContains(t, got.Body.String(), "12345")
}

func TestDomainErrorsAreTranslated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err      error
		status   int
		contains string
	}{
		"not found": {race.ErrNotFound, 404, ""},
		"stale":     {race.ErrStale, 412, "newer revision"},
		"conflict":  {&race.ConflictError{Field: "bib", Message: "bib 7 has a record"}, 409, "body.bib"},
		"invalid":   {&race.InvalidError{Fields: []race.FieldError{{Field: "gun_time", Message: "must be a time"}}}, 422, "body.gun_time"},
		"deadline":  {context.DeadlineExceeded, 503, ""},
		"any other": {errors.New("dial tcp: password hunter2"), 500, "logged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.serveCreations(func(context.Context, *newRace) (*created, error) { return nil, c.err })
			got := b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"x"}`)
			require.Equal(t, c.status, got.Code)
			require.Contains(t, got.Body.String(), c.contains)
			require.NotContains(t, got.Body.String(), "hunter2")
			if c.status == 503 {
				require.NotEmpty(t, got.Header().Get("Retry-After"))
			}
			if c.status == 500 {
				require.Contains(t, b.logs.String(), "unexpected error")
			}
		})
	}
}

func TestPanicIsAProblem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.serveCreations(func(context.Context, *newRace) (*created, error) { panic("index out of range") })
	got := b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"x"}`)
	require.Equal(t, 500, got.Code)
	require.NotContains(t, got.Body.String(), "index out of range")
	require.Contains(t, b.logs.String(), "index out of range")
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	calls := 0
	b.serveCreations(func(ctx context.Context, in *newRace) (*created, error) {
		calls++
		return echoID(ctx, in)
	})
	first := b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"x"}`, "Idempotency-Key", "k1")
	again := b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"x"}`, "Idempotency-Key", "k1")
	require.Equal(t, 201, again.Code)
	require.JSONEq(t, first.Body.String(), again.Body.String())
	require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
	require.Equal(t, 1, calls)

	other := b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"y"}`, "Idempotency-Key", "k1")
	require.Equal(t, 422, other.Code)
	require.Equal(t, "header.Idempotency-Key", other.problem.Errors[0].Location)

	fresh := b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"x"}`, "Idempotency-Key", "k2")
	require.NotEqual(t, first.Body.String(), fresh.Body.String())
	require.Equal(t, 422, b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"x"}`,
		"Idempotency-Key", strings.Repeat("k", 256)).Code)
}

// TestAnonymousIdempotencyKeys: strangers choose the same key.
func TestAnonymousIdempotencyKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server.Register(b.api, huma.Operation{
		OperationID: "sign-up", Method: http.MethodPost, Path: "/v1/users", DefaultStatus: http.StatusCreated,
	}, echoID)
	first := b.call(http.MethodPost, "/v1/users", "", `{"name":"x"}`, "Idempotency-Key", "1")
	stranger := b.call(http.MethodPost, "/v1/users", "", `{"name":"y"}`, "Idempotency-Key", "1")
	require.Equal(t, http.StatusCreated, stranger.Code, stranger.Body)
	require.NotEqual(t, first.Body.String(), stranger.Body.String())

	again := b.call(http.MethodPost, "/v1/users", "", `{"name":"x"}`, "Idempotency-Key", "1")
	require.Equal(t, first.Body.String(), again.Body.String())
	require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
	signedIn := b.call(http.MethodPost, "/v1/users", "runner", `{"name":"x"}`, "Idempotency-Key", "1")
	require.NotEqual(t, first.Body.String(), signedIn.Body.String())
}

// TestSecretsAreNotStored: an answer with a secret is made again, about the same
// thing.
func TestSecretsAreNotStored(t *testing.T) {
	t.Parallel()
	stored := &keys{rows: map[server.Hash]maindb.Reservation{}}
	b := setup(t, func(cfg *server.Config) { cfg.Keys = stored })
	calls := 0
	server.Register(b.api, huma.Operation{
		OperationID: "make-secret", Method: http.MethodPost, Path: "/v1/test-secrets", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *newRace) (*created, error) {
		calls++
		return echoID(ctx, in)
	})
	first := b.call(http.MethodPost, "/v1/test-secrets", "organizer", `{"name":"x"}`, "Idempotency-Key", "1")
	again := b.call(http.MethodPost, "/v1/test-secrets", "organizer", `{"name":"x"}`, "Idempotency-Key", "1")
	require.Equal(t, 2, calls)
	require.Equal(t, first.Body.String(), again.Body.String())
	for _, row := range stored.rows {
		require.Nil(t, row.Response)
	}
}

func TestIdempotencyKeyAfterFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids []string
	fail := true
	b.serveCreations(func(ctx context.Context, in *newRace) (*created, error) {
		ids = append(ids, server.ResourceID(ctx))
		if fail {
			return nil, errors.New("crashed half-way")
		}
		return echoID(ctx, in)
	})
	require.Equal(t, 500, b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"x"}`, "Idempotency-Key", "k").Code)
	fail = false
	require.Equal(t, 201, b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"x"}`, "Idempotency-Key", "k").Code)
	require.Equal(t, ids[0], ids[1], "what the first call may have made is found by the second")

	require.Equal(t, 422, b.call(http.MethodPost, "/v1/races", "organizer", `{}`, "Idempotency-Key", "refused").Code)
	require.Equal(t, 201, b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"x"}`, "Idempotency-Key", "refused").Code,
		"a refused call leaves its key free")
}

func TestBodyOverTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.serveCreations(echoID)
	body := `{"name":"` + strings.Repeat("x", 2<<20) + `"}`
	require.Equal(t, 413, b.call(http.MethodPost, "/v1/races", "organizer", body).Code)
	require.Equal(t, 413, b.call(http.MethodPost, "/v1/races", "organizer", body, "Idempotency-Key", "k").Code)
}

func TestOpenAPIDocumentAndItsPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.serveCreations(echoID)
	got := b.call(http.MethodGet, "/openapi.json", "", "")
	require.Equal(t, 200, got.Code)
	var document struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(got.Body.Bytes(), &document))
	require.Equal(t, "3.1.0", document.OpenAPI)
	require.Contains(t, document.Paths["/v1/races"], "post")

	page := b.call(http.MethodGet, "/docs", "", "")
	require.Equal(t, 200, page.Code)
	require.NotRegexp(t, `(src|href)="(https?:)?//`, page.Body.String(), "readable without the internet")
	require.Equal(t, 200, b.call(http.MethodGet, "/docs/swagger-ui-bundle.js", "", "").Code)
}

// TestCrossOrigin: any web page may make public reads, without a token; browsers
// keep pages away from everything else.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	b := setupInput(t)
	path := "/v1/races/" + raceID + "/standings"
	preflight := func(method, path string) answer {
		return b.call(http.MethodOptions, path, "", "", "Origin", "https://club.example", "Access-Control-Request-Method", method,
			"Access-Control-Request-Headers", "authorization")
	}
	got := preflight(http.MethodGet, path)
	require.Equal(t, http.StatusNoContent, got.Code)
	require.Equal(t, "*", got.Header().Get("Access-Control-Allow-Origin"))
	require.Equal(t, "GET", got.Header().Get("Access-Control-Allow-Methods"))
	require.NotContains(t, got.Header().Get("Access-Control-Allow-Headers"), "Authorization")
	require.Empty(t, got.Header().Get("Access-Control-Allow-Credentials"))

	for _, target := range []string{path, path + "?bad=1", "/openapi.json"} {
		got = b.call(http.MethodGet, target, "", "", "Origin", "https://club.example")
		require.Equal(t, "*", got.Header().Get("Access-Control-Allow-Origin"), target)
		require.Contains(t, got.Header().Get("Access-Control-Expose-Headers"), "ETag", target)
	}
	for method, path := range map[string]string{http.MethodPost: "/v1/races", http.MethodGet: "/v1/me", http.MethodDelete: path} {
		got = preflight(method, path)
		require.GreaterOrEqual(t, got.Code, http.StatusBadRequest, path)
		require.Empty(t, got.Header().Get("Access-Control-Allow-Origin"), path)
	}
	require.Empty(t, b.call(http.MethodPost, "/v1/races", "organizer", `{"name":"a"}`).Header().Get("Access-Control-Allow-Origin"))
}

type upload struct {
	ContentType string `header:"Content-Type"`
	RawBody     []byte `contentType:"text/csv"`
}

type uploaded struct {
	Body struct {
		Type, Text string
	}
}

// TestUploadByForm: what a browser's form or curl -F sends arrives as the file alone.
func TestUploadByForm(t *testing.T) {
	t.Parallel()
	b := setup(t)
	calls := 0
	server.Register(b.api, huma.Operation{OperationID: "import", Method: http.MethodPost, Path: "/v1/races", MaxBodyBytes: 1000},
		func(_ context.Context, in *upload) (*uploaded, error) {
			calls++
			out := &uploaded{}
			out.Body.Type, out.Body.Text = in.ContentType, string(in.RawBody)
			return out, nil
		})
	form := func(boundary, field, headers, text string) (body, contentType string) {
		return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + field + "\"; filename=\"Results 2026.CSV\"\r\n" + headers +
			"\r\n" + text + "\r\n--" + boundary + "--\r\n", "multipart/form-data; boundary=" + boundary
	}
	send := func(body, contentType string) answer {
		return b.call(http.MethodPost, "/v1/races", "organizer", body, "Content-Type", contentType, "Idempotency-Key", "1")
	}
	got := send(form("aaa", "file", "Content-Type: application/octet-stream\r\n", "bib,time\r\n1,41:05\r\n"))
	require.Equal(t, http.StatusOK, got.Code, got.Body)
	require.JSONEq(t, `{"Type":"text/csv","Text":"bib,time\r\n1,41:05\r\n"}`, got.Body.String())
	got = send(form("bbb", "file", "", "bib,time\r\n1,41:05\r\n"))
	require.Equal(t, "true", got.Header().Get("Idempotency-Replayed"), "another boundary, the same file")
	require.Equal(t, 1, calls)

	require.Equal(t, http.StatusUnprocessableEntity, send(form("aaa", "dry_run", "", "true")).Code)
	require.Equal(t, http.StatusUnprocessableEntity, send("--aaa--\r\n", "multipart/form-data; boundary=aaa").Code)
	require.Equal(t, http.StatusBadRequest, send("--aaa\r\nhalf", "multipart/form-data; boundary=aaa").Code)
	require.Equal(t, http.StatusBadRequest, send("", "multipart/form-data").Code)
	require.Equal(t, http.StatusRequestEntityTooLarge, send(form("aaa", "file", "", strings.Repeat("x", 1000))).Code)
}

// TestAPIKeyIsLimited: a key over its limit is told when to come back, before anything
// else is looked at.
func TestAPIKeyIsLimited(t *testing.T) {
	t.Parallel()
	secret, _, hash := auth.NewAPIKey()
	used := 0
	b := setup(t, func(cfg *server.Config) {
		stopped := time.Now()
		cfg.Now = func() time.Time { return stopped }
		cfg.KeyLimit = auth.KeyConfig{PerMinute: 2}
		cfg.UseKey = func(_ context.Context, of string) (maindb.APIKey, error) {
			used++
			if of != hash {
				return maindb.APIKey{}, race.ErrNotFound
			}
			return maindb.APIKey{ID: "k1", Scope: auth.ScopeRead, CreatedBy: "o1", CreatorType: auth.Organizer}, nil
		}
	})
	b.serveCreations(func(context.Context, *newRace) (*created, error) { return &created{}, nil })
	other, _, _ := auth.NewAPIKey()
	require.Equal(t, http.StatusUnauthorized, b.call(http.MethodPost, "/v1/races", other, `{"name":"x"}`).Code)
	for range 2 {
		require.Equal(t, http.StatusForbidden, b.call(http.MethodPost, "/v1/races", secret, `{"name":"x"}`).Code)
	}
	limited := b.call(http.MethodPost, "/v1/races", secret, `{"name":"x"}`)
	require.Equal(t, http.StatusTooManyRequests, limited.Code)
	require.Equal(t, "30", limited.Header().Get("Retry-After"))
	require.LessOrEqual(t, used, 2+1, "a key that was found is good for a second")
}
