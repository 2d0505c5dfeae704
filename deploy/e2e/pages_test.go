package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/browser"
)

var phone = browser.View{Width: 390, Height: 844}

func startBrowser(t *testing.T) *browser.Browser {
	t.Helper()
	b, err := browser.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(b.Stop)
	return b
}

func openTab(t *testing.T, b *browser.Browser, v browser.View) *browser.Tab {
	t.Helper()
	tab, err := b.Open(v)
	require.NoError(t, err)
	t.Cleanup(tab.Close)
	return tab
}

// said evaluates an expression that is a text.
func said(t *testing.T, tab *browser.Tab, expression string) (text string) {
	t.Helper()
	require.NoError(t, tab.Run(chromedp.Evaluate(expression, &text)), expression)
	return text
}

// promised makes an evaluation wait for the promise that it returns.
func promised(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// says waits until an expression in the page contains a text.
func says(t *testing.T, tab *browser.Tab, expression, want string) {
	t.Helper()
	eventually(t, patience, func() error {
		var text string
		if err := tab.Run(chromedp.Evaluate(expression, &text)); err != nil {
			return err
		}
		if !strings.Contains(text, want) {
			return fmt.Errorf("%s is %q and not %q", expression, text, want)
		}
		return nil
	})
}

// axe returns the source of axe-core, or nothing where npm could not fetch it.
func axe(t *testing.T) string {
	t.Helper()
	root, err := stack.FindRoot()
	require.NoError(t, err)
	source, err := os.ReadFile(filepath.Join(root, ".local", "axe-core-4.14.1.js"))
	if errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "\n*** axe-core is not there: the rules of accessibility are NOT checked. Install npm, then run deploy/local/setup.sh axe ***")
		return ""
	}
	require.NoError(t, err)
	return string(source)
}

// raceOfPages is the first n rows of the sample race in the shared system, without
// accounts and without a book: these tests look at what is shown.
func raceOfPages(t *testing.T, n int) *boston {
	t.Helper()
	s := sharedSystem(t)
	b := &boston{system: s, organizer: s.signUp(t, "organizer"), rows: bostonRows(t, n), ids: map[string]string{}}
	b.raceID = b.organizer.createRace(t, marathon("Boston Marathon 2004"))
	require.Equal(t, n, b.organizer.importStartList(t, b.raceID, startList(b.rows)).Added)
	return b
}

// finish posts results and waits until they are credited and ranked.
func (b *boston) finish(t *testing.T, rows []row) {
	t.Helper()
	require.Equal(t, len(rows), b.organizer.importResults(t, b.raceID, "", results(rows)).Added)
	for _, r := range b.organizer.records(t, b.raceID) {
		b.ids[r.Bib] = r.RecordID
	}
	eventually(t, patience, func() error {
		if p := b.organizer.credits(t, b.raceID); p.Pending > 0 || p.Total < len(rows) {
			return fmt.Errorf("credits: %+v", p)
		}
		return nil
	})
	b.standingsFollow(t, b.raceID)
}

// publishedRace returns the race of all tests that only look at pages: 300 rows, with
// official standings.
func publishedRace(t *testing.T) *boston {
	t.Helper()
	bench.publish.Do(func() {
		b := raceOfPages(t, 300)
		b.finish(t, b.rows)
		b.organizer.call(t, http.MethodPost, "/v1/races/"+b.raceID+"/finalize", inJSON(t, map[string]int{"protest_window_s": 0}))
		b.becomes(t, "official")
		bench.published = b
	})
	require.NotNil(t, bench.published, "the test that made the race has failed")
	return bench.published
}

// becomes waits until the race's standings have a status.
func (b *boston) becomes(t *testing.T, status string) {
	t.Helper()
	eventually(t, patience, func() error {
		if got := b.anonymous().standings(t, b.raceID, "runner"); got.Status != status {
			return fmt.Errorf("the standings are %s", got.Status)
		}
		return nil
	})
}

