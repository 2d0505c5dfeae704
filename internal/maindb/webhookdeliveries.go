package maindb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
)

// ConsumeWebhooks writes a delivery for each endpoint that asked for what the change log
// tells, and returns how many changes it took. Changes of one type in one race that follow
// each other make one event.
func (s *Outcomes) ConsumeWebhooks(ctx context.Context) (n int, err error) {
	return s.ConsumeChanges(ctx, "webhooks", webhooksAtOnce, func(ctx context.Context, tx *sql.Tx, changes []SealedChange) error {
		var gathered webhook.Gatherer
		for _, c := range changes {
			gathered.Add(c.Position, c.Change)
		}
		events := gathered.Events()
		if len(events) == 0 {
			return nil
		}
		var raceIDs []string
		for _, e := range events {
			if !slices.Contains(raceIDs, e.RaceID) {
				raceIDs = append(raceIDs, e.RaceID)
			}
		}
		q := s.queries.WithTx(tx)
		endpoints, err := q.WebhooksThatAreOn(ctx, raceIDs)
		if err != nil {
			return fmt.Errorf("list webhooks: %w", err)
		}
		return s.deliver(ctx, tx, webhooksOf(endpoints), events)
	})
}

func (s *Outcomes) deliver(ctx context.Context, tx *sql.Tx, endpoints []Webhook, events []webhook.Event) error {
	type delivery struct {
		webhookID string
		dueAt     time.Time
		webhook.Event
	}
	q, now := s.queries.WithTx(tx), s.now().UTC().Truncate(time.Microsecond)
	var deliveries []delivery
	for _, w := range endpoints {
		before := len(deliveries)
		for _, e := range events {
			if w.wants(e) {
				deliveries = append(deliveries, delivery{w.ID, w.Format.DueAt(e.Type, now), e})
			}
		}
		if len(deliveries) == before {
			continue
		}
		if err := q.WakeWebhook(ctx, nullMoment(now), w.ID); err != nil {
			return fmt.Errorf("wake webhook %s: %w", w.ID, err)
		}
	}
	const into = `INSERT INTO webhook_delivery (delivery_id, webhook_id, position, type, happened_at, data, state, attempts, due_at, created_at) VALUES `
	for part := range slices.Chunk(deliveries, chunk) {
		err := insertRows(ctx, tx, into, part, func(args []any, d delivery) []any {
			return append(args, uuid.Must(uuid.NewV7()).String(), d.webhookID, d.Position, string(d.Type), d.At, string(d.Data()), DeliveryWaiting, 0, d.dueAt, now)
		})
		if err != nil {
			return fmt.Errorf("add deliveries: %w", err)
		}
	}
	return nil
}

// wants reports whether an event is sent to an endpoint.
func (w Webhook) wants(e webhook.Event) bool {
	if e.Type == webhook.Test {
		return slices.Contains(e.Subjects, w.ID)
	}
	return e.RaceID == w.RaceID && slices.Contains(w.Events, e.Type)
}

// WakeWebhooks calls wake for each endpoint that has something new to send. Of several
// processes that do so at once, each may wake the same ones, which must do no harm.
func (s *Outcomes) WakeWebhooks(ctx context.Context, wake func(ctx context.Context, webhookID string) error) error {
	rows, err := s.queries.WebhooksToWake(ctx, nullMoment(s.now()), webhooksAtOnce)
	if err != nil {
		return fmt.Errorf("list webhooks to wake: %w", err)
	}
	for _, row := range rows {
		if err := wake(ctx, row.WebhookID); err != nil {
			return fmt.Errorf("wake webhook %s: %w", row.WebhookID, err)
		}
		if err := s.queries.WebhookWoken(ctx, row.WebhookID, row.WakeAt); err != nil {
			return fmt.Errorf("note that webhook %s was woken: %w", row.WebhookID, err)
		}
	}
	return nil
}

