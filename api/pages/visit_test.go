package pages_test

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

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

const (
	password = "six stars to go"
	origin   = "https://results.example.org"
)

// browser keeps cookies, and sends forms as a browser does.
type browser struct {
	*testBundle
	t       testing.TB
	cookies map[string]string
	device  string
	headers map[string]string // of its forms
}

func (b *testBundle) browser(t testing.TB) *browser {
	t.Helper()
	return &browser{
		testBundle: b, t: t, cookies: map[string]string{}, device: "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0",
		headers: map[string]string{"Origin": origin, "Sec-Fetch-Site": "same-origin"},
	}
}

// oneHash is a Passwords, which has cost a hash to make, with the hash of the password.
var oneHash = sync.OnceValues(func() (made struct {
	passwords *auth.Passwords
	hash      string
}, err error,
) {
	if made.passwords, err = auth.NewPasswords(); err == nil {
		made.hash, err = made.passwords.Hash(context.Background(), password)
	}
	return made, err
})

// hashed returns the Passwords of all tests, with the hash of the password that all
// accounts have.
func hashed(t testing.TB) (passwords *auth.Passwords, hash string) {
	t.Helper()
	made, err := oneHash()
	require.NoError(t, err)
	return made.passwords, made.hash
}

// account adds an account that can log in.
func (b *testBundle) account(t testing.TB, login string, userType auth.UserType) string {
	t.Helper()
	_, hash := hashed(t)
	id := newID()
	_, err := b.accounts.CreateAccount(t.Context(), userdb.Account{UserID: id, LoginID: login, PasswordHash: hash, Type: userType, Name: "Uta <b>Uhl</b>"})
	require.NoError(t, err)
	return id
}

// loggedIn is a browser of somebody who has just logged in.
func (b *testBundle) loggedIn(t testing.TB, login string) *browser {
	t.Helper()
	c := b.browser(t)
	a := c.post("/en/account/login", "login_id", login, "password", password)
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	return c
}

func (c *browser) visit(path string) answer { return c.send(http.MethodGet, path, "") }

// post sends a form: names and values in turn.
func (c *browser) post(path string, fields ...string) answer {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return c.send(http.MethodPost, path, form.Encode())
}

func (c *browser) send(method, path, body string) answer {
	c.t.Helper()
	request := httptest.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("User-Agent", c.device)
	request.Host = "results.example.org"
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for name, value := range c.headers {
			if name == "Host" {
				request.Host = value
				continue
			}
			request.Header.Set(name, value)
		}
	}
	for name, value := range c.cookies {
		request.AddCookie(&http.Cookie{Name: name, Value: value}) //nolint:gosec // a browser sends names and values alone
	}
	recorder := httptest.NewRecorder()
	c.router.ServeHTTP(recorder, request)
	result := recorder.Result()
	require.NoError(c.t, result.Body.Close())
	for _, cookie := range result.Cookies() {
		if c.cookies[cookie.Name] = cookie.Value; cookie.MaxAge < 0 {
			delete(c.cookies, cookie.Name)
		}
	}
	document, err := goquery.NewDocumentFromReader(strings.NewReader(recorder.Body.String()))
	require.NoError(c.t, err)
	return answer{status: recorder.Code, header: recorder.Header(), body: recorder.Body.String(), Document: document}
}

// fill returns the fields of a page's form as they are, names and values in turn, with
// some of them changed.
func (a answer) fill(selector string, changes ...string) []string {
	fields := map[string]string{}
	a.Find(selector).First().Find("input, select, textarea").Each(func(_ int, s *goquery.Selection) {
		name, kind := s.AttrOr("name", ""), s.AttrOr("type", "")
		_, checked := s.Attr("checked")
		switch {
		case name == "", (kind == "radio" || kind == "checkbox") && !checked:
		case goquery.NodeName(s) == "select":
			fields[name] = s.Find("option[selected]").AttrOr("value", "")
		case goquery.NodeName(s) == "textarea":
			fields[name] = s.Text()
		default:
			fields[name] = s.AttrOr("value", "")
		}
	})
	for i := 0; i < len(changes); i += 2 {
		fields[changes[i]] = changes[i+1]
	}
	list := []string{}
	for name, value := range fields {
		list = append(list, name, value)
	}
	return list
}

func (a answer) to() string { return a.header.Get("Location") }

