package pages_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	chromium "github.com/mrmrthon/mrmrthon/internal/browser"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestTwoRunnersOnePlaceInABrowser: a double click at the opening counts once, and the
// second runner sees the place come by itself.
func TestTwoRunnersOnePlaceInABrowser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.serve(t, time.Now, "")
	served := httptest.NewServer(b.router)
	t.Cleanup(served.Close)
	r := b.addLimited(t, race.EntrySettings{Capacity: 1, WaitingList: true, BibFrom: 7, BibTo: 9, OpensAt: time.Now().Add(12 * time.Second)})
	mine := served.URL + "/ko/my/races/" + r.ID

	runner := func(login string, view chromium.View) *chromium.Tab {
		b.account(t, login, auth.Runner)
		opened, err := chromium.Start(t.Context())
		require.NoError(t, err)
		t.Cleanup(opened.Stop)
		tab, err := opened.Open(view)
		require.NoError(t, err)
		require.NoError(t, tab.Run(
			chromedp.Navigate(served.URL+"/ko/account/login"), chromedp.SendKeys(`input[name=login_id]`, login), chromedp.SendKeys(`input[name=password]`, password+"\r"),
			chromedp.WaitVisible(`.sections`), chromedp.Navigate(mine), chromedp.WaitReady(`#entry`),
		))
		return tab
	}
	text := func(tab *chromium.Tab, expression string) string {
		var got string
		require.NoError(t, tab.Run(chromedp.Evaluate(expression, &got)))
		return got
	}
	shows := func(tab *chromium.Tab, verdict string) {
		t.Helper()
		require.Eventually(t, func() bool { return text(tab, `document.querySelector(".verdict")?.textContent || ""`) == verdict }, 20*time.Second, 50*time.Millisecond, verdict)
	}
	ann := runner("ann", chromium.View{Width: 390, Height: 844})
	ben := runner("ben", chromium.View{Width: 320, Height: 640, Dark: true})
	require.NoError(t, ann.Run(chromedp.SendKeys(`#field-team`, "Harbour"), chromedp.Reload(), chromedp.WaitReady(`#entry`)))
	require.Equal(t, "Harbour", text(ann, `document.querySelector("#field-team").value`), "the form is kept")
	require.NoError(t, ann.Run(chromedp.Click(`#enter button`)))
	require.Equal(t, "true", text(ann, `document.querySelector("#enter button").getAttribute("aria-disabled")`))
	require.Eventually(t, func() bool {
		return text(ann, `document.querySelector("#enter button").getAttribute("aria-disabled")`) == "false"
	}, 20*time.Second, 20*time.Millisecond)
	require.NoError(t, ann.Run(chromedp.DoubleClick(`#enter button`)))
	shows(ann, "참가 신청이 되었습니다.")
	require.NoError(t, ben.Run(chromedp.Reload(), chromedp.WaitReady(`#entry`), chromedp.Focus(`#enter button`), chromedp.KeyEvent("\r")))
	shows(ben, "대기 순번 1번입니다.")
	counts, err := b.main.PoolCounts(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, []int{counts[0].Taken, counts[0].Waiting})

	require.NoError(t, ann.Run(chromedp.Click(`#entry summary`), chromedp.Click(`#entry button.danger`)))
	shows(ben, "자리가 났습니다")
	require.Equal(t, "자리가 났습니다", text(ben, `document.getElementById("news").textContent`), "and it is said")
	require.NotEmpty(t, text(ben, `document.querySelector("[data-until]").textContent`))
	require.NoError(t, ben.Run(chromedp.Click(`form[action$="accept"] button`)))
	shows(ben, "참가 신청이 되었습니다.")
	require.Empty(t, ann.Complaints())
	require.Empty(t, ben.Complaints())
	require.Equal(t, http.StatusOK, b.browser(t).visit("/ko/races/"+r.ID).status)
}
