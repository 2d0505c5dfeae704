package pages

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/api/accounts"
	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// visit is one request for a page that is for one reader: one behind the login, or a
// form. Such a page is rendered for each request and kept by nobody.
type visit struct {
	*request
	caller server.Caller // as a token's; the zero value is somebody who has not logged in
	anyone bool          // the page is for callers of every kind
	name   string        // of the caller, for the header; empty when it could not be read
	from   accounts.Client
	http   *http.Request
	form   *form
	said   string // what the page before had done, in the reader's language; empty: nothing
	cookie *http.Cookie
}

// action answers a visit with a page, or with a *redirect or a *reply as its error. It
// calls what the API's handlers call, with the same context: server.CallerFrom,
// server.RaceFrom, server.RoleFrom and server.ResourceID return what they do there.
type action func(ctx context.Context, v *visit) (page, error)

// reply is returned by an action instead of a page.
type reply struct {
	contentType string
	file        string // the name under which a browser stores it; empty: it shows it
	body        []byte
	send        func(w http.ResponseWriter) // instead of all this: it writes a long file by itself
}

func (*reply) Error() string { return "an answer that is not a page" }

// maxForm is how large a form without files may be, in bytes.
const maxForm = 64 << 10

// visit registers an action for a route, which needs its line in server.Access.
func (s *site) visit(method, path string, act action) { s.upload(method, path, maxForm, act) }

// upload is visit for forms of up to limit bytes.
func (s *site) upload(method, path string, limit int64, act action) {
	pattern := "/{lang}" + path
	s.router.Method(method, pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", keepNone.header())
		lang := s.languages[chi.URLParam(r, "lang")]
		if lang == nil {
			s.fail(w, r, s.preferred(r), race.ErrNotFound)
			return
		}
		if err := s.origins.Check(r); err != nil {
			s.refuseOrigin(w, r, lang)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		defer func() {
			if r.MultipartForm != nil {
				_ = r.MultipartForm.RemoveAll() // temporary files
			}
		}()
		v, err := s.arrive(r, lang)
		switch {
		case err != nil, method != http.MethodPost:
		case limit <= maxPostForm: // text, which is kept for those whose session has ended
			err = v.form.read(r)
		case s.admits(r.Context(), v, method, pattern):
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(plans.UploadTimeout)) // without it the line must be faster
			err = v.form.read(r)
		default: // strangers store nothing here; a browser shows the answer once it has sent all
			_, _ = io.Copy(io.Discard, r.Body)
		}
		if err != nil {
			s.fail(w, r, lang, err)
			return
		}
		s.answer(w, r, v, method, pattern, act)
	}))
}

// arrive reads who asks for what.
func (s *site) arrive(r *http.Request, lang *locale) (*visit, error) {
	v := &visit{
		request: &request{locale: lang, query: url.Values{}, raceID: chi.URLParam(r, "race_id"), base: s.base(r)},
		from:    accounts.ClientOf(r), http: r, form: &form{values: url.Values{}, wrong: map[string]string{}},
	}
	v.path = strings.TrimPrefix(r.URL.EscapedPath(), "/"+lang.tag)
	for name, values := range r.URL.Query() {
		if len(name) > maxParameter {
			return nil, &badParameter{strings.ToValidUTF8(name[:maxParameter/10], "") + "…", "error.long"}
		}
		if len(values[0]) > maxParameter {
			return nil, &badParameter{name, "error.long"}
		}
		v.query.Set(name, values[0])
	}
	cookie, err := r.Cookie(s.cookieName(sessionCookie))
	if err != nil {
		return v, nil //nolint:nilerr // somebody who has not logged in
	}
	v.caller, err = s.People.CallerOf(r.Context(), cookie.Value)
	return v, err
}

// admits reports whether the caller may have a page.
func (s *site) admits(ctx context.Context, v *visit, method, pattern string) bool {
	if v.caller.UserID == "" || v.caller.NeedsPasskey {
		return false
	}
	_, err := server.Admit(server.SignIn(ctx, v.caller), s.Races, method, pattern, v.raceID)
	return err == nil
}

// param returns a part of the path, as "record_id".
func (v *visit) param(name string) string { return chi.URLParam(v.http, name) }

// addsPasskey are the pages that a session is good for that must add a passkey first, by
// method and route pattern. They do no more than the two calls for which a token is.
var addsPasskey = map[string]bool{
	"GET /{lang}" + passkeysPath:             true,
	"POST /{lang}" + passkeysPath + "/begin": true,
	"POST /{lang}" + passkeysPath + "/add":   true,
}

