package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// heartbeat keeps proxies from closing an idle stream, and detects readers that
	// are gone.
	heartbeat = 15 * time.Second
	// writeTimeout is how long one write to a reader may take.
	writeTimeout = 10 * time.Second
	// reconnectDelay is how long a browser waits before it reconnects.
	reconnectDelay = 2 * time.Second
	// pollInterval is how often something that is followed is read, however many follow
	// it.
	pollInterval = 500 * time.Millisecond
)

// Stream writes server-sent events until the reader is gone, stopping is closed, or news
// returns an error. news returns the events since its last call, already encoded, and a
// channel that is closed when there are more.
func Stream(ctx context.Context, w http.ResponseWriter, stopping <-chan struct{}, news func() (text []byte, more <-chan struct{}, err error)) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	out := eventWriter{to: w, control: http.NewResponseController(w)}
	if out.send(fmt.Appendf(nil, "retry: %d\n\n", reconnectDelay.Milliseconds())) != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		text, more, err := news()
		if err != nil || len(text) > 0 && out.send(text) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-stopping:
			return
		case <-more:
		case <-beat.C:
			if out.send([]byte(":\n\n")) != nil {
				return
			}
		}
	}
}

// SendFile sends a file while write makes it, in a connection that lasts as long as its
// reader takes the data. When write fails, the connection breaks off, so that nobody takes
// a part for the whole.
func SendFile(w http.ResponseWriter, contentType, name string, write func(io.Writer) error) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	out := bufio.NewWriterSize(eventWriter{to: w, control: http.NewResponseController(w)}, 64<<10)
	if err := errors.Join(write(out), out.Flush()); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// Live polls what somebody follows, a race or a pool of it, once for all readers of this
// process, from the first reader until the last has left. F is what was read of it.
type Live[F any] struct {
	Log *slog.Logger
	New func() F
	// Look brings what was read up to date. While it fails, readers keep what they have.
	Look func(ctx context.Context, raceID string, pool int, found F) error

	mu       sync.Mutex
	followed map[followedKey]*followed[F]
}

type followedKey struct {
	raceID string
	pool   int
}

type followed[F any] struct {
	found   F
	readers int
	stop    context.CancelFunc
}

// Follow returns what is read from now on until leave is called. pool is 0 for a race as
// a whole.
func (l *Live[F]) Follow(raceID string, pool int) (found F, leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := followedKey{raceID, pool}
	f := l.followed[key]
	if f == nil {
		// All readers share it: it must neither end with the first one's request nor be
		// part of its trace.
		polling, stop := context.WithCancel(context.Background())
		f = &followed[F]{found: l.New(), stop: stop}
		if l.followed == nil {
			l.followed = map[followedKey]*followed[F]{}
		}
		l.followed[key] = f
		go l.poll(polling, key, f.found)
	}
	f.readers++
	return f.found, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		f.readers--
		if f.readers == 0 {
			f.stop()
			delete(l.followed, key)
		}
	}
}

func (l *Live[F]) poll(ctx context.Context, key followedKey, found F) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	failing := false
	for {
		err := l.Look(ctx, key.raceID, key.pool, found)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			l.Log.WarnContext(ctx, "cannot read what is followed live: readers get no news until a retry succeeds", "race_id", key.raceID, "pool", key.pool, "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// eventWriter writes to a reader without buffering, and gives up on a reader that does
// not accept the data in time.
type eventWriter struct {
	to      http.ResponseWriter
	control *http.ResponseController
}

func (w eventWriter) send(text []byte) error {
	// Connections without support for deadlines have none.
	_ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := w.to.Write(text); err != nil {
		return err
	}
	return w.control.Flush()
}

// Write implements io.Writer.
func (w eventWriter) Write(text []byte) (int, error) { return len(text), w.send(text) }