// TidyWebhooks has endpoints woken again whose deliveries are long due, and deletes up to
// 1,000 deliveries that are too old to keep.
func (s *Outcomes) TidyWebhooks(ctx context.Context) error {
	now := s.now()
	if err := s.queries.WakeOverdueWebhooks(ctx, nullMoment(now), now.Add(-webhookOverdue)); err != nil {
		return fmt.Errorf("wake overdue webhooks: %w", err)
	}
	if _, err := s.queries.ExpireWebhookDeliveries(ctx, now.Add(-webhookLog)); err != nil {
		return fmt.Errorf("delete old deliveries: %w", err)
	}
	return nil
}

// WebhookBacklog returns how long the oldest due delivery waits, and for up to 100
// endpoints that fail, how many events they have not taken.
func (s *Outcomes) WebhookBacklog(ctx context.Context) (oldest time.Duration, failing map[string]int64, err error) {
	due, err := s.queries.OldestDueWebhookDelivery(ctx)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, nil, fmt.Errorf("read the oldest delivery: %w", err)
	}
	if err == nil {
		oldest = max(0, s.now().Sub(due))
	}
	rows, err := s.queries.FailingWebhooks(ctx)
	if err != nil {
		return 0, nil, fmt.Errorf("list failing webhooks: %w", err)
	}
	failing = make(map[string]int64, len(rows))
	for _, row := range rows {
		failing[row.WebhookID] = row.Undelivered
	}
	return oldest, failing, nil
}

// WebhookBatch is what is due at an endpoint.
type WebhookBatch struct {
	Webhook
	RaceName string   // for a chat
	Secrets  [][]byte // the newest first
	Due      []DueDelivery
	Next     time.Time // when the next is due; zero: none waits
}

// DueDelivery names a delivery, as it was due.
type DueDelivery struct {
	ID    string
	DueAt time.Time
}

// DueWebhooks returns up to limit deliveries that are due at an endpoint, of a chat up to
// 1,000, and when the next is if none is. From then on they are the sender's alone, until it
// leaves the endpoint, or has noted nothing for as long as the lease. It returns
// race.ErrNotFound of one that is gone or off.
func (s *Outcomes) DueWebhooks(ctx context.Context, webhookID, sender string, lease time.Duration, limit int) (WebhookBatch, error) {
	var batch WebhookBatch
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now()
		row, err := q.LockWebhook(ctx, webhookID)
		if errors.Is(err, sql.ErrNoRows) || err == nil && row.OffReason != "" {
			return race.ErrNotFound
		}
		if err != nil {
			return err
		}
		batch = WebhookBatch{Webhook: webhookOf(row)}
		if batch.Next, err = q.NextWebhookDelivery(ctx, webhookID); errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		until := row.RestUntil.Time
		if held := row.SenderUntil.Time; held.After(until) && row.Sender != sender && !held.After(now.Add(2*lease)) { // later was a wrong clock
			until = held
		}
		if until.After(now) {
			if until.After(batch.Next) {
				batch.Next = until
			}
			return nil
		}
		if batch.Secrets, err = q.WebhookSecrets(ctx, webhookID, nullMoment(now)); err != nil {
			return err
		}
		if batch.Format.IsChat() {
			if batch.RaceName, err = q.NameOfRace(ctx, batch.RaceID); err != nil {
				return err
			}
			limit = chatAtOnce
		}
		due, err := q.DueWebhookDeliveries(ctx, webhookID, now, count32(limit))
		if err != nil || len(due) == 0 {
			return err
		}
		batch.Due = make([]DueDelivery, len(due))
		for i, row := range due {
			batch.Due[i] = DueDelivery{row.DeliveryID, row.DueAt}
		}
		return q.HoldWebhook(ctx, sender, nullMoment(now.Add(lease)), webhookID)
	})
	if err != nil && !errors.Is(err, race.ErrNotFound) {
		err = fmt.Errorf("read what is due at webhook %s: %w", webhookID, err)
	}
	return batch, err
}

