package pages_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	chromium "github.com/mrmrthon/mrmrthon/internal/browser"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// listen serves the pages on localhost, where browsers allow what else needs https.
func (b *testBundle) listen(t testing.TB) (address string) {
	t.Helper()
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.router.ServeHTTP(w, r) }))
	t.Cleanup(served.Close)
	address = strings.Replace(served.URL, "127.0.0.1", "localhost", 1)
	b.serve(t, time.Now, address)
	return address
}

// openTab opens a tab in a browser of its own.
func openTab(t testing.TB, view chromium.View) *chromium.Tab {
	t.Helper()
	opened, err := chromium.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(opened.Stop)
	tab, err := opened.Open(view)
	require.NoError(t, err)
	return tab
}

// TestPasskeyInABrowser adds a passkey, logs in by it, and removes it, with Chromium's
// authenticator for tests in the place of a finger on a sensor.
func TestPasskeyInABrowser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.passkeys = "organizers"
	address := b.listen(t)
	b.account(t, "uta", auth.Runner)
	b.account(t, "oda", auth.Organizer)
	tab := openTab(t, chromium.View{Width: 390, Height: 844})
	does := func(actions ...chromedp.Action) {
		t.Helper()
		require.NoError(t, tab.Run(actions...))
	}
	shows := func(expression, want string) {
		t.Helper()
		var got string
		require.Eventually(t, func() bool {
			return tab.Run(chromedp.Evaluate(`String(`+expression+`)`, &got)) == nil && got == want
		}, 2*time.Minute, 50*time.Millisecond, "%s is not %q", expression, want)
	}
	press := func(selector string) chromedp.Action {
		return chromedp.Tasks{chromedp.WaitReady(selector), chromedp.Evaluate(`document.querySelector("`+selector+`").click()`, nil)} // the page may still be on its way
	}
	var sensor webauthn.AuthenticatorID
	does(webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		sensor, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}).Do(ctx)
		return err
	}))

	// Somebody who has logged in by a password adds a passkey; a wrong password is said.
	const alert = `document.querySelector("form [role=alert]").textContent`
	does(chromedp.Navigate(address+"/en/account/login"), chromedp.SendKeys(`#field-login_id`, "uta"), chromedp.SendKeys(`#field-password`, password+"\r"),
		chromedp.WaitReady(`.sections`), chromedp.Navigate(address+"/en/my/passkeys"), chromedp.WaitVisible(`#add-passkey`),
		chromedp.SendKeys(`#field-name`, "Uta's phone"), chromedp.SendKeys(`#field-current_password`, "not it"), press(`#add-passkey button`))
	shows(alert, "Is not the current password")
	shows(`document.querySelector("#field-name").value`, "Uta's phone")
	does(chromedp.SetValue(`#field-current_password`, password), press(`#add-passkey button`))
	shows(`document.querySelector(".cases strong")?.textContent`, "Uta's phone")

	// It logs in, and leads on to where the login was asked for.
	login := address + "/en/account/login?next=%2Fen%2Fmy%2Frecords"
	does(press(`form[action$='/logout'] button`))
	shows(`location.pathname + document.querySelectorAll(".sections").length`, "/en/account/login0")
	does(chromedp.Navigate(login), chromedp.WaitVisible(`#passkey`), press(`#passkey button`))
	shows(`location.pathname`, "/en/my/records")

	// A finger that is not the owner's does not. It is said, and can be tried again.
	does(press(`form[action$='/logout'] button`))
	shows(`location.pathname + document.querySelectorAll(".sections").length`, "/en/account/login0")
	does(webauthn.SetUserVerified(sensor, false), chromedp.Navigate(login), chromedp.WaitVisible(`#passkey`), press(`#passkey button`))
	shows(alert, "It did not work. Try again.")
	does(webauthn.SetUserVerified(sensor, true), press(`#passkey button`))
	shows(`location.pathname`, "/en/my/records")

	// What was written when the session had ended is not lost by it.
	does(chromedp.Navigate(address+"/en/my/records/new"), chromedp.WaitVisible(`#field-date`), network.ClearBrowserCookies(), chromedp.SetValue(`#field-note`, "In the rain"),
		chromedp.Evaluate(`document.querySelector("main form").noValidate = true`, nil), press(`main form button`))
	shows(`document.querySelector("#passkey")?.hidden + document.querySelector("[name=again]")?.form.method`, "falsepost")
	does(press(`#passkey button`))
	shows(`document.querySelector("main form [name=note]")?.value`, "In the rain")

	// Once it is removed here it opens nothing, though the device still has it.
	does(chromedp.Navigate(address+"/en/my/passkeys"), chromedp.WaitReady(`.cases form`), press(`.cases form button`))
	shows(`document.querySelectorAll(".cases li").length`, "0")
	does(press(`form[action$='/logout'] button`))
	shows(`location.pathname + document.querySelectorAll(".sections").length`, "/en/account/login0")
	does(chromedp.Navigate(login), chromedp.WaitVisible(`#passkey`), press(`#passkey button`))
	shows(alert+` !== "" && location.pathname`, "/en/account/login")

	// What was written before a passkey had to be added is not lost by that either.
	does(chromedp.SendKeys(`#field-login_id`, "oda"), chromedp.SendKeys(`#field-password`, password+"\r"), chromedp.WaitVisible(`#add-passkey`),
		chromedp.Evaluate(`{
			const form = Object.assign(document.createElement("form"), {method: "post", action: "/en/organize/races/new"});
			form.append(Object.assign(document.createElement("input"), {name: "city", value: "Busan"}));
			document.body.append(form);
			form.submit();
		}`, nil))
	shows(`document.querySelector("[name=again]")?.value`, "city=Busan")
	does(chromedp.SendKeys(`#field-name`, "Oda's phone"), chromedp.SendKeys(`#field-current_password`, password), press(`#add-passkey button`))
	shows(`document.querySelector("main form [name=city]")?.value`, "Busan")
}

