package pages_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// everyPage returns the addresses of one page of each kind.
func (b *testBundle) everyPage(lang string) []string {
	list := []string{"/" + lang + "/races", "/" + lang + "/races?q=nothing+like+it"}
	for _, rest := range []string{
		"", "/standings", "/standings?sex=F", "/standings?division=M40%2B", "/standings?field=wheelchair", "/standings?list=unplaced",
		"/standings?q=an", "/standings?q=1", "/standings?q=nobody", "/standings?rows=1000", "/standings?version=1", "/standings?bib=2",
	} {
		list = append(list, b.path(lang, rest))
	}
	for _, rest := range []string{
		"/results/1", "/results/0002", "/results/W%205%2Fa", "/results/6", "/compare", "/announcer", "/announcer?bib=3", "/announcer?bib=77",
	} {
		list = append(list, b.path(lang, rest))
	}
	return append(list, "/"+lang+"/leaderboard", "/"+lang+"/leaderboard?season=2026&best=3&sex=F", "/"+lang+"/status", "/"+lang+"/privacy")
}

// officialPages returns those that are there once the results are official.
func (b *testBundle) officialPages(lang string) []string {
	return []string{b.path(lang, "/certificate/1"), b.path(lang, "/certificate/W%205%2Fa"), b.path(lang, "/verify/1"), b.path(lang, "/verify/1?version=2")}
}

func TestLanguageIsChosenOnceAndThenInTheAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for header, want := range map[string]string{
		"": "/en/races", "ko": "/ko/races", "ko-KR,ko;q=0.9,en;q=0.8": "/ko/races", "de,en;q=0.5": "/en/races", "fr": "/en/races", "\x01": "/en/races",
	} {
		got := b.get(t, "/", "Accept-Language", header)
		require.Equal(t, http.StatusFound, got.status)
		require.Equal(t, want, got.header.Get("Location"), header)
		require.Contains(t, got.header.Values("Vary"), "Accept-Language")
	}
	require.Equal(t, "/ko/races", b.get(t, "/ko").header.Get("Location"))
	got := b.get(t, "/ko/races", "Accept-Language", "en")
	require.Equal(t, "ko", got.Find("html").AttrOr("lang", ""))
	require.NotContains(t, strings.Join(got.header.Values("Vary"), ","), "Language")
	require.Equal(t, "https://results.example.org/en/races", got.Find(`link[hreflang=en]`).AttrOr("href", ""))
	require.Equal(t, http.StatusNotFound, b.get(t, "/de/races").status)
}

func TestAddressesThatEndWithASlash(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := newID()
	for path, want := range map[string]string{
		"/en/": "/en", "/ko/races/": "/ko/races", "/en/races//?q=a%2Fb&show=all": "/en/races?q=a%2Fb&show=all",
		"/en/races/" + raceID + "/results/W%205%2Fa/": "/en/races/" + raceID + "/results/W%205%2Fa",
	} {
		got := b.get(t, path)
		require.Equal(t, http.StatusMovedPermanently, got.status, path)
		require.Equal(t, want, got.header.Get("Location"))
		require.Contains(t, got.header.Get("Cache-Control"), "no-store")
	}
	for _, path := range []string{"/en/nothing/", "//example.org/en/races/", "/en//example.org/", "/de/races/", "/races/"} {
		got := b.get(t, path)
		require.Equal(t, http.StatusNotFound, got.status, path)
		require.Empty(t, got.header.Get("Location"), path)
	}
}

