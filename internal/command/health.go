package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// probeTimeout is longer than a program's own checks may take, and shorter than the
// default timeout of whoever runs the probe.
const probeTimeout = 4 * time.Second

// Probes are the commands by which a container checks its own program, since its
// image has neither a shell nor curl. addr points to the setting in config that
// says where the program listens.
func Probes(config any, addr *string) []Command {
	probe := func(path string) func(context.Context, *slog.Logger) error {
		return func(ctx context.Context, _ *slog.Logger) error { return ask(ctx, *addr, path) }
	}
	return []Command{
		{Name: "healthcheck", Does: "check that the program on this machine is alive (/healthz)", Config: config, Run: probe("/healthz")},
		{Name: "readycheck", Does: "check that everything it depends on answers (/readyz)", Config: config, Run: probe("/readyz")},
	}
}

// ask gets a page of the program that listens on addr.
func ask(ctx context.Context, addr, path string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	url := "http://" + net.JoinHostPort(host, port) + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 1000))
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s %s", url, res.Status, text)
	}
	return nil
}
