package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	"github.com/mrmrthon/mrmrthon/api/server/servertest"
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
	otherRunner    kind = "other runner"
	owner          kind = "owner"
	editor         kind = "editor"
	timing         kind = "timing"
	viewer         kind = "viewer"          // a runner's account: a volunteer
	otherOrganizer kind = "other organizer" // unverified, as all of these but the next
	verified       kind = "verified organizer"
	operator       kind = "operator"
	expired        kind = "expired"   // the owner's token of yesterday
	suspended      kind = "suspended" // an editor of the race
	left           kind = "left"      // likewise
	// API keys: three of the race, made by its owner, and one of the other organizer.
	keyRead   kind = "key read"
	keyTiming kind = "key timing"
	keyAll    kind = "key all"
	keyOther  kind = "key of another organizer"
)

// typeOf has the kinds of callers with an account of their own.
var typeOf = map[kind]auth.UserType{
	runner: auth.Runner, otherRunner: auth.Runner, owner: auth.Organizer, editor: auth.Organizer, timing: auth.Organizer,
	viewer: auth.Runner, otherOrganizer: auth.Organizer, verified: auth.Organizer, operator: auth.Operator, suspended: auth.Organizer, left: auth.Organizer,
}

// roles are the roles of the callers in the race that the routes are called for.
var roles = map[kind]race.Role{editor: race.Editor, timing: race.Timing, viewer: race.Viewer, suspended: race.Editor, left: race.Editor}