func TestSessionOfABrowser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now := time.Now()
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	userID := b.account(t, "uta", auth.Runner)
	c := b.browser(t)

	away := c.visit("/ko/my?x=%2F")
	require.Equal(t, http.StatusSeeOther, away.status)
	require.Equal(t, "/ko/account/login?next=%2Fko%2Fmy%3Fx%3D%252F", away.to())
	login := c.visit(away.to())
	in := c.post("/ko/account/login", login.fill("main form", "login_id", "UTA", "password", password)...)
	require.Equal(t, http.StatusSeeOther, in.status, in.body)
	require.Equal(t, "/ko/my?x=%2F", in.to())
	cookie := in.header.Get("Set-Cookie")
	for _, want := range []string{"__Host-session=", "HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=2592000"} {
		require.Contains(t, cookie, want)
	}
	require.NotContains(t, cookie, "Domain")
	mine := c.visit("/ko/my")
	require.Equal(t, http.StatusOK, mine.status, mine.body)
	require.Equal(t, "no-store", mine.header.Get("Cache-Control"))
	require.NotContains(t, mine.header, "Etag")
	require.Equal(t, "Uta <b>Uhl</b>", mine.Find("h1").Text())
	require.Contains(t, mine.header.Get("Content-Security-Policy"), "form-action 'self'")

	listed, err := b.accounts.Sessions(t.Context(), userID, "", 10)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	require.Equal(t, userdb.BrowserSession, listed[0].Kind)
	require.Equal(t, "Firefox on Linux", listed[0].Device)
	id, _, _ := strings.Cut(c.cookies["__Host-session"], ".")
	require.Equal(t, listed[0].ID, id)

	public := c.visit("/ko/races")
	require.Empty(t, public.header.Get("Set-Cookie"), "pages for everyone set no cookie")
	require.NotContains(t, public.body, "Uhl")
	require.Contains(t, public.header.Get("Cache-Control"), "public")

	forged := b.browser(t)
	for _, value := range []string{id + "." + strings.Repeat("A", 43), id, id + ".", "." + id, newID() + ".x", "x"} {
		forged.cookies["__Host-session"] = value
		require.Equal(t, http.StatusSeeOther, forged.visit("/en/my").status, value)
	}
	forged.cookies = map[string]string{"session": c.cookies["__Host-session"]}
	require.Equal(t, http.StatusSeeOther, forged.visit("/en/my").status, "a cookie that another host may have set")

	for name, end := range map[string]func(c *browser){
		"ended in the list": func(c *browser) {
			id, _, _ := strings.Cut(c.cookies["__Host-session"], ".")
			require.NoError(t, b.accounts.EndSessionOf(t.Context(), userID, id))
		},
		"logged out": func(c *browser) {
			kept := maps.Clone(c.cookies)
			out := c.post("/en/account/logout")
			require.Equal(t, "/en/account/login", out.to())
			require.NotContains(t, c.cookies, "__Host-session")
			require.Equal(t, []string{"You are logged out."}, c.visit(out.to()).texts(".said"))
			require.Empty(t, c.visit(out.to()).texts(".said"), "said once")
			c.cookies = kept
		},
		"suspended": func(*browser) {
			_, err := b.accounts.Suspend(t.Context(), userID, userID, "test")
			require.NoError(t, err)
			_, err = b.accounts.Restore(t.Context(), userID, "test")
			require.NoError(t, err)
		},
	} {
		c := b.loggedIn(t, "uta")
		require.Equal(t, http.StatusOK, c.visit("/en/my").status, name)
		end(c)
		require.Equal(t, http.StatusSeeOther, c.visit("/en/my").status, name)
	}

	b.accounts = b.accountsAt(clock)
	b.serve(t, clock, origin)
	c = b.loggedIn(t, "uta")
	pass(sessionLifetime - time.Minute)
	require.Equal(t, http.StatusOK, c.visit("/en/my").status)
	pass(2 * time.Minute)
	require.Equal(t, http.StatusSeeOther, c.visit("/en/my").status, "use does not prolong it")
}

// TestPasswordWhereAPasskeyIsNeeded: a password alone does on pages what it does in calls.
func TestPasswordWhereAPasskeyIsNeeded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.passkeys = "organizers"
	b.serve(t, time.Now, origin)
	userID := b.account(t, "uta", auth.Organizer)
	thief := b.loggedIn(t, "uta")
	owner, _, _ := strings.Cut(b.loggedIn(t, "uta").cookies["__Host-session"], ".")
	var has []string
	for _, name := range []string{"Uta's laptop", "Uta's safe"} {
		added, err := b.accounts.AddPasskey(t.Context(), userdb.Passkey{ID: newID(), UserID: userID, CredentialID: []byte(name), PublicKey: []byte("key"), Name: name}, owner, false)
		require.NoError(t, err)
		has = append(has, added.ID)
	}

	require.Equal(t, "/en/my/passkeys", thief.visit("/en/my").to())
	shown := thief.visit("/en/my/passkeys")
	require.Equal(t, http.StatusOK, shown.status)
	require.NotContains(t, shown.Find("main").Text(), "Uta's")
	require.Equal(t, "/en/my/passkeys", thief.post("/en/my/passkeys/"+has[0]+"/remove").to())
	asked := thief.post("/en/organize/races/new", "name", "Harbour Run", "password", "secret words") // what they wrote is kept until they may send it
	require.Equal(t, http.StatusForbidden, asked.status)
	require.NotContains(t, asked.body, "secret words")
	require.NotContains(t, asked.Find("main").Text(), "Uta's")
	again := thief.post("/en/account/login", asked.fill("main form")...) // as passkey.js sends it
	require.Equal(t, "/en/organize/races/new", again.Find("main form").AttrOr("action", ""))
	require.Equal(t, "Harbour Run", again.Find("main form [name=name]").AttrOr("value", ""))
	require.Equal(t, http.StatusForbidden, thief.post("/en/organize/races/new", again.fill("main form")...).status, "a password alone still does nothing")
	left, err := b.accounts.Passkeys(t.Context(), userID)
	require.NoError(t, err)
	require.Len(t, left, 2, "removed with a password alone")
}

