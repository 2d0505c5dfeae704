package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/build"
)

// Stopping takes as long as the calls in progress, and in the worst case, with neither
// database nor queue reachable, 26 s, which is below the 30 s after which programs are
// usually killed. The three times below come first, then the relay's messages in flight
// (3 s) and the last traces (3 s).
const (
	// noticeTime is how long calls are still accepted after /readyz has turned to 503,
	// so that nobody is turned away before load balancers have noticed.
	noticeTime = 2 * time.Second
	// answerTime is how long calls in progress may take after that. Those that take
	// longer wait for a server that does not answer, and get a 503.
	answerTime = 15 * time.Second
	// partingTime is how long callers may take to read that answer.
	partingTime = 3 * time.Second
)

const (
	headerTimeout = 5 * time.Second
	// idleTimeout is longer than the load balancer's 120 s (deploy/terraform).
	// Otherwise the balancer would now and then send a call on a connection that is
	// being closed here, and answer with 502.
	idleTimeout = 150 * time.Second
	// bodyTimeout bounds the upload of a body and the download of an answer.
	bodyTimeout = 2 * time.Minute
)

// serve answers calls until ctx ends and the calls in progress are finished.
func serve(ctx context.Context, addr string, notice time.Duration, handler http.Handler, log *slog.Logger, listening func(net.Addr)) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("API_ADDR: %w", err)
	}
	calls, endCalls := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endCalls(nil)
	srv := &http.Server{
		Handler: parting(ctx.Done(), handler), BaseContext: func(net.Listener) context.Context { return calls },
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	log.InfoContext(ctx, "serving", "addr", listener.Addr().String(), "version", build.Version(), "commit", build.Commit())
	if listening != nil {
		listening(listener.Addr())
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.InfoContext(ctx, "stopping: no longer ready, still accepting calls")
	time.Sleep(notice)
	log.InfoContext(ctx, "stopping: accepting no more calls")
	overdue := time.AfterFunc(answerTime, func() { endCalls(server.ErrStopping) })
	defer overdue.Stop()
	return shutDown(ctx, srv, log)
}

// shutDown returns when every call in progress has been answered. Callers who do not
// finish their request or do not read the answer are cut off in the end.
func shutDown(ctx context.Context, srv *http.Server, log *slog.Logger) error {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime+partingTime)
	defer cancel()
	err := srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		log.WarnContext(ctx, "stopping: connections of slow callers were cut off")
		return srv.Close()
	}
	return err
}

// parting closes connections after their next answer once stopping is closed, so that
// callers with open connections find another process in time.
func parting(stopping <-chan struct{}, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-stopping:
			w.Header().Set("Connection", "close")
		default:
		}
		next.ServeHTTP(w, r)
	})
}