func (s *site) answer(w http.ResponseWriter, r *http.Request, v *visit, method, pattern string, act action) {
	ctx, rule := server.SignIn(r.Context(), v.caller), server.Access[method+" "+pattern]
	v.anyone = rule.Who == server.Anyone
	if !v.anyone && v.caller.UserID == "" {
		s.askToLogIn(w, r, v)
		return
	}
	if v.caller.NeedsPasskey && !v.anyone && !addsPasskey[method+" "+pattern] {
		s.askForPasskey(w, r, v)
		return
	}
	ctx, err := server.Admit(ctx, s.Races, method, pattern, v.raceID)
	if err != nil {
		s.fail(w, r, v.locale, err)
		return
	}
	if method == http.MethodGet {
		v.said = s.takeSaid(w, r, v.locale)
	}
	made, err := s.once(ctx, v, rule, act)
	if v.cookie != nil {
		http.SetCookie(w, v.cookie)
	}
	elsewhere, isRedirect := errors.AsType[*redirect](err)
	other, isReply := errors.AsType[*reply](err)
	switch {
	case isRedirect:
		s.leave(w, r, elsewhere)
	case isReply && other.send != nil:
		other.send(w)
	case isReply:
		w.Header().Set("Content-Type", other.contentType)
		if other.file != "" {
			w.Header().Set("Content-Disposition", `attachment; filename="`+other.file+`"`)
		}
		_, _ = w.Write(other.body) // the reader may have gone away
	case err != nil:
		if problem, _ := server.Problem(ctx, err); problem.Status == http.StatusUnauthorized {
			s.askToLogIn(w, r, v)
			return
		}
		s.fail(w, r, v.locale, err)
	default:
		s.show(ctx, w, r, v, made)
	}
}

// show renders the page of a visit. One whose form was refused is a 422, unless the
// form says otherwise.
func (s *site) show(ctx context.Context, w http.ResponseWriter, r *http.Request, v *visit, p page) {
	p.keep, p.hidden, p.visit = keepNone, true, v
	if v.caller.UserID != "" {
		people, err := s.Accounts.Runners(ctx, []string{v.caller.UserID})
		if err != nil {
			s.Log.WarnContext(ctx, "cannot read the name of who is logged in: the page comes without it", "error", err)
		}
		v.name = people[v.caller.UserID].Name
	}
	status := http.StatusOK
	if v.form.refused() {
		status = v.form.status
		maps.Copy(w.Header(), v.form.headers)
	}
	made, err := s.render(ctx, v.request, p, status)
	if err != nil {
		s.fail(w, r, v.locale, err)
		return
	}
	made.tag = "" // nobody keeps it
	made.write(w, r)
}

// once runs an action that creates something, unless the same form has been sent
// before, by a double click or the back button: then its reader is sent where the
// first one was. A form with other content is another one.
func (s *site) once(ctx context.Context, v *visit, rule server.Rule, act action) (page, error) {
	key := v.form.get("key")
	if !rule.Creates || key == "" {
		return act(ctx, v)
	}
	sent, err := v.sent()
	if err != nil {
		return page{}, err
	}
	content := s.Fingerprint(sent)
	hash := sha256.Sum256(slices.Concat([]byte(v.caller.UserID+"\n"+v.path+"\n"+key+"\n"), content[:]))
	newID := uuid.Must(uuid.NewV7()).String()
	reserved, err := s.Keys.ReserveKey(ctx, hash, content, newID, v.caller.UserID)
	if err != nil {
		return page{}, err
	}
	if reserved.Response != nil {
		return page{}, &redirect{to: string(reserved.Response.Body)}
	}
	made, err := act(server.Reserved(ctx, reserved.ResourceID, newID), v)
	elsewhere, done := errors.AsType[*redirect](err)
	var settled error
	switch {
	case done && rule.Secret: // a repeated form runs again, with the same ResourceID
	case done:
		settled = s.Keys.SaveResponse(ctx, hash, http.StatusSeeOther, []byte(elsewhere.to))
	case err == nil && v.form.refused() && reserved.ResourceID == newID:
		settled = s.Keys.ReleaseKey(ctx, hash)
	}
	if settled != nil {
		s.Log.WarnContext(ctx, "the outcome of a form was not stored: sending it again runs it again", "error", settled)
	}
	return made, err
}

