// Command screenshots takes a picture of every page of a running stack, at the
// widths of a phone and a desktop, light and dark, in every language, and of every
// mail: `make screenshots` writes them to .local/screenshots, to be looked at. With
// -mails it takes the mails alone, which need no stack.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/internal/browser"
)

var views = map[string]browser.View{
	"phone-light":   {Width: 390, Height: 844},
	"phone-dark":    {Width: 390, Height: 844, Dark: true},
	"narrow-light":  {Width: 320, Height: 640},
	"desktop-light": {Width: 1280, Height: 900},
	"desktop-dark":  {Width: 1280, Height: 900, Dark: true},
}

var languages = []string{"en", "ko"}

// unfolded ends the names of pages whose details are open.
const unfolded = "-unfolded"

// tallest is how much of a page is in its picture, in pixels.
const tallest = 2200

func main() {
	api := flag.String("api", "http://127.0.0.1:8080", "where the pages are")
	folder := flag.String("o", ".local/screenshots", "the folder for the pictures")
	only := flag.String("only", "", "only pictures whose name matches this regular expression, such as '^operate.*-ko-phone'")
	mailsAlone := flag.Bool("mails", false, "only pictures of mails")
	seen := flag.String("view", "", "only at the widths whose name contains this, such as phone-light")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, strings.TrimSuffix(*api, "/"), *folder, *only, *seen, *mailsAlone); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to do
	}
}

// reader is a kind of people, and what of the pages they see.
type reader struct {
	become func(tab *browser.Tab, api string) error
	find   func(tab *browser.Tab, api, lang string) (map[string]string, error)
}

func run(ctx context.Context, api, folder, only, seen string, mailsAlone bool) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	b, err := browser.Start(ctx)
	if err != nil {
		return err
	}
	defer b.Stop()
	taken := 0
	for name, view := range mailViews {
		if strings.Contains(name, seen) {
			some, err := takeMails(b, folder, wanted, name, view)
			if err != nil {
				return err
			}
			taken += some
		}
	}
	if mailsAlone {
		fmt.Printf("%d pictures are in %s\n", taken, folder)
		return nil
	}
	staged, err := setStage(ctx, api)
	if err != nil {
		return fmt.Errorf("set the stage: %w", err)
	}
	for name, view := range views {
		if !strings.Contains(name, seen) {
			continue
		}
		for _, who := range []reader{{staged.becomeRunner, staged.find}, {logIn, staged.findOffice}, {logInOperator, staged.findOperator}} {
			some, err := staged.takeAs(b, api, folder, wanted, name, view, who)
			if err != nil {
				return err
			}
			taken += some
		}
	}
	fmt.Printf("%d pictures are in %s\n", taken, folder)
	return nil
}

// takeAs takes pictures of what one kind of people sees.
func (st *stage) takeAs(b *browser.Browser, api, folder string, wanted *regexp.Regexp, name string, view browser.View, who reader) (taken int, err error) {
	tab, err := b.Open(view)
	if err != nil {
		return 0, err
	}
	defer tab.Close()
	if err := tab.Run(network.ClearBrowserCookies()); err != nil { // tabs share them
		return 0, err
	}
	if err := who.become(tab, api); err != nil {
		return 0, fmt.Errorf("come in: %w", err)
	}
	for _, lang := range languages {
		pages, err := who.find(tab, api, lang)
		if err != nil {
			return taken, err
		}
		for page, address := range pages {
			file := page + "-" + lang + "-" + name + ".png"
			if !wanted.MatchString(file) {
				continue
			}
			if err := st.take(tab, page, address, filepath.Join(folder, file), view); err != nil {
				return taken, fmt.Errorf("%s: %w", address, err)
			}
			taken++
		}
	}
	return taken, nil
}

