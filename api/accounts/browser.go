package accounts

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Service is what pages do with accounts. It is what the calls do, with a cookie in
// the place of tokens. The account is that of the caller in the context.
type Service struct {
	signUp   signUp
	login    login
	me       me
	recovery recovery
	notices  notices
	export   export
	passkeys passkeys
}

// Opened is a new session of a browser.
type Opened struct {
	Cookie   string // its value
	Lifetime time.Duration
	Type     auth.UserType
}

func (s *Service) opened(session userdb.Session, secret string, err error) (Opened, error) {
	if err != nil {
		return Opened{}, err
	}
	return Opened{Cookie: session.ID + "." + secret, Lifetime: session.ExpiresAt.Sub(session.CreatedAt), Type: session.Account.Type}, nil
}

// SignUp creates an account, as POST /v1/users does.
func (s *Service) SignUp(ctx context.Context, from Client, in NewAccount) (userdb.Account, error) {
	if err := server.Valid(in); err != nil {
		return userdb.Account{}, err
	}
	return s.signUp.create(ctx, from, in)
}

// LogIn opens a session, as POST /v1/login does.
func (s *Service) LogIn(ctx context.Context, from Client, loginID, password string) (Opened, error) {
	return s.opened(s.login.open(ctx, from, loginID, password, userdb.BrowserSession))
}

// LogInByPasskey opens a session, as POST /v1/login/passkey does.
func (s *Service) LogInByPasskey(ctx context.Context, from Client, ceremonyID string, credential map[string]any) (Opened, error) {
	if s.passkeys.checks == nil {
		return Opened{}, errNoSite()
	}
	return s.opened(s.passkeys.open(ctx, from, ceremonyID, credential, userdb.BrowserSession))
}

// HasPasskeys reports whether this site can have passkeys.
func (s *Service) HasPasskeys() bool { return s.passkeys.checks != nil }

// CallerOf returns whose cookie it is, the zero value when its session has ended.
func (s *Service) CallerOf(ctx context.Context, cookie string) (server.Caller, error) {
	id, secret, ok := strings.Cut(cookie, ".")
	if !ok || !server.IsID(id) {
		return server.Caller{}, nil
	}
	session, err := s.login.store.BrowserSession(ctx, id, auth.HashRefreshToken(secret))
	if errors.Is(err, userdb.ErrNoSession) {
		return server.Caller{}, nil
	}
	if err != nil {
		return server.Caller{}, err
	}
	return server.Caller{
		UserID: session.Account.UserID, Type: session.Account.Type, Session: session.ID, IssuedAt: session.CreatedAt,
		NeedsPasskey: s.login.tokens.needsPasskey(session),
	}, nil
}

// LogOut ends the caller's session. One that has ended already is no error.
func (s *Service) LogOut(ctx context.Context) error {
	caller := server.CallerFrom(ctx)
	if err := s.login.store.EndSessionOf(ctx, caller.UserID, caller.Session); !errors.Is(err, race.ErrNotFound) {
		return err
	}
	return nil
}

// AskRecovery has a link mailed, as POST /v1/users/recovery does.
func (s *Service) AskRecovery(ctx context.Context, from Client, loginID string) error {
	return s.recovery.request(ctx, from, loginID)
}

// Recover chooses a new password, as POST /v1/users/password does.
func (s *Service) Recover(ctx context.Context, token, password string) error {
	return s.recovery.recover(ctx, token, password)
}

// Confirm confirms an address or a login, as POST /v1/users/confirm does.
func (s *Service) Confirm(ctx context.Context, token string) error {
	return ofLink(s.recovery.store.UseLink(ctx, auth.HashRefreshToken(token), "", false))
}

// Change changes the account, as PATCH /v1/me does.
func (s *Service) Change(ctx context.Context, from Client, in AccountChange) (userdb.Account, error) {
	if err := server.Valid(in); err != nil {
		return userdb.Account{}, err
	}
	return s.me.update(ctx, from, in)
}

// Leave deletes the account, as DELETE /v1/me does.
func (s *Service) Leave(ctx context.Context, from Client, password string) error {
	return s.me.erase(ctx, from, password)
}

