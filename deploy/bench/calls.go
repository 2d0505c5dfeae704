package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
}

// pages measures how many pages of standings can be read while others follow the race
// live: of the API against a bare router that answers with the same bytes, and of the
// page for people, compressed as browsers ask for it, against the API's.
func (b *bench) pages(ctx context.Context) error {
	raceID, err := b.finishersRace(ctx)
	if err != nil {
		return err
	}
	leave, err := follow(ctx, b.stack.APIURL()+"/v1/races/"+raceID+"/events", b.size.Readers)
	if err != nil {
		return err
	}
	defer leave()
	path := "/v1/races/" + raceID + "/standings"
	return b.child(ctx, nil, func(router string) error {
		b.say("pages of standings with %d event readers", b.size.Readers)
		size, ours, err := b.reads(ctx, b.stack.APIURL()+path, "")
		if err != nil {
			return err
		}
		b.say("pages of a bare router")
		_, theirs, err := b.reads(ctx, router+path, "")
		if err != nil {
			return err
		}
		b.say("pages of standings for people")
		shown, html, err := b.reads(ctx, b.stack.APIURL()+"/en/races/"+raceID+"/standings", "br")
		b.report.add("pages", fmt.Sprintf("standings, first page (%s bytes), %d event readers", thousands(size), b.size.Readers), "/s", ours, target{})
		b.report.add("pages", "bare router, the same bytes", "/s", theirs, target{})
		b.report.ratio("pages", "pages to the bare router's", ours, theirs, target{atLeast: 0.5})
		b.report.add("pages", fmt.Sprintf("standings for people, first page (%s bytes compressed)", thousands(shown)), "/s", html, target{})
		b.report.ratio("pages", "pages for people to the API's", html, ours, target{atLeast: 0.7})
		return err
	}, "router", b.stack.APIURL(), path)
}

// reads measures how many times a second a page can be read in an encoding (empty: as
// the server sends it by itself). Its size must not change meanwhile.
func (b *bench) reads(ctx context.Context, url, encoding string) (size int, rate float64, err error) {
	read := func(ctx context.Context) (int, error) {
		res, err := get(ctx, keepAlive, url, encoding)
		if err != nil {
			return 0, err
		}
		defer func() { _ = res.Body.Close() }()
		n, err := io.Copy(io.Discard, res.Body)
		return int(n), err
	}
	if size, err = read(ctx); err != nil {
		return 0, 0, err
	}
	rate, err = hammer(ctx, 8*runtime.NumCPU(), b.size.For, func(ctx context.Context, _ int) error {
		n, err := read(ctx)
		if err == nil && n != size {
			err = fmt.Errorf("GET %s: %d bytes, not %d", url, n, size)
		}
		return err
	})
	return size, rate, err
}

// follow opens streams of events and reads them until leave is called.
func follow(ctx context.Context, url string, readers int) (leave func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	client := &http.Client{Transport: &http.Transport{}}
	var reading sync.WaitGroup
	leave = func() { cancel(); reading.Wait() }
	for range readers {
		res, err := get(ctx, client, url, "")
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

// runRouter is the child: `router API PATH` serves at the path what the API does.
func runRouter(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: router API PATH")
	}
	page, err := (&apiclient.Client{Base: args[0]}).Send(ctx, apiclient.Request{Method: http.MethodGet, Path: args[1]})
	if err != nil {
		return err
	}
	router := chi.NewRouter()
	router.Get(args[1], func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(page.Body) // a reader that left is not an error
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: router, ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println("http://" + listener.Addr().String())
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}