// TestLoginEndsTheSessionBefore: nobody could get back to it, and it would last for weeks.
func TestLoginEndsTheSessionBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.account(t, "uta", auth.Runner), b.account(t, "ivo", auth.Runner)
	c := b.loggedIn(t, "uta")
	elsewhere := b.loggedIn(t, "uta")
	kept := maps.Clone(c.cookies)
	live := func(userID string) int {
		listed, err := b.accounts.Sessions(t.Context(), userID, "", 10)
		require.NoError(t, err)
		return len(listed)
	}
	require.Equal(t, http.StatusUnprocessableEntity, c.post("/en/account/login", "login_id", "ivo", "password", "not it at all").status)
	require.Equal(t, 2, live(first), "a login that fails ends nothing")
	require.Equal(t, http.StatusSeeOther, c.post("/en/account/login", "login_id", "ivo", "password", password).status)
	require.Equal(t, 1, live(first))
	require.Equal(t, http.StatusOK, elsewhere.visit("/en/my").status, "another browser")
	require.Equal(t, http.StatusSeeOther, c.post("/en/account/login", "login_id", "ivo", "password", password).status)
	require.Equal(t, 1, live(second))
	require.Equal(t, http.StatusOK, c.visit("/en/my").status)
	c.cookies = kept
	require.Equal(t, http.StatusSeeOther, c.visit("/en/my").status)
}

func TestLoginSaysTheSameOfKnownAndUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.account(t, "uta", auth.Runner)
	c := b.browser(t)
	known := c.post("/ko/account/login", "login_id", "uta", "password", "not it at all")
	unknown := c.post("/ko/account/login", "login_id", "nobody", "password", "not it at all")
	require.Equal(t, http.StatusUnprocessableEntity, known.status)
	require.Equal(t, strings.ReplaceAll(known.body, `value="uta"`, ""), strings.ReplaceAll(unknown.body, `value="nobody"`, ""))
	require.Equal(t, "아이디 또는 비밀번호가 맞지 않습니다.", known.texts(".wrong p")[1])
	require.NotContains(t, known.body, "not it at all", "a password is never sent back")
	require.Empty(t, known.header.Get("Www-Authenticate"))

	for range 20 {
		known = c.post("/en/account/login", "login_id", "uta", "password", "not it at all")
	}
	require.Equal(t, http.StatusTooManyRequests, known.status, "the limit of the API's logins")
	require.NotEmpty(t, known.header.Get("Retry-After"))
}

// TestLoginGoesToPagesOfOursOnly tries addresses that would lead elsewhere.
func TestLoginGoesToPagesOfOursOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.account(t, "uta", auth.Runner)
	for _, next := range []string{
		"https://evil.example", "//evil.example/en/my", "/\\evil.example", "/en\\..\\", "javascript:alert(1)", "/v1/me", "en/my", "/en/my\r\nSet-Cookie: a=b", "/\t/evil.example",
	} {
		c := b.browser(t)
		require.Equal(t, "/en/my", c.post("/en/account/login", "login_id", "uta", "password", password, "next", next).to(), next)
		require.Equal(t, "/en/my", c.visit("/en/account/login?next="+url.QueryEscape(next)).to(), next)
	}
}

