package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	jsruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/go-chi/chi/v5"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/browser"
)

// mostLogins is how many logins from one address the API accepts at once: each counts as
// failed until it has succeeded.
const mostLogins = 40

// login measures logins per second against argon2id alone on all cores, which no check
// of passwords can exceed. Each caller has an account of its own, since the limit per
// account is lower still.
func (b *bench) login(ctx context.Context) {
	passwords := must(auth.NewPasswords())
	hash := must(passwords.Hash(ctx, b.organizer.Password))
	people := make([]*apiclient.Client, min(4*runtime.NumCPU(), mostLogins))
	for i := range people {
		people[i] = b.signUp(ctx)
	}
	b.say("logins")
	logins := hammer(ctx, len(people), b.size.For, func(ctx context.Context, i int) error { return people[i].LogIn(ctx) })
	b.say("argon2id alone")
	hashes := hammer(ctx, runtime.NumCPU(), b.size.For, func(ctx context.Context, _ int) error {
		outcome, err := passwords.Check(ctx, b.organizer.Password, hash)
		if err == nil && !outcome.Match {
			err = errors.New("argon2id does not recognise the password")
		}
		return err
	})
	b.report.add("login", "logins", "/s", logins, target{})
	b.report.add("login", "argon2id alone, all cores", "/s", hashes, target{})
	b.report.ratio("login", "logins to argon2id alone", logins, hashes, target{})
}

// pages measures how many pages of standings can be read while others follow the race
// live: of the API against a bare router that answers with the same bytes, and of the
// page for people, compressed as browsers ask for it, against the API's.
func (b *bench) pages(ctx context.Context) {
	raceID := b.finishersRace(ctx)
	leave := follow(ctx, b.stack.APIURL()+"/v1/races/"+raceID+"/events", b.size.Readers)
	defer leave()
	path := "/v1/races/" + raceID + "/standings"
	b.child(ctx, nil, func(router string) {
		b.say("pages of standings with %d event readers", b.size.Readers)
		size, ours := b.reads(ctx, b.stack.APIURL()+path, "")
		b.say("pages of a bare router")
		_, theirs := b.reads(ctx, router+path, "")
		b.say("pages of standings for people")
		shown, html := b.reads(ctx, b.stack.APIURL()+"/en/races/"+raceID+"/standings", "br")
		b.report.add("pages", fmt.Sprintf("standings, first page (%s bytes), %d event readers", thousands(size), b.size.Readers), "/s", ours, target{})
		b.report.add("pages", "bare router, the same bytes", "/s", theirs, target{})
		b.report.ratio("pages", "pages to the bare router's", ours, theirs, target{atLeast: 0.5})
		b.report.add("pages", fmt.Sprintf("standings for people, first page (%s bytes compressed)", thousands(shown)), "/s", html, target{})
		b.report.ratio("pages", "pages for people to the API's", html, ours, target{atLeast: 0.7})
	}, "router", b.stack.APIURL(), path)
}

// reads measures how many times a second a page can be read in an encoding (empty: as
// the server sends it by itself). Its size must not change meanwhile.
func (b *bench) reads(ctx context.Context, url, encoding string) (size int, rate float64) {
	size = len(must(read(ctx, url, encoding)))
	rate = hammer(ctx, 8*runtime.NumCPU(), b.size.For, func(ctx context.Context, _ int) error {
		res, err := get(ctx, keepAlive, url, encoding)
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, res.Body)
		if err == nil && int(n) != size {
			err = fmt.Errorf("GET %s: %d bytes, not %d", url, n, size)
		}
		return errors.Join(err, res.Body.Close())
	})
	return size, rate
}

// follow opens streams of events and reads them until leave is called.
func follow(ctx context.Context, url string, readers int) (leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	client := &http.Client{Transport: &http.Transport{}}
	var reading sync.WaitGroup
	for range readers {
		res, err := get(ctx, client, url, "")
		check(err)
		reading.Go(func() {
			_, _ = io.Copy(io.Discard, res.Body) // ends with leave
			_ = res.Body.Close()
		})
	}
	return func() { cancel(); reading.Wait() }
}

