package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/browser"
)

// visitor is a person at a tab. When a step fails, the test shows the page.
type visitor struct {
	*browser.Tab
	base string
}

func (b *boston) visitor(t *testing.T, chromium *browser.Browser, view browser.View) visitor {
	t.Helper()
	tab := openTab(t, chromium, view)
	require.NoError(t, tab.Run(emulation.SetFocusEmulationEnabled(true))) // a tab in the background keeps its focus
	return visitor{tab, b.APIURL()}
}

// loads does something that leads to another page, waits for it, and checks its status.
func (v visitor) loads(t *testing.T, status int, actions ...chromedp.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(v, patience)
	defer cancel()
	got, err := chromedp.RunResponse(ctx, actions...)
	if err == nil && got == nil {
		err = errors.New("no page was loaded")
	}
	if err == nil && got.Status != int64(status) {
		err = fmt.Errorf("the page is a %d instead of %d", got.Status, status)
	}
	v.check(t, err)
}

// check fails the test unless err is nil, and leaves the page and a picture of it behind.
func (v visitor) check(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	ctx, cancel := context.WithTimeout(v, patience)
	defer cancel()
	var address, text, html string
	var picture []byte
	lost := chromedp.Run(ctx, chromedp.Location(&address), chromedp.Evaluate(`document.querySelector("main, body").innerText`, &text),
		chromedp.Evaluate(`document.documentElement.outerHTML`, &html), chromedp.CaptureScreenshot(&picture))
	name := filepath.Join(bench.dir, t.Name())
	lost = errors.Join(lost, os.WriteFile(name+".html", []byte(html), 0o600), os.WriteFile(name+".png", picture, 0o600))
	require.NoError(t, err, "at %s (see %s.png and .html, %v), which says:\n%s", address, name, lost, text)
}

func (v visitor) opens(t *testing.T, path string) {
	t.Helper()
	v.loads(t, http.StatusOK, chromedp.Navigate(v.base+path))
}

// is checks an expression that is a text.
func (v visitor) is(t *testing.T, want, expression string) {
	t.Helper()
	var got string
	err := v.Run(chromedp.Evaluate(expression, &got))
	if err == nil && got != want {
		err = fmt.Errorf("%s is %q instead of %q", expression, got, want)
	}
	v.check(t, err)
}

// has checks that the page has an element.
func (v visitor) has(t *testing.T, selector string) {
	t.Helper()
	v.is(t, "there", fmt.Sprintf(`document.querySelector(%q) ? "there" : "missing"`, selector))
}

