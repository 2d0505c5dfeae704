package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// ProfilesConfig says where a program can be profiled.
type ProfilesConfig struct {
	Addr string `env:"PPROF_ADDR" check:":port" help:"where /debug/pprof is served, never to the public; nowhere when empty"`
}

// ServeProfiles serves net/http/pprof until ctx ends. It is a listener of its
// own: a profile costs the program time, and what it tells is nobody else's
// business. The error is that of listening.
func ServeProfiles(ctx context.Context, cfg ProfilesConfig, log *slog.Logger) error {
	if cfg.Addr == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("PPROF_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index) // heap, goroutine and the like too
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }() // ends by Close alone
	log.InfoContext(ctx, "serving profiles", "addr", listener.Addr().String())
	return nil
}