// TestPagesInABrowser looks at every page in both languages, light and dark, with
// Chromium's own eyes, and in one language per view with those of axe-core.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	b := publishedRace(t)
	chromium, rules := startBrowser(t), axe(t)
	bib := b.rows[0].bib
	race := "/races/" + b.raceID
	paths := []string{
		"/races", race, race + "/standings", race + "/standings?q=1", race + "/standings?q=" + bib, race + "/standings?list=unplaced",
		race + "/results/" + bib, race + "/compare", race + "/announcer?bib=" + bib, race + "/certificate/" + bib, race + "/verify/" + bib,
		"/leaderboard", "/status", "/privacy", "/nothing",
	}
	var wrong []string // all at once, since each look takes a while
	for name, look := range map[string]struct {
		view browser.View
		axe  string // the language in which the rules are checked: they tell apart colours and widths, not words
	}{
		"light":  {phone, "en"},
		"dark":   {browser.View{Width: 1280, Height: 900, Dark: true}, "ko"},
		"narrow": {browser.View{Width: 320, Height: 640}, "en"},
		"forced": {browser.View{Width: 640, Height: 640, Forced: true}, ""}, // the colours are the reader's
	} {
		tab := openTab(t, chromium, look.view)
		note := func(path, format string, args ...any) {
			wrong = append(wrong, name+" "+path+": "+fmt.Sprintf(format, args...))
		}
		for _, lang := range []string{"en", "ko"} {
			for _, path := range paths {
				path = "/" + lang + path
				require.NoError(t, tab.Run(chromedp.Navigate(b.APIURL()+path), chromedp.WaitReady("h1")), path)
				require.Equal(t, lang, said(t, tab, "document.documentElement.lang"), path)
				checked := ""
				if lang == look.axe {
					checked = rules
				}
				for _, flaw := range flaws(t, tab, checked) {
					note(path, "%s", flaw)
				}
				for _, complaint := range tab.Complaints() {
					if !strings.HasSuffix(path, "/nothing") || !strings.Contains(complaint, "404") {
						note(path, "%s", complaint)
					}
				}
			}
		}
	}
	require.Empty(t, wrong, strings.Join(wrong, "\n"))
}

// flaws returns what is wrong with a page for its readers: content wider than the screen,
// targets that are too small, and the rules of axe-core that it breaks, if its source is
// given.
func flaws(t *testing.T, tab *browser.Tab, rules string) (found []string) {
	t.Helper()
	if wide := said(t, tab, overflowing); wide != "" {
		found = append(found, "wider than the screen: "+wide)
	}
	if small := said(t, tab, smallTargets); small != "" {
		found = append(found, "targets that are too small: "+small)
	}
	if rules == "" {
		return found
	}
	violations, err := tab.Violations(rules)
	require.NoError(t, err)
	for _, violation := range violations {
		found = append(found, violation.String())
	}
	return found
}

// overflowing names what makes a page scroll sideways. A table may, in its own frame.
const overflowing = `document.documentElement.scrollWidth <= innerWidth ? "" :
	[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .heard"))
		.map((e) => e.outerHTML.slice(0, 90)).join("\n")`

// smallTargets names what is hard to hit: links and controls below 24 pixels that are
// not in a line of text (WCAG 2.2, 2.5.8).
const smallTargets = `[...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")].filter((e) => {
		const box = (e.closest("label") ?? e).getBoundingClientRect();
		return box.width > 0 && !e.closest("p, dd, .skip, .prose") && (box.height < 23.5 || box.width < 23.5) && getComputedStyle(e).position !== "absolute";
	}).map((e) => e.outerHTML.slice(0, 120)).join("\n")`

