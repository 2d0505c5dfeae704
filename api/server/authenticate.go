package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Verifier checks an access token and returns who it was issued to.
type Verifier interface {
	Verify(token string) (auth.Identity, error)
}

// authenticate puts the caller of a request with a bearer token, or with an API key in
// its place, into its context. Without one the caller is anonymous, and so is one whose token does
// not verify or has ended: a client that sends an expired token along with its
// refresh token gets its new pair, and every route that is not for anyone says what
// is wrong.
func authenticate(verifier Verifier, keys apiKeys, ended ended) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			actor := race.Actor{Kind: race.ByTheSystem, RequestID: w.Header().Get("X-Request-Id")}
			ctx, header := race.WithActor(r.Context(), actor), r.Header.Get("Authorization")
			if header == "" {
				next.ServeHTTP(w, r.WithContext(ctx))
				return
			}
			caller, err := verify(ctx, verifier, keys, header)
			if err == nil {
				write := r.Method != http.MethodGet && r.Method != http.MethodHead
				err = ended.check(ctx, caller, write)
			}
			if err == nil && caller.NeedsPasskey && !addsPasskey(r) {
				err = huma.Error403Forbidden("this account needs a passkey: add one at POST /v1/me/passkeys/begin and refresh the access token; if it has one, log in at POST /v1/login/passkey")
			}
			if problem, _ := problemOf(err); err != nil && problem.Status == http.StatusTooManyRequests {
				writeProblem(w, err)
				return
			}
			if err != nil {
				ctx = context.WithValue(ctx, refusedKey, err)
			} else {
				ctx = race.WithActor(WithCaller(ctx, caller), actorOf(caller, actor))
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// addsPasskey reports whether a request is one of the two that a token with
// NeedsPasskey is good for. In all others its holder is as good as anonymous.
func addsPasskey(r *http.Request) bool {
	return r.Method == http.MethodPost && (r.URL.Path == "/v1/me/passkeys" || r.URL.Path == "/v1/me/passkeys/begin")
}

// actorOf returns whom the change log names as the author of a caller's changes.
func actorOf(caller Caller, actor race.Actor) race.Actor {
	actor.Kind, actor.ID, actor.AccountID = race.ByAccount, caller.UserID, caller.UserID
	switch {
	case caller.Key.ID != "":
		actor.Kind, actor.ID = race.ByKey, caller.Key.ID
	case caller.Type == auth.Operator:
		actor.Kind = race.ByOperator
	}
	return actor
}

func verify(ctx context.Context, verifier Verifier, keys apiKeys, header string) (Caller, error) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return Caller{}, Unauthorized(`the Authorization header must be "Bearer <access token>"`)
	}
	if hash, isKey := auth.HashAPIKey(strings.TrimSpace(token)); isKey {
		return keys.verify(ctx, hash)
	}
	caller, err := verifier.Verify(strings.TrimSpace(token))
	if err != nil {
		return Caller{}, Unauthorized("the access token is not valid or has expired: log in or refresh it")
	}
	return caller, nil
}

// Unauthenticated is the answer to an anonymous caller where a token is required.
func Unauthenticated(ctx context.Context) error {
	if err, refused := ctx.Value(refusedKey).(error); refused {
		return err
	}
	return Unauthorized("this call needs an access token: log in at POST /v1/login")
}

// Unauthorized is a 401 with the challenge that RFC 9110 asks for.
func Unauthorized(detail string) error {
	return huma.ErrorWithHeaders(huma.Error401Unauthorized(detail),
		http.Header{"WWW-Authenticate": {`Bearer realm="mrmrthon"`}})
}

// Caller is who makes a call; the zero value is anonymous.
type Caller = auth.Identity

type contextKey int

const (
	callerKey contextKey = iota
	refusedKey
	raceKey
	resourceKey
	retryKey
)

// SignIn returns the context of a page that the caller asked for: the caller and the
// author of changes are whose cookie it is, whatever other credentials came with it.
func SignIn(ctx context.Context, caller Caller) context.Context {
	actor := race.Actor{Kind: race.ByTheSystem, RequestID: race.ActorFrom(ctx).RequestID}
	if caller.UserID != "" {
		actor = actorOf(caller, actor)
	}
	return race.WithActor(WithCaller(ctx, caller), actor)
}

// WithCaller returns a context with the caller.
func WithCaller(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey, caller)
}

// CallerFrom returns the caller.
func CallerFrom(ctx context.Context) Caller {
	caller, _ := ctx.Value(callerKey).(Caller)
	return caller
}

type raceAndRole struct {
	race race.Race
	role race.Role
}

// WithRace returns a context that carries the race in the path, and the caller's
// role in it.
func WithRace(ctx context.Context, r race.Race, role race.Role) context.Context {
	return context.WithValue(ctx, raceKey, raceAndRole{r, role})
}

// RaceFrom returns the race in the path of a route that is for its owner or staff.
func RaceFrom(ctx context.Context) race.Race {
	found, _ := ctx.Value(raceKey).(raceAndRole)
	return found.race
}

// RoleFrom returns the caller's role in the race in the path of a route that is for
// its owner or staff, or shows them more. It is empty for others and for operators.
func RoleFrom(ctx context.Context) race.Role {
	found, _ := ctx.Value(raceKey).(raceAndRole)
	return found.role
}
