package activities

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
)

const (
	// webhookBatch is how many deliveries one step sends.
	webhookBatch = 100
	// webhookSenders is how many of them are under way at once.
	webhookSenders = 4
	// maxWebhookFailures is after how many failures a step stops trying the rest.
	maxWebhookFailures = 8
	// webhookRest and maxWebhookRest bound how long an endpoint that accepted nothing in a step
	// is left alone: a tenth of the time that it has failed.
	webhookRest    = 5 * time.Second
	maxWebhookRest = 30 * time.Minute
)

// webhookStore keeps deliveries; maindb.Outcomes implements it. Tests lose its answers.
type webhookStore interface {
	DueWebhooks(ctx context.Context, webhookID string, limit int) (maindb.WebhookBatch, error)
	BeginDelivery(ctx context.Context, d maindb.WebhookDelivery, next time.Time) (maindb.WebhookDelivery, bool, error)
	FinishDelivery(ctx context.Context, d maindb.WebhookDelivery, o webhook.Outcome, state string, next time.Time) (off bool, err error)
}

// Webhooks tells endpoints what changed.
type Webhooks struct {
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
// chat all of them as one message. An attempt is noted before it
// is made: when the worker is killed before it has noted what came of it, the event is
// sent once more, under the same ID, when its next attempt is due.
func (a *Webhooks) SendWebhooks(ctx context.Context, in WebhookInput) (WebhookSent, error) {
	ctx = asWorkflow(ctx)
	batch, err := a.store.DueWebhooks(ctx, in.WebhookID, webhookBatch)
	if errors.Is(err, race.ErrNotFound) {
		return WebhookSent{}, nil // removed or switched off meanwhile
	}
	if err != nil || len(batch.Due) == 0 {
		return WebhookSent{NextAt: batch.Next}, err
	}
	s := &sending{}
	if batch.Format.IsChat() {
		s.note(a.tell(ctx, batch, s))
	} else {
		a.sendAll(ctx, batch, s)
	}
	if err := errors.Join(s.errs...); err != nil {
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
	delivered, failed atomic.Int64
	stop              atomic.Bool // no further attempts are begun

	mu   sync.Mutex
	errs []error
}

// note keeps an error, after which no further attempts are begun.
func (s *sending) note(err error) {
	if err == nil {
		return
	}
	s.stop.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// sendAll makes an attempt at each delivery, several at once.
func (a *Webhooks) sendAll(ctx context.Context, batch maindb.WebhookBatch, s *sending) {
	todo := make(chan maindb.WebhookDelivery)
	var senders sync.WaitGroup
	for range webhookSenders {
		senders.Go(func() {
			for d := range todo {
				s.note(a.try(ctx, batch, d, s))
			}
		})
	}
	stopping := workerStops(ctx)
	for _, d := range batch.Due {
		if s.stop.Load() || ctx.Err() != nil {
			break
		}
		select {
		case <-stopping:
			s.stop.Store(true)
		case todo <- d:
		}
	}
	close(todo)
	senders.Wait()
}

// workerStops returns a channel that is closed when the worker begins to stop.
func workerStops(ctx context.Context) <-chan struct{} {
	if !activity.IsActivity(ctx) {
		return nil
	}
	return activity.GetWorkerStopChannel(ctx)
}

// try makes one attempt at a delivery.
func (a *Webhooks) try(ctx context.Context, batch maindb.WebhookBatch, d maindb.WebhookDelivery, s *sending) error {
	random := rand.Float64() //nolint:gosec // jitter
	d, ours, err := a.begin(ctx, d, random)
	if err != nil || !ours {
		return err
	}
	outcome, err := a.sender.Send(ctx, batch.URL, batch.Secrets, webhook.Message{ID: d.ID, Type: d.Type, At: d.HappenedAt, Data: d.Data})
	if err != nil {
		return err
	}
	return a.finish(ctx, batch, d, outcome, random, s)
}

// tell makes one attempt at all that is due at a chat, as one message.
func (a *Webhooks) tell(ctx context.Context, batch maindb.WebhookBatch, s *sending) error {
	random := rand.Float64() //nolint:gosec // jitter, the same for all, so that they are one message again
	note := webhook.Note{Language: batch.Language, RaceID: batch.RaceID, Race: batch.RaceName, PublicURL: a.public}
	var begun []maindb.WebhookDelivery
	for _, d := range batch.Due {
		d, ours, err := a.begin(ctx, d, random)
		if err != nil {
			return err
		}
		if ours {
			begun = append(begun, d)
			note.Events = append(note.Events, webhook.Message{ID: d.ID, Type: d.Type, At: d.HappenedAt, Data: d.Data})
		}
	}
	if len(begun) == 0 || len(batch.Secrets) == 0 {
		return nil
	}
	outcome, err := a.sender.Tell(ctx, batch.Format, string(batch.Secrets[0]), note)
	if err != nil {
		return err
	}
	for _, d := range begun {
		if err := a.finish(ctx, batch, d, outcome, random, s); err != nil {
			return err
		}
	}
	return nil
}

// begin notes an attempt before it is made. It returns the delivery as it is then, and
// false when somebody else has it.
func (a *Webhooks) begin(ctx context.Context, d maindb.WebhookDelivery, random float64) (maindb.WebhookDelivery, bool, error) {
	if activity.IsActivity(ctx) {
		activity.RecordHeartbeat(ctx)
	}
	pause, again := webhook.Pause(d.Attempts+1, 0, random)
	if !again {
		pause = time.Minute // in case nobody notes what became of the last attempt
	}
	return a.store.BeginDelivery(ctx, d, a.now().Add(pause))
}

// finish notes what became of an attempt.
func (a *Webhooks) finish(ctx context.Context, batch maindb.WebhookBatch, d maindb.WebhookDelivery, outcome webhook.Outcome, random float64, s *sending) error {
	state, counted, next := maindb.DeliveryWaiting, webhookFailed, d.DueAt
	switch {
	case outcome.Delivered():
		state, counted = maindb.DeliveryDelivered, webhookDelivered
		s.delivered.Add(1)
	default:
		pause, again := webhook.Pause(d.Attempts, outcome.RetryAfter, random)
		if next = a.now().Add(pause); !again {
			state, counted = maindb.DeliveryFailed, webhookGivenUp
		}
		if s.failed.Add(1) >= maxWebhookFailures && s.delivered.Load() == 0 || outcome.Rest() > 0 {
			s.stop.Store(true)
		}
	}
	off, err := a.store.FinishDelivery(ctx, d, outcome, state, next)
	if err != nil {
		return err
	}
	a.attempts.WithLabelValues(counted).Inc()
	if off {
		s.stop.Store(true)
		a.off.Inc()
		a.log.WarnContext(ctx, "webhook switched off: it failed for days, or answered 410 Gone; its owner can switch it on again",
			"webhook_id", d.WebhookID, "race_id", batch.RaceID, "outcome", outcome.String())
	}
	return nil
}