// get returns an answer of status 200, whose body is still to be read: the API client
// would keep it in memory.
func get(ctx context.Context, client *http.Client, url, encoding string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if encoding != "" {
		req.Header.Set("Accept-Encoding", encoding)
	}
	res, err := client.Do(req)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("GET %s: %s", url, res.Status), res.Body.Close())
	}
	return res, err
}

func read(ctx context.Context, url, encoding string) ([]byte, error) {
	res, err := get(ctx, keepAlive, url, encoding)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(res.Body)
}

// runRouter is the child: `router API PATH` serves at the path what the API does.
func runRouter(ctx context.Context, args []string) {
	page := must((&apiclient.Client{Base: args[0]}).Send(ctx, apiclient.Request{Method: http.MethodGet, Path: args[1]})).Body
	router := chi.NewRouter()
	router.Get(args[1], func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(page) // a reader that left is not an error
	})
	listener := must((&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"))
	server := &http.Server{Handler: router, ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println("http://" + listener.Addr().String())
	if err := server.Serve(listener); ctx.Err() == nil {
		check(err)
	}
}

// A cheap phone on a mobile line: Chromium computes at a quarter of its speed, and gets
// 1.6 Mbit/s with 150 ms to the server and back.
const (
	slowDown   = 4
	lineDelay  = 150        // ms
	lineDown   = 1.6e6 / 8  // bytes a second
	lineUp     = 0.75e6 / 8 // likewise
	settleTime = 2000       // ms in which a page may still shift
)

// painted says when the largest element of a page was painted, how much has shifted in the
// time after it was loaded, and how many requests and bytes it took.
const painted = `new Promise((done) => {
	let largest = 0, shifted = 0;
	new PerformanceObserver((list) => { for (const entry of list.getEntries()) largest = entry.startTime; }).observe({type: "largest-contentful-paint", buffered: true});
	new PerformanceObserver((list) => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) shifted += entry.value; }).observe({type: "layout-shift", buffered: true});
	setTimeout(() => {
		const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
		done({largest, shifted, requests: loaded.length, bytes: loaded.reduce((sum, one) => sum + one.transferSize, 0)});
	}, %d);
})`

// view measures what somebody waits for who opens the standings on such a phone for the
// first time: from the top, at a runner in the middle, or a division.
func (b *bench) view(ctx context.Context) {
	raceID := b.finishersRace(ctx)
	b.say("standings on a slow phone")
	chromium := must(browser.Start(ctx))
	defer chromium.Stop()
	for _, from := range []struct{ what, query string }{{"the top", ""}, {"a bib in the middle", "?q=" + strconv.Itoa(b.size.Finishers/2)}, {"a division", "?division=F40-49"}} {
		tab := must(chromium.Open(browser.View{Width: 390, Height: 844})) //nolint:contextcheck // a browser keeps the context it was started with
		var seen struct{ Largest, Shifted, Requests, Bytes float64 }
		check(tab.Run( //nolint:contextcheck // likewise
			network.Enable(), network.SetCacheDisabled(true), network.EmulateNetworkConditions(false, lineDelay, lineDown, lineUp), emulation.SetCPUThrottlingRate(slowDown),
			chromedp.Navigate(b.stack.APIURL()+"/en/races/"+raceID+"/standings"+from.query),
			chromedp.Evaluate(fmt.Sprintf(painted, settleTime), &seen, func(p *jsruntime.EvaluateParams) *jsruntime.EvaluateParams { return p.WithAwaitPromise(true) }),
		))
		tab.Close()
		if seen.Largest == 0 {
			check(errors.New("nothing of the standings was painted"))
		}
		b.report.add("view", fmt.Sprintf("standings of %s on a slow phone, %s: largest element painted", thousands(b.size.Finishers), from.what), "ms", seen.Largest, target{atMost: 1000})
		b.report.add("view", "  "+from.what+": shifted (CLS, thousandths)", "", 1000*seen.Shifted, target{atMost: 20})
		b.report.add("view", "  "+from.what+": requests", "", seen.Requests, target{atMost: 6})
		b.report.add("view", "  "+from.what+": compressed", "bytes", seen.Bytes, target{atMost: 50 << 10})
	}
}