// StillDue reads those of a sender's deliveries that still wait as they did, in the order in
// which they are given; none once the endpoint is another's, or off. Others were replayed, or
// are gone.
func (s *Outcomes) StillDue(ctx context.Context, webhookID, sender string, due []DueDelivery) ([]WebhookDelivery, error) {
	ids := make([]string, len(due))
	for i, d := range due {
		ids[i] = d.ID
	}
	rows, err := s.queries.DeliveriesStillDue(ctx, webhookID, sender, ids)
	if err != nil {
		return nil, fmt.Errorf("read what is still due at webhook %s: %w", webhookID, err)
	}
	found := make(map[string]gen.WebhookDelivery, len(rows))
	for _, row := range rows {
		found[row.DeliveryID] = row
	}
	still := make([]WebhookDelivery, 0, len(rows))
	for _, d := range due {
		if row, ok := found[d.ID]; ok && row.DueAt.Equal(d.DueAt) {
			still = append(still, deliveryOf(row))
		}
	}
	return still, nil
}

// DeliveryOutcome is what came of an attempt. Without a state, nothing is to be noted.
type DeliveryOutcome struct {
	WebhookDelivery // as it was due
	Outcome         webhook.Outcome
	State           string    // that the delivery is in from now on
	NextAt          time.Time // when the next attempt is due, if it waits
}

// DeliveriesNoted says what is to be known of an endpoint since outcomes were noted.
type DeliveriesNoted struct {
	Closed      bool // nothing is sent to it any more, or somebody else does
	SwitchedOff bool // since then
}

// NoteDeliveries notes outcomes of a sender's attempts at an endpoint, in one transaction,
// and holds the endpoint for it for another lease. An endpoint that is gone, or has failed
// for days, is switched off. A delivery that was replayed meanwhile stays due.
func (s *Outcomes) NoteDeliveries(ctx context.Context, webhookID, sender string, lease time.Duration, done []DeliveryOutcome) (noted DeliveriesNoted, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		noted = DeliveriesNoted{}
		q, now := s.queries.WithTx(tx), s.now().UTC().Truncate(time.Microsecond)
		row, err := q.LockWebhook(ctx, webhookID)
		if errors.Is(err, sql.ErrNoRows) {
			noted.Closed = true
			return nil
		}
		if err != nil {
			return err
		}
		if row.Sender != sender { // the failures of another URL say nothing about this one
			done = slices.DeleteFunc(slices.Clone(done), func(d DeliveryOutcome) bool { return !d.Outcome.Delivered() })
		}
		if noted.SwitchedOff, err = s.finishDeliveries(ctx, tx, webhookOf(row), done, now); err != nil {
			return err
		}
		noted.Closed = row.OffReason != "" || noted.SwitchedOff || row.Sender != sender
		if noted.Closed || row.SenderUntil.Time.Sub(now) > lease/2 {
			return nil
		}
		return q.HoldWebhook(ctx, sender, nullMoment(now.Add(lease)), webhookID)
	})
	if err != nil {
		return DeliveriesNoted{}, fmt.Errorf("note what was sent to webhook %s: %w", webhookID, err)
	}
	return noted, nil
}

// LeaveWebhook lets others send to an endpoint at once.
func (s *Outcomes) LeaveWebhook(ctx context.Context, webhookID, sender string) error {
	if err := s.queries.LeaveWebhook(ctx, webhookID, sender); err != nil {
		return fmt.Errorf("leave webhook %s: %w", webhookID, err)
	}
	return nil
}

