package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sethvargo/go-retry"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// maxBatch is how many requests one transaction answers. Larger batches are only a
	// little faster, and everybody in them waits longer.
	maxBatch = 256
	// maxQueued is how many requests for a race wait in a process: what a rush lets
	// through in about a second.
	maxQueued = 4096
	// batchTimeout is how long a batch is tried for. Callers get a 503 afterwards and
	// may repeat the request: whoever was entered all the same finds their entry.
	batchTimeout = 10 * time.Second
	batchBackoff = 20 * time.Millisecond
	maxBackoff   = 500 * time.Millisecond
)

// ErrBusy says that more requests wait than a process takes. Nothing was written.
var ErrBusy = errors.New("too many requests to enter are waiting")

// Account is what an entry takes from the runner's account.
type Account struct {
	Sex       race.Sex
	BirthDate race.Date
	LoginHash string // by which an Admission finds the account; only where one can matter
}

// Entering enters runners in races. The requests for a race that come while one
// transaction is under way are answered together by the next, so that a rush costs
// some dozens of commits instead of one for each runner. Several processes take
// turns by the lock on the pool's row; none of them leads.
type Entering struct {
	store *Store
	// accounts returns what is known of accounts, by user ID, without those that do
	// not exist.
	accounts func(ctx context.Context, userIDs []string) (map[string]Account, error)
	// logins returns the hashes of the logins of accounts, by user ID; nil: nobody is
	// admitted to a pool that demands a qualifying time.
	logins func(ctx context.Context, userIDs []string) (map[string]string, error)

	mu     sync.Mutex
	queues map[string][]*request // by race, those that wait for the next batch

	batches, tries atomic.Int64

	log               *slog.Logger
	sizes, seconds    prometheus.Histogram
	retries, refusals prometheus.Counter
}

// NewEntering returns an Entering over a store and the accounts of runners.
func NewEntering(store *Store, accounts func(context.Context, []string) (map[string]Account, error)) *Entering {
	return &Entering{
		store: store, accounts: accounts, queues: map[string][]*request{}, log: slog.New(slog.DiscardHandler),
		sizes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mrmrthon_entry_batch_size", Help: "How many requests to enter one transaction answered.",
			Buckets: []float64{1, 4, 16, 64, 128, 256},
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mrmrthon_entry_batch_seconds", Help: "How long it took to answer a batch of requests to enter, with its repetitions.",
			Buckets: prometheus.ExponentialBuckets(0.002, 3, 9),
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_entry_batch_retries_total", Help: "Transactions of batches of entries that were done again: after a deadlock, a lost connection, or a bib that was just taken.",
		}),
		refusals: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_entry_refusals_total", Help: "Requests to enter that were answered 503 because too many were waiting in the process.",
		}),
	}
}

// Report has failures logged, and the batches measured, which otherwise nobody sees.
func (e *Entering) Report(log *slog.Logger, registry prometheus.Registerer) {
	e.log = log
	registry.MustRegister(e.sizes, e.seconds, e.retries, e.refusals)
}

// AdmitBy has those admitted to pools whose admissions are for the hashes of their logins.
// It is called only for pools that demand a qualifying time.
func (e *Entering) AdmitBy(logins func(ctx context.Context, userIDs []string) (map[string]string, error)) {
	e.logins = logins
}

// Batches returns how many batches there were, and how often they were tried: more
// often by the transactions that met a deadlock, a lost connection, or a bib that was
// just taken.
func (e *Entering) Batches() (batches, tries int64) { return e.batches.Load(), e.tries.Load() }

// request is a call of Enter that waits for its answer.
type request struct {
	Entry
	ctx    context.Context //nolint:containedctx // of the caller, who may give up while waiting
	answer chan answer
}

type answer struct {
	entrant LineEntry
	err     error
}