// presses activates a link or button, which leads to a page.
func (v visitor) presses(t *testing.T, status int, selector string) {
	t.Helper()
	v.has(t, selector)
	v.loads(t, status, chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).click()`, selector), nil))
}

// fills sets fields of the page, given as names and values.
func (v visitor) fills(t *testing.T, fields ...string) {
	t.Helper()
	for i := 0; i < len(fields); i += 2 {
		id := "#field-" + fields[i]
		v.has(t, id)
		v.check(t, v.Run(chromedp.Evaluate(fmt.Sprintf(`document.querySelector(%q).value = %q; 0`, id, fields[i+1]), nil)))
	}
}

// sends fills in the form of the page and sends it.
func (v visitor) sends(t *testing.T, status int, fields ...string) {
	t.Helper()
	v.fills(t, fields...)
	v.presses(t, status, "main form button")
}

// counts returns how many elements of the page match.
func (v visitor) counts(t *testing.T, selector string) (n int) {
	t.Helper()
	v.check(t, v.Run(chromedp.Evaluate(fmt.Sprintf(`document.querySelectorAll(%q).length`, selector), &n)))
	return n
}

const rowsOfPage = `String(document.querySelectorAll("main tbody tr").length)`

// TestRunnerInABrowser takes a runner without JavaScript from a result page to a
// certificate in the runner's own name. Then the session ends while a form is filled in,
// a form is sent twice, and the back button leads to a form that was sent.
func TestRunnerInABrowser(t *testing.T) {
	t.Parallel()
	b := raceOfPages(t, 60)
	b.finish(t, b.rows)
	b.organizer.call(t, http.MethodPost, "/v1/races/"+b.raceID+"/finalize", inJSON(t, map[string]int{"protest_window_s": 0}))
	b.becomes(t, "official")
	bib, name := b.rows[0].bib, "Uta <b>Pippig</b>"
	code := b.organizer.codes(t, b.raceID)[bib]
	login, password := "runner-"+uuid.NewString()+loginEnd, "words of "+uuid.NewString()
	chromium := startBrowser(t)
	runner := b.visitor(t, chromium, browser.View{Width: 390, Height: 844, NoScript: true})

	// The result page leads to the claim, the claim to the login, the login to signing up.
	runner.opens(t, "/en/races/"+b.raceID+"/results/"+bib)
	runner.presses(t, http.StatusOK, `a[href*="/my/claims/new"]`)
	runner.has(t, "#field-login_id")
	runner.presses(t, http.StatusOK, `a[href*="/account/signup"]`)
	runner.sends(t, http.StatusUnprocessableEntity, "name", name, "login_id", login, "password", "password", "birth_date", "1965-09-07")
	runner.has(t, "#field-password-wrong")
	runner.is(t, name+" "+login+" 1965-09-07", `["name", "login_id", "birth_date"].map((name) => document.querySelector("#field-" + name).value).join(" ")`)
	runner.sends(t, http.StatusOK, "password", password)
	runner.is(t, bib, `document.querySelector("#field-bib").value`)
	runner.sends(t, http.StatusOK, "code", code)
	runner.has(t, ".said")
	eventually(t, patience, func() error {
		runner.opens(t, "/en/my/results")
		if said(t, runner.Tab, rowsOfPage) != "1" {
			return errors.New("the claimed result is not among the runner's own")
		}
		return nil
	})
	runner.presses(t, http.StatusOK, "tbody th a")
	runner.presses(t, http.StatusOK, `a[href*="/certificate/"]`)
	eventually(t, patience, func() error {
		runner.loads(t, http.StatusOK, chromedp.Reload())
		if got := said(t, runner.Tab, `document.querySelector(".sheet h1").textContent.trim()`); got != name {
			return fmt.Errorf("the certificate is for %q", got)
		}
		return nil
	})

	// Logging out in one tab ends the session under a form in another.
	second := b.visitor(t, chromium, phone)
	second.opens(t, "/ko/my/records/new")
	second.fills(t, "date", "2026-05-09", "distance_m", "5", "time", "21:40", "note", "바람 <i>")
	runner.opens(t, "/en/my")
	runner.presses(t, http.StatusOK, ".sections form button")
	second.presses(t, http.StatusUnauthorized, "main form button")
	second.Complaints() // of the 401
	second.sends(t, http.StatusUnprocessableEntity, "login_id", login, "password", "not "+password)
	second.Complaints() // of the 422
	second.sends(t, http.StatusOK, "login_id", login, "password", password)
	second.presses(t, http.StatusOK, `form[action="/ko/my/records/new"] button`)
	second.is(t, "1", rowsOfPage)
	require.Contains(t, said(t, second.Tab, `document.querySelector("tbody").textContent`), "21:40")

	// A double click sends a form twice at once.
	second.opens(t, "/ko/my/records/new")
	second.fills(t, "date", "2026-05-16", "distance_m", "10", "time", "45:00")
	var ends []string
	second.check(t, second.Run(chromedp.Evaluate(`(() => {
		const form = document.querySelector("main form");
		const send = () => fetch(form.action, {method: "POST", body: new URLSearchParams(new FormData(form))}).then((answer) => answer.status + " " + new URL(answer.url).pathname);
		return Promise.all([send(), send(), send()]);
	})()`, &ends, promised)))
	require.Contains(t, ends, "200 /ko/my/records", ends)
	second.opens(t, "/ko/my/records")
	second.is(t, "2", rowsOfPage)

	// The back button leads to the form; what it sends again changes nothing.
	second.opens(t, "/ko/my/records/new")
	second.sends(t, http.StatusOK, "date", "2026-05-23", "distance_m", "10", "time", "44:00")
	second.is(t, "3", rowsOfPage)
	second.check(t, second.Run(chromedp.Evaluate(`history.back()`, nil)))
	says(t, second.Tab, `location.pathname + " " + document.readyState`, "/ko/my/records/new complete")
	second.sends(t, http.StatusOK, "date", "2026-05-23", "distance_m", "10", "time", "44:00")
	second.is(t, "3", rowsOfPage)

	second.lookAt(t, chromium, "/my", "/my/results", "/my/records", "/my/records/new", "/my/claims/new?race_id="+b.raceID, "/my/settings", "/my/notices",
		"/my/results/"+b.raceID+"/"+b.ids[bib]+"/dispute")
}

// TestOrganizerInABrowser logs in by the keyboard alone, applies a file of results that is
// then dropped twice, and corrects a result from two tabs at once.
func TestOrganizerInABrowser(t *testing.T) {
	t.Parallel()
	b := raceOfPages(t, 60)
	chromium := startBrowser(t)
	first := b.visitor(t, chromium, browser.View{Width: 1280, Height: 900})
	first.opens(t, "/en/account/login")
	first.tabsTo(t, "#field-login_id")
	first.check(t, first.Run(chromedp.KeyEvent(b.organizer.login), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(b.organizer.password)))
	first.tabsTo(t, "main form button")
	first.loads(t, http.StatusOK, chromedp.KeyEvent(kb.Enter))

	// A file is planned, applied, and then dropped twice.
	race := "/organize/races/" + b.raceID
	file := filepath.Join(t.TempDir(), "results.csv")
	require.NoError(t, os.WriteFile(file, results(b.rows).body, 0o600))
	first.opens(t, "/en"+race+"/files")
	first.check(t, first.Run(chromedp.SetUploadFiles("#field-file", []string{file}, chromedp.ByQuery)))
	first.presses(t, http.StatusOK, "#upload .actions button")
	first.presses(t, http.StatusOK, "#apply button")
	says(t, first.Tab, `"current" in (document.querySelector("[data-progress]")?.dataset ?? {}) ? "done" : "running"`, "done")
	first.opens(t, "/en"+race+"/files")
	const files = ".imports li"
	before := first.counts(t, files)
	first.check(t, first.Run(chromedp.Evaluate(fmt.Sprintf(`(() => {
		const dataTransfer = new DataTransfer();
		dataTransfer.items.add(new File([%q], "results.csv", {type: "text/csv"}));
		const drop = () => document.querySelector(".drop").dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
		drop();
		setTimeout(drop);
	})()`, results(b.rows).body), nil)))
	says(t, first.Tab, `document.readyState === "complete" && document.querySelector("#rows") ? location.pathname : ""`, race+"/files/")
	first.is(t, "true false", `document.querySelector("main").innerText.includes("The same file has been applied") + " " + Boolean(document.querySelector("#apply"))`)
	plan := strings.TrimPrefix(said(t, first.Tab, `location.pathname`), "/en")
	first.opens(t, "/en"+race+"/files")
	require.Equal(t, before+1, first.counts(t, files), "a file that was dropped twice")

	// Two tabs hold the same result. What the later one sends is refused, and kept.
	for _, r := range b.organizer.records(t, b.raceID) {
		b.ids[r.Bib] = r.RecordID
	}
	record := race + "/records/" + b.ids[b.rows[1].bib]
	second := b.visitor(t, chromium, browser.View{Width: 1280, Height: 900})
	first.opens(t, "/en"+record)
	second.opens(t, "/en"+record)
	first.sends(t, http.StatusOK, "reason", "photo of the finish", "gun_time", "2:20:00", "net_time", "2:19:59")
	first.presses(t, http.StatusOK, "button[value=save]")
	first.has(t, ".said")
	second.sends(t, http.StatusPreconditionFailed, "reason", "cut the course", "status", "DQ")
	second.is(t, "cut the course DQ", `document.querySelector("#field-reason").value + " " + document.querySelector("#field-status").value`)
	second.Complaints() // of the 412
	second.presses(t, http.StatusOK, "main form button")
	second.presses(t, http.StatusOK, "button[value=save]")
	got := b.organizer.record(t, b.raceID, b.ids[b.rows[1].bib])
	require.Equal(t, 3, got.Revision)

	// A task is done by the keyboard.
	first.opens(t, "/en"+race+"/tasks/new")
	first.sends(t, http.StatusOK, "title", "Order the medals", "deadline", "2026-04-01", "deadline_time", "18:00")
	task := strings.TrimPrefix(said(t, first.Tab, `document.querySelector(".lane.open h3 a").pathname`), "/en")
	first.tabsTo(t, ".lane button[value=done]")
	first.loads(t, http.StatusOK, chromedp.KeyEvent(kb.Enter))
	first.is(t, "Order the medals", `document.querySelector(".lane.done h3").textContent`)

	first.lookAt(t, chromium, "/organize", race, race+"/tasks", task, race+"/calendar", race+"/files", plan, race+"/records", record, race+"/records/new", race+"/settings/ranking",
		race+"/settings/awards", race+"/settings/course", race+"/settings/entry", race+"/publish", "/organize/series", "/organize/series/new")
}

// TestRaceFromSignUpToCorrection takes an organizer from signing up to a race that is
// published and then corrected, all of it by pages, until everyone sees the correction.
func TestRaceFromSignUpToCorrection(t *testing.T) {
	t.Parallel()
	b := &boston{system: sharedSystem(t), rows: bostonRows(t, 30)}
	v := b.visitor(t, startBrowser(t), browser.View{Width: 1280, Height: 900})
	login := "organizer-" + uuid.NewString() + loginEnd
	v.opens(t, "/en/account/signup")
	v.check(t, v.Run(chromedp.Evaluate(`document.querySelector("input[name=user_type][value=organizer]").click()`, nil)))
	v.sends(t, http.StatusOK, "name", "River Runners", "login_id", login, "password", "words of "+login)
	v.opens(t, "/en/organize")
	v.presses(t, http.StatusOK, `main a[href$="/organize/races/new"]`)
	v.sends(t, http.StatusOK, "name", "Race along the <i>river</i>", "date", "2004-04-19", "distance_m", "42195", "city", "Boston", "country", "US")
	v.has(t, ".said")
	race := strings.TrimPrefix(said(t, v.Tab, `location.pathname`), "/en")
	b.raceID = race[strings.LastIndex(race, "/")+1:]

	// A file is looked at before it is applied: nobody has anything of it until then.
	plans := func(name string, file payload) {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, file.body, 0o600))
		v.opens(t, "/en"+race+"/files")
		v.check(t, v.Run(chromedp.SetUploadFiles("#field-file", []string{path}, chromedp.ByQuery)))
		v.presses(t, http.StatusOK, "#upload .actions button")
	}
	plans("start list.csv", startList(b.rows))
	v.is(t, "30", `document.querySelector(".counts b").textContent`)
	v.presses(t, http.StatusOK, "#apply button")
	slip := results(b.rows)
	slip.body = []byte(strings.Replace(string(slip.body), b.rows[4].gun, "two hours", 1))
	plans("results.csv", slip)
	v.is(t, "1", `String(document.querySelectorAll(".errors li").length)`)
	v.presses(t, http.StatusOK, ".trouble a")
	v.is(t, b.rows[4].bib, `[...document.querySelectorAll(".rows tbody td, .rows tbody th")].map((cell) => cell.textContent.trim()).find((text) => text === "`+b.rows[4].bib+`") ?? "missing"`)
	plans("results (2).csv", results(b.rows))
	v.is(t, "30 0", `document.querySelector(".counts b").textContent + " " + document.querySelectorAll(".trouble").length`)
	v.presses(t, http.StatusOK, "#apply button")
	says(t, v.Tab, `"current" in (document.querySelector("[data-progress]")?.dataset ?? {}) ? "done" : "running"`, "done")

	v.opens(t, "/en"+race+"/publish")
	v.sends(t, http.StatusOK, "protest_window_s", "0")
	page := "/en/races/" + b.raceID
	eventually(t, patience, func() error {
		v.opens(t, page)
		if v.counts(t, ".badge.official") == 0 {
			return errors.New("the race is not official")
		}
		return nil
	})
	podium := func() (bibs []string) {
		v.opens(t, page+"/standings?sex=M")
		v.check(t, v.Run(chromedp.Evaluate(`[...document.querySelectorAll("table.standings tbody .bib")].slice(0, 3).map((bib) => bib.textContent.trim())`, &bibs)))
		return bibs
	}
	before := podium()
	require.Len(t, before, 3)

	// The winner is disqualified, with what that leads to seen before it is saved.
	const reason = "cut the course at 30 km"
	v.opens(t, "/en"+race+"/records?q="+before[0])
	v.presses(t, http.StatusOK, ".rows tbody a")
	v.presses(t, http.StatusOK, `a[href*="status=DQ"]`)
	v.sends(t, http.StatusOK, "reason", reason)
	v.has(t, "#preview .podiums")
	v.presses(t, http.StatusOK, "button[value=save]")
	v.has(t, ".said")
	eventually(t, patience, func() error {
		if after := podium(); after[0] != before[1] || after[1] != before[2] {
			return fmt.Errorf("the podium was %v and is %v", before, after)
		}
		return nil
	})
	for _, path := range []string{"/results/" + before[0], "/compare"} {
		v.opens(t, page+path)
		v.is(t, "said", `[...document.querySelectorAll("main q")].some((q) => q.textContent.includes("`+reason+`")) ? "said" : "not said"`)
	}
	require.Empty(t, v.Complaints())
}

// TestOperatorInABrowser brings back a credit that the ledger has lost, and sees that one
// that was rejected is healed by the organizer.
func TestOperatorInABrowser(t *testing.T) {
	t.Parallel()
	b := raceOfPages(t, 20)
	on, late := b.rows[:len(b.rows)-1], b.rows[len(b.rows)-1]
	b.finish(t, on)
	rejected := b.organizer.postRecord(t, b.raceID, map[string]any{"bib": "99123", "gun_time": late.gun}).RecordID
	chromium := startBrowser(t)
	operator := b.visitor(t, chromium, phone)
	login, password := b.Operator()
	operator.opens(t, "/en/account/login")
	operator.sends(t, http.StatusOK, "login_id", login, "password", password)

	// What the API says of the same records is what the test waits for.
	api := operated{boston: b, operator: b.operator(t)}
	lost := b.ids[on[0].bib]
	api.lose(t, lost)
	operator.opens(t, "/en/operate/credits?status=stuck&minutes=0&race_id="+b.raceID)
	operator.presses(t, http.StatusOK, `a[href*="/operate/credits/`+lost+`"]`)
	operator.presses(t, http.StatusOK, `a[href$="/retry"]`)
	operator.sends(t, http.StatusOK, "reason", "restored from a backup")
	operator.has(t, ".said")
	api.until(t, lost, "settled")

	eventually(t, patience, func() error {
		operator.opens(t, "/en/operate/credits?status=rejected&race_id="+b.raceID)
		if n := operator.counts(t, `a[href*="/operate/credits/`+rejected+`"]`); n != 1 {
			return fmt.Errorf("the rejected credit is listed %d times", n)
		}
		return nil
	})
	b.organizer.correct(t, b.raceID, rejected, 1, map[string]any{"bib": late.bib, "reason": "the bib was misread"})
	eventually(t, patience, func() error {
		operator.opens(t, "/en/operate/credits?status=rejected&race_id="+b.raceID)
		if n := operator.counts(t, `a[href*="/operate/credits/`+rejected+`"]`); n != 0 {
			return fmt.Errorf("the healed credit is listed %d times", n)
		}
		return nil
	})
	operator.lookAt(t, chromium, "/operate", "/operate/credits?race_id="+b.raceID, "/operate/credits/"+b.ids[b.rows[0].bib], "/operate/dead-letters",
		"/operate/audits", "/operate/changes", "/operate/actions", "/operate/accounts", "/operate/races/"+b.raceID)
}

// tabsTo presses the Tab key until an element has the focus.
func (v visitor) tabsTo(t *testing.T, selector string) {
	t.Helper()
	for range 40 {
		v.check(t, v.Run(chromedp.KeyEvent(kb.Tab)))
		if said(t, v.Tab, fmt.Sprintf(`String(document.activeElement?.matches(%q))`, selector)) == "true" {
			return
		}
	}
	v.check(t, fmt.Errorf("%s is not reached by the Tab key", selector))
}

// lookAt looks at pages of somebody who has logged in: on a phone, and in the dark on a
// wide screen at 200 % zoom, where it also walks through them by the Tab key.
func (v visitor) lookAt(t *testing.T, chromium *browser.Browser, paths ...string) {
	t.Helper()
	rules := axe(t)
	var wrong []string
	for lang, view := range map[string]browser.View{"en": phone, "ko": {Width: 640, Height: 450, Dark: true}} {
		tab := visitor{openTab(t, chromium, view), v.base}
		require.NoError(t, tab.Run(emulation.SetFocusEmulationEnabled(true)))
		for _, path := range paths {
			own := !strings.HasPrefix(path, "/races/")
			path = "/" + lang + path
			tab.opens(t, path)
			if own {
				tab.has(t, "nav.sections") // not a login page
			}
			tab.check(t, tab.Run(chromedp.Evaluate(`document.querySelectorAll("main details").forEach((part) => { part.open = true; })`, nil)))
			found := flaws(t, tab.Tab, rules)
			if view.Dark {
				found = append(found, tab.walk(t)...)
			}
			for _, one := range append(found, tab.Complaints()...) {
				wrong = append(wrong, path+": "+one)
			}
		}
	}
	require.Empty(t, wrong, strings.Join(wrong, "\n"))
}

// walk presses the Tab key until every element that it should stop at has had the focus,
// and returns what it misses, and where the focus cannot be seen. How often the key stops
// within a field of a date or the frame of a mail is the browser's business.
func (v visitor) walk(t *testing.T) (wrong []string) {
	t.Helper()
	var stops int
	v.check(t, v.Run(chromedp.Evaluate(watchFocus, &stops)))
	for pressed := 0; stops > 0 && pressed < 1000; {
		actions := make([]chromedp.Action, stops)
		for i := range actions {
			actions[i] = chromedp.KeyEvent(kb.Tab)
		}
		v.check(t, v.Run(actions...))
		pressed += stops
		v.check(t, v.Run(chromedp.Evaluate(`missed().length`, &stops)))
	}
	require.NoError(t, json.Unmarshal([]byte(said(t, v.Tab, `JSON.stringify(walked())`)), &wrong))
	return wrong
}

// watchFocus notes which elements get the focus, and counts those that should. Of radio
// buttons with the same name the Tab key stops at one.
const watchFocus = `(() => {
	const name = (e) => e.outerHTML.slice(0, 120);
	const radios = new Set();
	const due = [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")].filter((e) => {
		if (e.disabled || e.type === "hidden" || !e.checkVisibility({visibilityProperty: true})) return false;
		if (e.type !== "radio") return true;
		const group = e.form.action + e.name;
		if (radios.has(group)) return false;
		return radios.add(group);
	});
	const reached = [], unseen = [];
	addEventListener("focusin", ({target}) => {
		reached.push(target);
		const box = target.getBoundingClientRect(), style = getComputedStyle(target);
		if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 1 || box.width === 0) unseen.push(target);
	});
	window.missed = () => due.filter((e) => !reached.some((r) => r === e || e.type === "radio" && r.name === e.name));
	window.walked = () => {
		const order = reached.filter((e) => due.includes(e)).map((e) => due.indexOf(e));
		const jumps = order.filter((at, i) => i > 0 && at < order[i - 1] && at > 0);
		return [...missed().map((e) => "the Tab key does not reach " + name(e)), ...unseen.map((e) => "the focus cannot be seen on " + name(e)),
			...jumps.map((at) => "the Tab key jumps back to " + name(due[at]))];
	};
	return due.length;
})()`