// finishDeliveries notes the outcomes of deliveries that are still due as they were.
func (s *Outcomes) finishDeliveries(ctx context.Context, tx *sql.Tx, w Webhook, done []DeliveryOutcome, now time.Time) (off bool, err error) {
	var failure *webhook.Outcome
	delivered, q := false, s.queries.WithTx(tx)
	type outcome struct {
		state, said string
		was, next   time.Time // when it is due
	}
	same := map[outcome][]string{} // that of many is one statement
	for _, d := range done {
		if d.State == "" {
			continue
		}
		o := outcome{d.State, d.Outcome.String(), d.DueAt, d.NextAt.UTC().Truncate(time.Microsecond)}
		switch {
		case d.Outcome.Delivered():
			delivered = true
		case failure == nil || d.Outcome.Gone() || !failure.Gone() && d.Outcome.Rest() > failure.Rest():
			failure = &d.Outcome
		}
		same[o] = append(same[o], d.ID)
	}
	for o, ids := range same {
		if err := q.FinishDeliveries(ctx, gen.FinishDeliveriesParams{State: o.state, AttemptedAt: nullMoment(now), Outcome: o.said, NextAt: o.next, DeliveryIds: ids, WasDueAt: o.was}); err != nil {
			return false, fmt.Errorf("finish %d deliveries: %w", len(ids), err)
		}
	}
	if delivered && !w.FailingSince.IsZero() {
		if err := s.queries.WithTx(tx).WebhookSucceeded(ctx, w.ID); err != nil {
			return false, err
		}
		w.FailingSince = time.Time{}
	}
	if failure == nil {
		return false, nil
	}
	return s.noteFailure(ctx, tx, w, *failure, now)
}

// noteFailure notes that an endpoint failed, and switches it off where that is due.
func (s *Outcomes) noteFailure(ctx context.Context, tx *sql.Tx, w Webhook, o webhook.Outcome, now time.Time) (off bool, err error) {
	q, since := s.queries.WithTx(tx), w.FailingSince
	if since.IsZero() || now.Sub(w.lastFailedAt) > webhookQuiet {
		since = now
	}
	if err := q.WebhookFailed(ctx, nullMoment(since), nullMoment(now), w.ID); err != nil {
		return false, err
	}
	if until := now.Add(o.Rest()); until.After(now) && until.After(w.restUntil) {
		if err := q.RestWebhook(ctx, nullMoment(until), w.ID); err != nil {
			return false, err
		}
	}
	reason := ""
	switch {
	case o.Gone():
		reason = offGone
	case now.Sub(since) > webhookPatience:
		reason = offFailing
	}
	if reason == "" || w.OffReason != "" {
		return false, nil
	}
	if err := q.WebhookOff(ctx, reason, nullMoment(now), w.ID); err != nil {
		return false, err
	}
	return true, writeChanges(ctx, tx, now, w.change("webhook.switched_off", nil, map[string]string{"off": reason}))
}

// WebhookDelivery is an event on its way to an endpoint.
type WebhookDelivery struct {
	ID          string
	WebhookID   string
	Type        webhook.Type
	HappenedAt  time.Time
	Data        json.RawMessage
	State       string
	Attempts    int
	DueAt       time.Time // of the next attempt, while it waits
	AttemptedAt time.Time
	Outcome     string // of the last attempt: the HTTP status, or why there was none
}

func deliveryOf(row gen.WebhookDelivery) WebhookDelivery {
	return WebhookDelivery{
		ID: row.DeliveryID, WebhookID: row.WebhookID, Type: webhook.Type(row.Type), HappenedAt: row.HappenedAt, Data: json.RawMessage(row.Data), State: row.State,
		Attempts: int(row.Attempts), DueAt: row.DueAt, AttemptedAt: row.AttemptedAt.Time, Outcome: row.Outcome,
	}
}

func deliveriesOf(rows []gen.WebhookDelivery) []WebhookDelivery {
	found := make([]WebhookDelivery, len(rows))
	for i, row := range rows {
		found[i] = deliveryOf(row)
	}
	return found
}

// WebhookDeliveries returns up to limit deliveries of an endpoint older than the one with
// the ID before, the newest first; an empty before means the newest.
func (s *Store) WebhookDeliveries(ctx context.Context, webhookID, before string, limit int) ([]WebhookDelivery, error) {
	if before == "" {
		before = lastID
	}
	rows, err := s.queries.WebhookDeliveries(ctx, webhookID, before, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list the deliveries of webhook %s: %w", webhookID, err)
	}
	return deliveriesOf(rows), nil
}

// TroubledDelivery is a delivery that failed, with its endpoint's race.
type TroubledDelivery struct {
	WebhookDelivery
	RaceID    string
	OffReason string // why the endpoint is off; empty: it is on
}

