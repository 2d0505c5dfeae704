package pages

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/mrmrthon/mrmrthon/api/accounts"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mail"
)

const (
	loginPath    = "/account/login"
	linkPath     = "/account/link" // where links in mails lead
	passkeysPath = "/my/passkeys"
)

// accountPages adds the pages by which people come in and leave again.
func (s *site) accountPages() {
	s.visit(http.MethodGet, loginPath, s.logInForm)
	s.upload(http.MethodPost, loginPath, maxPostForm, s.logIn) // with what was typed when a session ended, encoded twice
	s.visit(http.MethodGet, "/account/signup", s.signUpForm)
	s.visit(http.MethodPost, "/account/signup", s.signUp)
	s.visit(http.MethodGet, "/account/recover", s.recoverForm)
	s.visit(http.MethodPost, "/account/recover", s.recover)
	s.visit(http.MethodPost, "/account/logout", s.logOut)
	s.visit(http.MethodGet, linkPath, s.linkForm)
	s.visit(http.MethodPost, linkPath, s.followLink)
	s.visit(http.MethodPost, "/account/passkey/begin", s.beginPasskeyLogin)
	s.visit(http.MethodPost, "/account/passkey", s.logInByPasskey)
	s.router.Get(mail.LinkPath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", keepNone.header())
		http.Redirect(w, r, s.preferred(r).link(linkPath), http.StatusFound) // browsers keep what is behind the #
	})
}

// section is an entry of the navigation of whoever has logged in.
type section struct {
	path, label string
	current     bool
}

// sections are the pages that the caller can go to from everywhere.
func (v *visit) sections() []section {
	list := []section{{path: "/my", label: v.T("nav.overview")}}
	if v.caller.Type == auth.Runner {
		list = append(list, section{path: "/my/results", label: v.T("my.results")}, section{path: "/my/points", label: v.T("my.points")},
			section{path: "/my/races", label: v.T("my.races")}, section{path: "/my/claims", label: v.T("my.claims")}, section{path: recordsPath, label: v.T("my.records")})
	}
	if v.mayOrganize() || strings.HasPrefix(v.path, organizePath) { // runners may be staff
		list = append(list, section{path: organizePath, label: v.T("nav.organize")})
	}
	if v.caller.Type == auth.Operator {
		list = append(list, section{path: operatePath, label: v.T("operate")})
	}
	list = append(list, section{path: settingsPath, label: v.T("my.settings")})
	// The longest path that the page is below: /my is above all of them.
	at := -1
	for i, one := range list {
		if (v.path == one.path || strings.HasPrefix(v.path, one.path+"/") && one.path != "/my") && (at < 0 || len(one.path) > len(list[at].path)) {
			at = i
		}
	}
	if at < 0 && strings.HasPrefix(v.path, "/my/") { // reached from the settings
		at = len(list) - 1
	}
	if at >= 0 {
		list[at].current = true
	}
	return list
}

// current is the name of the section that the page is in, empty for one that is in none.
func (v *visit) current() string {
	for _, one := range v.sections() {
		if one.current {
			return one.label
		}
	}
	return ""
}

// loginView is the page on which somebody logs in.
type loginView struct {
	next     string     // where they go then
	again    url.Values // what they had sent to next when they might not
	passkeys bool
}

// askToLogIn answers somebody who asks for a page of their own without a session. What
// they have sent in a form is kept in the page, and sent once they have logged in.
func (s *site) askToLogIn(w http.ResponseWriter, r *http.Request, v *visit) {
	if r.Method == http.MethodGet {
		s.leave(w, r, &redirect{to: with(v.link(loginPath), "next", r.URL.RequestURI())})
		return
	}
	view := loginView{next: r.URL.RequestURI(), again: v.written(), passkeys: s.People.HasPasskeys()}
	if view.again == nil {
		view.next = v.link("/my")
		if from, err := url.Parse(r.Referer()); err == nil { // the page with the form
			view.next = s.local(from.RequestURI(), view.next)
		}
	}
	v.form = &form{values: url.Values{}, wrong: map[string]string{}, problem: v.T("login.ended"), status: http.StatusUnauthorized}
	v.path = loginPath
	s.show(r.Context(), w, r, v, s.logInPage(v, view))
}

