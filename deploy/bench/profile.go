package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// profile records where the API and the worker spend their time and memory while
// credits come in, and prints the first lines of each.
func profile(ctx context.Context, size Size) error {
	addresses, settings := map[stack.Part]string{}, map[stack.Part]map[string]string{}
	for _, part := range []stack.Part{stack.API, stack.Worker} {
		address, err := freeAddress(ctx)
		if err != nil {
			return err
		}
		addresses[part], settings[part] = address, map[string]string{"PPROF_ADDR": address}
	}
	b, err := open(ctx, size, 3, settings)
	if err != nil {
		return err
	}
	if err := b.close(b.profiles(ctx, addresses)); err != nil {
		return err
	}
	return b.printProfiles(ctx, os.Stdout)
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

func (b *bench) profileDir() string { return filepath.Join(b.root, ".local", "profiles") }

func (b *bench) profiles(ctx context.Context, addresses map[stack.Part]string) error {
	if err := os.MkdirAll(b.profileDir(), 0o700); err != nil {
		return fmt.Errorf("make the folder of profiles: %w", err)
	}
	if err := b.warmUp(ctx); err != nil {
		return err
	}
	warm, err := b.bring(ctx, b.size.WarmUp)
	if err != nil {
		return err
	}
	raceID, err := b.race(ctx, b.size.Credits)
	if err != nil {
		return err
	}
	files := inFiles(b.size.Credits, results)
	if err := b.quiet(ctx); err != nil {
		return err
	}
	// Most of what the load will take, so that no end of idling is in it.
	seconds := min(max(1, int(0.8*float64(b.size.Credits)/warm.rate())), 30)
	b.bar.step("%d credits, profiled for %d s", b.size.Credits, seconds)
	group, within := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := b.upload(within, resultsPath(raceID), files); err != nil {
			return err
		}
		_, err := b.awaitCredits(within, raceID, b.size.Credits)
		return err
	})
	for part, address := range addresses {
		group.Go(func() error {
			url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", address, seconds)
			if err := download(within, url, b.profileFile(part, "cpu")); err != nil {
				return err
			}
			return download(within, "http://"+address+"/debug/pprof/heap", b.profileFile(part, "heap"))
		})
	}
	return group.Wait()
}

func (b *bench) profileFile(part stack.Part, kind string) string {
	return filepath.Join(b.profileDir(), fmt.Sprintf("%s.%s.pprof", part, kind))
}

func download(ctx context.Context, url, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("take a profile: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("take a profile: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("take a profile: GET %s: %s %.300s", url, res.Status, text)
	}
	return os.WriteFile(path, text, 0o600)
}

// printProfiles prints what takes most, and where the rest is.
func (b *bench) printProfiles(ctx context.Context, out io.Writer) error {
	for _, part := range []stack.Part{stack.API, stack.Worker} {
		for _, kind := range []string{"cpu", "heap"} {
			path := b.profileFile(part, kind)
			args := []string{"tool", "pprof", "-top", "-nodecount=15"}
			if kind == "heap" {
				args = append(args, "-sample_index=alloc_space") // what the collector has to do with
			}
			text, err := exec.CommandContext(ctx, "go", append(args, path)...).Output()
			if err != nil {
				return fmt.Errorf("read %s: %w", path, err)
			}
			_, err = fmt.Fprintf(out, "\n%s: %s (go tool pprof -http=: %s)\n%s\n", part, kind, path, strings.TrimSpace(string(text)))
			if err != nil {
				return err
			}
		}
	}
	return nil
}