func troubledOf(row gen.TroubledDeliveriesRow) TroubledDelivery {
	return TroubledDelivery{RaceID: row.RaceID, OffReason: row.OffReason, WebhookDelivery: WebhookDelivery{
		ID: row.DeliveryID, WebhookID: row.WebhookID, Type: webhook.Type(row.Type), HappenedAt: row.HappenedAt, Data: json.RawMessage(row.Data), State: row.State,
		Attempts: int(row.Attempts), DueAt: row.DueAt, AttemptedAt: row.AttemptedAt.Time, Outcome: row.Outcome,
	}}
}

// TroubledDeliveries returns up to limit deliveries of all races in a state that have
// failed at least once, older than the one with the ID before, the newest first; an empty
// before means the newest.
func (s *Store) TroubledDeliveries(ctx context.Context, state, before string, limit int) ([]TroubledDelivery, error) {
	if before == "" {
		before = lastID
	}
	rows, err := s.queries.TroubledDeliveries(ctx, state, before, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list deliveries that failed: %w", err)
	}
	found := make([]TroubledDelivery, len(rows))
	for i, row := range rows {
		found[i] = troubledOf(row)
	}
	return found, nil
}

// Delivery returns a delivery with its endpoint's race. It returns race.ErrNotFound.
func (s *Store) Delivery(ctx context.Context, deliveryID string) (TroubledDelivery, error) {
	row, err := s.queries.DeliveryWithRace(ctx, deliveryID)
	if errors.Is(err, sql.ErrNoRows) {
		return TroubledDelivery{}, race.ErrNotFound
	}
	if err != nil {
		return TroubledDelivery{}, fmt.Errorf("read delivery %s: %w", deliveryID, err)
	}
	return troubledOf(gen.TroubledDeliveriesRow(row)), nil
}

// errWebhookOff is returned to callers that would send to an endpoint that is off.
var errWebhookOff = &race.ConflictError{Message: "the webhook is switched off: switch it on first"}

// ReplayWebhook sends a delivery again, under the same ID, whether or not it has arrived.
func (s *Store) ReplayWebhook(ctx context.Context, raceID, webhookID, deliveryID string) error {
	return s.replay(ctx, raceID, webhookID, map[string]string{"delivery_id": deliveryID}, func(q *gen.Queries, now time.Time) error {
		row, err := q.WebhookDelivery(ctx, webhookID, deliveryID)
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read delivery %s: %w", deliveryID, err)
		}
		return q.ReplayWebhookDelivery(ctx, now, row.DeliveryID)
	})
}

// ReplayWebhookRange sends again what happened from since until before until, and returns
// how many deliveries these are.
func (s *Store) ReplayWebhookRange(ctx context.Context, raceID, webhookID string, since, until time.Time) (n int, err error) {
	err = s.replay(ctx, raceID, webhookID, map[string]time.Time{"since": since, "until": until}, func(q *gen.Queries, now time.Time) error {
		replayed, err := q.ReplayWebhookDeliveries(ctx, gen.ReplayWebhookDeliveriesParams{DueAt: now, WebhookID: webhookID, Since: since, UpTo: until})
		n = int(replayed)
		return err
	})
	return n, err
}

func (s *Store) replay(ctx context.Context, raceID, webhookID string, what any, again func(q *gen.Queries, now time.Time) error) error {
	return s.inWebhook(ctx, raceID, webhookID, func(tx *sql.Tx, q *gen.Queries, w Webhook) error {
		if w.OffReason != "" {
			return errWebhookOff
		}
		now := s.now().UTC().Truncate(time.Microsecond)
		if err := again(q, now); err != nil {
			return err
		}
		if err := q.WakeWebhook(ctx, nullMoment(now), webhookID); err != nil {
			return fmt.Errorf("wake webhook %s: %w", webhookID, err)
		}
		return writeChanges(ctx, tx, now, w.change("webhook.replayed", nil, what))
	})
}