// written returns what a form holds that is kept until its sender may send it: neither
// passwords nor files, which must be chosen again. It is nil where there is no form.
func (v *visit) written() url.Values {
	if !v.form.sent || v.http.MultipartForm != nil {
		return nil
	}
	kept := url.Values{}
	for name, values := range v.form.values {
		if !strings.Contains(name, "password") {
			kept[name] = values
		}
	}
	return kept
}

// askForPasskey answers somebody whose session is good for adding a passkey alone. What
// they have sent in a form is kept in the page, and sent once they have added one.
func (s *site) askForPasskey(w http.ResponseWriter, r *http.Request, v *visit) {
	view := loginView{next: r.URL.RequestURI(), again: v.written(), passkeys: s.People.HasPasskeys()}
	if len(view.again) == 0 {
		s.leave(w, r, &redirect{to: v.link(passkeysPath)})
		return
	}
	v.form = &form{values: url.Values{}, wrong: map[string]string{}, problem: v.T("passkeys.needed"), status: http.StatusForbidden}
	v.path = passkeysPath
	s.show(r.Context(), w, r, v, v.passkeysPage(nil, view))
}

func (s *site) logInPage(v *visit, view loginView) page {
	p := page{title: v.T("login.title"), body: logInBody(v, view)}
	if view.passkeys {
		p.module = "passkey.js"
	}
	return p
}

func (s *site) logInForm(_ context.Context, v *visit) (page, error) {
	view := loginView{next: s.local(v.get("next"), ""), passkeys: s.People.HasPasskeys()}
	if v.caller.UserID != "" {
		return page{}, &redirect{to: s.local(view.next, v.link("/my"))}
	}
	return s.logInPage(v, view), nil
}

func (s *site) logIn(ctx context.Context, v *visit) (page, error) {
	view := loginView{next: s.local(v.form.get("next"), ""), passkeys: s.People.HasPasskeys()}
	var err error
	if view.again, err = url.ParseQuery(v.form.values.Get("again")); err != nil {
		view.again = url.Values{}
	}
	if v.caller.UserID != "" && v.form.get("login_id") == "" && len(view.again) > 0 && view.next != "" { // passkey.js has logged in, or added a passkey
		return v.sendAgain(view), nil
	}
	opened, err := s.People.LogIn(ctx, v.from, v.form.get("login_id"), v.form.values.Get("password"))
	if v.refused(err) {
		return s.logInPage(v, view), nil
	}
	if err == nil {
		err = s.open(ctx, v, opened)
	}
	if err != nil {
		return page{}, err
	}
	if len(view.again) > 0 && view.next != "" {
		return v.sendAgain(view), nil
	}
	return page{}, &redirect{to: s.local(view.next, v.link("/my"))}
}

// sendAgain is the page from which what was written before the login is sent.
func (v *visit) sendAgain(view loginView) page {
	v.form = &form{values: url.Values{}, wrong: map[string]string{}}
	return page{title: v.T("again.title"), body: againBody(v, view)}
}

func (s *site) logOut(ctx context.Context, v *visit) (page, error) {
	if v.caller.UserID != "" {
		if err := s.People.LogOut(ctx); err != nil {
			return page{}, err
		}
	}
	v.cookie = s.newCookie(sessionCookie, "", -1)
	return v.done(loginPath, "logged-out")
}

func (s *site) signUpForm(_ context.Context, v *visit) (page, error) {
	return page{title: v.T("signup.title"), body: signUpBody(v, s.local(v.get("next"), ""))}, nil
}

