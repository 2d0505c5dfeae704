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

// A stop takes as long as the calls under way, and in the worst case, with no
// database and no queue to be reached, 26 s: below the 30 s after which those
// who stop programs insist. These three come first, then what the relay is
// sending (3 s) and the last traces (3 s).
const (
	// noticeTime is how long calls are taken after /readyz has said that there
	// should be no more: until balancers have seen it, nobody is turned away.
	noticeTime = 2 * time.Second
	// answerTime is how long calls under way may take then. What is not done by
	// then waits for a part that does not answer, and is told so.
	answerTime = 15 * time.Second
	// partingTime is how long callers may take to hear it.
	partingTime = 3 * time.Second
)

const (
	headerTimeout = 5 * time.Second
	// idleTimeout is longer than the load balancer's 120 s (deploy/terraform):
	// were it not, the balancer would now and then send a call on a connection
	// that is being closed here, and answer it with 502.
	idleTimeout = 150 * time.Second
	// bodyTimeout bounds the upload of a body and the download of an answer.
	bodyTimeout = 2 * time.Minute
)

// serve answers calls until ctx ends and those under way are finished.
func serve(ctx context.Context, addr string, handler http.Handler, log *slog.Logger, listening func(net.Addr)) error {
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
	log.InfoContext(ctx, "stopping: no longer ready")
	time.Sleep(noticeTime)
	log.InfoContext(ctx, "stopping: no new calls")
	overdue := time.AfterFunc(answerTime, func() { endCalls(server.ErrStopping) })
	defer overdue.Stop()
	return shutDown(ctx, srv, log)
}

// shutDown returns when every call under way has its answer. Callers who do not
// send the rest of theirs, or do not take the answer, are cut off in the end.
func shutDown(ctx context.Context, srv *http.Server, log *slog.Logger) error {
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime+partingTime)
	defer cancel()
	err := srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		log.WarnContext(ctx, "callers who were too slow were cut off")
		return srv.Close()
	}
	return err
}

// parting closes connections behind their next answer once stopping is closed,
// so that callers who keep theirs open look for another process in time.
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