// TestPagesAreForEveryCache checks what lets caches keep a page, and what keeps
// strangers' code out of it.
func TestPagesAreForEveryCache(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	b.publish(t)
	all := slices.Concat(b.everyPage("en"), b.everyPage("ko"), b.officialPages("en"), b.officialPages("ko"))
	for _, path := range all {
		got := b.get(t, path, "Cookie", "session=1", "Authorization", "")
		require.Equal(t, http.StatusOK, got.status, path)
		require.Empty(t, got.header.Values("Set-Cookie"), path)
		require.Equal(t, []string{"Accept-Encoding"}, got.header.Values("Vary"), path)
		require.Contains(t, got.header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; style-src 'self'", path)
		require.NotContains(t, got.header.Get("Content-Security-Policy"), "unsafe", path)
		require.Regexp(t, `^public, max-age=\d+, s-maxage=\d+, stale-while-revalidate=\d+, stale-if-error=\d+$`, got.header.Get("Cache-Control"), path)
		require.Equal(t, http.StatusNotModified, b.get(t, path, "If-None-Match", got.header.Get("ETag")).status, path)
		requireNothingInline(t, got, path)
		requireSound(t, got, path)
	}
	official := b.get(t, b.path("en", "/standings"))
	require.Equal(t, "public, max-age=5, s-maxage=10, stale-while-revalidate=15, stale-if-error=600", official.header.Get("Cache-Control"),
		"a hidden name is gone within a minute")
	require.Regexp(t, `^W/"\d+-`, official.header.Get("ETag"))
}

func requireNothingInline(t *testing.T, got answer, path string) {
	t.Helper()
	require.Zero(t, got.Find("style, [style], script:not([src]), base, iframe, object, embed").Length(), path)
	got.Find("*").Each(func(_ int, s *goquery.Selection) {
		for _, attribute := range s.Nodes[0].Attr {
			require.False(t, strings.HasPrefix(attribute.Key, "on"), "%s: %s", path, attribute.Key)
			if attribute.Key == "href" || attribute.Key == "src" || attribute.Key == "action" {
				require.NotRegexp(t, `^(?i)\s*(javascript|data|vbscript):`, attribute.Val, path)
			}
		}
	})
}

// requireSound checks what a page needs for everybody to read it, as far as that
// shows in its text; the browser's tests look at the rest.
func requireSound(t *testing.T, got answer, path string) {
	t.Helper()
	require.Equal(t, 1, got.Find("h1").Length(), path)
	require.Equal(t, 1, got.Find("main#main").Length(), path)
	require.NotEmpty(t, got.Find("title").Text(), path)
	ids := map[string]bool{}
	got.Find("[id]").Each(func(_ int, s *goquery.Selection) {
		require.False(t, ids[s.AttrOr("id", "")], "%s: the ID %s is there twice", path, s.AttrOr("id", ""))
		ids[s.AttrOr("id", "")] = true
	})
	got.Find("table").Each(func(_ int, s *goquery.Selection) {
		require.Equal(t, 1, s.Find("caption").Length(), path)
		require.Zero(t, s.Find("th:not([scope])").Length(), path)
	})
	got.Find("input:not([type=hidden]), select").Each(func(_ int, s *goquery.Selection) {
		require.Equal(t, 1, got.Find("label[for="+s.AttrOr("id", "?")+"]").Length()+s.Closest("label").Length(), path)
	})
	require.NotRegexp(t, `>[a-z]+(\.[a-z]+)+<`, got.body, "%s shows the key of a text", path)
}

func TestHeadAnswersLikeGet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	running := httptest.NewServer(b.router)
	t.Cleanup(running.Close)
	for _, path := range []string{"/en/races", "/", "/openapi.json"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodHead, running.URL+path, http.NoBody)
		require.NoError(t, err)
		answer, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Less(t, answer.StatusCode, http.StatusBadRequest, path)
		require.Empty(t, answer.Header.Values("Set-Cookie"))
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	plain := b.get(t, b.path("en", "/standings"))
	for header, want := range map[string]string{
		"gzip, deflate, br, zstd": "br", "gzip": "gzip", "br;q=0, gzip;q=0.5": "gzip", "identity": "", "": "", "br;q=0,gzip; q=0": "",
	} {
		got := b.get(t, b.path("en", "/standings"), "Accept-Encoding", header)
		require.Equal(t, want, got.header.Get("Content-Encoding"), header)
		require.Equal(t, plain.header.Get("ETag"), got.header.Get("ETag"))
		require.Equal(t, fmt.Sprint(len(got.body)), got.header.Get("Content-Length"))
	}
}

