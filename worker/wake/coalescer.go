// Package wake requests that standings are recomputed after credits, without
// delaying the credits.
package wake

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Config says how often wake-ups are sent.
type Config struct {
	// Interval is the least time from one signal for a race to the next: guidance
	// is at most five a second for a workflow, and there are several workers.
	Interval time.Duration `env:"WAKE_INTERVAL" envDefault:"1s" help:"the least time from one recompute of a race's standings to the next"`
}

const (
	// sendTimeout bounds one signal.
	sendTimeout = 5 * time.Second
	// retryPause is the time from a signal that failed to the next attempt.
	retryPause = time.Second
	// closeTimeout is how long Close may take to send the remaining signals.
	closeTimeout = 2 * time.Second
)

// errClosed is the outcome of a request after Close.
var errClosed = errors.New("the worker is stopping and sends no more signals")

// Coalescer sends at most one signal for a race in each interval, however often
// it is asked to.
//
// Credits call Nudge, which costs a map look-up: it remembers the request and
// returns, since a credit must neither wait up to a second for a signal nor fail
// with it. Requests that a killed process remembered are lost, and made up for by
// the sweep of standings, which also runs whenever a worker starts. Callers that
// must know that a signal was sent use Wake.
type Coalescer struct {
	interval time.Duration
	send     func(ctx context.Context, raceID string) error
	log      *slog.Logger
	signals  *prometheus.CounterVec
	nudges   prometheus.Counter

	mu      sync.Mutex
	races   map[string]*pending
	working sync.WaitGroup // one for each entry of races
	closing chan struct{}

	sending     context.Context // of every signal; ends some time after Close
	stopSending context.CancelFunc
}

// pending is a race that needs a signal, or got one less than an interval ago.
type pending struct {
	owed    bool
	waiting []chan error // each gets the outcome of the next signal
}

// New returns a coalescer that sends by send, which returns nil when the signal
// is durable.
func New(cfg Config, send func(ctx context.Context, raceID string) error, log *slog.Logger, registry prometheus.Registerer) *Coalescer {
	sending, stopSending := context.WithCancel(context.Background())
	c := &Coalescer{
		sending: sending, stopSending: stopSending, interval: cfg.Interval, send: send, log: log, races: map[string]*pending{}, closing: make(chan struct{}),
		signals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mrmrthon_standings_signals_total", Help: "Signals sent to the standings of races, by outcome (ok, error).",
		}, []string{"outcome"}),
		nudges: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_standings_nudges_total", Help: "Requests for a recompute, many of which one signal serves.",
		}),
	}
	registry.MustRegister(c.signals, c.nudges)
	return c
}

// Nudge requests a signal for the race and returns at once.
func (c *Coalescer) Nudge(raceID string) { c.owe(raceID, nil) }

// Wake requests a signal for the race. It returns nil once one that was sent after
// this call was accepted. Otherwise it returns the error of the attempt; the signal
// is still sent when that becomes possible.
func (c *Coalescer) Wake(ctx context.Context, raceID string) error {
	outcome := make(chan error, 1)
	c.owe(raceID, outcome) //nolint:contextcheck // the signal is for all callers, even if this one goes away
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Coalescer) owe(raceID string, waiting chan error) {
	c.nudges.Inc()
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closing:
		if waiting != nil {
			waiting <- errClosed
		}
		return
	default:
	}
	wanted := c.races[raceID]
	if wanted == nil {
		wanted = &pending{}
		c.races[raceID] = wanted
		c.working.Go(func() { c.serve(raceID, wanted) })
	}
	wanted.owed = true
	if waiting != nil {
		wanted.waiting = append(wanted.waiting, waiting)
	}
}

// serve sends the signals of a race, an interval apart, until none is requested. It
// sends the first one at once.
func (c *Coalescer) serve(raceID string, wanted *pending) {
	for {
		owed, waiting := c.claim(raceID, wanted)
		if !owed {
			return
		}
		err := c.signal(raceID)
		pause := c.interval
		if err != nil {
			pause = max(pause, retryPause)
			c.putBack(wanted)
		}
		for _, outcome := range waiting {
			outcome <- err
		}
		select {
		case <-time.After(pause):
		case <-c.closing:
			if err != nil {
				return // the next worker sweeps when it starts
			}
		}
	}
}

// claim takes over the requests before the signal is sent: a request during the
// call needs another signal. A race without requests is removed.
func (c *Coalescer) claim(raceID string, wanted *pending) (owed bool, waiting []chan error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !wanted.owed {
		delete(c.races, raceID)
		return false, nil
	}
	wanted.owed = false
	waiting, wanted.waiting = wanted.waiting, nil
	return true, waiting
}

func (c *Coalescer) putBack(wanted *pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted.owed = true
}

func (c *Coalescer) signal(raceID string) error {
	ctx, cancel := context.WithTimeout(c.sending, sendTimeout)
	defer cancel()
	err := c.send(ctx, raceID)
	if err != nil {
		c.signals.WithLabelValues("error").Inc()
		c.log.Warn("cannot wake the standings of a race: retrying", "race_id", raceID, "error", err)
		return err
	}
	c.signals.WithLabelValues("ok").Inc()
	return nil
}

// Close sends the remaining signals without waiting for intervals, and returns when
// that is done or has taken 2 s. Signals that fail, or are requested after Close,
// are left to the sweep.
func (c *Coalescer) Close() {
	c.mu.Lock()
	close(c.closing)
	c.mu.Unlock()
	defer c.stopSending()
	defer time.AfterFunc(closeTimeout, c.stopSending).Stop()
	c.working.Wait()
}

// Ledger is a ledger whose commits wake the standings of their race.
type Ledger struct {
	activities.Ledger
	Nudge func(raceID string)
}

// ApplyCredit applies the credit, then nudges. It also nudges for a credit that
// already existed: the process that committed it may have died before it nudged.
func (l Ledger) ApplyCredit(ctx context.Context, c race.Credit) (userdb.Applied, error) {
	applied, err := l.Ledger.ApplyCredit(ctx, c)
	if err == nil {
		l.Nudge(c.RaceID)
	}
	return applied, err
}
