package activities

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
)

const (
	// webhookBatch is how many deliveries one step sends at most.
	webhookBatch = 50_000
	// webhookSending is how long one step goes on sending, so that slow endpoints leave the
	// others their turn, and no call of theirs is cut off by the end of the step.
	webhookSending = time.Minute
	// webhookSenders is how many of them are under way at once.
	webhookSenders = 8
	// webhooksUnnoted is how many of them are sent before it is noted what became of them.
	webhooksUnnoted = 512
	// webhooksRead is how many wait to be sent at most.
	webhooksRead = 512
	// webhookLease is how long an endpoint is left alone of which a step has noted nothing:
	// longer than an attempt and what is noted of it take, so that nobody repeats one that is
	// under way.
	webhookLease = time.Minute
	// maxWebhookFailures is after how many failures a step stops trying the rest.
	maxWebhookFailures = 8
	// webhookRest and maxWebhookRest bound how long an endpoint that accepted nothing in a step
	// is left alone: a tenth of the time that it has failed.
	webhookRest    = 5 * time.Second
	maxWebhookRest = 30 * time.Minute
)

// webhookStore keeps deliveries; maindb.Outcomes implements it. Tests lose its answers.
type webhookStore interface {
	DueWebhooks(ctx context.Context, webhookID, sender string, lease time.Duration, limit int) (maindb.WebhookBatch, error)
	StillDue(ctx context.Context, webhookID, sender string, due []maindb.DueDelivery) ([]maindb.WebhookDelivery, error)
	NoteDeliveries(ctx context.Context, webhookID, sender string, lease time.Duration, done []maindb.DeliveryOutcome) (maindb.DeliveriesNoted, error)
	LeaveWebhook(ctx context.Context, webhookID, sender string) error
}

// Webhooks sends what changed to endpoints.
type Webhooks struct {
	// Busy reports whether credits wait, for which deliveries give way; nil: never.
	Busy func() bool

	store    webhookStore
	sender   *webhook.Sender
	public   string // the URL at which readers reach the pages
	now      func() time.Time
	log      *slog.Logger
	attempts *prometheus.CounterVec
	off      prometheus.Counter
}

// NewWebhooks returns the activity that sends what is due at an endpoint. Messages to
// chats link to pages below publicURL; when it is empty they have no links.
func NewWebhooks(store webhookStore, sender *webhook.Sender, publicURL string, now func() time.Time, log *slog.Logger, registry prometheus.Registerer) *Webhooks {
	a := &Webhooks{
		store: store, sender: sender, public: publicURL, now: now, log: log,
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mrmrthon_webhook_attempts_total", Help: "Attempts to deliver an event to an endpoint, by outcome: delivered, failed (another attempt follows), given_up (it was the last).",
		}, []string{"outcome"}),
		off: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mrmrthon_webhooks_switched_off_total", Help: "Endpoints that were switched off because they failed for days, or answered that they are gone.",
		}),
	}
	registry.MustRegister(a.attempts, a.off)
	for _, outcome := range []string{webhookDelivered, webhookFailed, webhookGivenUp} {
		a.attempts.WithLabelValues(outcome) // so that a rate exists from the first one on
	}
	return a
}

// Outcomes of an attempt, as the metric says them.
const (
	webhookDelivered = "delivered"
	webhookFailed    = "failed"
	webhookGivenUp   = "given_up"
)

// WebhookInput names an endpoint.
type WebhookInput struct {
	WebhookID string `json:"webhook_id"`
}

// WebhookSent says what one step did at an endpoint.
type WebhookSent struct {
	Delivered int `json:"delivered"`
	Failed    int `json:"failed"`
	// More reports whether further deliveries are due.
	More bool `json:"more,omitempty"`
	// NextAt is when the next attempt is due; zero: nothing waits.
	NextAt time.Time `json:"next_at,omitzero"`
}

