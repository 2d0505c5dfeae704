package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/internal/auth"
)

// hammer has some callers repeat a call for a while, each one after the other.
// It returns calls per second and the 99th percentile of their milliseconds. The
// first call that fails ends it.
func hammer(ctx context.Context, callers int, during time.Duration, call func(ctx context.Context, caller int) error) (rate, p99 float64, err error) {
	var mu sync.Mutex
	var all []float64
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for caller := range callers {
		group.Go(func() error {
			var own []float64
			for time.Since(began) < during {
				sent := time.Now()
				if err := call(ctx, caller); err != nil {
					return err
				}
				own = append(own, milliseconds(time.Since(sent)))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	return perSecond(len(all), time.Since(began)), percentile(all, 0.99), nil
}

// mostLogins is how many logins from one address the API accepts at once: each
// counts as failed until it is known to have succeeded.
const mostLogins = 40

// login measures logins per second against argon2id alone on all cores, which
// nothing that checks passwords can beat. Each caller has an account of its own,
// since the limit per account is lower still.
func (b *bench) login(ctx context.Context) error {
	passwords, err := auth.NewPasswords()
	if err != nil {
		return err
	}
	hash, err := passwords.Hash(ctx, b.organizer.Password)
	if err != nil {
		return err
	}
	people := make([]*apiclient.Client, min(4*runtime.NumCPU(), mostLogins))
	for i := range people {
		if people[i], err = b.signUp(ctx); err != nil {
			return err
		}
	}
	var logins, tails, hashes series
	for i := range b.size.Repetitions {
		b.say("logins, %d of %d", i+1, b.size.Repetitions)
		rate, p99, err := hammer(ctx, len(people), b.size.For, func(ctx context.Context, i int) error { return people[i].LogIn(ctx) })
		if err != nil {
			return err
		}
		logins, tails = append(logins, rate), append(tails, p99)
		b.say("argon2id alone, %d of %d", i+1, b.size.Repetitions)
		rate, _, err = hammer(ctx, runtime.NumCPU(), b.size.For, func(ctx context.Context, _ int) error {
			outcome, err := passwords.Check(ctx, b.organizer.Password, hash)
			if err == nil && !outcome.Match {
				err = errors.New("argon2id does not recognise the password")
			}
			return err
		})
		if err != nil {
			return err
		}
		hashes = append(hashes, rate)
	}
	b.report.add("login", "logins", "/s", logins, target{})
	b.report.add("login", "the same: p99", "ms", tails, target{})
	b.report.add("login", "argon2id alone, all cores", "/s", hashes, target{})
	b.report.ratio("login", "logins to argon2id alone", logins, hashes, target{})
	return nil
}

// pages measures how many pages of standings are read while others follow the
// race live, against a bare router that answers with the same bytes.
func (b *bench) pages(ctx context.Context) error {
	raceID, err := b.finishersRace(ctx)
	if err != nil {
		return err
	}
	path := "/v1/races/" + raceID + "/standings"
	page, err := b.organizer.Send(ctx, apiclient.Request{Method: http.MethodGet, Path: path})
	if err != nil {
		return err
	}
	leave, err := follow(ctx, b.stack.APIURL()+"/v1/races/"+raceID+"/events", b.size.Readers)
	if err != nil {
		return err
	}
	defer leave()
	file := b.dir + "/page.json"
	if err := os.WriteFile(file, page.Body, 0o600); err != nil {
		return fmt.Errorf("keep the page: %w", err)
	}
	router, err := b.spawn(ctx, "router", nil, path, file)
	if err != nil {
		return err
	}
	var said ready
	if err := router.hear(&said); err != nil {
		return err
	}
	var ours, ourTail, theirs, theirTail series
	for i := range b.size.Repetitions {
		b.say("pages of standings with %d event readers, %d of %d", b.size.Readers, i+1, b.size.Repetitions)
		rate, p99, err := hammer(ctx, 8*runtime.NumCPU(), b.size.For, reading(b.stack.APIURL()+path, len(page.Body)))
		if err != nil {
			return err
		}
		ours, ourTail = append(ours, rate), append(ourTail, p99)
		b.say("pages of a bare router, %d of %d", i+1, b.size.Repetitions)
		if rate, p99, err = hammer(ctx, 8*runtime.NumCPU(), b.size.For, reading("http://"+said.Address+path, len(page.Body))); err != nil {
			return err
		}
		theirs, theirTail = append(theirs, rate), append(theirTail, p99)
	}
	const figure = "pages"
	r := b.report
	r.add(figure, fmt.Sprintf("standings, first page (%s bytes), %d event readers", thousands(len(page.Body)), b.size.Readers), "/s", ours, target{})
	r.add(figure, "the same: p99", "ms", ourTail, target{})
	r.add(figure, "bare router, the same bytes", "/s", theirs, target{})
	r.add(figure, "the same: p99", "ms", theirTail, target{})
	r.ratio(figure, "pages to the bare router's", ours, theirs, target{atLeast: 0.5})
	return router.end()
}

// follow opens streams of events and reads them until leave is called.
func follow(ctx context.Context, url string, readers int) (leave func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	client := &http.Client{Transport: &http.Transport{}}
	var reading sync.WaitGroup
	leave = func() { cancel(); reading.Wait() }
	for range readers {
		res, err := get(ctx, client, url)
		if err != nil {
			leave()
			return nil, fmt.Errorf("follow the race: %w", err)
		}
		reading.Go(func() {
			_, _ = io.Copy(io.Discard, res.Body) // ends with leave
			_ = res.Body.Close()
		})
	}
	return leave, nil
}

// reading fetches a page that has to have so many bytes.
func reading(url string, size int) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		res, err := get(ctx, keepAlive, url)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		n, err := io.Copy(io.Discard, res.Body)
		if err == nil && n != int64(size) {
			err = fmt.Errorf("GET %s: %d bytes, not %d", url, n, size)
		}
		return err
	}
}

// get returns an answer of status 200.
func get(ctx context.Context, client *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("GET %s: %s", url, res.Status), res.Body.Close())
	}
	return res, err
}

// runRouter is the child: `router PATH FILE` serves the file's bytes at the
// path.
func runRouter(ctx context.Context, say func(any) error, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("router takes a path and a file, not %q", args)
	}
	page, err := os.ReadFile(args[1]) //nolint:gosec // the bench names it
	if err != nil {
		return err
	}
	router := chi.NewRouter()
	router.Get(args[0], func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(page) //nolint:gosec // bytes of our own API; a reader that left is not an error
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: router, ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := say(ready{Address: listener.Addr().String()}); err != nil {
		return err
	}
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}
