package accounts

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// ownSessions lists and ends the caller's sessions.
type ownSessions struct{ store *userdb.Accounts }

func (s ownSessions) register(api huma.API) {
	const path = "/v1/me/sessions"
	server.Register(api, huma.Operation{
		OperationID: "list-my-sessions", Method: http.MethodGet, Path: path,
		Summary: "List your sessions", Tags: []string{tag},
		Description: "Where you are logged in: one session for each login that has not ended or expired.",
		Errors:      []int{http.StatusUnauthorized, http.StatusUnprocessableEntity},
	}, s.list)
	server.Register(api, huma.Operation{
		OperationID: "end-my-session", Method: http.MethodDelete, Path: path + "/{session_id}", DefaultStatus: http.StatusNoContent,
		Summary: "End one of your sessions", Tags: []string{tag},
		Description: "Its refresh token is no longer valid. Its access token is refused at once by calls that change something, and within a second by those that read.",
		Errors:      []int{http.StatusUnauthorized, http.StatusNotFound},
	}, s.end)
	server.Register(api, huma.Operation{
		OperationID: "end-my-other-sessions", Method: http.MethodDelete, Path: path, DefaultStatus: http.StatusNoContent,
		Summary: "End all of your sessions but this one", Tags: []string{tag},
		Description: "This one is the session of the access token that the call is made with.",
		Errors:      []int{http.StatusUnauthorized},
	}, s.endOthers)
}

type shownSession struct {
	SessionID  string             `json:"session_id" format:"uuid"`
	Kind       userdb.SessionKind `json:"kind" enum:"token,browser"`
	Device     string             `json:"device" example:"Firefox on Linux" doc:"What the login came from, as far as it said; empty when it is unknown."`
	CreatedAt  time.Time          `json:"created_at"`
	LastUsedAt time.Time          `json:"last_used_at" doc:"When it last got an access token."`
	ExpiresAt  time.Time          `json:"expires_at" doc:"When it ends, unless it gets another access token before. None can prolong it beyond its greatest length."`
	Current    bool               `json:"current" doc:"Whether it is the session of this call's access token."`
}

type sessionsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []shownSession `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string         `json:"next_cursor,omitempty"`
	}
}

func (s ownSessions) list(ctx context.Context, in *struct{ server.Page }) (*sessionsOutput, error) {
	var before string
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	caller := server.CallerFrom(ctx)
	found, err := s.store.Sessions(ctx, caller.UserID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &sessionsOutput{CacheControl: noStore}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last userdb.Session) []any { return []any{last.ID} })
	out.Body.Items = make([]shownSession, len(found))
	for i, session := range found {
		out.Body.Items[i] = shownSession{
			SessionID: session.ID, Kind: session.Kind, Device: session.Device,
			CreatedAt: session.CreatedAt, LastUsedAt: session.LastUsedAt, ExpiresAt: session.ExpiresAt, Current: session.ID == caller.Session,
		}
	}
	return out, nil
}

type sessionInput struct {
	SessionID string `path:"session_id"`
}

func (s ownSessions) end(ctx context.Context, in *sessionInput) (*struct{}, error) {
	if uuid.Validate(in.SessionID) != nil {
		return nil, race.ErrNotFound
	}
	return nil, s.store.EndSessionOf(ctx, server.CallerFrom(ctx).UserID, strings.ToLower(in.SessionID))
}

func (s ownSessions) endOthers(ctx context.Context, _ *struct{}) (*struct{}, error) {
	caller := server.CallerFrom(ctx)
	return nil, gone(s.store.EndOtherSessions(ctx, caller.UserID, caller.Session))
}

// deviceOf describes what a User-Agent comes from, so coarsely that it says little
// about the person: a kind of program and a kind of device.
func deviceOf(userAgent string) string {
	program := firstIn(userAgent, [][2]string{ // browsers name those before them too
		{"Edg", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser", "Samsung Internet"},
		{"Whale/", "Whale"},
		{"KAKAOTALK", "KakaoTalk"},
		{"Firefox/", "Firefox"},
		{"FxiOS", "Firefox"},
		{"CriOS", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
		{"curl/", "curl"},
		{"python", "Python"},
		{"Go-http-client", "a program"},
		{"okhttp", "an app"},
	})
	device := firstIn(userAgent, [][2]string{
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"Windows", "Windows"},
		{"Macintosh", "Mac"},
		{"CrOS", "ChromeOS"},
		{"Linux", "Linux"},
	})
	if program != "" && device != "" {
		return program + " on " + device
	}
	return cmp.Or(program, device)
}

// firstIn returns the name of the first mark that the text has.
func firstIn(text string, marks [][2]string) string {
	for _, mark := range marks {
		if strings.Contains(text, mark[0]) {
			return mark[1]
		}
	}
	return ""
}