// becomeRunner signs a runner up, by the forms that people use, adds some records, and
// asks for places in races.
func (st *stage) becomeRunner(tab *browser.Tab, api string) error {
	login := "screenshots-" + uuid.NewString()
	runner := &apiclient.Client{Base: api, Login: login + "@example.org", Password: "six stars to go " + login, Patience: time.Minute}
	if err := send(tab, api+"/en/account/signup", map[string]string{
		"login_id": runner.Login, "password": runner.Password, "name": "Uta Pippig", "birth_date": "1965-09-07", "sex": "F",
	}); err != nil {
		return err
	}
	for _, record := range [][]string{
		{"2025-09-13", "5", "24:31", "Parkrun"},
		{"2025-11-08", "5", "23:58", "Parkrun"},
		{"2026-01-17", "5", "24:12.4", ""},
		{"2026-03-07", "5", "22:49", "Track"},
		{"2026-04-04", "21.0975", "1:52:40", "Alone along the river, with a head wind on the way back"},
		{"2026-05-09", "5", "21:40.5", "Parkrun"},
	} {
		if err := send(tab, api+"/en/my/records/new", map[string]string{"date": record[0], "distance_m": record[1], "time": record[2], "title": record[3]}); err != nil {
			return err
		}
	}
	for _, race := range []string{st.open, st.full, st.free, st.drawn, st.marathon} {
		if err := send(tab, api+"/en/my/races/"+race, nil); err != nil {
			return err
		}
	}
	if err := send(tab, api+"/en/my/claims/new?race_id="+st.small+"&bib=2", map[string]string{"code": st.claim}); err != nil {
		return err
	}
	if err := send(tab, api+"/en"+st.transfer(), nil); err != nil {
		return err
	}
	if err := st.deferPlace(tab, runner); err != nil {
		return err
	}
	return st.leave(tab) // so that the place of one race is offered
}

// send fills in the form of a page and sends it.
func send(tab *browser.Tab, address string, fields map[string]string) error {
	actions := []chromedp.Action{chromedp.Navigate(address), chromedp.WaitReady("main form")}
	for name, value := range fields {
		actions = append(actions, chromedp.Evaluate(fmt.Sprintf(`document.querySelector("#field-%s").value = %q`, name, value), nil))
	}
	return tab.Run(append(actions, chromedp.Click("main form button"), chromedp.WaitReady(".said"))...)
}

// find follows links to one page of each kind.
func (st *stage) find(tab *browser.Tab, api, lang string) (map[string]string, error) {
	var race string
	races := api + "/" + lang + "/races"
	if err := tab.Run(chromedp.Navigate(races), chromedp.Evaluate(`[...document.querySelectorAll(".cards a")].find((card) => card.querySelector(".official"))?.href ?? ""`, &race)); err != nil {
		return nil, err
	}
	if race == "" {
		return nil, errors.New("there is no race: `make run` loads one")
	}
	standings := race + "/standings"
	var result string
	if err := tab.Run(chromedp.Navigate(standings+"?page=3"), chromedp.Evaluate(`document.querySelector("tbody th a")?.href ?? ""`, &result)); err != nil {
		return nil, err
	}
	bib := result[strings.LastIndex(result, "/")+1:]
	pages := map[string]string{
		"races": races, "races-none": races + "?q=" + url.QueryEscape("no such race"), "race": race, "standings": standings,
		"standings-found": standings + "?q=" + bib, "standings-hits": standings + "?q=22", "standings-division": standings + "?division=F40-49",
		"standings-nobody": standings + "?q=nobody+at+all",
		"result":           result, "compare": race + "/compare", "announcer": race + "/announcer?bib=" + bib, "certificate": race + "/certificate/" + bib,
		"verify": race + "/verify/" + bib, "leaderboard": api + "/" + lang + "/leaderboard", "status": api + "/" + lang + "/status",
		"privacy": api + "/" + lang + "/privacy", "error-404": api + "/" + lang + "/nothing", "error-422": standings + "?page=0",
	}
	for _, path := range []string{"", "/results", "/points", "/races", "/claims", "/records", "/records/new", "/settings", "/email", "/password", "/sessions", "/passkeys", "/changes", "/leave"} {
		pages["my"+strings.ReplaceAll(path, "/", "-")] = api + "/" + lang + "/my" + path
	}
	pages["claim"] = api + "/" + lang + "/my/claims/new?race_id=" + race[strings.LastIndex(race, "/")+1:] + "&bib=" + bib
	for _, path := range []string{"signup", "recover", "link"} {
		pages["account-"+path] = api + "/" + lang + "/account/" + path
	}
	base := api + "/" + lang
	pages["series"], pages["series-one"], pages["series-runner"] = base+"/series", base+"/series/"+st.series, base+"/series/"+st.series+"/runners/"+st.runner
	small := base + "/races/" + st.small
	pages["teams"], pages["awards"], pages["awards-none"], pages["result-splits"] = small+"/teams", small+"/awards", race+"/awards", small+"/results/1"
	pages["race-open"], pages["race-full"], pages["race-small"] = base+"/races/"+st.open, base+"/races/"+st.full, small
	pages["my-race-entered"], pages["my-race-waiting"], pages["my-race-offered"] = base+"/my/races/"+st.open, base+"/my/races/"+st.full, base+"/my/races/"+st.free
	pages["my-race-deferred"] = base + "/my/races/" + st.deferred
	pages["my-race-transfer"], pages["my-race-receive"] = base+st.transfer(), base+"/my/races/"+st.unasked+"/receive"
	pages["draw"], pages["my-race-registered"], pages["my-race-pools"] = base+"/races/"+st.drawn+"/draw", base+"/my/races/"+st.drawn, base+"/my/races/"+st.marathon
	pages["posts"], pages["post"], pages["my-thread"] = base+"/races/"+st.open+"/posts", base+"/races/"+st.open+"/posts/"+st.post, base+"/my/races/"+st.open+"/posts/"+st.post
	unfold(pages, "my-race-pools", "my-race-entered", "my-thread")
	pages["my-race-received"] = pages["my-race-receive"]
	pages["my-race-new"], pages["my-notices"], pages["my-keys"] = base+"/my/races/"+st.unasked, base+"/my/notices", base+"/my/keys"
	return pages, nil
}