func TestAssetsAreKeptForEver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page := b.get(t, "/en/races")
	var addresses []string
	page.Find("link[rel=stylesheet], link[rel=icon], script").Each(func(_ int, s *goquery.Selection) {
		addresses = append(addresses, s.AttrOr("href", s.AttrOr("src", "")))
	})
	require.Len(t, addresses, 3)
	compressed := 0
	for _, address := range addresses {
		require.Regexp(t, `^/assets/\w+\.[0-9a-f]{12}\.(css|js|svg)$`, address)
		got := b.get(t, address)
		require.Equal(t, http.StatusOK, got.status)
		require.Equal(t, "public, max-age=31536000, immutable", got.header.Get("Cache-Control"))
		require.NotEqual(t, "application/octet-stream", got.header.Get("Content-Type"))
		compressed += len(b.get(t, address, "Accept-Encoding", "br").body)
	}
	require.Less(t, compressed, 25<<10, "styles and modules of the first page")
	ofAnotherRelease := b.get(t, "/assets/site.000000000000.css")
	require.Equal(t, b.get(t, addresses[1]).body, ofAnotherRelease.body)
	require.Equal(t, "no-store", ofAnotherRelease.header.Get("Cache-Control"))
	unknown := b.get(t, "/assets/other.000000000000.css")
	require.Equal(t, http.StatusNotFound, unknown.status)
	require.Equal(t, "no-store", unknown.header.Get("Cache-Control"))
}

// TestNoPageInAnotherLanguage asks for the same pages in both languages at once.
func TestNoPageInAnotherLanguage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	want := map[string]string{}
	for _, lang := range []string{"en", "ko"} {
		want[lang] = b.get(t, b.path(lang, "/standings")).Find("h1").Text()
	}
	require.NotEqual(t, want["en"], want["ko"])
	var readers sync.WaitGroup
	wrong := make(chan string, 100)
	for i := range 16 {
		readers.Go(func() {
			for j := range 40 {
				lang := []string{"en", "ko"}[(i+j)%2]
				request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, b.path(lang, fmt.Sprintf("/standings?q=n%d", j%5)), http.NoBody)
				recorder := httptest.NewRecorder()
				b.router.ServeHTTP(recorder, request)
				if body := recorder.Body.String(); !strings.Contains(body, `<html lang="`+lang+`"`) || !strings.Contains(body, ">"+want[lang]+"</h1>") ||
					recorder.Header().Get("Content-Language") != lang {
					wrong <- lang
					return
				}
			}
		})
	}
	readers.Wait()
	require.Empty(t, wrong)
}

func TestErrorsSayWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/en/nothing":                             {404, "This page does not exist"},
		"/ko/races/nothing":                       {404, "페이지를 찾을 수 없습니다"},
		"/en/races/" + newID() + "/standings":     {404, "This page does not exist"},
		b.path("en", "/standings?version=99"):     {404, "This page does not exist"},
		b.path("en", "/standings?sex=male"):       {422, "“sex” must be one of the choices on the page."},
		b.path("ko", "/standings?sex=male"):       {422, "“sex”에는 페이지에 있는 항목만 쓸 수 있습니다."},
		b.path("en", "/standings?page=0"):         {422, "“page” must be a whole number from 1."},
		b.path("en", "/standings?page=2"):         {422, "“page” is beyond the last page."},
		b.path("en", "/standings?version=-1"):     {422, "“version” must be a whole number from 1."},
		"/en/races?show=past&after=x":             {422, "“after” must come from a link on the list."},
		"/en/races?q=" + strings.Repeat("x", 301): {422, "“q” is too long"},
	} {
		got := b.get(t, path)
		require.Equal(t, want.status, got.status, path)
		require.Contains(t, got.Find("main").Text(), want.text, path)
		require.Equal(t, "text/html; charset=utf-8", got.header.Get("Content-Type"))
		require.Empty(t, got.header.Get("ETag"))
		requireSound(t, got, path)
		requireNothingInline(t, got, path)
	}
	require.Contains(t, b.get(t, "/v1/nothing").header.Get("Content-Type"), "json", "calls of the API get problems")
}