// SendWebhooks sends a batch of what is due at an endpoint: each event by itself, or to a
// chat all of them as one message. When the worker is killed before it has noted what came
// of an attempt, the event is sent once more, under the same ID, when the lease has ended.
func (a *Webhooks) SendWebhooks(ctx context.Context, in WebhookInput) (WebhookSent, error) {
	ctx = asWorkflow(ctx)
	defer keepAlive(ctx)()
	sender := uuid.NewString()
	batch, err := a.store.DueWebhooks(ctx, in.WebhookID, sender, webhookLease, webhookBatch)
	if errors.Is(err, race.ErrNotFound) {
		return WebhookSent{}, nil // removed or switched off meanwhile
	}
	if err != nil || len(batch.Due) == 0 {
		return WebhookSent{NextAt: batch.Next}, err
	}
	defer leave(ctx, func(ctx context.Context) error { return a.store.LeaveWebhook(ctx, in.WebhookID, sender) })
	until := a.now().Add(webhookSending)
	s := &sending{Webhooks: a, id: sender, batch: batch, jitter: rand.Float64()} //nolint:gosec // jitter
	err = turns[[]maindb.DueDelivery, []maindb.WebhookDelivery, []maindb.DeliveryOutcome]{
		read: func(ctx context.Context, next [][]maindb.DueDelivery) ([][]maindb.WebhookDelivery, error) {
			due, err := a.store.StillDue(ctx, in.WebhookID, sender, slices.Concat(next...))
			if err == nil && len(due) == 0 { // the endpoint is another's or off, or all was replayed: the next step looks again
				s.stop.Store(true)
			}
			return messages(batch.Format, due), err
		},
		send: s.attempt, note: s.note,
		atOnce: webhookSenders, unnoted: webhooksUnnoted, most: webhooksRead, busy: a.Busy,
		stop:    func() bool { return s.stop.Load() || a.now().After(until) },
		careful: func() bool { return s.delivered.Load() == 0 },
	}.run(ctx, messages(batch.Format, batch.Due))
	if err != nil {
		return WebhookSent{}, err
	}
	sent := WebhookSent{Delivered: int(s.delivered.Load()), Failed: int(s.failed.Load()), More: true}
	if sent.Delivered == 0 && sent.Failed >= maxWebhookFailures {
		failing := batch.FailingSince
		if failing.IsZero() {
			failing = a.now()
		}
		sent.More, sent.NextAt = false, a.now().Add(min(max(a.now().Sub(failing)/10, webhookRest), maxWebhookRest))
	}
	return sent, nil
}

// sending is a batch under way.
type sending struct {
	*Webhooks
	id                string // under which it holds the endpoint
	batch             maindb.WebhookBatch
	jitter            float64 // of a chat's batch, the same for all, so that they are one message again
	delivered, failed atomic.Int64
	stop              atomic.Bool // no further attempts are begun
}

// messages groups deliveries by what is sent as one: all to a chat, each by itself
// otherwise.
func messages[Delivery any](format webhook.Format, deliveries []Delivery) [][]Delivery {
	if format.IsChat() && len(deliveries) > 0 {
		return [][]Delivery{deliveries}
	}
	return slices.Collect(slices.Chunk(deliveries, 1))
}

func (s *sending) pause(attempt int, asked time.Duration) (pause time.Duration, again bool) {
	random := s.jitter
	if !s.batch.Format.IsChat() {
		random = rand.Float64() //nolint:gosec // jitter
	}
	return webhook.Pause(attempt, asked, random)
}

// note notes what came of attempts.
func (s *sending) note(ctx context.Context, done [][]maindb.DeliveryOutcome) error {
	noted, err := s.store.NoteDeliveries(ctx, s.batch.ID, s.id, webhookLease, slices.Concat(done...))
	if err != nil {
		return err
	}
	if noted.Closed {
		s.stop.Store(true)
	}
	if noted.SwitchedOff {
		s.off.Inc()
		s.log.WarnContext(ctx, "webhook switched off: it failed for days, or answered 410 Gone; its owner can switch it on again",
			"webhook_id", s.batch.ID, "race_id", s.batch.RaceID)
	}
	return nil
}

// attempt makes one attempt at deliveries that are one message.
func (s *sending) attempt(ctx context.Context, deliveries []maindb.WebhookDelivery) (results []maindb.DeliveryOutcome) {
	var events []webhook.Message
	for _, d := range deliveries {
		events = append(events, webhook.Message{ID: d.ID, Type: d.Type, At: d.HappenedAt, Data: d.Data})
	}
	var outcome webhook.Outcome
	var err error
	switch {
	case !s.batch.Format.IsChat():
		outcome, err = s.sender.Send(ctx, s.batch.URL, s.batch.Secrets, events[0])
	case len(s.batch.Secrets) == 0:
		return nil
	default:
		outcome, err = s.sender.SendNote(ctx, s.batch.Format, string(s.batch.Secrets[0]), webhook.Note{
			Language: s.batch.Language, RaceID: s.batch.RaceID, Race: s.batch.RaceName, PublicURL: s.public, Events: events,
		})
	}
	if err != nil {
		return nil // the step has ended: nobody knows what came of it
	}
	if outcome.Rest() > 0 || outcome.Gone() {
		s.stop.Store(true)
	}
	for _, d := range deliveries {
		results = append(results, s.result(d, outcome))
	}
	return results
}

// result is what is noted of an attempt.
func (s *sending) result(d maindb.WebhookDelivery, outcome webhook.Outcome) maindb.DeliveryOutcome {
	result := maindb.DeliveryOutcome{WebhookDelivery: d, Outcome: outcome, State: maindb.DeliveryDelivered, NextAt: d.DueAt}
	if outcome.Delivered() {
		s.delivered.Add(1)
		s.attempts.WithLabelValues(webhookDelivered).Inc()
		return result
	}
	pause, again := s.pause(d.Attempts+1, outcome.RetryAfter)
	result.NextAt, result.State = s.now().Add(pause), maindb.DeliveryWaiting
	counted := webhookFailed
	if !again {
		result.State, counted = maindb.DeliveryFailed, webhookGivenUp
	}
	s.attempts.WithLabelValues(counted).Inc()
	if s.failed.Add(1) >= maxWebhookFailures && s.delivered.Load() == 0 {
		s.stop.Store(true)
	}
	return result
}
