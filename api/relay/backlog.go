package relay

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are for operators: a growing age of the oldest row means that records are not
// sent, or are posted faster than they are credited.
type metrics struct {
	sent     prometheus.Counter
	failures prometheus.Counter
	rows     prometheus.Gauge
	races    prometheus.Gauge
	oldest   prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_outbox_sent_total", Help: "Record revisions put on the queue by this process.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_outbox_failures_total", Help: "Messages that the queue did not accept; each is retried.",
		}),
		rows: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mrmrthon_outbox_rows", Help: "Record revisions that wait to be put on the queue, of all processes.",
		}),
		races: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mrmrthon_outbox_races", Help: "Races that have record revisions in the outbox.",
		}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mrmrthon_outbox_oldest_seconds", Help: "How long the oldest of them has waited.",
		}),
	}
	registry.MustRegister(m.sent, m.failures, m.rows, m.races, m.oldest)
	return m
}

const (
	// fresh is how long a measurement may be used.
	fresh = 10 * time.Second
	// rateWindow is the period over which the rate is averaged, approximately.
	rateWindow = 10 * time.Second
	// measureShare bounds the share of time spent on measuring, since the count reads
	// every row of the outbox's index.
	measureShare = 0.05
)

// backlog is what was waiting at the last measurement.
type backlog struct {
	mu      sync.Mutex
	at      time.Time
	ofRace  map[string]int // rows in the outbox
	onQueue int            // messages that wait on the queue or are in flight
	rate    float64        // records a second that left the outbox while others waited there; 0 means unknown
	rated   time.Time      // when the rate was last updated
}

// learn adds a measurement. The rows that left the outbox are summed over the races that
// now have fewer of them, whichever process sent them; new rows of a race in the
// meantime make the estimate too low, never too high.
func (b *backlog) learn(now time.Time, ofRace map[string]int, onQueue int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := 0
	for raceID, before := range b.ofRace {
		left += max(0, before-ofRace[raceID])
	}
	if passed := now.Sub(b.at); left > 0 && len(ofRace) > 0 && passed > 0 && passed < fresh {
		rate := float64(left) / passed.Seconds()
		if b.rate > 0 && now.Sub(b.rated) < time.Minute {
			weight := 1 - math.Exp(-passed.Seconds()/rateWindow.Seconds())
			rate = b.rate + weight*(rate-b.rate)
		}
		b.rate, b.rated = rate, now
	}
	b.at, b.ofRace, b.onQueue = now, ofRace, onQueue
}

// Ahead estimates how many records will be credited up to and including the last
// pending one of a race, as races take turns, and in how many seconds at the rate
// of the last minute. Zero means unknown. pending is the number of the race's
// pending records.
func (r *Relay) Ahead(raceID string, pending int) (records, seconds int) {
	b := &r.backlog
	b.mu.Lock()
	defer b.mu.Unlock()
	if pending == 0 || time.Since(b.at) > fresh {
		return 0, 0
	}
	records = b.onQueue
	for _, waiting := range b.ofRace {
		records += min(waiting, b.ofRace[raceID])
	}
	records = max(records, pending)
	if b.rate > 0 && time.Since(b.rated) < time.Minute {
		seconds = int(math.Ceil(float64(records) / b.rate))
	}
	return records, seconds
}

// measure reads the backlog about once a tick. A failure keeps the last figures and is
// not logged, because sending fails for the same reason and logs it.
func (r *Relay) measure(ctx context.Context) {
	began := time.Now()
	if began.Before(r.measured) {
		return
	}
	defer func() {
		now := time.Now()
		r.measured = now.Add(max(tick, time.Duration(float64(now.Sub(began))/measureShare)))
	}()
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	ofRace, oldest, err := r.store.OutboxDepth(ctx)
	if err != nil {
		return
	}
	rows := 0
	for _, n := range ofRace {
		rows += n
	}
	r.metrics.rows.Set(float64(rows))
	r.metrics.races.Set(float64(len(ofRace)))
	r.metrics.oldest.Set(oldest.Seconds())
	depth, err := r.queue.Depth(ctx)
	if err != nil {
		return
	}
	r.backlog.learn(time.Now(), ofRace, depth.Visible+depth.InFlight)
}