// TestHostileAddresses writes what nobody should into every parameter.
func TestHostileAddresses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	for _, value := range []string{
		"\xff", "a\x00b", "-1", "0", "99999999999999999999", "1e309", "여자", " ", "'; DROP TABLE race; --", `"><script>alert(1)</script>`, "javascript:alert(1)",
		"../../etc/passwd", "%", "%zz", "\u202e", strings.Repeat("x", 5000), "\r\nSet-Cookie: a=b", "[]", "_%_%",
	} {
		for _, path := range b.everyPage("en") {
			address, err := url.Parse(path)
			require.NoError(t, err)
			for _, name := range []string{"q", "show", "after", "field", "sex", "division", "bib", "list", "page", "rows", "version", "from", "to"} {
				query := address.Query()
				query.Set(name, value)
				got := b.get(t, address.EscapedPath()+"?"+query.Encode())
				require.Less(t, got.status, 500, "%s %s=%q", path, name, value)
				require.Empty(t, got.header.Values("Set-Cookie"))
				require.Zero(t, got.Find("script:not([src])").Length())
			}
		}
		for _, path := range []string{"/en/races/" + url.PathEscape(value), b.path("en", "/results/"+url.PathEscape(value)), "/" + url.PathEscape(value) + "/races"} {
			require.Less(t, b.get(t, path).status, 500, path)
		}
	}
}

const attack = `"'><script>alert(1)</script><img src=x onerror=alert(1)>{{.Name}}`

// TestWhatPeopleWriteIsText has every text that a person can write attack the reader.
func TestWhatPeopleWriteIsText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hostile := springMarathon(b.organizer)
	hostile.Name, hostile.City = "\u202Ename"+attack, "\u2067city"+attack // as it may have been stored
	hostile.Divisions[0].Name = "division" + attack
	runners := append([]runnerRow{}, field...)
	for i := range runners {
		runners[i].name = "\u202Drunner" + attack
	}
	name := "office" + attack
	_, err := b.accounts.UpdateAccount(t.Context(), b.organizer, accountChange(name))
	require.NoError(t, err)
	b.addRace(t, hostile, runners)
	b.publish(t)
	dq := race.Disqualified
	b.correct(t, "2", "reason"+attack, maindb.RecordPatch{Status: &dq})
	seen := ""
	paths := slices.Concat(b.everyPage("en"), b.everyPage("ko"), b.officialPages("en"), b.officialPages("ko"))
	for _, path := range append(paths, b.path("en", "/results/2"), b.path("en", "/compare?from=2&to=3"), b.path("en", "/standings?q="+url.QueryEscape("q"+attack)), b.path("en", "/standings?division="+url.QueryEscape("division"+attack))) {
		got := b.get(t, path)
		require.Equal(t, http.StatusOK, got.status, path)
		requireNothingInline(t, got, path)
		require.Zero(t, got.Find("img").Length(), path)
		require.NotContains(t, got.body, "<script>alert", path)
		require.False(t, strings.ContainsAny(got.body, "\u202D\u202E\u2067"), path)
		seen += got.Text()
	}
	for _, what := range []string{"name", "city", "division", "runner", "office", "reason", "q"} {
		require.Contains(t, seen, what+attack, "the test does not reach this text")
	}
}

// TestEveryLinkLeadsSomewhere follows the links of all pages.
func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	b.publish(t)
	seen, queue := map[string]bool{}, []string{"/"}
	for len(queue) > 0 {
		path := queue[0]
		queue = queue[1:]
		if path, _, _ = strings.Cut(path, "#"); seen[path] || path == "" {
			continue
		}
		seen[path] = true
		got := b.get(t, path)
		if got.status == http.StatusFound {
			queue = append(queue, got.header.Get("Location"))
			continue
		}
		if got.status == http.StatusSeeOther && strings.HasPrefix(path[3:], "/my") {
			continue // for who has logged in
		}
		require.Equal(t, http.StatusOK, got.status, path)
		if !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") || strings.HasPrefix(path, "/docs") {
			continue
		}
		got.Find("a[href], link[href], form[action], script[src], img[src]").Each(func(_ int, s *goquery.Selection) {
			to := s.AttrOr("href", s.AttrOr("action", s.AttrOr("src", "")))
			to = strings.TrimPrefix(to, "https://results.example.org")
			require.True(t, strings.HasPrefix(to, "/") || strings.HasPrefix(to, "#"), "%s leads to %q", path, to)
			if name, found := strings.CutPrefix(to, "#"); found {
				require.Equal(t, 1, got.Find("#"+name).Length(), "%s leads to #%s", path, name)
			}
			queue = append(queue, to)
		})
	}
	require.Greater(t, len(seen), 50)
}