// Sessions returns up to limit of the caller's sessions, the newest first.
func (s *Service) Sessions(ctx context.Context, limit int) ([]userdb.Session, error) {
	return s.me.store.Sessions(ctx, server.CallerFrom(ctx).UserID, "", limit)
}

// EndSession ends a session of the caller, race.ErrNotFound when there is none.
func (s *Service) EndSession(ctx context.Context, sessionID string) error {
	_, err := ownSessions{store: s.me.store}.end(ctx, &sessionInput{SessionID: sessionID})
	return err
}

// EndOtherSessions ends all sessions of the caller but the one of the cookie.
func (s *Service) EndOtherSessions(ctx context.Context) error {
	_, err := ownSessions{store: s.me.store}.endOthers(ctx, nil)
	return err
}

// Export returns everything that is kept about the caller, as GET /v1/me/export does.
func (s *Service) Export(ctx context.Context) ([]byte, error) {
	out, err := s.export.handle(ctx, nil)
	if err != nil {
		return nil, err
	}
	return server.Encode(out.Body)
}

// Passkeys returns the caller's passkeys, the newest first.
func (s *Service) Passkeys(ctx context.Context) ([]userdb.Passkey, error) {
	return s.me.store.Passkeys(ctx, server.CallerFrom(ctx).UserID)
}

// BeginPasskey begins to add a passkey, as POST /v1/me/passkeys/begin does, and returns
// that call's answer.
func (s *Service) BeginPasskey(ctx context.Context, from Client, password string) ([]byte, error) {
	in := &beginPasskeyInput{Client: from}
	in.Body.CurrentPassword = password
	out, err := s.passkeys.begin(ctx, in)
	if err != nil {
		return nil, err
	}
	return server.Encode(out.Body)
}

// AddPasskey adds a passkey, as POST /v1/me/passkeys does.
func (s *Service) AddPasskey(ctx context.Context, name, ceremonyID string, credential map[string]any) error {
	in := &addPasskeyInput{}
	in.Body.Name, in.Body.CeremonyID, in.Body.Credential = name, ceremonyID, credential
	if err := server.Valid(in.Body); err != nil {
		return err
	}
	_, err := s.passkeys.add(ctx, in)
	return err
}

// RemovePasskey removes a passkey of the caller.
func (s *Service) RemovePasskey(ctx context.Context, passkeyID string) error {
	_, err := s.passkeys.remove(ctx, &passkeyInput{PasskeyID: passkeyID})
	return err
}

// BeginPasskeyLogin begins a login by passkey, as POST /v1/login/passkey/begin does, and
// returns that call's answer.
func (s *Service) BeginPasskeyLogin(ctx context.Context, from Client) ([]byte, error) {
	out, err := s.passkeys.beginLogin(ctx, &struct{ Client }{from})
	if err != nil {
		return nil, err
	}
	return server.Encode(out.Body)
}

// Notices returns which notices the caller has chosen.
func (s *Service) Notices(ctx context.Context) (notice.Preferences, error) {
	found, err := s.notices.store.Preferences(ctx, server.CallerFrom(ctx).UserID)
	return found, gone(err)
}

// ChangeNotices changes which notices the caller gets, as PATCH /v1/me/notices does.
func (s *Service) ChangeNotices(ctx context.Context, in NoticesChange) error {
	if err := server.Valid(in); err != nil {
		return err
	}
	_, err := s.notices.update(ctx, in)
	return err
}

// Unsubscription returns what the owner of a link gets of its kind of notice. It returns
// userdb.ErrLink when nobody has got such a link.
func (s *Service) Unsubscription(ctx context.Context, link notice.Unsubscription) (notice.State, error) {
	_, state, err := s.notices.store.Unsubscription(ctx, link)
	return state, err
}

// Unsubscribe switches the kind of notice off that a link is for. It returns
// userdb.ErrLink when nobody has got such a link.
func (s *Service) Unsubscribe(ctx context.Context, link notice.Unsubscription) error {
	return s.notices.store.Unsubscribe(ctx, link)
}
