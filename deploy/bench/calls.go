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
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/internal/auth"
)

// hammer lets several callers repeat a call for a while, each one call after the other,
// and returns calls per second. The first call that fails ends it.
func hammer(ctx context.Context, callers int, during time.Duration, call func(ctx context.Context, caller int) error) (rate float64, err error) {
	var calls atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for caller := range callers {
		group.Go(func() error {
			for time.Since(began) < during {
				if err := call(ctx, caller); err != nil {
					return err
				}
				calls.Add(1)
			}
			return nil
		})
	}
	err = group.Wait()
	return perSecond(int(calls.Load()), time.Since(began)), err
}

// mostLogins is how many logins from one address the API accepts at once: each counts as
// failed until it has succeeded.
const mostLogins = 40

// login measures logins per second against argon2id alone on all cores, which no check
// of passwords can exceed. Each caller has an account of its own, since the limit per
// account is lower still.
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
	return b.repeat(func() error {
		b.say("logins")
		logins, err := hammer(ctx, len(people), b.size.For, func(ctx context.Context, i int) error { return people[i].LogIn(ctx) })
		if err != nil {
			return err
		}
		b.say("argon2id alone")
		hashes, err := hammer(ctx, runtime.NumCPU(), b.size.For, func(ctx context.Context, _ int) error {
			outcome, err := passwords.Check(ctx, b.organizer.Password, hash)
			if err == nil && !outcome.Match {
				err = errors.New("argon2id does not recognise the password")
			}
			return err
		})
		b.report.add("login", "logins", "/s", logins, target{})
		b.report.add("login", "argon2id alone, all cores", "/s", hashes, target{})
		b.report.ratio("login", "logins to argon2id alone", logins, hashes, target{})
		return err
	})
}

// pages measures how many pages of standings can be read while others follow the race
// live: of the API against a bare router that answers with the same bytes, and of the
// page for people, compressed as browsers ask for it, against the API's.
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
	people := "/en/races/" + raceID + "/standings"
	shown, err := b.organizer.Send(ctx, apiclient.Request{Method: http.MethodGet, Path: people, Header: map[string]string{"Accept-Encoding": "br"}})
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
	return errors.Join(b.repeat(func() error {
		b.say("pages of standings with %d event readers", b.size.Readers)
		ours, err := hammer(ctx, 8*runtime.NumCPU(), b.size.For, reading(b.stack.APIURL()+path, "", len(page.Body)))
		if err != nil {
			return err
		}
		b.say("pages of a bare router")
		theirs, err := hammer(ctx, 8*runtime.NumCPU(), b.size.For, reading("http://"+said.Address+path, "", len(page.Body)))
		if err != nil {
			return err
		}
		b.say("pages of standings for people")
		html, err := hammer(ctx, 8*runtime.NumCPU(), b.size.For, reading(b.stack.APIURL()+people, "br", len(shown.Body)))
		b.report.add("pages", fmt.Sprintf("standings, first page (%s bytes), %d event readers", thousands(len(page.Body)), b.size.Readers), "/s", ours, target{})
		b.report.add("pages", "bare router, the same bytes", "/s", theirs, target{})
		b.report.ratio("pages", "pages to the bare router's", ours, theirs, target{atLeast: 0.5})
		b.report.add("pages", fmt.Sprintf("standings for people, first page (%s bytes compressed)", thousands(len(shown.Body))), "/s", html, target{})
		b.report.ratio("pages", "pages for people to the API's", html, ours, target{atLeast: 0.7})
		return err
	}), router.end())
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

// reading returns a call that fetches a page of exactly size bytes in an encoding;
// empty: as the server sends it by itself.
func reading(url, encoding string, size int) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		res, err := get(ctx, keepAlive, url, "Accept-Encoding", encoding)
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

// get returns an answer of status 200. Headers are names and values in turn, and empty
// ones are left out.
func get(ctx context.Context, client *http.Client, url string, headers ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	res, err := client.Do(req)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("GET %s: %s", url, res.Status), res.Body.Close())
	}
	return res, err
}

// runRouter is the child: `router PATH FILE` serves the file's bytes at the path.
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
