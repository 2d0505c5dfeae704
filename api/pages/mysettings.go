package pages

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/accounts"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const settingsPath = "/my/settings"

// settingsPages adds what people change about their account.
func (s *site) settingsPages() {
	s.visit(get, settingsPath, s.settings)
	s.visit(post, settingsPath, s.changeProfile)
	s.visit(get, noticesPath, s.noticesForm)
	s.visit(post, noticesPath, s.changeNotices)
	s.router.Method(http.MethodGet, notice.UnsubscribePath+"{token}", http.HandlerFunc(s.unsubscribe))
	s.router.Method(http.MethodPost, notice.UnsubscribePath+"{token}", http.HandlerFunc(s.unsubscribe))
	s.visit(get, "/my/email", s.emailForm)
	s.visit(post, "/my/email", s.changeEmail)
	s.visit(get, "/my/password", s.passwordForm)
	s.visit(post, "/my/password", s.changePassword)
	s.visit(get, "/my/sessions", s.sessions)
	s.visit(post, "/my/sessions", s.endOtherSessions)
	s.visit(post, "/my/sessions/{session_id}/end", s.endSession)
	s.visit(get, passkeysPath, s.passkeys)
	s.visit(post, passkeysPath+"/begin", s.beginPasskey)
	s.visit(post, passkeysPath+"/add", s.addPasskey)
	s.visit(post, passkeysPath+"/{passkey_id}/remove", s.removePasskey)
	s.visit(get, "/my/keys", s.apiKeys)
	s.visit(post, "/my/keys/{key_id}/revoke", s.revokeKey)
	s.visit(get, "/my/export", s.exportMe)
	s.visit(get, "/my/changes", s.myChanges)
	s.visit(get, "/my/leave", s.leaveForm)
	s.visit(post, "/my/leave", s.leaveUs)
}

func (s *site) settings(ctx context.Context, v *visit) (page, error) {
	account, err := s.Accounts.Account(ctx, v.caller.UserID)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("my.settings"), body: settingsBody(v, account)}, nil
}

// wish turns the value of a choice into what the account keeps: nil is the default.
func wish(value string) *bool {
	switch value {
	case "yes":
		return new(true)
	case "no":
		return new(false)
	}
	return nil
}

// wished is the reverse.
func wished(w *bool) string {
	switch {
	case w == nil:
		return ""
	case *w:
		return "yes"
	}
	return "no"
}