// TestPagesWithoutNames reads pages while user_db is down, which only names come from.
func TestPagesWithoutNames(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	b.publish(t)
	b.loseUserDB(t)
	for _, path := range []string{"", "/standings", "/standings?bib=2", "/announcer?bib=2", "/certificate/1", "/verify/1"} {
		got := b.get(t, b.path("en", path))
		require.Equal(t, http.StatusOK, got.status, path)
		require.Equal(t, "no-store", got.header.Get("Cache-Control"), path)
		require.NotContains(t, got.body, "Ada Alm", path)
	}
	require.Contains(t, b.get(t, "/en/status").Find(".parts .broken").Text(), "Names and accounts")
	search := b.get(t, b.path("ko", "/standings?q=ada"))
	require.Equal(t, http.StatusServiceUnavailable, search.status, "a search would find too little")
	require.NotEmpty(t, search.header.Get("Retry-After"))
	require.Contains(t, search.Find("h1").Text(), "서비스 일부가 중단되었습니다")
}

// TestCursorsThatLeadNowhere: a page of a list that was asked for with a cursor that is none,
// or another list's, says so and links to the first page, which keeps the filters.
func TestCursorsThatLeadNowhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.organizer = b.account(t, "director", auth.Organizer)
	b.account(t, "uta", auth.Runner)
	director, runner := b.loggedIn(t, "director"), b.loggedIn(t, "uta")
	b.addRace(t, springMarathon(b.organizer), field)
	operator := b.operator(t)
	organize := "/en/organize/races/" + b.raceID
	for list, of := range map[string]struct {
		reader *browser
		cursor string
	}{
		"/en/operate/mails?state=failed":       {operator, "cursor"},
		"/ko/operate/mails?state=addresses":    {operator, "cursor"},
		"/en/operate/deliveries?state=waiting": {operator, "cursor"},
		"/en/operate/deliveries":               {operator, "notices"},
		"/en/operate/offers":                   {operator, "cursor"},
		"/en/operate/comments?state=hidden":    {operator, "cursor"},
		"/en/operate/credits?status=rejected":  {operator, "cursor"},
		"/en/operate/credits?status=unmatched": {operator, "cursor"},
		"/en/operate/credits?bib=1":            {operator, "cursor"},
		"/en/operate/actions":                  {operator, "cursor"},
		"/ko/operate/changes":                  {operator, "cursor"},
		"/en/operate/people?season=2026":       {operator, "cursor"},
		"/en/organize":                         {director, "after"},
		organize + "/participants":             {director, "after"},
		organize + "/files":                    {director, "after"},
		organize + "/records?status=OK":        {director, "after"},
		organize + "/changes":                  {director, "after"},
		organize + "/claims":                   {director, "after"},
		organize + "/posts":                    {director, "after"},
		"/ko/my/changes":                       {director, "after"},
		"/en/my/results":                       {runner, "after"},
		"/en/races?show=past":                  {director, "after"},
		"/en/races/" + b.raceID + "/posts":     {director, "after"},
		"/en/races/" + b.raceID + "/standings": {director, "page"},
		"/en/series":                           {director, "after"},
	} {
		first := of.reader.visit(list)
		require.Equal(t, http.StatusOK, first.status, list)
		for _, cursor := range []string{server.EncodeCursor("x", "y"), strings.Repeat("x", 301)} {
			separator := "?"
			if strings.Contains(list, "?") {
				separator = "&"
			}
			wrong := of.reader.visit(list + separator + of.cursor + "=" + cursor)
			require.Equal(t, http.StatusUnprocessableEntity, wrong.status, list)
			said := wrong.Find("main .failure strong").Text()
			require.Contains(t, said, "“"+of.cursor+"”", list)
			require.Equal(t, list, wrong.Find("main .failure a.button").AttrOr("href", ""))
		}
	}
}