// TestStandingsInABrowser finds somebody by the keyboard alone, and hears of a
// correction without a row moving.
func TestStandingsInABrowser(t *testing.T) {
	t.Parallel()
	b := raceOfPages(t, 300)
	b.finish(t, b.rows)
	tab := openTab(t, startBrowser(t), phone)
	address := b.APIURL() + "/en/races/" + b.raceID + "/standings"
	require.NoError(t, tab.Run(chromedp.Navigate(address), chromedp.WaitReady("table.standings")))

	// The skip link is the first stop, and the search is reached and sent by keys.
	require.NoError(t, tab.Run(chromedp.KeyEvent(kb.Tab)))
	require.Equal(t, "#main", said(t, tab, `document.activeElement.getAttribute("href")`))
	for range 40 {
		if said(t, tab, `document.activeElement.id`) == "q" {
			break
		}
		require.NoError(t, tab.Run(chromedp.KeyEvent(kb.Tab)))
	}
	require.Equal(t, "q", said(t, tab, `document.activeElement.id`))
	last := b.rows[len(b.rows)-1].bib
	require.NoError(t, tab.Run(chromedp.KeyEvent(last), chromedp.KeyEvent(kb.Enter)))
	says(t, tab, `document.querySelector("tr#found .bib")?.textContent ?? ""`, last)
	says(t, tab, `(() => { const box = document.querySelector("#found").getBoundingClientRect();
		return box.top >= 0 && box.bottom <= innerHeight ? "seen" : "at " + box.top; })()`, "seen")

	require.NoError(t, tab.Run(chromedp.Navigate(address), chromedp.WaitReady("table.standings")))
	before := said(t, tab, `document.querySelector("tbody").textContent`)
	leader := b.anonymous().standings(t, b.raceID, "runner").Items[0]
	id := b.ids[leader.Bib]
	b.organizer.correct(t, b.raceID, id, 1, map[string]any{"status": "DQ", "reason": "cut the course"})
	says(t, tab, `document.querySelector(".news span")?.textContent ?? ""`, "places have changed since you opened this.")
	require.Equal(t, before, said(t, tab, `document.querySelector("tbody").textContent`), "rows moved under the reader's eyes")
	require.NoError(t, tab.Run(chromedp.Click(".news a", chromedp.ByQuery)))
	says(t, tab, `document.querySelector(".news") ? "" : "without " + document.querySelector("tbody .bib").textContent`, "without ")
	require.NotEqual(t, leader.Bib, said(t, tab, `document.querySelector("tbody .bib").textContent`))
	require.Empty(t, tab.Complaints())
}

// TestStandingsWithoutScripts is TestStandingsInABrowser for who has none.
func TestStandingsWithoutScripts(t *testing.T) {
	t.Parallel()
	b := publishedRace(t)
	view := phone
	view.NoScript = true
	tab := openTab(t, startBrowser(t), view)
	var found string
	require.NoError(t, tab.Run(chromedp.Navigate(b.APIURL()+"/ko/races/"+b.raceID+"/standings"), chromedp.WaitReady("#q"),
		chromedp.SendKeys("#q", b.rows[3].bib+kb.Enter, chromedp.ByQuery), chromedp.WaitReady("tr#found"),
		chromedp.TextContent("tr#found .bib", &found, chromedp.ByQuery)))
	require.Equal(t, b.rows[3].bib, found)
}

