package accounts_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/accounts"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const password = "six stars to go"

// bundle is the whole API with the calls under test, on a database of its own.
type bundle struct {
	t      *testing.T
	exec   func(statement string) error // on the database
	store  *userdb.Accounts
	ledger *userdb.Ledger // the worker's
	router http.Handler
	keys   *auth.Keys
	clock  *clock
	logs   *lockedBuffer
	checks *atomic.Int64 // passwords checked, whatever for
	// process returns another API process on the same database.
	process func(rule auth.PasskeyRule) http.Handler
}

func setup(t *testing.T) *bundle {
	t.Helper()
	db, cfg := mysqltest.New(t, userdb.Migrations())
	b := &bundle{
		t: t, clock: &clock{now: time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC)},
		logs: &lockedBuffer{}, checks: &atomic.Int64{},
	}
	b.store = userdb.NewAccounts(mysqltest.As(t, cfg, userdb.Grants(), mysql.API), b.clock.Now)
	b.ledger = userdb.NewLedger(mysqltest.As(t, cfg, userdb.Grants(), mysql.Worker), b.clock.Now)
	b.exec = func(statement string) error {
		_, err := db.ExecContext(t.Context(), statement)
		return err
	}
	settings := auth.Config{
		PrivateKeyPath: t.TempDir() + "/jwt.pem", Issuer: "i", Audience: "a",
		AccessTokenTTL: 15 * time.Minute, RefreshTokenTTL: 24 * time.Hour,
	}
	var err error
	b.keys, err = auth.LoadKeys(settings)
	require.NoError(t, err)
	passwords, err := auth.NewPasswords()
	require.NoError(t, err)
	log := slog.New(slog.NewJSONHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))

	checks, err := auth.NewPasskeys("https://api.example.org/")
	require.NoError(t, err)
	b.process = func(rule auth.PasskeyRule) http.Handler {
		router, api := server.New(server.Config{
			Verifier: auth.NewVerifier(b.keys, settings, b.clock.Now), Standings: b.store, Now: b.clock.Now, Races: noRaces{}, Keys: &keyStore{rows: map[server.Hash]maindb.Reservation{}},
			Fingerprint: sha256.Sum256,
			Log:         log, Registry: prometheus.NewRegistry(), Health: http.NotFoundHandler(),
		})
		accounts.Register(api, accounts.Config{
			Store: b.store, EraseRecords: func(context.Context, string) error { return nil }, Passwords: counting{passwords, b.checks}, Throttle: auth.NewThrottle(b.clock.Now),
			SignUps:    auth.NewSignUpLimit(auth.SignUpConfig{PerAddress: 6, PerMinute: 10}, b.clock.Now),
			Recoveries: auth.NewSignUpLimit(auth.SignUpConfig{PerAddress: 6, PerMinute: 100}, b.clock.Now),
			Issuer:     auth.NewIssuer(b.keys, settings, b.clock.Now), JWKS: b.keys.JWKS(), SessionExpiry: settings.SessionExpiry,
			Passkeys: checks, RequirePasskey: rule,
			ExportRecords: func(context.Context, string) (map[string][]map[string]any, error) { return nil, nil },
			TraceURL:      func(id string) string { return "http://ui/" + id }, Now: b.clock.Now, Log: log,
		})
		return router
	}
	b.router = b.process("")
	return b
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

// counting counts the checks, which are what a login's time goes into.
type counting struct {
	accounts.Passwords
	checks *atomic.Int64
}

func (c counting) Check(ctx context.Context, password, hash string) (auth.Outcome, error) {
	c.checks.Add(1)
	return c.Passwords.Check(ctx, password, hash)
}

type noRaces struct{}

func (noRaces) RaceFor(context.Context, string, string) (race.Race, race.Role, error) {
	return race.Race{}, "", race.ErrNotFound
}

// keyStore is the idempotency keys in memory.
type keyStore struct {
	mu   sync.Mutex
	rows map[server.Hash]maindb.Reservation
}

func (k *keyStore) ReserveKey(_ context.Context, key, request server.Hash, id, _ string) (maindb.Reservation, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.rows[key]; !ok {
		k.rows[key] = maindb.Reservation{ResourceID: id, RequestHash: request}
	}
	return k.rows[key], nil
}

// SaveResponse forgets the answer, as a crash before it would: every
// repetition is worked out again.
func (*keyStore) SaveResponse(context.Context, server.Hash, int, []byte) error { return nil }

func (k *keyStore) ReleaseKey(_ context.Context, key server.Hash) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.rows, key)
	return nil
}

// request is a call; zero fields are left out of it.
type request struct {
	method, path string
	token        string
	body         any // a string is sent as it is
	from         string
	agent        string
	key          string
}

type answer struct {
	status  int
	header  http.Header
	text    string
	body    map[string]any
	problem huma.ErrorModel
}

func (a answer) string(field string) string {
	text, _ := a.body[field].(string)
	return text
}

func (b *bundle) do(r request) answer {
	b.t.Helper()
	payload, isText := r.body.(string)
	if !isText && r.body != nil {
		encoded, err := json.Marshal(r.body)
		require.NoError(b.t, err)
		payload = string(encoded)
	}
	req := httptest.NewRequestWithContext(b.t.Context(), r.method, r.path, strings.NewReader(payload))
	req.Header.Set("Content-Type", "application/json")
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.from != "" {
		req.RemoteAddr = r.from + ":4711"
	}
	if r.agent != "" {
		req.Header.Set("User-Agent", r.agent)
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	recorder := httptest.NewRecorder()
	b.router.ServeHTTP(recorder, req)
	a := answer{status: recorder.Code, header: recorder.Header(), text: recorder.Body.String()}
	if a.text != "" {
		into := any(&a.body)
		if a.status >= http.StatusBadRequest {
			require.Equal(b.t, "application/problem+json", a.header.Get("Content-Type"), a.text)
			into = &a.problem
		}
		require.NoError(b.t, json.Unmarshal([]byte(a.text), into), a.text)
	}
	return a
}

type fields = map[string]any

func (b *bundle) signUp(login string, userType auth.UserType) (userID string) {
	b.t.Helper()
	a := b.do(request{method: "POST", path: "/v1/users", body: fields{
		"login_id": login, "password": password, "name": "First Runner", "user_type": userType,
	}})
	require.Equal(b.t, http.StatusCreated, a.status, a.text)
	return a.string("user_id")
}

func (b *bundle) login(login, password, from string) answer {
	b.t.Helper()
	return b.do(request{method: "POST", path: "/v1/login", from: from, body: fields{"login_id": login, "password": password}})
}

// pair is what a login or a refresh gives.
type pair struct{ access, refresh string }

func (b *bundle) pairOf(a answer) pair {
	b.t.Helper()
	require.Equal(b.t, http.StatusOK, a.status, a.text)
	return pair{a.string("access_token"), a.string("refresh_token")}
}

func (b *bundle) loggedIn(login string, userType auth.UserType) pair {
	b.t.Helper()
	b.signUp(login, userType)
	return b.pairOf(b.login(login, password, ""))
}

func (b *bundle) refresh(token string) answer {
	b.t.Helper()
	return b.do(request{method: "POST", path: "/v1/token/refresh", body: fields{"refresh_token": token}})
}

func (b *bundle) get(path, token string) answer {
	b.t.Helper()
	return b.do(request{method: "GET", path: path, token: token})
}

// locations lists the fields that a problem names.
func (a answer) locations() []string {
	var names []string
	for _, detail := range a.problem.Errors {
		names = append(names, detail.Location)
	}
	return names
}