// TestTwoRunnersOnePlaceInABrowser: a double click at the opening counts once, and the
// second runner sees the place come by itself.
func TestTwoRunnersOnePlaceInABrowser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	address := b.listen(t)
	r := b.addLimited(t, race.EntrySettings{Capacity: 1, WaitingList: true, BibFrom: 7, BibTo: 9, OpensAt: time.Now().Add(time.Hour)})
	mine := address + "/ko/my/races/" + r.ID

	runner := func(login string, view chromium.View) *chromium.Tab {
		b.account(t, login, auth.Runner)
		tab := openTab(t, view)
		require.NoError(t, tab.Run(
			chromedp.Navigate(address+"/ko/account/login"), chromedp.SendKeys(`input[name=login_id]`, login), chromedp.SendKeys(`input[name=password]`, password+"\r"),
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
		var got string
		require.Eventually(t, func() bool { // an evaluation fails while another page comes
			return tab.Run(chromedp.Evaluate(`document.querySelector(".verdict")?.textContent || ""`, &got)) == nil && got == verdict
		}, 2*time.Minute, 50*time.Millisecond, verdict)
	}
	ann := runner("ann", chromium.View{Width: 390, Height: 844})
	ben := runner("ben", chromium.View{Width: 320, Height: 640, Dark: true})
	require.NoError(t, ann.Run(chromedp.SendKeys(`#field-team`, "Harbour"), chromedp.Reload(), chromedp.WaitReady(`#entry`)))
	require.Equal(t, "Harbour", text(ann, `document.querySelector("#field-team").value`), "the form is kept")
	require.NoError(t, ann.Run(chromedp.Click(`#enter button`)))
	require.Equal(t, "true", text(ann, `document.querySelector("#enter button").getAttribute("aria-disabled")`))
	// The hour is over for the server and for the page.
	b.changeEntry(t, r.ID, func(s *race.EntrySettings) { s.OpensAt = time.Now().Add(-time.Second) })
	require.NoError(t, ann.Run(chromedp.Evaluate(`document.querySelector("#enter").dataset.opens = new Date(0).toISOString(); 0`, nil)))
	require.Eventually(t, func() bool {
		return text(ann, `document.querySelector("#enter button").getAttribute("aria-disabled")`) == "false"
	}, 2*time.Minute, 20*time.Millisecond)
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

// markup would be an element, an attribute or a script wherever a page did not escape
// it. It is short enough for any text that people can write but the shortest.
const markup = `'" data-broken=1 x="></textarea></title></script><broken-out><img src=x onerror=attacked=1>`

// formula would be run by a spreadsheet that took it from a table of ours.
const formula = `=cmd|' /C calc'!A0`

// hurt names what is wrong with a page in a browser: what it has let out of a text, which
// are scripts that ran, elements and attributes that nobody but the text has asked for,
// and addresses that are code; content that is wider than the screen; and motion.
const hurt = `(() => {
	const found = window.attacked === undefined ? [] : ["a script has run"];
	for (const e of document.querySelectorAll("broken-out, img[src=x], script:not([src]), style, iframe:not([sandbox]), base")) found.push(e.outerHTML.slice(0, 200));
	for (const e of document.querySelectorAll("*")) for (const {name, value} of e.attributes) {
		const address = /^(href|src|action|formaction|xlink:href)$/.test(name);
		if (/^on|^style$|broken/.test(name) || address && new URL(value, location).protocol === "javascript:") found.push(e.outerHTML.slice(0, 200));
	}
	const fields = [...document.querySelectorAll("input, textarea, option")].map((e) => e.value);
	const links = [...document.links].filter((a) => a.origin === location.origin && !a.hasAttribute("download")).map((a) => a.pathname + a.search);
	if (document.documentElement.scrollWidth > innerWidth) {
		const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .heard"));
		found.push("wider than the screen: " + wide.map((e) => e.outerHTML.slice(0, 120)).join(" "));
	}
	if (document.getAnimations().length > 0) found.push("moves though the reader asks for reduced motion");
	return {found, links, text: [document.documentElement.textContent, ...fields].join("\n")};
})()`

// marked makes texts that are markup, each with its own name, and knows which pages
// have to show.
type marked map[string]bool

func (m marked) text(name string) string {
	m[name] = false
	return name + " " + markup
}

func (m marked) short(name string) string {
	m[name] = false
	return name + ` '" onclick=attacked=1 x="><broken-out>`
}

// unlinked are addresses that no link leads to: files and JSON, those that lead on to
// another page, and buttons that depend on what has been done before.
var unlinked = map[string]bool{
	"/{lang}/my/export": true, "/{lang}/races/{race_id}/posts.atom": true,
	"/{lang}/organize/races/{race_id}/progress": true, "/{lang}/organize/races/{race_id}/entries.csv": true, "/{lang}/organize/races/{race_id}/changes/export": true, "/{lang}/operate/changes/export": true, "/{lang}/organize/races/{race_id}/claim-codes.csv": true,
	"/{lang}/organize/races/{race_id}/files/{import_id}/file": true, "/{lang}/organize/races/{race_id}/files/{import_id}/again": true,
	"/{lang}/organize/races/{race_id}/files/{import_id}/apply": true,
	"/{lang}/operate/accounts/{user_id}/restore":               true, "/{lang}/operate/accounts/{user_id}/verify": true, "/{lang}/operate/accounts/{user_id}/unverify": true,
	"/{lang}/organize/races/{race_id}/notices/{kind}": true, // of frames
	"/{lang}/operate/people/merge":                    true, "/{lang}/operate/people/separate": true,
}

// TestTextsStayTexts writes markup wherever people can write something, and looks at
// every page that links lead to, in a browser: each text is shown, and none is more
// than a text. The screen is as narrow as a page at 400 % zoom, the colours are the
// reader's own, and nothing may move.
func TestTextsStayTexts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := marked{}
	director := b.account(t, "director", auth.Organizer)
	b.organizer = director
	r := springMarathon(director)
	r.Name, r.City = m.text("racename"), m.short("racecity")
	r.Divisions[0].Name, r.Divisions[1].Name = m.short("division"), "@SUM(1)"
	r.Teams = []race.TeamRule{{Name: m.short("teamrule"), Rule: race.SumOfTimes, N: 1, Sex: race.Mixed}}
	r.Course = race.Course{}.With([]race.TimingPoint{{Name: m.short("half"), Distance: 21_097_500}})
	b.addRace(t, r, []runnerRow{
		{"1", m.text("winner"), race.Female, 30, race.Runner, "2:30:00"},
		{"2", formula, race.Female, 31, race.Runner, "2:31:00"},
		{"3", "Cem Can", race.Male, 45, race.Runner, "2:31:30"},
		{"4", m.text("thief"), race.Male, 50, race.Runner, "2:40:00"},
		{"5", "Eve Elm", race.Male, 50, race.Runner, ""},
	})
	office := b.loggedIn(t, "director")
	c := office
	c.device = markup
	posts := func(path string, fields ...string) {
		t.Helper()
		a := c.post(path, fields...)
		require.Equal(t, http.StatusSeeOther, a.status, "%s %v: %s", path, fields, strings.Join(a.texts(".wrong, .is"), "; "))
	}

	// Files: their names, headers, cells that are wrong, teams, splits and the reason.
	start := c.drop(b.office("en", "/files"), m.short("startfile")+".csv", strings.Join([]string{
		`Bib,Name,Sex,Age,Team,"` + m.csv("header") + `"`, `1,,F,30,"` + m.csv("team") + `",x`, `2,,F,31,` + formula + `,y`, `3,,M,"` + m.csv("badage") + `",,z`,
	}, "\n"), "kind", "auto")
	require.Equal(t, http.StatusSeeOther, start.status, start.body)
	plan := c.visit(start.to())
	posts(start.to()+"/apply", plan.fill("#apply form", "reason", m.text("importreason"))...)
	results := c.drop(b.office("en", "/files"), "splits.csv", "Bib,Gun Time,\""+strings.ReplaceAll(r.Course.Points[0].Name, `"`, `""`)+"\"\n1,2:30:00,1:15:00\n", "kind", "auto")
	require.Equal(t, http.StatusSeeOther, results.status, results.body)

	// Corrections, with what everyone reads and what only staff read.
	edit := b.office("en", "/records/"+b.records["4"])
	posts(edit, c.visit(edit).fill("section form", "status", "DQ", "reason", m.text("correction"), "private_note", m.text("privatenote"), "step", "save")...)
	b.credit(t, "4", 0)
	for i, said := range []string{"first", "second"} {
		id := newID()
		_, err := b.main.OpenDispute(t.Context(), race.Dispute{
			ID: id, RaceID: b.raceID, RecordID: b.records[field[i+1].bib], RunnerID: b.users[field[i+1].bib],
			Wrong: m.text(said + "wrong"), RightWouldBe: markup,
		})
		require.NoError(t, err)
		if i == 0 {
			posts(b.office("en", "/disputes/"+id), "decision", "rejected", "reason", m.text("disputereason"), "private_note", m.text("disputenote"))
		}
	}
	require.Equal(t, http.StatusOK, c.post(b.office("en", "/keys"), "name", m.text("racekey"), "scope", "timing").status)
	b.account(t, "helper", auth.Runner)
	posts(b.run("en", "/staff"), "login_id", "helper", "role", "timing")
	h := b.loggedIn(t, "helper")
	h.post(h.visit("/en/organize").Find(".panel form").AttrOr("action", ""), "answer", "accept")
	require.Equal(t, http.StatusOK, c.post(b.run("en", "/webhooks"), "url", "https://example.org/?"+m.short("webhook"), "events", "race.changed").status)
	posts(b.run("en", "/posts/new"), "title", m.text("posttitle"), "body", markup+"\n\n[x](javascript:attacked=1)", "comments", "yes", "do", "published")
	posts(b.run("en", "/tasks/new"), "title", m.text("tasktitle"), "note", m.text("tasknote"), "status", "open", "assignee_id", director, "deadline", "2026-04-01", "remind_days", "3")
	require.Equal(t, http.StatusOK, c.post(b.run("en", "/calendar"), "do", "make").status)
	notices, err := b.main.NewestPosts(t.Context(), b.raceID, 1)
	require.NoError(t, err)
	thread := "/en/my/races/" + b.raceID + "/posts/" + notices[0].ID
	posts(thread, "text", m.text("comment"))
	posts(thread, "text", markup)
	said, err := b.main.Comments(t.Context(), notices[0].ID, "", 2)
	require.NoError(t, err)
	posts(b.run("en", "/comments"), "post_id", notices[0].ID, "comment_id", said[1].ID, "do", "hide", "reason", m.text("hidingreason"))
	session, _, _ := strings.Cut(c.cookies["__Host-session"], ".")
	_, err = b.accounts.AddPasskey(t.Context(), userdb.Passkey{ID: newID(), UserID: director, CredentialID: []byte("id"), PublicKey: []byte("key"), Name: m.text("passkey")}, session, false)
	require.NoError(t, err)
	settings := c.visit("/en/my/settings")
	posts("/en/my/settings", settings.fill("main form", "name", m.text("director"))...)
	b.recompute(t)
	posts(b.run("en", "/publish"), "protest_window_s", "0", "despite_disputes", "yes", "reason", m.text("despite"))
	const newSeries = "/en/organize/series/new"
	seriesID := strings.TrimPrefix(c.post(newSeries, c.visit(newSeries).fill("main form", "name", m.text("series"), "race."+b.raceID, "yes",
		"divisions[0].name", m.short("seriesdivision"))...).to(), "/en/organize/series/")
	_, err = b.series.RecomputeSeries(t.Context(), activities.SeriesInput{SeriesID: seriesID})
	require.NoError(t, err)
	b.recompute(t)

	// A runner with an entry, records of their own, and a place in a race to come.
	coming := b.addLimited(t, race.EntrySettings{Capacity: 5, LastKey: 2, TransferUntil: time.Now().Add(24 * time.Hour), Pools: []race.EntryPool{{Key: 1, Name: m.short("pool"), Capacity: 5}, {Key: 2, Name: m.short("fastpool"), Capacity: 5, Standard: aStandard}}})
	b.account(t, "runner", auth.Runner)
	c = b.loggedIn(t, "runner")
	posts("/en/my/settings", c.visit("/en/my/settings").fill("main form", "name", "="+m.text("runner"))...)
	posts("/en/my/records/new", c.visit("/en/my/records/new").fill("main form", "date", "2026-02-03", "time", "21:40", "distance_m", "5", "title", m.text("title"), "note", m.text("note"))...)
	posts("/en/my/claims/new", "race_id", b.raceID, "bib", "3", "birth_date", "1981-01-01")
	posts(thread, "comment_id", said[0].ID, "do", "report", "reason", m.text("report"))
	posts("/en/my/races/"+coming.ID, c.visit("/en/my/races/"+coming.ID).fill("#enter", "pool", coming.Entry.Pools[0].Name, "team", m.short("entryteam"))...)

	admitting := "/en/organize/races/" + coming.ID + "/admissions"
	require.Equal(t, http.StatusSeeOther, office.post(admitting, office.visit(admitting).fill("main form", "login_id", "somebody", "pool", coming.Entry.Pools[1].Name, "reason", m.text("admission"))...).status)

	// What operators write and see.
	letter := queue.Letter{Received: queue.Received{MessageID: "m1", Body: m.text("letter")}, Reason: m.text("letterreason")}
	b.letters.letters = []queue.Letter{letter}
	stuck := b.unsettled(t, "41")
	b.runs(stuck, "Terminated", m.text("failure"))
	c = b.operator(t)
	person, err := b.accounts.AccountByLogin(t.Context(), "runner")
	require.NoError(t, err)
	b.unsent(t, m.text("mailfault"))
	require.Equal(t, http.StatusOK, office.post("/en/organize/races/"+coming.ID+"/entries/"+person.UserID+"/transfer", "reason", m.text("transferreason")).status)
	posts("/en/operate/accounts/"+person.UserID+"/suspend", c.visit("/en/operate/accounts/"+person.UserID+"/suspend").fill("main form.narrow", "reason", m.text("suspension"))...)
	posts("/en/operate/accounts/"+person.UserID+"/restore", c.visit("/en/operate/accounts/"+person.UserID+"/restore").fill("main form.narrow", "reason", m.text("restoration"))...)

	// Tables for spreadsheets.
	for _, path := range []string{
		"/v1/races/" + b.raceID + "/standings.csv", "/v1/races/" + b.raceID + "/standings/teams.csv?rule=" + url.QueryEscape(r.Teams[0].Name),
		b.run("en", "/claim-codes.csv"), "/en/organize/races/" + coming.ID + "/entries.csv", b.run("en", "/changes/export"),
	} {
		rows, err := csv.NewReader(strings.NewReader(office.visit(path).body)).ReadAll()
		require.NoError(t, err)
		require.Greater(t, len(rows), 1, path)
		for _, row := range rows {
			for _, cell := range row {
				require.NotRegexp(t, `^\s*[=+@]`, cell, path)
			}
		}
	}

	attack := url.QueryEscape(markup)
	drawn := b.addLimited(t, race.EntrySettings{Capacity: 1, Order: race.ByDraw, ClosesAt: time.Now().Add(time.Hour)})
	extra := []string{
		"/en/races/" + drawn.ID + "/draw", b.path("en", "/teams"), b.path("en", "/awards"), "/en/series/" + seriesID,
		b.path("en", "/results/1"), b.path("en", "/results/4"), b.path("en", "/certificate/1"), b.path("en", "/verify/1"), b.path("en", "/announcer?bib=1"), b.path("en", "/standings?q="+attack),
		b.path("en", "/standings?division="+attack), "/en/races?q=" + attack, "/en/leaderboard?season=" + attack, "/en/" + attack,
		"/en/account/login?next=javascript:attacked=1", "/en/account/signup?next=//" + attack, "/en/account/recover", "/en/account/link", "/en/my/claims/new?race_id=" + b.raceID + "&bib=" + attack,
	}
	address := b.listen(t)
	seen := map[string]bool{}
	for _, who := range []struct {
		login string
		from  []string
	}{
		// The runner first: each kind of page is looked at once, and the page of a result
		// leads to a dispute for its runner alone.
		{"runner", []string{"/en/my", "/en/races/" + coming.ID, "/en/my/races/" + coming.ID, "/en/my/races/" + coming.ID + "/receive"}},
		{"director", append(extra, "/en/organize", "/en/organize/series", "/en/organize/races/new", b.run("en", ""), "/en/organize/races/"+coming.ID+"/entries", start.to(), results.to())},
		{"oona", []string{"/en/operate", "/en/operate/credits/" + stuck.ID, "/en/operate/accounts/" + person.UserID, "/en/operate/races/" + b.raceID, "/en/operate/mails?state=failed", "/en/operate/credits?status=rejected&reason=" + attack}},
	} {
		b.look(t, address, who.login, who.from, m, seen)
	}
	maps.DeleteFunc(m, func(_ string, shown bool) bool { return shown })
	require.Empty(t, m, "no page shows these texts: no link leads there, or they are shown nowhere")
	var missed []string
	for route := range server.Access {
		pattern, isPage := strings.CutPrefix(route, "GET ")
		if isPage && strings.HasPrefix(pattern, "/{lang}/") && !unlinked[pattern] && !seen[pattern] {
			missed = append(missed, pattern)
		}
	}
	require.Empty(t, missed, "these were not looked at: link to them, or add them to where this test begins")
}

// csv is text for a quoted cell of a file.
func (m marked) csv(name string) string { return strings.ReplaceAll(m.short(name), `"`, `""`) }

// look logs somebody in and follows the links from some pages to one page of each kind.
// It notes the texts that it sees.
func (b *testBundle) look(t *testing.T, address, login string, from []string, m marked, seen map[string]bool) {
	t.Helper()
	tab := openTab(t, chromium.View{Width: 320, Height: 640, Forced: true})
	require.NoError(t, tab.Run(
		chromedp.Navigate(address+"/en/account/login"), chromedp.SendKeys(`#field-login_id`, login), chromedp.SendKeys(`#field-password`, password+"\r"), chromedp.WaitReady(`.sections`),
	))
	var got struct {
		Found, Links []string
		Text         string
	}
	require.NoError(t, tab.Run(chromedp.Evaluate(fmt.Sprintf("document.body.insertAdjacentHTML('beforeend', %q); 0", `<input value="`+markup+`">`), nil), chromedp.Evaluate(hurt, &got)))
	require.NotEmpty(t, got.Found, "markup that was let out is found")
	tab.Complaints()
	for len(from) > 0 {
		path := from[0]
		from = from[1:]
		kind, page := b.kindOf(t, path)
		if strings.HasPrefix(path, "/en/my") {
			kind += login
		}
		if !page || seen[kind] {
			continue
		}
		pattern, _, _ := strings.Cut(kind, " ")
		seen[kind], seen[pattern] = true, true
		require.NoError(t, tab.Run(chromedp.Navigate(address+path), chromedp.WaitReady("h1"), chromedp.Evaluate(hurt, &got)), path)
		require.Empty(t, got.Found, "%s of %s", path, login)
		for _, complaint := range tab.Complaints() {
			require.Contains(t, complaint, "Failed to load resource", "%s of %s", path, login) // a page that is a 404 or 422
		}
		for name := range m {
			m[name] = m[name] || strings.Contains(got.Text, name+` '"`)
		}
		from = append(from, got.Links...)
	}
}

// kindOf returns what is the same of the addresses of a page, whatever it is about, and
// whether it is the address of a page.
func (b *testBundle) kindOf(t *testing.T, path string) (kind string, page bool) {
	t.Helper()
	u, err := url.Parse(path)
	require.NoError(t, err, path)
	routes, ok := b.router.(chi.Routes)
	require.True(t, ok)
	matched := chi.NewRouteContext()
	if !strings.HasPrefix(u.Path, "/en/") || strings.HasSuffix(u.Path, "/file") || strings.HasSuffix(u.Path, ".csv") || strings.HasSuffix(u.Path, "/export") || strings.HasSuffix(u.Path, ".atom") {
		return "", false
	}
	routes.Match(matched, http.MethodGet, u.EscapedPath())
	names := slices.Sorted(maps.Keys(u.Query()))
	return fmt.Sprintln(matched.RoutePattern(), matched.URLParam("part"), names), true
}

// TestFileOnASlowLineInABrowser sends a file by a line that is slow and then lost: how far
// it is shows, the form stays as it is, and sending it again is enough.
func TestFileOnASlowLineInABrowser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.organizerOf(t, field, nil)
	address := b.listen(t)
	tab := openTab(t, chromium.View{Width: 390, Height: 844})
	file := filepath.Join(t.TempDir(), "results.csv")
	require.NoError(t, os.WriteFile(file, []byte("Bib,Gun Time,Note\n1,2:29:00,"+strings.Repeat("slow ", 100_000)+"\n"), 0o600))
	shows := func(expression, want string) {
		t.Helper()
		var got string
		require.Eventually(t, func() bool {
			return tab.Run(chromedp.Evaluate(expression, &got)) == nil && strings.Contains(got, want)
		}, time.Minute, 50*time.Millisecond, "%s is not %q", expression, want)
	}
	line := func(lost bool, bytesPerSecond float64) chromedp.Action {
		return network.EmulateNetworkConditions(lost, 0, -1, bytesPerSecond)
	}
	const press = `document.querySelector("#upload .actions button").click()`
	require.NoError(t, tab.Run(
		chromedp.Navigate(address+"/en/account/login"), chromedp.SendKeys(`#field-login_id`, "olga"), chromedp.SendKeys(`#field-password`, password+"\r"), chromedp.WaitReady(`.sections`),
		chromedp.Navigate(address+b.office("en", "/files")), chromedp.SetUploadFiles("#field-file", []string{file}, chromedp.ByQuery),
		network.Enable(), line(false, 40_000), chromedp.Evaluate(press, nil),
	))
	shows(`document.querySelector(".sending [role=status]").textContent`, "0% sent")
	require.NoError(t, tab.Run(line(true, -1)))
	shows(`document.querySelector(".sending [role=status]").textContent`, "The connection was lost")
	shows(`document.querySelector("#upload .actions button").textContent + document.querySelector("#field-file").files.length`, "1")

	// A form that is refused says so beside its field, and takes the next file.
	require.NoError(t, tab.Run(line(false, -1), chromedp.Evaluate(`document.querySelector("#field-file").value = ""`, nil), chromedp.Evaluate(press, nil)))
	shows(`document.querySelector("#field-file-wrong")?.textContent ?? ""`, "Choose")
	require.NoError(t, tab.Run(chromedp.SetUploadFiles("#field-file", []string{file}, chromedp.ByQuery)))
	plan, err := chromedp.RunResponse(tab, chromedp.Evaluate(press, nil))
	require.NoError(t, err)
	require.EqualValues(t, http.StatusOK, plan.Status)
	shows(`document.querySelector("#rows") ? location.pathname : ""`, b.office("en", "/files/"))
}