func (s *site) signUp(ctx context.Context, v *visit) (page, error) {
	next := s.local(v.form.get("next"), "")
	in := accounts.NewAccount{
		LoginID: v.form.get("login_id"), Password: v.form.values.Get("password"), Name: v.form.get("name"), UserType: v.form.get("user_type"),
		BirthDate: v.form.get("birth_date"), Sex: v.form.get("sex"), Language: v.tag,
	}
	_, err := s.People.SignUp(ctx, v.from, in)
	var opened accounts.Opened
	if err == nil {
		opened, err = s.People.LogIn(ctx, v.from, in.LoginID, in.Password)
	}
	if v.refused(err) {
		return page{title: v.T("signup.title"), body: signUpBody(v, next)}, nil
	}
	if err == nil {
		err = s.open(ctx, v, opened)
	}
	if err != nil {
		return page{}, err
	}
	return page{}, &redirect{to: s.local(next, v.link("/my")), said: "signed-up"}
}

func (s *site) recoverForm(_ context.Context, v *visit) (page, error) {
	return page{title: v.T("recover.title"), body: recoverBody(v)}, nil
}

func (s *site) recover(ctx context.Context, v *visit) (page, error) {
	err := s.People.AskRecovery(ctx, v.from, v.form.get("login_id"))
	if v.refused(err) {
		return s.recoverForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(loginPath, "recovery-asked")
}

// linkForm is where links in mails lead. What a link may do is behind the # of its
// address, which never reaches us before its reader says so: a module puts it into the
// form, and whoever has no JavaScript pastes it.
func (s *site) linkForm(_ context.Context, v *visit) (page, error) {
	return page{title: v.T("link.title"), body: linkBody(v, strings.HasPrefix(v.form.get("link"), "recover.")), module: "link.js"}, nil
}

func (s *site) followLink(ctx context.Context, v *visit) (page, error) {
	link := v.form.get("link")
	if at := strings.LastIndex(link, "#"); at >= 0 {
		link = link[at+1:] // the whole address was pasted
	}
	purpose, token, _ := strings.Cut(link, ".")
	var err error
	said := "confirmed"
	if purpose == "recover" {
		said = "recovered"
		err = s.People.Recover(ctx, token, v.form.values.Get("password"))
	} else {
		err = s.People.Confirm(ctx, token)
	}
	if v.refused(err) {
		if text := v.form.wrong["token"]; text != "" { // which is in the field of the link
			v.form.order, v.form.wrong = nil, map[string]string{}
			v.form.add("link", text)
		}
		return s.linkForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	if v.caller.UserID != "" && purpose != "recover" {
		return v.done("/my/email", said)
	}
	return v.done(loginPath, said)
}

func (s *site) beginPasskeyLogin(ctx context.Context, v *visit) (page, error) {
	answer, err := s.People.BeginPasskeyLogin(ctx, v.from)
	return s.inJSON(v, answer, err)
}

func (s *site) logInByPasskey(ctx context.Context, v *visit) (page, error) {
	var opened accounts.Opened
	credential, err := v.credential()
	if err == nil {
		opened, err = s.People.LogInByPasskey(ctx, v.from, v.form.get("ceremony_id"), credential)
	}
	if err == nil {
		err = s.open(ctx, v, opened)
	}
	answer, _ := json.Marshal(map[string]string{"next": s.local(v.form.get("next"), v.link("/my"))}) //nolint:errchkjson // two texts
	return s.inJSON(v, answer, err)
}

// kinds are the types of accounts that people can sign up for.
func (v *visit) kinds() []option {
	return []option{{string(auth.Runner), v.T("signup.runner")}, {string(auth.Organizer), v.T("signup.organizer")}}
}

func (v *visit) sexes() []option {
	return []option{{"", v.T("own.sex.none")}, {"F", v.T("own.sex.F")}, {"M", v.T("own.sex.M")}, {"X", v.T("own.sex.X")}}
}
