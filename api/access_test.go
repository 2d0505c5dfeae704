package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/telemetry"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// kind is a kind of caller.
type kind string

const (
	anonymous      kind = "anonymous"
	runner         kind = "runner"
	owner          kind = "owner"
	otherOrganizer kind = "other organizer"
	operator       kind = "operator"
)

// mayCall says, in its own words, which kinds of caller each rule lets in.
var mayCall = map[server.Who][]kind{
	server.Anyone:          {anonymous, runner, owner, otherOrganizer, operator},
	server.Holder:          {runner, owner, otherOrganizer, operator},
	server.Runner:          {runner},
	server.Organizer:       {owner, otherOrganizer},
	server.Owner:           {owner},
	server.OwnerOrOperator: {owner, operator},
	server.Operator:        {operator},
}

type testBundle struct {
	router   *chi.Mux
	tokens   map[kind]string
	race     race.Race
	runnerID string
	// bystanderID is an account that operators may act on: none of the callers'.
	bystanderID string
	logs        *lockedBuffer
}

// lockedBuffer is a log that handlers write at once.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// drain returns what was logged since the last call.
func (l *lockedBuffer) drain() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// setup returns the whole API on databases of its own; no account stands behind the
// tokens but the runner's.
func setup(t testing.TB) *testBundle {
	t.Helper()
	logs := &lockedBuffer{}
	_, mainCfg := mysqltest.New(t, maindb.Migrations())
	_, userCfg := mysqltest.New(t, userdb.Migrations())
	stopped := make(chan struct{})
	close(stopped) // streams end as soon as they have begun
	p := parts{
		cfg: settings{
			Auth:    auth.Config{PrivateKeyPath: filepath.Join(t.TempDir(), "jwt.pem"), Issuer: "test", Audience: "test", AccessTokenTTL: time.Hour, RefreshTokenTTL: time.Hour},
			SignUps: auth.SignUpConfig{PerAddress: 1000, PerMinute: 1000},
		},
		mainDB: maindb.New(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.API), time.Now),
		userDB: userdb.NewAccounts(mysqltest.As(t, userCfg, userdb.Grants(), mysql.API), time.Now),
		poke:   func() {}, wake: func(context.Context, string) error { return nil }, stopping: stopped, temporal: nothing{}, letters: nothing{}, registry: telemetry.NewRegistry(), log: slog.New(slog.NewTextHandler(logs, nil)), now: time.Now,
	}
	p.health = telemetry.Handler(telemetry.NewRegistry(), p.log)
	router, err := newHandler(p)
	require.NoError(t, err)

	keys, err := auth.LoadKeys(p.cfg.Auth)
	require.NoError(t, err)
	issuer := auth.NewIssuer(keys, p.cfg.Auth, time.Now)
	b := &testBundle{router: router, tokens: map[kind]string{}, bystanderID: newID(), logs: logs}
	_, err = p.userDB.CreateAccount(t.Context(), userdb.Account{UserID: b.bystanderID, LoginID: "bystander", Type: auth.Runner, Name: "By Stander"})
	require.NoError(t, err)
	for who, identity := range map[kind]auth.Identity{
		runner:         {UserID: newID(), Type: auth.Runner},
		owner:          {UserID: newID(), Type: auth.Organizer},
		otherOrganizer: {UserID: newID(), Type: auth.Organizer},
		operator:       {UserID: newID(), Type: auth.Operator},
	} {
		b.tokens[who], _, err = issuer.Issue(identity)
		require.NoError(t, err)
		if who == owner {
			b.race, err = p.mainDB.CreateRace(t.Context(), race.Race{
				ID: newID(), OrganizerID: identity.UserID, Name: "Test Marathon", Date: race.Date{Year: 2026, Month: 11, Day: 20},
				Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun, DivisionsBasis: race.Gun, Ties: race.TiesShare},
				Scoring: "agegrade-2025", Status: race.Scheduled,
			})
			require.NoError(t, err)
		}
		if who == runner {
			b.runnerID = identity.UserID
			_, err = p.userDB.CreateAccount(t.Context(), userdb.Account{
				UserID: identity.UserID, LoginID: "runner@example.net", Type: auth.Runner, Name: "Ada Example", Sex: race.Female,
				BirthDate: race.Date{Year: 1990, Month: 5, Day: 1},
			})
			require.NoError(t, err)
		}
	}
	return b
}