// Enter enters a runner in a race, or puts them in line. A runner who is known there
// gets their entry as it is. Sex and birth date are taken from the account.
//
// It returns race.ErrNotFound, also when there is no such account, race.ErrLeft, ErrBusy, a *race.InvalidError about the
// pool, a *race.ConflictError when the race accepts no such entry now, and
// race.ErrUnavailable; only then may the runner have been entered all the same.
func (e *Entering) Enter(ctx context.Context, entry Entry) (LineEntry, error) {
	entry.ReceivedAt = e.store.now()
	r := &request{Entry: entry, ctx: ctx, answer: make(chan answer, 1)}
	if err := e.queue(r); err != nil { //nolint:contextcheck // a batch answers several callers
		return LineEntry{}, err
	}
	select {
	case got := <-r.answer:
		return got.entrant, got.err
	case <-ctx.Done():
		return LineEntry{}, ctx.Err()
	}
}

// queue adds a request to the next batch of its race, and starts answering when nobody
// does.
func (e *Entering) queue(r *request) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	waiting, running := e.queues[r.RaceID]
	if len(waiting) >= maxQueued {
		e.refusals.Inc()
		return ErrBusy
	}
	e.queues[r.RaceID] = append(waiting, r)
	if !running {
		go e.run(r.RaceID)
	}
	return nil
}

// run answers the requests for a race until there are none.
func (e *Entering) run(raceID string) {
	for {
		batch := e.next(raceID)
		if len(batch) == 0 {
			return
		}
		e.batch(raceID, batch)
	}
}

// next takes the next batch without those whose callers have gone. It ends run when
// nobody waits.
func (e *Entering) next(raceID string) []*request {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		waiting := e.queues[raceID]
		if len(waiting) == 0 {
			delete(e.queues, raceID)
			return nil
		}
		n := min(len(waiting), maxBatch)
		batch := slices.DeleteFunc(slices.Clone(waiting[:n]), func(r *request) bool { return r.ctx.Err() != nil })
		e.queues[raceID] = waiting[n:]
		if len(batch) > 0 {
			return batch
		}
	}
}

// batch answers requests for one race. It has a context of its own, since the requests
// of several callers depend on it.
func (e *Entering) batch(raceID string, batch []*request) {
	defer e.recovered(raceID, batch...)
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	ofRace, err := e.store.Race(ctx, raceID)
	if err != nil {
		answerAll(batch, err)
		return
	}
	accounts, err := e.accounts(ctx, usersOf(batch))
	if err != nil {
		answerAll(batch, err)
		return
	}
	pools := map[int][]*request{}
	for _, r := range batch {
		account, ok := accounts[r.UserID]
		if !ok {
			r.answer <- answer{err: race.ErrNotFound}
			continue
		}
		r.Sex, r.BirthDate = account.Sex, account.BirthDate
		if ofRace.Entry == nil {
			go e.enterAlone(r)
			continue
		}
		pool, err := ofRace.ChooseEntryPool(r.Pool, r.Sex, r.BirthDate.AgeOn(ofRace.Date))
		if err != nil {
			// Whoever has entered gets their entry, whatever they ask for now.
			go e.answerKnown(r, err)
			continue
		}
		pools[pool.Key] = append(pools[pool.Key], r)
	}
	for key, requests := range pools {
		if pool, _ := ofRace.EntryPoolWith(key); !pool.Standard.IsZero() && e.logins != nil {
			if err := e.readLogins(ctx, requests); err != nil {
				answerAll(requests, err)
				continue
			}
		}
		e.answerPool(ctx, raceID, key, requests)
	}
}

func answerAll(requests []*request, err error) {
	for _, r := range requests {
		r.answer <- answer{err: err}
	}
}

// readLogins adds the hashes of the runners' logins to their requests.
func (e *Entering) readLogins(ctx context.Context, requests []*request) error {
	logins, err := e.logins(ctx, usersOf(requests))
	for _, r := range requests {
		r.LoginHash = logins[r.UserID]
	}
	return err
}