// TestAnnouncer sees a finisher come in, loses the line, goes on with what is known,
// and finds back.
func TestAnnouncer(t *testing.T) {
	t.Parallel()
	b := raceOfPages(t, 60)
	first, late := b.rows[:len(b.rows)-1], b.rows[len(b.rows)-1]
	b.finish(t, first)
	tab := openTab(t, startBrowser(t), browser.View{Width: 1280, Height: 900})
	require.NoError(t, tab.Run(chromedp.Navigate(b.APIURL()+"/en/races/"+b.raceID+"/announcer"), chromedp.WaitReady("#feed")))
	says(t, tab, `document.querySelector("#connection").textContent`, "Live")
	says(t, tab, `document.activeElement.id`, "bib") // the box waits for one

	b.organizer.postRecord(t, b.raceID, map[string]any{"bib": late.bib, "gun_time": late.gun})
	says(t, tab, `document.querySelector("#feed li .bib")?.textContent ?? ""`, late.bib)
	require.NoError(t, tab.Run(chromedp.KeyEvent(first[0].bib), chromedp.KeyEvent(kb.Enter)))
	says(t, tab, `document.querySelector("#person .bib")?.textContent ?? ""`, first[0].bib)
	require.Empty(t, tab.Complaints())

	offline := func(lost bool) {
		require.NoError(t, tab.Run(network.Enable(), network.EmulateNetworkConditions(lost, 0, -1, -1)))
	}
	offline(true)
	says(t, tab, `document.querySelector("#connection").textContent`, "Connection lost at")
	require.NoError(t, tab.Run(chromedp.SetValue("#bib", late.bib, chromedp.ByQuery), chromedp.SendKeys("#bib", kb.Enter, chromedp.ByQuery)))
	says(t, tab, `document.querySelector("#person .bib")?.textContent ?? ""`, late.bib)
	require.NoError(t, tab.Run(chromedp.SetValue("#bib", "99999", chromedp.ByQuery), chromedp.SendKeys("#bib", kb.Enter, chromedp.ByQuery)))
	says(t, tab, `document.querySelector("#person").textContent`, "Not among the")
	offline(false)
	says(t, tab, `document.querySelector("#connection").textContent`, "Live")
}

// TestFirstViewOnAPhone measures what the first view of standings costs.
func TestFirstViewOnAPhone(t *testing.T) {
	t.Parallel()
	b := publishedRace(t)
	tab := openTab(t, startBrowser(t), phone)
	type loaded struct {
		Name  string  `json:"name"`
		Bytes float64 `json:"bytes"`
	}
	var list []loaded
	require.NoError(t, tab.Run(chromedp.Navigate(b.APIURL()+"/ko/races/"+b.raceID+"/standings"), chromedp.WaitReady("table.standings"),
		chromedp.Poll(`document.readyState === "complete"`, nil, chromedp.WithPollingTimeout(patience)),
		chromedp.Evaluate(`[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].map((e) => ({name: e.name, bytes: e.transferSize}))`, &list)))
	total := 0.0
	for _, l := range list {
		total += l.Bytes
		require.True(t, strings.HasPrefix(l.Name, b.APIURL()), "%s is a third party's", l.Name)
	}
	t.Logf("%d requests, %.0f bytes: %v", len(list), total, list)
	require.LessOrEqual(t, len(list), 6)
	require.Less(t, total, 50.*1024)
}

// TestCertificatePrintsOnOnePage of A4 and of Letter paper, and standings with their
// header on each of theirs.
func TestCertificatePrintsOnOnePage(t *testing.T) {
	t.Parallel()
	b := publishedRace(t)
	tab := openTab(t, startBrowser(t), phone)
	race := b.APIURL() + "/ko/races/" + b.raceID
	sheets := regexp.MustCompile(`/Type\s*/Page[^s]`)
	for paper, size := range map[string][2]float64{"A4": {8.27, 11.69}, "Letter": {8.5, 11}} {
		printed := func(address string) (n int) {
			require.NoError(t, tab.Run(chromedp.Navigate(address), chromedp.WaitReady("h1"), chromedp.ActionFunc(func(ctx context.Context) error {
				pdf, _, err := page.PrintToPDF().WithPaperWidth(size[0]).WithPaperHeight(size[1]).WithPreferCSSPageSize(false).Do(ctx)
				n = len(sheets.FindAll(pdf, -1))
				return err
			})), address)
			return n
		}
		require.Equal(t, 1, printed(race+"/certificate/"+b.rows[0].bib), paper)
		require.Greater(t, printed(race+"/standings"), 1, paper)
	}
	require.NoError(t, tab.Run(emulation.SetEmulatedMedia().WithMedia("print")))
	require.Equal(t, "table-header-group", said(t, tab, `getComputedStyle(document.querySelector("table.standings thead")).display`))
}