func (s *site) changeProfile(ctx context.Context, v *visit) (page, error) {
	field := func(name string) *string { return new(v.form.get(name)) }
	_, err := s.People.Change(ctx, v.from, accounts.AccountChange{
		Name: field("name"), Phone: field("phone"), BirthDate: field("birth_date"), Sex: field("sex"), Language: field("language"),
		HideName: wish(v.form.get("hide_name")), HideAge: wish(v.form.get("hide_age")),
	})
	if v.refused(err) {
		return s.settings(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(settingsPath, "saved")
}

func (s *site) emailForm(ctx context.Context, v *visit) (page, error) {
	account, err := s.Accounts.Account(ctx, v.caller.UserID)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("email.title"), body: emailBody(v, account)}, nil
}

// changeEmail changes the address, the login, or both: fields that are as they were are
// left alone.
func (s *site) changeEmail(ctx context.Context, v *visit) (page, error) {
	account, err := s.Accounts.Account(ctx, v.caller.UserID)
	if err != nil {
		return page{}, err
	}
	in := accounts.AccountChange{CurrentPassword: new(v.form.values.Get("current_password"))}
	if email := v.form.get("email"); email != account.Email {
		in.Email = &email
	}
	if login := v.form.get("login_id"); login != account.LoginID {
		in.LoginID = &login
	}
	if in.Email == nil && in.LoginID == nil {
		v.blame("email", v.T("email.same"))
		return s.emailForm(ctx, v)
	}
	_, err = s.People.Change(ctx, v.from, in)
	if v.refused(err) {
		return s.emailForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done("/my/email", "email-asked")
}

func (s *site) passwordForm(ctx context.Context, v *visit) (page, error) {
	account, err := s.Accounts.Account(ctx, v.caller.UserID)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("password.title"), body: passwordBody(v, account)}, nil
}

func (s *site) changePassword(ctx context.Context, v *visit) (page, error) {
	_, err := s.People.Change(ctx, v.from, accounts.AccountChange{
		Password: new(v.form.values.Get("password")), CurrentPassword: new(v.form.values.Get("current_password")),
		RevokeAPIKeys: v.form.get("revoke_api_keys") != "",
	})
	if v.refused(err) {
		return s.passwordForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(settingsPath, "password-changed")
}

func (s *site) sessions(ctx context.Context, v *visit) (page, error) {
	found, err := s.People.Sessions(ctx, maxEntries)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("sessions.title"), body: sessionsBody(v, found)}, nil
}

func (s *site) endOtherSessions(ctx context.Context, v *visit) (page, error) {
	if err := s.People.EndOtherSessions(ctx); err != nil {
		return page{}, err
	}
	return v.done("/my/sessions", "sessions-ended")
}

func (s *site) endSession(ctx context.Context, v *visit) (page, error) {
	if err := s.People.EndSession(ctx, v.param("session_id")); err != nil && !isNotFound(err) {
		return page{}, err
	}
	return v.done("/my/sessions", "session-ended")
}

func (s *site) passkeys(ctx context.Context, v *visit) (page, error) {
	var found []userdb.Passkey
	if !v.caller.NeedsPasskey { // a password alone shows nothing of them
		var err error
		if found, err = s.People.Passkeys(ctx); err != nil {
			return page{}, err
		}
	}
	v.path = passkeysPath
	return v.passkeysPage(found, loginView{passkeys: s.People.HasPasskeys()}), nil
}

func (v *visit) passkeysPage(found []userdb.Passkey, view loginView) page {
	return page{title: v.T("passkeys.title"), body: passkeysBody(v, found, view), module: "passkey.js"}
}

// inJSON answers a module: what is wrong, in the words of the page, or where to go on.
func (s *site) inJSON(v *visit, answer []byte, err error) (page, error) {
	if v.refused(err) {
		text := v.form.problem
		for _, name := range v.form.order {
			text = v.form.wrong[name]
		}
		v.form = &form{}
		answer, err = json.Marshal(map[string]string{"problem": text})
	}
	if err != nil {
		return page{}, err
	}
	return page{}, &reply{contentType: "application/json", body: answer}
}

func (s *site) beginPasskey(ctx context.Context, v *visit) (page, error) {
	answer, err := s.People.BeginPasskey(ctx, v.from, v.form.values.Get("current_password"))
	return s.inJSON(v, answer, err)
}

// credential reads what a module has got from navigator.credentials.
func (v *visit) credential() (map[string]any, error) {
	var credential map[string]any
	if err := json.Unmarshal([]byte(v.form.values.Get("credential")), &credential); err != nil {
		return nil, huma.Error400BadRequest("the credential must be a JSON object")
	}
	return credential, nil
}

func (s *site) addPasskey(ctx context.Context, v *visit) (page, error) {
	credential, err := v.credential()
	if err == nil {
		err = s.People.AddPasskey(ctx, v.form.get("name"), v.form.get("ceremony_id"), credential)
	}
	return s.inJSON(v, []byte(`{}`), err)
}

func (s *site) removePasskey(ctx context.Context, v *visit) (page, error) {
	err := s.People.RemovePasskey(ctx, v.param("passkey_id"))
	if v.refused(err) {
		return s.passkeys(ctx, v)
	}
	if err != nil && !isNotFound(err) {
		return page{}, err
	}
	return v.done(passkeysPath, "passkey-removed")
}

func (s *site) apiKeys(ctx context.Context, v *visit) (page, error) {
	found, err := s.Races.AccountKeys(ctx, v.caller.UserID)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("keys.title"), body: apiKeysBody(v, found)}, nil
}

func (s *site) revokeKey(ctx context.Context, v *visit) (page, error) {
	if !server.IsID(v.param("key_id")) {
		return page{}, race.ErrNotFound
	}
	if err := s.Races.RevokeKey(ctx, "", v.caller.UserID, v.param("key_id")); err != nil && !isNotFound(err) {
		return page{}, err
	}
	return v.done("/my/keys", "key-revoked")
}

func (s *site) exportMe(ctx context.Context, _ *visit) (page, error) {
	body, err := s.People.Export(ctx)
	if err != nil {
		return page{}, err
	}
	return page{}, &reply{contentType: "application/json", file: "mrmrthon.json", body: body}
}

func (s *site) leaveForm(_ context.Context, v *visit) (page, error) {
	return page{title: v.T("leave.title"), body: leaveBody(v)}, nil
}

func (s *site) leaveUs(ctx context.Context, v *visit) (page, error) {
	if v.form.get("sure") == "" {
		v.blame("sure", v.T("leave.sure.wrong"))
		return s.leaveForm(ctx, v)
	}
	err := s.People.Leave(ctx, v.from, v.form.values.Get("password"))
	if v.refused(err) {
		return s.leaveForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	v.cookie = s.newCookie(sessionCookie, "", -1)
	return v.done(loginPath, "left")
}

// mailLanguages are the languages of mails, and of messages to chats.
func (v *visit) mailLanguages() []option {
	return []option{{"en", nameOfLanguage("en")}, {"ko", nameOfLanguage("ko")}}
}

// nameOfLanguage returns what a language is called in itself.
func nameOfLanguage(tag string) string {
	return map[string]string{"en": "English", "ko": "한국어"}[tag]
}

// wishes are the choices of what the public reads. The default is one until somebody
// has chosen.
func (v *visit) wishes(there *bool) []option {
	list := []option{{"no", v.T("wish.no")}, {"yes", v.T("wish.yes")}}
	if there == nil {
		list = append([]option{{"", v.T("wish.default")}}, list...)
	}
	return list
}