type testBundle struct {
	router *chi.Mux
	parts  parts
	tokens map[kind]string
	// cookies are what the callers with an account open pages with.
	cookies map[kind]string
	ids     map[kind]string // user IDs
	race    race.Race
	// bystanderID is an account that operators may act on: none of the callers'.
	bystanderID string
	accounts    *userdb.Accounts
	mails       *userdb.Ledger            // the worker's
	dump        func(t *testing.T) string // everything that both databases hold
	changes     func(t *testing.T) int    // how many changes are logged in both databases
	outcomes    *maindb.Outcomes          // the worker's
	logs        *lockedBuffer
	inUser      func(t testing.TB, statement string, args ...any) // executes it in user_db
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

// setup returns the whole API on databases of its own, with a race and an account for
// every kind of caller.
func setup(t testing.TB) *testBundle {
	t.Helper()
	logs := &lockedBuffer{}
	mainRows, mainCfg := mysqltest.New(t, maindb.Migrations())
	userDB, userCfg := mysqltest.New(t, userdb.Migrations())
	stopped := make(chan struct{})
	close(stopped) // streams end as soon as they have begun
	p := parts{
		cfg: settings{
			PublicURL: "https://api.example.org",
			Auth:      auth.Config{PrivateKeyPath: filepath.Join(t.TempDir(), "jwt.pem"), Issuer: "test", Audience: "test", AccessTokenTTL: time.Hour, RefreshTokenTTL: time.Hour},
			SignUps:   auth.SignUpConfig{PerAddress: 1000, PerMinute: 1000},
		},
		mainDB: maindb.New(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.API), time.Now),
		userDB: userdb.NewAccounts(mysqltest.As(t, userCfg, userdb.Grants(), mysql.API), time.Now),
		poke:   func() {}, wake: func(context.Context, string) error { return nil }, rank: func(context.Context, string) error { return nil }, stopping: stopped, temporal: nothing{}, letters: nothing{}, registry: telemetry.NewRegistry(), log: slog.New(slog.NewTextHandler(logs, nil)), now: time.Now,
	}
	p.health = telemetry.Handler(telemetry.NewRegistry(), p.log)
	router, err := newHandler(p)
	require.NoError(t, err)

	b := &testBundle{router: router, parts: p, tokens: map[kind]string{}, cookies: map[kind]string{}, ids: map[kind]string{}, bystanderID: newID(), accounts: p.userDB, logs: logs}
	b.outcomes = maindb.NewOutcomes(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.Worker), time.Now)
	b.dump = func(t *testing.T) (text string) {
		t.Helper()
		for _, query := range []func(string) ([]map[string]any, error){
			func(statement string) ([]map[string]any, error) {
				return mysql.QueryRows(t.Context(), mainRows, statement)
			},
			func(statement string) ([]map[string]any, error) {
				return mysql.QueryRows(t.Context(), userDB, statement)
			},
		} {
			rows, err := servertest.Dump(query)
			require.NoError(t, err)
			text += rows
		}
		return text
	}
	b.changes = func(t *testing.T) (n int) {
		t.Helper()
		var waiting int // in user_db, until the relay takes them to the log
		require.NoError(t, mainRows.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM change_log").Scan(&n))
		require.NoError(t, userDB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM change_outbox").Scan(&waiting))
		return n + waiting
	}
	b.mails = userdb.NewLedger(mysqltest.As(t, userCfg, userdb.Grants(), mysql.Worker), time.Now)
	_, err = p.userDB.CreateAccount(t.Context(), userdb.Account{UserID: b.bystanderID, LoginID: "bystander", Type: auth.Organizer, Name: "By Stander"})
	require.NoError(t, err)
	for who, userType := range typeOf {
		b.ids[who] = newID()
		_, err = p.userDB.CreateAccount(t.Context(), userdb.Account{
			UserID: b.ids[who], LoginID: strings.ReplaceAll(string(who), " ", "-") + "@example.net", PasswordHash: passwordHash(), Type: userType, Name: "Ada Example", Sex: race.Female,
			BirthDate: race.Date{Year: 1990, Month: 5, Day: 1},
		})
		require.NoError(t, err)
		b.tokens[who] = b.token(t, b.ids[who], userType, time.Now)
		secret, hash := auth.NewRefreshToken()
		session := userdb.Session{ID: newID(), Account: userdb.Account{UserID: b.ids[who], PasswordHash: passwordHash()}, Kind: userdb.BrowserSession, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
		require.NoError(t, p.userDB.StartSession(t.Context(), session, hash))
		b.cookies[who] = session.ID + "." + secret
	}
	b.inUser = func(t testing.TB, statement string, args ...any) {
		t.Helper()
		_, err := userDB.ExecContext(t.Context(), statement, args...)
		require.NoError(t, err)
	}
	b.inUser(t, "UPDATE user SET email = login_id WHERE login_id LIKE '%@%'")
	b.tokens[expired] = b.token(t, b.ids[owner], auth.Organizer, func() time.Time { return time.Now().AddDate(0, 0, -1) })
	b.race, err = p.mainDB.CreateRace(t.Context(), race.Race{
		ID: newID(), OrganizerID: b.ids[owner], Name: "Test Marathon", Date: race.Date{Year: 2026, Month: 11, Day: 20},
		Distance: 42_195_000, Ranking: race.Ranking{Basis: race.Gun, DivisionsBasis: race.Gun, Ties: race.TiesShare},
		Scoring: "agegrade-2025", Status: race.Scheduled,
	})
	require.NoError(t, err)
	for who, role := range roles {
		b.join(t, who, role)
	}
	b.tokens[keyRead] = b.key(t, owner, b.race.ID, auth.ScopeRead)
	b.tokens[keyTiming] = b.key(t, owner, b.race.ID, auth.ScopeTiming)
	b.tokens[keyAll] = b.key(t, owner, b.race.ID, auth.ScopeAll)
	b.tokens[keyOther] = b.key(t, otherOrganizer, "", auth.ScopeAll)
	_, err = p.mainDB.SetVerified(t.Context(), b.ids[verified], true, maindb.Change{By: b.ids[operator], Reason: "test"})
	require.NoError(t, err)
	_, err = p.userDB.Suspend(t.Context(), b.ids[suspended], b.ids[operator], "test")
	require.NoError(t, err)
	require.NoError(t, p.userDB.EraseAccount(t.Context(), b.ids[left]))
	return b
}

// token returns an access token.
func (b *testBundle) token(t testing.TB, userID string, userType auth.UserType, now func() time.Time) string {
	t.Helper()
	keys, err := auth.LoadKeys(b.parts.cfg.Auth)
	require.NoError(t, err)
	token, _, err := auth.NewIssuer(keys, b.parts.cfg.Auth, now).Issue(auth.Identity{UserID: userID, Type: userType}, time.Time{})
	require.NoError(t, err)
	return token
}

// key makes an API key of a race, or for all races of a caller.
func (b *testBundle) key(t testing.TB, who kind, raceID string, scope auth.Scope) (secret string) {
	t.Helper()
	secret, prefix, hash := auth.NewAPIKey()
	key := maindb.APIKey{
		ID: newID(), Prefix: prefix, Name: "test", Scope: scope, RaceID: raceID, CreatedBy: b.ids[who], CreatorType: typeOf[who], CreatedAt: time.Now(),
	}
	require.NoError(t, b.parts.mainDB.AddKey(t.Context(), key, hash, func(context.Context) error { return nil }))
	return secret
}

// join gives a caller a role in the race.
func (b *testBundle) join(t testing.TB, who kind, role race.Role) {
	t.Helper()
	now, invited := time.Now(), maindb.Invited{UserID: b.ids[who]}
	invitation := maindb.Invitation{
		ID: newID(), RaceID: b.race.ID, Role: role, Invited: invited, By: b.ids[owner], At: now, ExpiresAt: now.Add(time.Hour),
	}
	require.NoError(t, b.parts.mainDB.Invite(t.Context(), invitation))
	_, err := b.parts.mainDB.AcceptStaffInvitation(t.Context(), invitation.ID, invited, false)
	require.NoError(t, err)
}

// passwordHash is of the password in the examples.
var passwordHash = sync.OnceValue(func() string {
	passwords, err := auth.NewPasswords()
	if err != nil {
		panic(err)
	}
	hash, err := passwords.Hash(context.Background(), "six stars to go")
	if err != nil {
		panic(err)
	}
	return hash
})

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

func (nothing) Depth(context.Context) (queue.Depth, error) { return queue.Depth{}, errNoQueue }

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

// groups are the words of the table for several kinds of callers at once.
var groups = map[string][]kind{
	"anyone":     {anonymous, runner, otherRunner, owner, editor, timing, viewer, otherOrganizer, verified, operator, expired, suspended, left, keyRead, keyTiming, keyAll, keyOther},
	"holders":    {runner, otherRunner, owner, editor, timing, viewer, otherOrganizer, verified, operator},
	"runners":    {runner, otherRunner, viewer},
	"organizers": {owner, editor, timing, otherOrganizer, verified},
	"viewers":    {owner, editor, timing, viewer, keyRead, keyTiming, keyAll},
	"members":    {owner, editor, timing, viewer},
	"timing":     {owner, editor, timing, keyTiming, keyAll},
	"editors":    {owner, editor, keyAll},
	"owner":      {owner},
	"operator":   {operator},
	"key":        {keyOther},
}

// access says, in its own words, who may make each call: all others are refused, with
// 401 if they have no valid token and 403 if they have one. The race is not published,
// and has no record with the ID in the path. Pages that are not for anyone take cookies
// instead of tokens and keys, and lead to the login whoever has none.
const access = `
GET    /                                                              anyone
GET    /assets/*                                                      anyone
GET    /{lang}                                                        anyone
GET    /{lang}/races                                                  anyone
GET    /{lang}/races/{race_id}                                        anyone
GET    /{lang}/races/{race_id}/standings                              anyone
GET    /{lang}/races/{race_id}/results/{bib}                          anyone
GET    /{lang}/races/{race_id}/compare                                anyone
GET    /{lang}/races/{race_id}/announcer                              anyone
GET    /{lang}/races/{race_id}/certificate/{bib}                      anyone
GET    /{lang}/races/{race_id}/verify/{bib}                           anyone
GET    /{lang}/races/{race_id}/teams                                  anyone
GET    /{lang}/races/{race_id}/awards                                 anyone
GET    /{lang}/races/{race_id}/draw                                   anyone
GET    /{lang}/races/{race_id}/posts                                  anyone
GET    /{lang}/races/{race_id}/posts.atom                             anyone
GET    /{lang}/races/{race_id}/posts/{post_id}                        anyone
GET    /{lang}/my/races/{race_id}/posts/{post_id}                     holders
POST   /{lang}/my/races/{race_id}/posts/{post_id}                     holders
GET    /{lang}/organize/races/{race_id}/posts                         viewers
GET    /{lang}/organize/races/{race_id}/posts/new                     editors
POST   /{lang}/organize/races/{race_id}/posts/new                     editors
GET    /{lang}/organize/races/{race_id}/posts/{post_id}               viewers
POST   /{lang}/organize/races/{race_id}/posts/{post_id}               editors
GET    /{lang}/organize/races/{race_id}/tasks                         viewers
GET    /{lang}/organize/races/{race_id}/tasks/new                     editors
POST   /{lang}/organize/races/{race_id}/tasks/new                     editors
GET    /{lang}/organize/races/{race_id}/tasks/copy                    editors
POST   /{lang}/organize/races/{race_id}/tasks/copy                    editors
GET    /{lang}/organize/races/{race_id}/tasks/move                    editors
POST   /{lang}/organize/races/{race_id}/tasks/move                    editors
GET    /{lang}/organize/races/{race_id}/tasks/{task_id}               viewers
POST   /{lang}/organize/races/{race_id}/tasks/{task_id}               editors
POST   /{lang}/organize/races/{race_id}/tasks/{task_id}/status        members
POST   /{lang}/organize/races/{race_id}/tasks/{task_id}/place         editors
GET    /{lang}/organize/races/{race_id}/calendar                      viewers
POST   /{lang}/organize/races/{race_id}/calendar                      members
GET    /{lang}/organize/races/{race_id}/comments                      viewers
POST   /{lang}/organize/races/{race_id}/comments                      editors
GET    /{lang}/series                                                 anyone
GET    /{lang}/series/{series_id}                                     anyone
GET    /{lang}/series/{series_id}/runners/{user_id}                   anyone
GET    /{lang}/leaderboard                                            anyone
GET    /{lang}/status                                                 anyone
GET    /{lang}/privacy                                                anyone
GET    /{lang}/account/login                                          anyone
POST   /{lang}/account/login                                          anyone
GET    /{lang}/account/signup                                         anyone
POST   /{lang}/account/signup                                         anyone
GET    /{lang}/account/recover                                        anyone
POST   /{lang}/account/recover                                        anyone
POST   /{lang}/account/logout                                         anyone
GET    /{lang}/organize/races/{race_id}/files                         viewers
POST   /{lang}/organize/races/{race_id}/files                         timing
GET    /{lang}/organize/races/{race_id}/files/{import_id}             viewers
GET    /{lang}/organize/races/{race_id}/files/{import_id}/file        viewers
GET    /{lang}/organize/races/{race_id}/files/{import_id}/again       viewers
POST   /{lang}/organize/races/{race_id}/files/{import_id}/again       timing
GET    /{lang}/organize/races/{race_id}/files/{import_id}/apply       viewers
POST   /{lang}/organize/races/{race_id}/files/{import_id}/apply       timing
GET    /{lang}/organize/races/{race_id}/files/{import_id}/undo        timing
POST   /{lang}/organize/races/{race_id}/files/{import_id}/undo        timing
GET    /{lang}/organize/races/{race_id}/progress                      viewers
GET    /{lang}/organize/races/{race_id}/records                       viewers
GET    /{lang}/organize/races/{race_id}/records/new                   timing
POST   /{lang}/organize/races/{race_id}/records/new                   timing
GET    /{lang}/organize/races/{race_id}/records/{record_id}           viewers
POST   /{lang}/organize/races/{race_id}/records/{record_id}           timing
GET    /{lang}/organize/races/{race_id}/records/{record_id}/swap      timing
POST   /{lang}/organize/races/{race_id}/records/{record_id}/swap      timing
GET    /{lang}/organize/races/{race_id}/records/{record_id}/remove    timing
POST   /{lang}/organize/races/{race_id}/records/{record_id}/remove    timing
GET    /{lang}/my                                                     holders
GET    /{lang}/account/link                                           anyone
POST   /{lang}/account/link                                           anyone
POST   /{lang}/account/passkey/begin                                  anyone
POST   /{lang}/account/passkey                                        anyone
GET    /{lang}/my/results                                             runners
GET    /{lang}/my/results/{race_id}/{record_id}/dispute               runners
POST   /{lang}/my/results/{race_id}/{record_id}/dispute               runners
POST   /{lang}/my/disputes/{dispute_id}/withdraw                      runners
GET    /{lang}/my/points                                              runners
GET    /{lang}/my/races                                               runners
GET    /{lang}/my/races/{race_id}                                     runners
POST   /{lang}/my/races/{race_id}                                     runners
POST   /{lang}/my/races/{race_id}/cancel                              runners
POST   /{lang}/my/races/{race_id}/accept                              runners
POST   /{lang}/my/races/{race_id}/defer                               runners
POST   /{lang}/my/races/{race_id}/decline                             runners
POST   /{lang}/my/races/{race_id}/standing                            runners
GET    /{lang}/my/races/{race_id}/transfer                            runners
POST   /{lang}/my/races/{race_id}/transfer                            runners
POST   /{lang}/my/races/{race_id}/transfer/confirm                    runners
POST   /{lang}/my/races/{race_id}/transfer/withdraw                   runners
GET    /{lang}/my/races/{race_id}/receive                             runners
POST   /{lang}/my/races/{race_id}/receive                             runners
GET    /{lang}/my/claims                                              runners
GET    /{lang}/my/claims/new                                          runners
POST   /{lang}/my/claims/new                                          runners
POST   /{lang}/my/claims/{claim_id}/accept                            runners
POST   /{lang}/my/claims/{claim_id}/end                               runners
GET    /{lang}/my/records                                             runners
GET    /{lang}/my/records/new                                         runners
POST   /{lang}/my/records/new                                         runners
GET    /{lang}/my/records/{record_id}                                 runners
POST   /{lang}/my/records/{record_id}                                 runners
POST   /{lang}/my/records/{record_id}/delete                          runners
GET    /{lang}/my/notices                                             holders
POST   /{lang}/my/notices                                             holders
GET    /{lang}/my/settings                                            holders
POST   /{lang}/my/settings                                            holders
GET    /{lang}/my/email                                               holders
POST   /{lang}/my/email                                               holders
GET    /{lang}/my/password                                            holders
POST   /{lang}/my/password                                            holders
GET    /{lang}/my/sessions                                            holders
POST   /{lang}/my/sessions                                            holders
POST   /{lang}/my/sessions/{session_id}/end                           holders
GET    /{lang}/my/passkeys                                            holders
POST   /{lang}/my/passkeys/begin                                      holders
POST   /{lang}/my/passkeys/add                                        holders
POST   /{lang}/my/passkeys/{passkey_id}/remove                        holders
GET    /{lang}/my/keys                                                organizers
POST   /{lang}/my/keys/{key_id}/revoke                                organizers
GET    /{lang}/my/export                                              holders
GET    /{lang}/my/changes                                             holders
GET    /{lang}/my/leave                                               holders
POST   /{lang}/my/leave                                               holders
GET    /{lang}/organize                                               holders
POST   /{lang}/organize/invitations/{invitation_id}                   holders but operator
GET    /{lang}/organize/series                                        organizers
GET    /{lang}/organize/series/new                                    organizers
POST   /{lang}/organize/series/new                                    organizers
GET    /{lang}/organize/series/{series_id}                            organizers
POST   /{lang}/organize/series/{series_id}                            organizers
POST   /{lang}/organize/series/{series_id}/delete                     organizers
GET    /{lang}/organize/races/new                                     organizers
POST   /{lang}/organize/races/new                                     organizers
GET    /{lang}/organize/races/{race_id}                               viewers
GET    /{lang}/organize/races/{race_id}/participants                  viewers
GET    /{lang}/organize/races/{race_id}/entries                       viewers
POST   /{lang}/organize/races/{race_id}/entries                       editors
GET    /{lang}/organize/races/{race_id}/entries.csv                   viewers
GET    /{lang}/organize/races/{race_id}/entries/{user_id}             viewers
POST   /{lang}/organize/races/{race_id}/entries/{user_id}/enter       editors
POST   /{lang}/organize/races/{race_id}/entries/{user_id}/remove      editors
GET    /{lang}/organize/races/{race_id}/admissions                    viewers
POST   /{lang}/organize/races/{race_id}/admissions                    editors
POST   /{lang}/organize/races/{race_id}/admissions/{admission_id}/end editors
GET    /{lang}/organize/races/{race_id}/transfers                     viewers
POST   /{lang}/organize/races/{race_id}/entries/{user_id}/transfer    editors
POST   /{lang}/organize/races/{race_id}/entries/{user_id}/transfer/confirm  editors
POST   /{lang}/organize/races/{race_id}/entries/{user_id}/transfer/withdraw  editors
GET    /{lang}/organize/races/{race_id}/versions                      viewers
GET    /{lang}/organize/races/{race_id}/exports                       viewers
GET    /{lang}/organize/races/{race_id}/changes                       viewers
GET    /{lang}/organize/races/{race_id}/changes/export                viewers
GET    /{lang}/organize/races/{race_id}/settings/{part}               editors
POST   /{lang}/organize/races/{race_id}/settings/{part}               editors
GET    /{lang}/organize/races/{race_id}/publish                       viewers
POST   /{lang}/organize/races/{race_id}/publish                       editors
GET    /{lang}/organize/races/{race_id}/void                          owner
POST   /{lang}/organize/races/{race_id}/void                          owner
GET    /{lang}/organize/races/{race_id}/staff                         viewers
POST   /{lang}/organize/races/{race_id}/staff                         owner
POST   /{lang}/organize/races/{race_id}/staff/{user_id}               viewers
POST   /{lang}/organize/races/{race_id}/staff/invitations/{invitation_id}/withdraw owner
GET    /{lang}/organize/races/{race_id}/hand-over                     owner
POST   /{lang}/organize/races/{race_id}/hand-over                     owner
GET    /{lang}/organize/races/{race_id}/claims                        owner
GET    /{lang}/organize/races/{race_id}/claims/{claim_id}             owner
POST   /{lang}/organize/races/{race_id}/claims/{claim_id}             owner
GET    /{lang}/organize/races/{race_id}/claim-codes                   owner
GET    /{lang}/organize/races/{race_id}/claim-codes.csv               owner
GET    /{lang}/organize/races/{race_id}/disputes                      viewers
GET    /{lang}/organize/races/{race_id}/disputes/{dispute_id}         viewers
POST   /{lang}/organize/races/{race_id}/disputes/{dispute_id}         timing
GET    /{lang}/organize/races/{race_id}/keys                          owner
POST   /{lang}/organize/races/{race_id}/keys                          owner
POST   /{lang}/organize/races/{race_id}/keys/{key_id}/revoke          owner
GET    /{lang}/organize/races/{race_id}/notices                       viewers
GET    /{lang}/organize/races/{race_id}/notices/{kind}                viewers
GET    /{lang}/organize/races/{race_id}/webhooks                      owner
POST   /{lang}/organize/races/{race_id}/webhooks                      owner
GET    /{lang}/organize/races/{race_id}/webhooks/{webhook_id}         owner
POST   /{lang}/organize/races/{race_id}/webhooks/{webhook_id}         owner
GET    /{lang}/operate                                                operator
GET    /{lang}/operate/credits                                        operator
GET    /{lang}/operate/credits/{record_id}                            operator
GET    /{lang}/operate/credits/{record_id}/retry                      operator
POST   /{lang}/operate/credits/{record_id}/retry                      operator
GET    /{lang}/operate/retry                                          operator
POST   /{lang}/operate/retry                                          operator
GET    /{lang}/operate/dead-letters                                   operator
GET    /{lang}/operate/dead-letters/redrive                           operator
POST   /{lang}/operate/dead-letters/redrive                           operator
GET    /{lang}/operate/dead-letters/discard                           operator
POST   /{lang}/operate/dead-letters/discard                           operator
GET    /{lang}/operate/audits                                         operator
GET    /{lang}/operate/audits/start                                   operator
POST   /{lang}/operate/audits/start                                   operator
GET    /{lang}/operate/totals/{user_id}                               operator
POST   /{lang}/operate/totals/{user_id}                               operator
GET    /{lang}/operate/actions                                        operator
GET    /{lang}/operate/offers                                         operator
GET    /{lang}/operate/changes                                        operator
GET    /{lang}/operate/deliveries                                     operator
POST   /{lang}/operate/deliveries/{delivery_id}/replay                operator
GET    /{lang}/operate/comments                                       operator
GET    /{lang}/operate/comments/{comment_id}/hide                     operator
POST   /{lang}/operate/comments/{comment_id}/hide                     operator
GET    /{lang}/operate/comments/{comment_id}/show                     operator
POST   /{lang}/operate/comments/{comment_id}/show                     operator
GET    /{lang}/operate/mails                                          operator
GET    /{lang}/operate/mails/{mail_id}/resend                         operator
POST   /{lang}/operate/mails/{mail_id}/resend                         operator
GET    /{lang}/operate/changes/export                                 operator
GET    /{lang}/operate/accounts                                       operator
POST   /{lang}/operate/accounts                                       operator
GET    /{lang}/operate/accounts/{user_id}                             operator
GET    /{lang}/operate/accounts/{user_id}/suspend                     operator
POST   /{lang}/operate/accounts/{user_id}/suspend                     operator
GET    /{lang}/operate/accounts/{user_id}/restore                     operator
POST   /{lang}/operate/accounts/{user_id}/restore                     operator
GET    /{lang}/operate/accounts/{user_id}/remove-passkeys             operator
POST   /{lang}/operate/accounts/{user_id}/remove-passkeys             operator
GET    /{lang}/operate/accounts/{user_id}/verify                      operator
POST   /{lang}/operate/accounts/{user_id}/verify                      operator
GET    /{lang}/operate/accounts/{user_id}/unverify                    operator
POST   /{lang}/operate/accounts/{user_id}/unverify                    operator
GET    /{lang}/operate/races/{race_id}                                operator
GET    /{lang}/operate/series/{series_id}/recompute                   operator
POST   /{lang}/operate/series/{series_id}/recompute                   operator
GET    /{lang}/operate/races/{race_id}/recompute                      operator
POST   /{lang}/operate/races/{race_id}/recompute                      operator
GET    /{lang}/operate/races/{race_id}/hand-over                      operator
POST   /{lang}/operate/races/{race_id}/hand-over                      operator
GET    /{lang}/operate/races/{race_id}/void                           operator
POST   /{lang}/operate/races/{race_id}/void                           operator
GET    /{lang}/operate/people                                         operator
GET    /{lang}/operate/people/merge                                   operator
POST   /{lang}/operate/people/merge                                   operator
GET    /{lang}/operate/people/separate                                operator
POST   /{lang}/operate/people/separate                                operator
GET    /healthz                                                       anyone
GET    /readyz                                                        anyone
GET    /metrics                                                       anyone
GET    /openapi.json                                                  anyone
GET    /docs                                                          anyone
GET    /docs/*                                                        anyone
GET    /.well-known/jwks.json                                         anyone
POST   /v1/users                                                      anyone
POST   /v1/login                                                      anyone
POST   /v1/login/passkey/begin                                        anyone
POST   /v1/login/passkey                                              anyone
POST   /v1/token/refresh                                              anyone
POST   /v1/logout                                                     anyone
GET    /v1/me                                                         holders
PATCH  /v1/me                                                         holders
DELETE /v1/me                                                         holders
POST   /v1/users/recovery                                             anyone
POST   /v1/users/password                                             anyone
POST   /v1/users/confirm                                              anyone
GET    /v1/users/link                                                 anyone
GET    /v1/me/changes                                                 holders
GET    /v1/me/export                                                  holders
GET    /v1/me/sessions                                                holders
DELETE /v1/me/sessions                                                holders
DELETE /v1/me/sessions/{session_id}                                   holders
POST   /v1/me/passkeys/begin                                          holders
POST   /v1/me/passkeys                                                holders
GET    /v1/me/passkeys                                                holders
DELETE /v1/me/passkeys/{passkey_id}                                   holders
GET    /v1/me/disputes                                                runners
POST   /v1/me/disputes/{dispute_id}/withdraw                          runners
GET    /v1/me/notices                                                 holders
PATCH  /v1/me/notices                                                 holders
GET    /v1/unsubscribe/{token}                                        anyone
POST   /v1/unsubscribe/{token}                                        anyone
GET    /v1/me/keys                                                    organizers
POST   /v1/me/keys                                                    organizers
DELETE /v1/me/keys/{key_id}                                           organizers
GET    /v1/me/races                                                   holders
GET    /v1/me/tasks                                                   holders
GET    /v1/me/staff-invitations                                       holders
POST   /v1/me/staff-invitations/{invitation_id}/accept                holders but operator
POST   /v1/me/staff-invitations/{invitation_id}/decline               holders
GET    /v1/me/claims                                                  runners
POST   /v1/me/claims                                                  runners
POST   /v1/me/claims/{claim_id}/accept                                runners
POST   /v1/me/claims/{claim_id}/decline                               runners
POST   /v1/me/claims/{claim_id}/withdraw                              runners
GET    /v1/me/points                                                  runners
GET    /v1/me/results                                                 runners
POST   /v1/me/unofficial-records                                      runners
GET    /v1/me/unofficial-records                                      runners
GET    /v1/me/unofficial-records/{id}                                 runners
PATCH  /v1/me/unofficial-records/{id}                                 runners
DELETE /v1/me/unofficial-records/{id}                                 runners
POST   /v1/races                                                      organizers key
GET    /v1/races                                                      anyone
GET    /v1/races/{race_id}                                            anyone
PATCH  /v1/races/{race_id}                                            editors
DELETE /v1/races/{race_id}                                            owner
POST   /v1/races/{race_id}/void                                       owner operator
GET    /v1/races/{race_id}/changes                                    viewers
GET    /v1/races/{race_id}/changes/export                             viewers
GET    /v1/races/{race_id}/staff                                      viewers
POST   /v1/races/{race_id}/staff                                      owner
PATCH  /v1/races/{race_id}/staff/{user_id}                            owner
DELETE /v1/races/{race_id}/staff/{user_id}                            owner
DELETE /v1/races/{race_id}/staff/invitations/{invitation_id}          owner
GET    /v1/races/{race_id}/keys                                       owner
POST   /v1/races/{race_id}/keys                                       owner
DELETE /v1/races/{race_id}/keys/{key_id}                              owner
GET    /v1/races/{race_id}/tasks                                      viewers
POST   /v1/races/{race_id}/tasks                                      editors
POST   /v1/races/{race_id}/tasks/copy                                 editors
GET    /v1/races/{race_id}/tasks/{task_id}                            viewers
PATCH  /v1/races/{race_id}/tasks/{task_id}                            editors
POST   /v1/races/{race_id}/tasks/{task_id}/status                     members
DELETE /v1/races/{race_id}/tasks/{task_id}                            editors
GET    /v1/races/{race_id}/calendar                                   viewers
POST   /v1/races/{race_id}/calendar                                   members
DELETE /v1/races/{race_id}/calendar                                   members
GET    /v1/calendar/{token}                                           anyone
GET    /v1/races/{race_id}/webhooks                                   owner
POST   /v1/races/{race_id}/webhooks                                   owner
GET    /v1/races/{race_id}/webhooks/{webhook_id}                      owner
PATCH  /v1/races/{race_id}/webhooks/{webhook_id}                      owner
DELETE /v1/races/{race_id}/webhooks/{webhook_id}                      owner
POST   /v1/races/{race_id}/webhooks/{webhook_id}/rotate               owner
POST   /v1/races/{race_id}/webhooks/{webhook_id}/replay               owner
POST   /v1/races/{race_id}/webhooks/{webhook_id}/test                 owner
GET    /v1/races/{race_id}/webhooks/{webhook_id}/deliveries           owner
POST   /v1/races/{race_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/replay owner
POST   /v1/races/{race_id}/hand-over                                  owner operator
POST   /v1/races/{race_id}/participants                               runners
GET    /v1/races/{race_id}/participants/me                            runners
DELETE /v1/races/{race_id}/participants/me                            runners
GET    /v1/races/{race_id}/participants                               viewers
POST   /v1/races/{race_id}/participants/import                        editors
PATCH  /v1/races/{race_id}/participants/me                            runners
POST   /v1/races/{race_id}/participants/me/accept                     runners
POST   /v1/races/{race_id}/participants/me/decline                    runners
GET    /v1/races/{race_id}/entry                                      anyone
GET    /v1/races/{race_id}/entry/events                               anyone
GET    /v1/races/{race_id}/entry/draw                                 anyone
GET    /v1/races/{race_id}/entry/draw.csv                             anyone
GET    /v1/races/{race_id}/entries                                    viewers
GET    /v1/races/{race_id}/entries.csv                                viewers
POST   /v1/races/{race_id}/entries/{user_id}/enter                    editors
POST   /v1/races/{race_id}/entries/{user_id}/remove                   editors
POST   /v1/races/{race_id}/participants/me/defer                      runners
POST   /v1/races/{race_id}/admissions                                 editors
GET    /v1/races/{race_id}/admissions                                 viewers
DELETE /v1/races/{race_id}/admissions/{admission_id}                  editors
POST   /v1/races/{race_id}/participants/me/transfer                   runners
GET    /v1/races/{race_id}/participants/me/transfer                   runners
DELETE /v1/races/{race_id}/participants/me/transfer                   runners
POST   /v1/races/{race_id}/participants/me/transfer/confirm           runners
GET    /v1/races/{race_id}/transfers                                  viewers
POST   /v1/races/{race_id}/transfers/open                             runners
POST   /v1/races/{race_id}/transfers/accept                           runners
POST   /v1/races/{race_id}/transfers/decline                          runners
POST   /v1/races/{race_id}/entries/{user_id}/transfer                 editors
GET    /v1/races/{race_id}/entries/{user_id}/transfer                 viewers
DELETE /v1/races/{race_id}/entries/{user_id}/transfer                 editors
POST   /v1/races/{race_id}/entries/{user_id}/transfer/confirm         editors
GET    /v1/races/{race_id}/claims                                     owner
POST   /v1/races/{race_id}/claims/{claim_id}/approve                  owner
POST   /v1/races/{race_id}/claims/{claim_id}/refuse                   owner
GET    /v1/races/{race_id}/claim-codes                                owner
GET    /v1/races/{race_id}/claim-codes.csv                            owner
POST   /v1/races/{race_id}/official-records                           timing
POST   /v1/races/{race_id}/official-records/import                    timing
GET    /v1/races/{race_id}/official-records                           viewers
GET    /v1/races/{race_id}/official-records/{record_id}               viewers
PATCH  /v1/races/{race_id}/official-records/{record_id}               timing
DELETE /v1/races/{race_id}/official-records/{record_id}               timing
POST   /v1/races/{race_id}/official-records/{record_id}/disputes      runners
GET    /v1/races/{race_id}/disputes                                   viewers
POST   /v1/races/{race_id}/disputes/{dispute_id}/answer               timing
GET    /v1/races/{race_id}/credits                                    viewers
POST   /v1/races/{race_id}/imports                                    timing
GET    /v1/races/{race_id}/imports                                    viewers
GET    /v1/races/{race_id}/imports/{import_id}                        viewers
GET    /v1/races/{race_id}/imports/{import_id}/rows                   viewers
GET    /v1/races/{race_id}/imports/{import_id}/file                   viewers
POST   /v1/races/{race_id}/imports/{import_id}/apply                  timing
GET    /v1/races/{race_id}/imports/{import_id}/undo                   timing
POST   /v1/races/{race_id}/imports/{import_id}/undo                   timing
GET    /v1/races/{race_id}/results/export                             anyone
GET    /v1/races/{race_id}/posts                                      anyone
POST   /v1/races/{race_id}/posts                                      editors
GET    /v1/races/{race_id}/posts/{post_id}                            anyone
PATCH  /v1/races/{race_id}/posts/{post_id}                            editors
DELETE /v1/races/{race_id}/posts/{post_id}                            editors
GET    /v1/races/{race_id}/posts/{post_id}/comments                   anyone
POST   /v1/races/{race_id}/posts/{post_id}/comments                   holders
PATCH  /v1/races/{race_id}/posts/{post_id}/comments/{comment_id}      holders
DELETE /v1/races/{race_id}/posts/{post_id}/comments/{comment_id}      holders
POST   /v1/races/{race_id}/posts/{post_id}/comments/{comment_id}/report holders
POST   /v1/races/{race_id}/posts/{post_id}/comments/{comment_id}/hide editors operator
POST   /v1/races/{race_id}/posts/{post_id}/comments/{comment_id}/show editors operator
GET    /v1/races/{race_id}/comments                                   viewers
GET    /v1/ops/comments                                               operator
GET    /v1/leaderboard                                                anyone
GET    /v1/races/{race_id}/standings                                  anyone
GET    /v1/races/{race_id}/standings.csv                              anyone
GET    /v1/races/{race_id}/standings/version                          anyone
GET    /v1/races/{race_id}/standings/versions                         anyone
GET    /v1/races/{race_id}/standings/compare                          anyone
GET    /v1/races/{race_id}/standings/teams                            anyone
GET    /v1/races/{race_id}/standings/teams.csv                        anyone
GET    /v1/races/{race_id}/awards                                     anyone
GET    /v1/races/{race_id}/awards.csv                                 anyone
GET    /v1/races/{race_id}/awards.txt                                 anyone
POST   /v1/races/{race_id}/finalize                                   editors
DELETE /v1/races/{race_id}/finalize                                   editors
GET    /v1/races/{race_id}/events                                     anyone
POST   /v1/series                                                     organizers
GET    /v1/series                                                     anyone
GET    /v1/series/{series_id}                                         anyone
PATCH  /v1/series/{series_id}                                         organizers
DELETE /v1/series/{series_id}                                         organizers
GET    /v1/series/{series_id}/standings                               anyone
GET    /v1/series/{series_id}/standings.csv                           anyone
GET    /v1/series/{series_id}/standings/versions                      anyone
GET    /v1/ops/credits                                                operator
POST   /v1/ops/credits/retry                                          operator
GET    /v1/ops/credits/{record_id}                                    operator
POST   /v1/ops/credits/{record_id}/retry                              operator
GET    /v1/ops/offers                                                 operator
GET    /v1/ops/dead-letters                                           operator
POST   /v1/ops/dead-letters/redrive                                   operator
POST   /v1/ops/dead-letters/{message_id}/discard                      operator
GET    /v1/ops/audit                                                  operator
POST   /v1/ops/audit                                                  operator
POST   /v1/ops/races/{race_id}/recompute                              operator
POST   /v1/ops/series/{series_id}/recompute                           operator
POST   /v1/ops/users/{user_id}/rebuild-total                          operator
POST   /v1/ops/users/{user_id}/suspend                                operator
POST   /v1/ops/users/{user_id}/remove-passkeys                        operator
POST   /v1/ops/users/{user_id}/restore                                operator
POST   /v1/ops/organizers/{user_id}/verify                            operator
POST   /v1/ops/organizers/{user_id}/unverify                          operator
GET    /v1/ops/people/suggestions                                     operator
POST   /v1/ops/people/merge                                           operator
POST   /v1/ops/people/separate                                        operator
GET    /v1/ops/changes                                                operator
GET    /v1/ops/deliveries                                             operator
POST   /v1/ops/deliveries/{delivery_id}/replay                        operator
GET    /v1/ops/notices                                                operator
GET    /v1/ops/mails                                                  operator
POST   /v1/ops/mails/{mail_id}/resend                                 operator
GET    /v1/ops/mail-addresses                                         operator
GET    /v1/ops/changes/export                                         operator
GET    /v1/ops/actions                                                operator
`

// spoiling are the routes after which a caller cannot make the other calls.
var spoiling = []string{"DELETE /v1/races/{race_id}", "DELETE /v1/me", "DELETE /v1/me/sessions", "POST /{lang}/account/logout"}

// TestEveryRouteWithEveryKindOfCaller walks the router itself, so that a route
// cannot be added without a line in the table and a rule, and neither can outlive its
// route.
func TestEveryRouteWithEveryKindOfCaller(t *testing.T) {
	t.Parallel()
	table := parseAccess(t)
	b := setup(t)
	rules := maps.Clone(server.Access)
	err := chi.Walk(b.router, func(method, pattern string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		route := method + " " + pattern
		_, ruled := rules[route]
		_, listed := table[route]
		require.True(t, ruled, "%s has no rule in server.Access", route)
		require.True(t, listed, "%s has no line in the table", route)
		with := b
		if slices.Contains(spoiling, route) {
			with = setup(t)
		}
		with.tryAll(t, method, pattern, table[route])
		delete(table, route)
		delete(rules, route)
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, table, "lines without a route")
	require.Empty(t, rules, "rules without a route")
}

// parseAccess returns the kinds of callers that each route lets in.
func parseAccess(t *testing.T) map[string][]kind {
	t.Helper()
	table := map[string][]kind{}
	for line := range strings.Lines(strings.TrimSpace(access)) {
		words := strings.Fields(line)
		route := words[0] + " " + words[1]
		require.NotContains(t, table, route, "twice")
		but := false
		for _, word := range words[2:] {
			require.True(t, word == "but" || groups[word] != nil, "%s: %s", route, word)
			switch {
			case word == "but":
				but = true
			case but:
				table[route] = slices.DeleteFunc(table[route], func(who kind) bool { return slices.Contains(groups[word], who) })
			default:
				table[route] = append(table[route], groups[word]...)
			}
		}
	}
	return table
}

// tryAll makes a call without a body as every kind of caller. Whoever may make it gets
// any answer but a refusal or a fault.
func (b *testBundle) tryAll(t *testing.T, method, pattern string, allowed []kind) {
	t.Helper()
	path := strings.NewReplacer("{lang}", "en", "{bib}", "101", "{race_id}", b.race.ID, "{user_id}", b.bystanderID, "*", "index.css").Replace(pattern)
	for strings.Contains(path, "{") {
		before, after, _ := strings.Cut(path, "{")
		_, after, _ = strings.Cut(after, "}")
		path = before + newID() + after
	}
	ownProof := pattern == "/v1/login" || strings.HasPrefix(pattern, "/v1/token/") || pattern == "/v1/logout"
	refusedFirst := slices.SortedStableFunc(slices.Values(groups["anyone"]), func(a, b kind) int {
		return cmp.Compare(slices.Index(allowed, a), slices.Index(allowed, b))
	})
	if strings.HasPrefix(pattern, "/{lang}/") && len(allowed) < len(refusedFirst) {
		b.tryPage(t, method, path, allowed, refusedFirst)
		return
	}
	for _, who := range refusedFirst {
		status := b.call(t.Context(), method, path, b.tokens[who])
		what := fmt.Sprintf("%s %s as %s", method, pattern, who)
		switch {
		case slices.Contains(allowed, who):
			require.NotEqual(t, http.StatusForbidden, status, what)
			if !strings.HasPrefix(pattern, "/v1/ops/") || status != http.StatusServiceUnavailable { // of Temporal or the queue
				require.Less(t, status, http.StatusInternalServerError, what)
			}
			if !ownProof {
				require.NotEqual(t, http.StatusUnauthorized, status, what)
			}
		case slices.Contains([]kind{anonymous, expired, suspended, left}, who):
			require.Equal(t, http.StatusUnauthorized, status, what)
		default:
			require.Equal(t, http.StatusForbidden, status, what)
		}
	}
}

// tryPage is tryAll for a page behind the login.
func (b *testBundle) tryPage(t *testing.T, method, path string, allowed, callers []kind) {
	t.Helper()
	for _, who := range callers {
		request := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		if token := b.tokens[who]; token != "" { // means nothing here
			request.Header.Set("Authorization", "Bearer "+token)
		}
		request.AddCookie(&http.Cookie{Name: "__Host-session", Value: b.cookies[who]}) //nolint:gosec // a browser sends names and values alone
		answer := httptest.NewRecorder()
		b.router.ServeHTTP(answer, request)
		what := fmt.Sprintf("%s %s as %s", method, path, who)
		_, hasAccount := typeOf[who]
		toLogin := strings.HasPrefix(answer.Header().Get("Location"), "/en/account/login") || answer.Code == http.StatusUnauthorized
		switch {
		case !hasAccount, who == suspended, who == left:
			require.True(t, toLogin, what)
		case slices.Contains(allowed, who):
			require.False(t, toLogin, what)
			require.NotEqual(t, http.StatusForbidden, answer.Code, what)
			if !strings.HasPrefix(path, "/en/operate/") || answer.Code != http.StatusServiceUnavailable { // of Temporal or the queue
				require.Less(t, answer.Code, http.StatusInternalServerError, what)
			}
		default:
			require.Equal(t, http.StatusForbidden, answer.Code, what)
		}
		require.Equal(t, "no-store", answer.Header().Get("Cache-Control"), what)
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