func TestFormsOfOtherOrigins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.account(t, "uta", auth.Runner)
	logIn := func(publicURL string, headers map[string]string) answer {
		b.serve(t, time.Now, publicURL)
		c := b.browser(t)
		c.headers = headers
		return c.post("/en/account/login", "login_id", "uta", "password", password)
	}
	for name, test := range map[string]struct {
		publicURL string
		headers   map[string]string
		admitted  bool
		cookie    string
	}{
		"a browser over https":                      {origin, map[string]string{"Origin": origin, "Sec-Fetch-Site": "same-origin"}, true, "__Host-session="},
		"plain http, which has no Sec-Fetch-Site":   {"http://results.example.org", map[string]string{"Origin": "http://results.example.org"}, true, "session="},
		"plain http on another machine, no setting": {"", map[string]string{"Origin": "http://10.0.0.7:8080", "Host": "10.0.0.7:8080"}, true, "session="},
		"a proxy that rewrites Host":                {origin, map[string]string{"Origin": origin, "Host": "api.internal:8080"}, true, "__Host-session="},
		"such a proxy without the setting":          {"", map[string]string{"Origin": origin, "Host": "api.internal:8080"}, false, ""},
		"such a proxy with another setting":         {"https://old.example.org", map[string]string{"Origin": origin, "Host": "api.internal:8080"}, false, ""},
		"neither header, as of a program":           {origin, nil, true, "__Host-session="},
		"another site":                              {origin, map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, false, ""},
		"another site in an old browser":            {origin, map[string]string{"Origin": "https://evil.example"}, false, ""},
		"another site that hides itself":            {origin, map[string]string{"Origin": "null", "Sec-Fetch-Site": "cross-site"}, false, ""},
		"another host of the same domain":           {origin, map[string]string{"Origin": "https://blog.example.org", "Sec-Fetch-Site": "same-site"}, false, ""},
		"the same host over http, when it is https": {origin, map[string]string{"Origin": "http://results.example.org", "Sec-Fetch-Site": "cross-site"}, false, ""},
	} {
		a := logIn(test.publicURL, test.headers)
		if test.admitted {
			require.Equal(t, http.StatusSeeOther, a.status, name+a.body)
			require.True(t, strings.HasPrefix(a.header.Get("Set-Cookie"), test.cookie), name)
			continue
		}
		require.Equal(t, http.StatusForbidden, a.status, name)
		require.Empty(t, a.header.Get("Set-Cookie"), name)
		require.Contains(t, a.Find("main").Text(), "API_PUBLIC_URL", name)
		require.Contains(t, b.logs.String(), "API_PUBLIC_URL", name)
	}
}

func TestSignUpOnAPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.browser(t)
	form := c.visit("/ko/account/signup?next=%2Fko%2Fraces")
	for field, purpose := range map[string]string{"login_id": "username", "password": "new-password", "name": "name", "birth_date": "bday"} {
		require.Equal(t, purpose, form.Find("input[name="+field+"]").AttrOr("autocomplete", ""))
	}
	wrong := c.post("/ko/account/signup", form.fill("main form", "login_id", "u ta", "password", "password", "name", "<b>Uta</b>", "birth_date", "2999-01-01", "user_type", "operator")...)
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status, wrong.body)
	require.Equal(t, "u ta", wrong.Find("input[name=login_id]").AttrOr("value", ""))
	require.Equal(t, "<b>Uta</b>", wrong.Find("input[name=name]").AttrOr("value", ""))
	require.Empty(t, wrong.Find("input[name=password]").AttrOr("value", ""))
	for _, field := range []string{"user_type"} {
		require.NotEmpty(t, wrong.Find("#field-"+field+"-wrong").Text(), "an operator is never made by sign-up")
	}
	wrong = c.post("/ko/account/signup", form.fill("main form", "login_id", "u ta", "password", "password", "name", "<b>Uta</b>", "birth_date", "2999-01-01")...)
	for _, field := range []string{"login_id", "password", "birth_date"} {
		said := wrong.Find("#field-" + field + "-wrong").Text()
		require.NotEmpty(t, said, field)
		require.Regexp(t, `^[^a-z]+$`, said, "in Korean")
		input := wrong.Find("#field-" + field)
		require.Equal(t, "true", input.AttrOr("aria-invalid", ""))
		require.Contains(t, input.AttrOr("aria-describedby", ""), "field-"+field+"-wrong")
	}

	good := wrong.fill("main form", "login_id", "uta", "password", password, "name", "<b>Uta</b>", "birth_date", "1990-05-01")
	first := c.post("/ko/account/signup", good...)
	require.Equal(t, http.StatusSeeOther, first.status, first.body)
	require.Equal(t, "/ko/races", first.to())
	again := b.browser(t)
	second := again.post("/ko/account/signup", good...)
	require.Equal(t, http.StatusSeeOther, second.status, "sent twice by a double click")
	for _, c := range []*browser{c, again} {
		require.Equal(t, "<b>Uta</b>", c.visit("/en/my").Find("h1").Text())
	}
	account, err := b.accounts.AccountByLogin(t.Context(), "uta")
	require.NoError(t, err)
	require.Equal(t, "ko", account.Language)
	taken := b.browser(t).post("/ko/account/signup", "user_type", "runner", "login_id", "uta", "password", "another password", "name", "Somebody", "key", "k")
	require.Equal(t, "이미 쓰이는 아이디입니다. 다른 아이디를 골라 주세요.", taken.Find("#field-login_id-wrong").Text())
	require.NotContains(t, taken.header.Get("Set-Cookie"), "session")
}