// recovered answers requests whose handling panicked, so that one that nobody thought of
// costs its callers a 503 and not the process everything that it does. It must be
// deferred.
func (e *Entering) recovered(raceID string, requests ...*request) {
	cause := recover()
	if cause == nil {
		return
	}
	e.log.Error("entering runners panicked: they are answered with 503, and the next requests are taken", "race_id", raceID, "requests", len(requests),
		"panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	for _, r := range requests {
		select {
		case r.answer <- answer{err: fmt.Errorf("enter race %s: %w", raceID, race.ErrUnavailable)}:
		default: // it was answered before
		}
	}
}

// usersOf returns whose requests they are, each once.
func usersOf(requests []*request) []string {
	users := make([]string, len(requests))
	for i, r := range requests {
		users[i] = r.UserID
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// enterAlone enters a runner in a race without entry settings.
func (e *Entering) enterAlone(r *request) {
	defer e.recovered(r.RaceID, r)
	if r.Pool != "" {
		r.answer <- answer{err: &race.InvalidError{Fields: []race.FieldError{{Field: "pool", Message: "must be left out: the race has no pools"}}}}
		return
	}
	p, err := e.store.Enter(r.ctx, r.Entry)
	r.answer <- answer{entrant: LineEntry{Participant: p}, err: err}
}

func (e *Entering) answerKnown(r *request, refusal error) {
	defer e.recovered(r.RaceID, r)
	known, err := e.store.EntryOf(r.ctx, r.RaceID, r.UserID)
	if errors.Is(err, race.ErrNotFound) || err == nil && known.Status.Left() {
		err = refusal
	}
	r.answer <- answer{entrant: known, err: err}
}

// answerPool answers requests for one pool. Two of the same runner get the same answer.
func (e *Entering) answerPool(ctx context.Context, raceID string, pool int, requests []*request) {
	var entries []Entry
	index := make(map[string]int, len(requests))
	for _, r := range requests {
		if _, twice := index[r.UserID]; !twice {
			index[r.UserID] = len(entries)
			entries = append(entries, r.Entry)
		}
	}
	e.batches.Add(1)
	e.sizes.Observe(float64(len(entries)))
	began := time.Now()
	answers, err := e.enterAll(ctx, raceID, pool, entries)
	e.seconds.Observe(time.Since(began).Seconds())
	for _, r := range requests {
		if err != nil {
			r.answer <- answer{err: err}
			continue
		}
		r.answer <- answers[index[r.UserID]]
	}
}

// enterAll enters a batch. When it cannot be known whether a commit took effect, the
// batch is done again: under the lock, those who were entered are found.
func (e *Entering) enterAll(ctx context.Context, raceID string, pool int, entries []Entry) (answers []answer, err error) {
	backoff := retry.WithCappedDuration(maxBackoff, retry.WithJitterPercent(50, retry.NewExponential(batchBackoff)))
	tried := false
	err = retry.Do(ctx, backoff, func(ctx context.Context) error {
		err := mysql.InTx(ctx, e.store.db, func(tx *sql.Tx) error {
			e.tries.Add(1)
			if tried {
				e.retries.Inc()
			}
			tried = true
			// The accounts are marked before the pool is locked, so that another process
			// enters its runners meanwhile. Nobody can enter these any more until we commit.
			known, err := e.store.knownEntrants(ctx, tx, raceID, entries)
			if err != nil {
				return err
			}
			return e.store.lockLine(ctx, tx, raceID, pool, func(l *line) (err error) {
				answers, err = l.enter(ctx, entries, known)
				return err
			})
		})
		if errors.Is(err, race.ErrUnavailable) || mysql.IsDuplicate(err) || errors.Is(err, sql.ErrConnDone) {
			return retry.RetryableError(err)
		}
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("enter %d runners: %w", len(entries), race.ErrUnavailable)
	}
	if err != nil {
		return nil, err
	}
	return answers, e.store.positions(ctx, raceID, pool, answers)
}