// nothing stands in for Temporal and the queue, which only the calls of operators
// use: neither answers.
type nothing struct{}

var errNoQueue = errors.New("there is no queue")

func (nothing) Describe(context.Context, string) (temporal.Execution, error) {
	return temporal.Execution{}, temporal.ErrUnavailable
}

func (nothing) List(context.Context, string, int) ([]temporal.Run, error) {
	return nil, temporal.ErrUnavailable
}

func (nothing) Reset(context.Context, temporal.Run, string) (string, error) {
	return "", temporal.ErrUnavailable
}

func (nothing) Start(context.Context, client.StartWorkflowOptions, any, ...any) (temporal.Run, error) {
	return temporal.Run{}, temporal.ErrUnavailable
}

func (nothing) Result(context.Context, temporal.Run, any) error { return temporal.ErrUnavailable }

func (nothing) DeadLetterDepth(context.Context) (queue.Depth, error) {
	return queue.Depth{}, errNoQueue
}

func (nothing) TakeLetters(context.Context, int, time.Duration) ([]queue.Letter, error) {
	return nil, errNoQueue
}

func (nothing) ReleaseLetters(context.Context, []queue.Letter) []queue.Failure { return nil }

func (nothing) Redrive(context.Context, []queue.Letter) []queue.Failure { return nil }

func (nothing) DeleteLetters(context.Context, []queue.Letter) []queue.Failure { return nil }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// TestEveryRouteWithEveryKindOfCaller walks the router itself, so that a route
// cannot be added without a rule, and a rule cannot outlive its route.
func TestEveryRouteWithEveryKindOfCaller(t *testing.T) {
	t.Parallel()
	b := setup(t)
	unused := map[string]bool{}
	for route := range server.Access {
		unused[route] = true
	}
	err := chi.Walk(b.router, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		route := method + " " + pattern
		rule, known := server.Access[route]
		require.True(t, known, "%s is not in the access table", route)
		delete(unused, route)
		require.Contains(t, mayCall, rule.Who, route)
		if public, decided := decidedByHandler[route]; decided {
			require.Equal(t, server.Anyone, rule.Who, route)
			b.walk(t, method, pattern, public)
			return nil
		}
		b.walk(t, method, pattern, mayCall[rule.Who])
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, unused, "rules without a route")
}

// decidedByHandler are the routes that anyone may call once the race is
// published and, as here, only its owner before that.
var decidedByHandler = map[string][]kind{
	"GET /v1/races/{race_id}/official-records":             {owner},
	"GET /v1/races/{race_id}/official-records/{record_id}": {owner},
}

func (b *testBundle) walk(t *testing.T, method, pattern string, allowed []kind) {
	t.Helper()
	path := strings.NewReplacer("{race_id}", b.race.ID, "{record_id}", newID(), "{id}", newID(), "*", "index.css").Replace(pattern)
	for _, who := range []kind{anonymous, runner, owner, otherOrganizer, operator} {
		if method == http.MethodDelete && pattern == "/v1/races/{race_id}" && who == owner {
			continue // the other routes still need the race
		}
		if method == http.MethodDelete && pattern == "/v1/me" && who == runner {
			continue // they still need the account
		}
		status := b.call(t.Context(), method, path, b.tokens[who])
		what := fmt.Sprintf("%s %s as %s", method, pattern, who)
		switch {
		case slices.Contains(allowed, who):
			// No account stands behind these tokens and no body is sent: anything
			// but a refusal or a fault will do. A login asks for its own proof.
			require.NotEqual(t, http.StatusForbidden, status, what)
			if !strings.HasPrefix(pattern, "/v1/ops/") || status != http.StatusServiceUnavailable { // of Temporal or the queue
				require.Less(t, status, http.StatusInternalServerError, what)
			}
			if b.tokens[who] != "" && !strings.HasPrefix(pattern, "/v1/me") {
				require.NotEqual(t, http.StatusUnauthorized, status, what)
			}
		case who == anonymous:
			require.Equal(t, http.StatusUnauthorized, status, what)
		default:
			require.Equal(t, http.StatusForbidden, status, what)
		}
	}
}

func (b *testBundle) call(ctx context.Context, method, path, token string) int {
	request := httptest.NewRequestWithContext(ctx, method, path, http.NoBody)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer := httptest.NewRecorder()
	b.router.ServeHTTP(answer, request)
	return answer.Code
}
