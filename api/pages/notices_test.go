package pages_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestNoticesOnPages: a runner chooses what they are told, and the API agrees.
func TestNoticesOnPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	uta := b.account(t, "uta", auth.Runner)
	c := b.loggedIn(t, "uta")
	shown := c.visit("/ko/my/notices")
	require.Equal(t, http.StatusOK, shown.status, shown.body)
	choosable := slices.DeleteFunc(notice.Definitions(), func(d notice.Definition) bool { return d.Choices() == nil })
	require.Equal(t, len(choosable), shown.Find("input[name=on][checked]").Length(), shown.body)
	until := time.Now().AddDate(0, 1, 0).UTC().Format(time.DateOnly)
	require.Equal(t, "/ko/my/notices", c.post("/ko/my/notices", "kind", "place-moved", "kind", "result-posted", "on", "result-posted", "kind", "offer-made", "kind", "x", "paused_until", until).to())
	chosen, err := b.accounts.Preferences(t.Context(), uta)
	require.NoError(t, err)
	require.Equal(t, []notice.Choice{{Kind: notice.PlaceMoved, Channel: notice.Email, State: notice.Off}}, chosen.Chosen)
	require.Equal(t, until, chosen.PausedUntil.Format(time.DateOnly))
	again := c.visit("/en/my/notices")
	require.Equal(t, until, again.Find("#field-paused_until").AttrOr("value", ""))
	require.Zero(t, again.Find("input[value=place-moved][checked]").Length())
	wrong := c.post("/ko/my/notices", "paused_until", "9999-01-01")
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Equal(t, "1년 안의 날짜여야 합니다.", wrong.Find("#field-paused_until-wrong").Text())
	require.Equal(t, "/ko/my/notices", c.post("/ko/my/notices", "paused_until", "").to())
	chosen, err = b.accounts.Preferences(t.Context(), uta)
	require.NoError(t, err)
	require.Zero(t, chosen.PausedUntil)
}

// TestUnsubscribe sends what mail providers send, RFC 8058: without a cookie, an origin
// or a login, in either encoding.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	uta := b.account(t, "uta", auth.Runner)
	signing, err := b.ledger.Unsubscribers(t.Context(), []string{uta})
	require.NoError(t, err)
	const multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"
	send := func(method, token, contentType, body string, headers ...string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(t.Context(), method, notice.UnsubscribePath+token, strings.NewReader(body))
		request.Header.Set("Content-Type", contentType)
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		answer := httptest.NewRecorder()
		b.router.ServeHTTP(answer, request)
		return answer
	}
	off := func() int {
		chosen, err := b.accounts.Preferences(t.Context(), uta)
		require.NoError(t, err)
		return len(chosen.Chosen)
	}
	posted, moved := signing[uta].Token(notice.ResultPosted), signing[uta].Token(notice.PlaceMoved)
	require.NotContains(t, posted, uta)
	for range 2 { // scanners follow links
		seen := send(http.MethodGet, posted, "", "", "Accept-Language", "ko")
		require.Equal(t, http.StatusOK, seen.Code, seen.Body)
		require.Contains(t, seen.Body.String(), `method="post"`)
		require.Contains(t, seen.Body.String(), "내 기록 등록")
		require.Equal(t, "no-store", seen.Header().Get("Cache-Control"))
		require.Empty(t, seen.Header().Get("Set-Cookie"))
	}
	require.Zero(t, off())
	for range 2 {
		done := send(http.MethodPost, posted, "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click")
		require.Equal(t, http.StatusOK, done.Code, "never a redirect: %s", done.Body)
		require.Contains(t, done.Body.String(), "Your result was posted", "it says what was switched off")
		require.Contains(t, done.Body.String(), "/en/my/notices", "and where to switch it on")
	}
	require.Equal(t, 1, off())
	done := send(http.MethodPost, moved, "multipart/form-data; boundary=x", multipart, "Origin", "https://mail.example.com", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusOK, done.Code, done.Body)
	require.Equal(t, 2, off())
	require.NotContains(t, send(http.MethodGet, moved, "", "").Body.String(), `method="post"`, "it is off already")
	for _, wrong := range []string{"x", strings.Replace(posted, "result-posted", "race-official", 1), "AAAAAAAAAAAAAAAAAAAAAA.result-posted.AAAAAAAAAAAAAAAAAAAAAA", strings.Repeat("x", 5000)} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			require.Equal(t, http.StatusNotFound, send(method, wrong, "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click").Code)
		}
	}
	require.Equal(t, 2, off())
	require.NotContains(t, b.logs.String(), posted, "the link is a secret")
}

// TestNoticePreviews: those who run a race see each mail that it can send, in frames that
// may do nothing, and nobody else does.
func TestNoticePreviews(t *testing.T) {
	t.Parallel()
	b := setup(t)
	director := b.director(t)
	r := b.addLimited(t, race.EntrySettings{Capacity: 5})
	b.raceID = r.ID
	path := b.run("en", "/notices")
	require.Equal(t, path, director.visit(b.run("en", "")).Find(`a[href$="/notices"]`).AttrOr("href", ""))
	require.Equal(t, http.StatusForbidden, b.runners(t, "ann")[0].visit(path).status)

	require.Zero(t, director.visit(path).Find("iframe").Length())
	require.Equal(t, path+"?kind=result-corrected#result-corrected", director.visit(path).Find("#result-corrected a").AttrOr("href", ""))
	seen := director.visit(path + "?kind=result-corrected")
	require.Contains(t, seen.header.Get("Content-Security-Policy"), "frame-src 'self'")
	require.NotContains(t, director.visit(b.run("en", "")).header.Get("Content-Security-Policy"), "frame-src")
	require.Zero(t, seen.Find("#security, #offer-made").Length(), "the race cannot send these")
	require.Equal(t, len(notice.Definitions())-4, seen.Find(".preview").Length())
	require.Contains(t, seen.Find("#result-corrected").Text(), "Subject: 내 기록이 정정되었습니다")
	require.Contains(t, seen.Find("#result-corrected pre").First().Text(), r.Name+", ")
	whole := b.addLimited(t, race.EntrySettings{Capacity: 5, WaitingList: true})
	for _, lang := range []string{"en", "ko"} {
		all := director.visit("/" + lang + "/organize/races/" + whole.ID + "/notices")
		require.Equal(t, len(notice.Definitions())-1, all.Find(".preview").Length())
		require.NotContains(t, all.body, "previews.to.", "each kind says who gets it")
	}

	frames := seen.Find("#result-corrected iframe")
	require.Equal(t, 4, frames.Length())
	for _, attr := range []string{"sandbox", "title"} {
		_, has := frames.Attr(attr)
		require.True(t, has, attr)
	}
	dark := director.visit(frames.Eq(1).AttrOr("src", ""))
	require.Equal(t, http.StatusOK, dark.status)
	require.Contains(t, dark.body, "@media all{body,.paper{background:#0f1512")
	require.Equal(t, "SAMEORIGIN", dark.header.Get("X-Frame-Options"))
	require.Contains(t, dark.header.Get("Content-Security-Policy"), "default-src 'none'; style-src 'unsafe-inline'; sandbox;")
	for _, wrong := range []string{"/security?in=en", "/offer-made?in=en", "/nonsense?in=en", "/result-posted"} {
		require.Equal(t, http.StatusNotFound, director.visit(path+wrong).status, wrong)
	}
	require.Equal(t, http.StatusUnprocessableEntity, director.visit(path+"/result-posted?in=xx").status)
	require.Equal(t, http.StatusForbidden, b.runners(t, "bob")[0].visit(path+"/result-posted?in=en").status)
}
