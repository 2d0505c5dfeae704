package main

import (
	"context"
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
)

// pages measures how many pages of standings are read while others follow the
// race live, and against it a bare router that answers the same bytes.
func (b *bench) pages(ctx context.Context) error {
	raceID, err := b.finishersRace(ctx)
	if err != nil {
		return err
	}
	path := "/v1/races/" + raceID + "/standings"
	page, err := b.organizer.send(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	leave, err := follow(ctx, b.stack.APIURL()+"/v1/races/"+raceID+"/events", b.size.Readers)
	if err != nil {
		return err
	}
	defer leave()
	bare, url, err := b.bareRouter(ctx, path, page)
	if err != nil {
		return err
	}
	callers := 8 * runtime.NumCPU()
	var ours, ourTail, theirs, theirTail series
	for i := range b.size.Repetitions {
		b.bar.step("pages of standings with %d event readers, %d of %d", b.size.Readers, i+1, b.size.Repetitions)
		got, err := hammer(ctx, callers, b.size.For, reading(b.organizer.http, b.stack.APIURL()+path, len(page)))
		if err != nil {
			return err
		}
		ours, ourTail = append(ours, got.rate), append(ourTail, got.p99)
		b.bar.step("pages of a bare router, %d of %d", i+1, b.size.Repetitions)
		if got, err = hammer(ctx, callers, b.size.For, reading(b.organizer.http, url+path, len(page))); err != nil {
			return err
		}
		theirs, theirTail = append(theirs, got.rate), append(theirTail, got.p99)
	}
	if _, err := bare.end(); err != nil {
		return err
	}
	const figure = "pages"
	r := b.report
	r.add(figure, fmt.Sprintf("standings, first page (%s bytes), %d event readers", thousands(int64(len(page))), b.size.Readers), "/s", ours, nil)
	r.add(figure, "the same: p99", "ms", ourTail, nil)
	r.add(figure, "bare router, the same bytes", "/s", theirs, nil)
	r.add(figure, "the same: p99", "ms", theirTail, nil)
	r.ratio(figure, "pages to the bare router's", ours, theirs, atLeast(0.5))
	return nil
}

// follow opens streams of events and reads them until leave is called.
func follow(ctx context.Context, url string, readers int) (leave func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	client := &http.Client{Transport: &http.Transport{}}
	var reading sync.WaitGroup
	leave = func() { cancel(); reading.Wait() }
	for range readers {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			leave()
			return nil, err
		}
		res, err := client.Do(req)
		if err != nil {
			leave()
			return nil, fmt.Errorf("follow the race: %w", err)
		}
		reading.Go(func() {
			_, _ = io.Copy(io.Discard, res.Body) // ends with leave
			_ = res.Body.Close()
		})
		if res.StatusCode != http.StatusOK {
			leave()
			return nil, fmt.Errorf("follow the race: GET %s: %s", url, res.Status)
		}
	}
	return leave, nil
}

// pressure is what hammer measured.
type pressure struct {
	rate float64 // calls per second
	p99  float64 // ms
}

// hammer has some callers make calls for a while, each one after the other. The
// first call that fails ends it.
func hammer(ctx context.Context, callers int, during time.Duration, call func(ctx context.Context, caller int) error) (pressure, error) {
	var mu sync.Mutex
	var all []float64
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for caller := range callers {
		group.Go(func() error {
			var own []float64
			for time.Since(began) < during {
				took, err := timed(func() error { return call(ctx, caller) })
				if err != nil {
					return err
				}
				own = append(own, took)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return pressure{}, err
	}
	return pressure{perSecond(len(all), time.Since(began)), percentile(all, 0.99)}, nil
}

// reading fetches a page that has to be so long.
func reading(client *http.Client, url string, size int) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		n, err := io.Copy(io.Discard, res.Body)
		if err == nil && (res.StatusCode != http.StatusOK || n != int64(size)) {
			err = fmt.Errorf("GET %s: %s with %d bytes, not %d", url, res.Status, n, size)
		}
		return err
	}
}

// bareRouter starts the child that serves a page from memory.
func (b *bench) bareRouter(ctx context.Context, path string, page []byte) (*child, string, error) {
	file := b.dir + "/page.json"
	if err := os.WriteFile(file, page, 0o600); err != nil {
		return nil, "", fmt.Errorf("keep the page: %w", err)
	}
	process, err := b.spawn(ctx, "router", nil, path, file)
	if err != nil {
		return nil, "", err
	}
	var said ready
	if err := process.hear(&said); err != nil {
		return nil, "", err
	}
	return process, "http://" + said.Address, nil
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
		_, _ = w.Write(page) //nolint:gosec // bytes of our own API; a reader who is gone is no fault
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