// unfold has pictures taken of some pages with their details open, too.
func unfold(pages map[string]string, names ...string) {
	for _, name := range names {
		pages[name+unfolded] = pages[name]
	}
}

// take takes a picture of an address, or of what a form there answers.
func (st *stage) take(tab *browser.Tab, page, address, file string, view browser.View) error {
	err := tab.Run(chromedp.EmulateViewport(view.Width, view.Height), chromedp.Navigate(address), chromedp.WaitReady("h1"))
	if script := st.sends(page); script != "" && err == nil {
		_, err = chromedp.RunResponse(tab, chromedp.Evaluate(script, nil))
	}
	if strings.HasSuffix(page, unfolded) && err == nil {
		err = tab.Run(chromedp.Evaluate(`for (const part of document.querySelectorAll("main details")) part.open = true`, nil))
	}
	if err != nil {
		return err
	}
	return capture(tab, file, view)
}

// capture takes a picture of the page that a tab shows.
func capture(tab *browser.Tab, file string, view browser.View) error {
	var height, frames int64
	var picture []byte
	err := tab.Run(chromedp.WaitReady("h1"), chromedp.Evaluate(`Math.ceil(document.documentElement.scrollHeight)`, &height), chromedp.Evaluate("frames.length", &frames))
	if err != nil {
		return err
	}
	actions := []chromedp.Action{chromedp.EmulateViewport(view.Width, max(min(height, tallest), view.Height)), chromedp.CaptureScreenshot(&picture)}
	if frames > 0 { // processes of their own paint them, a moment later
		actions = slices.Insert(actions, 1, chromedp.Sleep(time.Second))
	}
	if err := tab.Run(actions...); err != nil {
		return err
	}
	return os.WriteFile(file, picture, 0o600)
}

// sends is what fills in and sends the form of a page whose answer has no address of its
// own; empty for others.
func (st *stage) sends(page string) string {
	const send = `const form = document.querySelector("main form[method=post]"); %s form.requestSubmit(form.querySelector("button"));`
	switch page {
	case "my-race-received":
		return "{" + fmt.Sprintf(send, fmt.Sprintf(`document.querySelector("#field-code").value = %q;`, st.code)) + "}"
	case "organize-small-preview":
		return "{" + fmt.Sprintf(send, `form.querySelector("[name='ranking.basis'][value=net]").click();`) + "}"
	case "organize-full-preview":
		return "{" + fmt.Sprintf(send, `form.querySelector("[name='entry.capacity']").value = "2";`) + "}"
	case "organize-calendar-made":
		return "{" + fmt.Sprintf(send, "") + "}"
	case "organize-post-preview":
		return `document.querySelector("button[value=preview]").click()`
	}
	return ""
}