// sent returns what a form holds, with hashes of its files: the same button with another
// file is another form.
func (v *visit) sent() ([]byte, error) {
	content := []byte(v.form.values.Encode())
	if v.http.MultipartForm == nil {
		return content, nil
	}
	for _, field := range slices.Sorted(maps.Keys(v.http.MultipartForm.File)) {
		for _, header := range v.http.MultipartForm.File[field] {
			file, err := header.Open()
			if err != nil {
				return nil, fmt.Errorf("open a file of a form: %w", err)
			}
			sum := sha256.New()
			_, err = io.Copy(sum, file)
			_ = file.Close() // it was only read
			if err != nil {
				return nil, fmt.Errorf("read a file of a form: %w", err)
			}
			content = sum.Sum(append(content, "\n"+field+"\n"+header.Filename+"\n"...))
		}
	}
	return content, nil
}

const (
	sessionCookie = "session"
	saidCookie    = "said"
)

// cookieName returns the name of a cookie. Over https it has the prefix with which
// browsers refuse it from other hosts and from plain http. Browsers refuse that prefix
// itself over plain http, so that a machine reached by http, as API_PUBLIC_URL says or
// when it is empty, has the bare name.
func (s *site) cookieName(name string) string {
	if s.secure {
		return "__Host-" + name
	}
	return name
}

func (s *site) newCookie(name, value string, seconds int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is set wherever people come by https: a browser drops it over http
		Name: s.cookieName(name), Value: value, Path: "/", MaxAge: seconds, Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// open gives the browser a new session, and ends the one that it came with: nobody could
// get back to it.
func (s *site) open(ctx context.Context, v *visit, opened accounts.Opened) error {
	v.cookie = s.newCookie(sessionCookie, opened.Cookie, int(opened.Lifetime.Seconds()))
	if v.caller.UserID == "" {
		return nil
	}
	return s.People.LogOut(ctx)
}

// saidLifetime is how long a message waits for the page that says it, in seconds.
const saidLifetime = 60

// leave sends the reader to another page, which may say what was done.
func (s *site) leave(w http.ResponseWriter, r *http.Request, elsewhere *redirect) {
	if elsewhere.said != "" {
		http.SetCookie(w, s.newCookie(saidCookie, elsewhere.said, saidLifetime))
	}
	w.Header().Set("Cache-Control", keepNone.header())
	http.Redirect(w, r, elsewhere.to, http.StatusSeeOther)
}

// takeSaid returns what the page before had done, once.
func (s *site) takeSaid(w http.ResponseWriter, r *http.Request, lang *locale) string {
	cookie, err := r.Cookie(s.cookieName(saidCookie))
	if err != nil || !lang.has("done."+cookie.Value) {
		return ""
	}
	http.SetCookie(w, s.newCookie(saidCookie, "", -1))
	return lang.T("done." + cookie.Value)
}

// done answers a form that was accepted: with the page at path, which first says the
// text with the key "done." and said.
func (v *visit) done(path, said string) (page, error) {
	return page{}, &redirect{to: v.link(path), said: said}
}

// local returns an address of a page here, and fallback for any other: nobody may be
// sent elsewhere by a link that they followed to us.
func (s *site) local(address, fallback string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || strings.ContainsAny(address, "\\\r\n\t") ||
		s.languageOf(u.Path) == nil || !strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") {
		return fallback
	}
	return u.String()
}

// originOf returns the origin of an address.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}

// refuseOrigin answers a form that a page of another origin has sent, or that seems to
// be one because this process does not know its own.
func (s *site) refuseOrigin(w http.ResponseWriter, r *http.Request, lang *locale) {
	origin := r.Header.Get("Origin")
	ours := originOf(s.PublicURL)
	if s.PublicURL == "" {
		ours = s.base(r)
	}
	s.Log.WarnContext(r.Context(), "form refused: its Origin is not that of API_PUBLIC_URL; if people are here by that address, correct the setting",
		slog.String("origin", shortOrigin(origin)), slog.String("public_url", ours))
	asked := &request{locale: lang, path: "/races", query: url.Values{}, base: s.base(r)}
	made, err := s.render(r.Context(), asked, failurePage(lang, failure{
		status: http.StatusForbidden, text: lang.T("error.origin", "Ours", ours, "Origin", shortOrigin(origin)),
	}), http.StatusForbidden)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
		return
	}
	made.write(w, r)
}

// shortOrigin bounds what is repeated of a header.
func shortOrigin(origin string) string {
	const longest = 100
	if len(origin) > longest {
		return origin[:longest]
	}
	return origin
}
