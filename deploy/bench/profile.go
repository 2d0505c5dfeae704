package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// profile records where API and worker spend their time and memory while credits
// come in, into .local/profiles, and prints the top of each profile.
func profile(ctx context.Context, size Size) error {
	addresses, settings := map[stack.Part]string{}, map[stack.Part]map[string]string{}
	for _, part := range []stack.Part{stack.API, stack.Worker} {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		addresses[part] = listener.Addr().String()
		settings[part] = map[string]string{"PPROF_ADDR": addresses[part]}
		if err := listener.Close(); err != nil {
			return err
		}
	}
	b, err := open(ctx, size, settings)
	if err != nil {
		return err
	}
	return b.close(b.profiles(ctx, addresses))
}

func (b *bench) profiles(ctx context.Context, addresses map[stack.Part]string) error {
	dir := filepath.Join(b.root, ".local", "profiles")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create the folder of profiles: %w", err)
	}
	if err := b.warmUp(ctx); err != nil {
		return err
	}
	warm, err := b.load(ctx, b.size.WarmUp)
	if err != nil {
		return err
	}
	// Most of the time that the load will take, so that no idle time is in it.
	seconds := min(max(1, int(0.8*float64(b.size.Credits)/warm.rate())), 30)
	b.say("%d credits, profiled for %d s", b.size.Credits, seconds)
	group, within := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := b.load(within, b.size.Credits)
		return err
	})
	for part, address := range addresses {
		group.Go(func() error {
			for kind, query := range map[string]string{"profile": fmt.Sprintf("?seconds=%d", seconds), "heap": ""} {
				res, err := get(within, keepAlive, "http://"+address+"/debug/pprof/"+kind+query)
				if err != nil {
					return err
				}
				text, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s.%s.pprof", part, kind)), text, 0o600); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for part := range addresses {
		path := filepath.Join(dir, string(part)+".profile.pprof")
		top, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=15", path).Output()
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		fmt.Printf("\n%s (go tool pprof -http=: %s)\n%s\n", part, path, strings.TrimSpace(string(top)))
	}
	return nil
}
