package maindb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
)

// ReaderConfig says where a replica of main_db is that answers public reads.
type ReaderConfig struct {
	Addr   string        `env:"MAIN_DB_READER_ADDR" check:"host:port" help:"a server that replicates main_db and answers public reads; none when empty"`
	MaxLag time.Duration `env:"MAIN_DB_READER_MAX_LAG" envDefault:"5s" min:"2s" help:"how old the replica's data may be before the database's own server is read instead"`
}

// beatInterval is the time from one heartbeat to the next.
const beatInterval = time.Second

// Reader is a replica of main_db. A heartbeat measures how old its data is: a row that
// is written to the writer every second and read from the replica. That works with
// the API's rights on MariaDB, MySQL and Aurora, whose replicas tell their lag in
// three different ways, each to accounts with more rights.
type Reader struct {
	writer, replica *sql.DB
	maxLag          time.Duration
	log             *slog.Logger
	now             func() time.Time

	mu     sync.Mutex
	usable bool
	beat   time.Time // the newest heartbeat that the replica has, by the writer's clock
	offset time.Duration
	known  bool // offset, of the writer's clock from this program's

	lag, usableGauge prometheus.Gauge
	fallbacks        prometheus.Counter
}

// NewReader returns a reader that is not used until Run has found its data new enough.
func NewReader(writer, replica *sql.DB, cfg ReaderConfig, now func() time.Time, log *slog.Logger, registry prometheus.Registerer) *Reader {
	r := &Reader{
		writer: writer, replica: replica, maxLag: cfg.MaxLag, log: log, now: now,
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mrmrthon_reader_lag_seconds", Help: "How old the data of main_db's replica is at most; about a second when it follows at once.",
		}),
		usableGauge: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mrmrthon_reader_usable", Help: "Whether public reads go to main_db's replica: 1 or 0.",
		}),
		fallbacks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_reader_fallbacks_total", Help: "Statements that failed on main_db's replica and went to its own server.",
		}),
	}
	registry.MustRegister(r.lag, r.usableGauge, r.fallbacks)
	return r
}

// MaxLag is how old the data may be.
func (r *Reader) MaxLag() time.Duration { return r.maxLag }

// Run measures the replica's lag every second until ctx ends.
func (r *Reader) Run(ctx context.Context) {
	ticker := time.NewTicker(beatInterval)
	defer ticker.Stop()
	for {
		err := r.measure(ctx)
		if ctx.Err() != nil {
			return
		}
		r.judge(ctx, err)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// heartbeat is the key of the row, in a table that the API may write. No request's
// key has this hash.
var heartbeat = sha256.Sum256([]byte("heartbeat of main_db's replica"))

// measure reads the newest heartbeat that the replica has, then writes the next one.
func (r *Reader) measure(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*beatInterval)
	defer cancel()
	const read, clock, write = "SELECT created_at FROM idempotency_key WHERE key_hash = ?", "SELECT UTC_TIMESTAMP(6)",
		`INSERT INTO idempotency_key (key_hash, request_hash, resource_id, created_at) VALUES (?, ?, 'heartbeat', UTC_TIMESTAMP(6))
		ON DUPLICATE KEY UPDATE created_at = VALUES(created_at)`
	var beat, now time.Time
	replicaErr := r.replica.QueryRowContext(ctx, read, heartbeat[:]).Scan(&beat)
	if errors.Is(replicaErr, sql.ErrNoRows) {
		replicaErr = errors.New("it has no heartbeat yet")
	}
	err := r.writer.QueryRowContext(ctx, clock).Scan(&now)
	if err == nil {
		_, err = r.writer.ExecContext(ctx, write, heartbeat[:], heartbeat[:])
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if replicaErr == nil {
		r.beat = beat
	}
	if !now.IsZero() {
		r.offset, r.known = now.Sub(r.now()), true
	}
	if err != nil {
		// The replica is as new as it can be, but for how long, nobody can say.
		r.log.DebugContext(ctx, "cannot write the heartbeat of main_db's replica: it counts as older every second", "error", err)
	}
	return replicaErr
}

// judge decides whether the replica is used until the next heartbeat.
func (r *Reader) judge(ctx context.Context, err error) {
	r.mu.Lock()
	lag := r.age()
	was := r.usable
	r.usable = err == nil && r.known && lag <= r.maxLag
	usable := r.usable
	r.mu.Unlock()
	r.lag.Set(lag.Seconds())
	r.show(usable)
	switch {
	case usable && !was:
		r.log.InfoContext(ctx, "public reads go to main_db's replica", "lag", lag)
	case was && !usable:
		r.log.WarnContext(ctx, "main_db's replica lags or does not answer: public reads go to its own server", "lag", lag, "error", err)
	}
}

// age is how old the replica's data is at most, by the writer's clock.
func (r *Reader) age() time.Duration {
	if r.beat.IsZero() || !r.known {
		return 0
	}
	return max(0, r.now().Add(r.offset).Sub(r.beat))
}

func (r *Reader) show(usable bool) {
	if usable {
		r.usableGauge.Set(1)
	} else {
		r.usableGauge.Set(0)
	}
}

type readerKey struct{}

// Prefer returns a context in which reads go to the replica, and whether it is usable;
// when it is not, the context is the same.
func (r *Reader) Prefer(ctx context.Context) (context.Context, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.usable || r.age() > r.maxLag {
		return ctx, false
	}
	return context.WithValue(ctx, readerKey{}, true), true
}

// FromWriter returns a context in which reads go to the database's own server: for
// what is shared with callers who must see their own changes.
func FromWriter(ctx context.Context) context.Context {
	return context.WithValue(ctx, readerKey{}, false)
}

// failed stops the use of the replica until its next good heartbeat.
func (r *Reader) failed(ctx context.Context, err error) {
	r.fallbacks.Inc()
	r.mu.Lock()
	was := r.usable
	r.usable = false
	r.mu.Unlock()
	r.show(false)
	if was {
		r.log.WarnContext(ctx, "a read failed on main_db's replica: public reads go to its own server until it answers again", "error", err)
	}
}

// ReadFrom has the store read from a replica where the context prefers one.
// Transactions, and everything that is written, stay on the database's own server.
func (s *Store) ReadFrom(r *Reader) { s.queries = gen.New(routed{s.db, r}) }

// routed sends reads to the replica or to the database's own server. A statement that
// the replica refuses is repeated on the latter.
type routed struct {
	*sql.DB
	reader *Reader
}

// fromReplica reports whether a statement goes to the replica. One that has failed is
// not asked again, although the context of a request still prefers it.
func (d routed) fromReplica(ctx context.Context) bool {
	if prefers, _ := ctx.Value(readerKey{}).(bool); !prefers {
		return false
	}
	d.reader.mu.Lock()
	defer d.reader.mu.Unlock()
	return d.reader.usable
}

func (d routed) QueryContext(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	if d.fromReplica(ctx) {
		rows, err := d.reader.replica.QueryContext(ctx, statement, args...)
		if err == nil || ctx.Err() != nil {
			return rows, err
		}
		d.reader.failed(ctx, fmt.Errorf("query: %w", err))
	}
	return d.DB.QueryContext(ctx, statement, args...)
}

func (d routed) QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row {
	if d.fromReplica(ctx) {
		row := d.reader.replica.QueryRowContext(ctx, statement, args...)
		if row.Err() == nil || ctx.Err() != nil {
			return row
		}
		d.reader.failed(ctx, fmt.Errorf("query: %w", row.Err()))
	}
	return d.DB.QueryRowContext(ctx, statement, args...)
}
