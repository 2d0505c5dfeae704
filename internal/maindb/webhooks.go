package maindb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
)

// Why a webhook is off.
const (
	offByOwner    = "owner"
	offHandedOver = "handed_over"
	offGone       = "gone"    // it answered 410
	offFailing    = "failing" // it took nothing for days
)

// States of a delivery.
const (
	DeliveryWaiting   = "waiting"
	DeliveryDelivered = "delivered"
	DeliveryFailed    = "failed"
)

const (
	maxWebhooks = 20
	// maxWebhookSecrets bounds how many secrets sign at a time: an overlap ends after
	// webhookOverlap, and none is cut short.
	maxWebhookSecrets = 5
	webhookOverlap    = 24 * time.Hour
	// webhookPatience is after how long of failures alone an endpoint is switched off. A
	// failure counts as the first again when none came for webhookQuiet.
	webhookPatience = 5 * 24 * time.Hour
	webhookQuiet    = 48 * time.Hour
	// webhooksAtOnce is how many changes, or endpoints, are taken in one go.
	webhooksAtOnce = 500
	// webhookLog is how long deliveries are kept.
	webhookLog = 30 * 24 * time.Hour
	// webhookOverdue is after how long a due delivery whose workflow does nothing wakes it
	// again, in case Temporal has lost the workflow.
	webhookOverdue = time.Hour // longer than an endpoint that fails is left alone
)

// Webhook is an endpoint that is told what changes in a race. Its secrets are elsewhere.
type Webhook struct {
	ID           string
	RaceID       string
	URL          string
	Events       []webhook.Type
	CreatedBy    string // user ID
	CreatedAt    time.Time
	OffReason    string // owner, handed_over, gone, failing; empty: it is on
	OffAt        time.Time
	FailingSince time.Time // zero: the last attempt succeeded, or there was none

	lastFailedAt time.Time
}

func webhookOf(row gen.Webhook) Webhook {
	w := Webhook{
		ID: row.WebhookID, RaceID: row.RaceID, URL: row.Url, CreatedBy: row.CreatedBy, CreatedAt: row.CreatedAt, OffReason: row.OffReason,
		OffAt: row.OffAt.Time, FailingSince: row.FailingSince.Time, lastFailedAt: row.LastFailedAt.Time,
	}
	for name := range strings.SplitSeq(row.Events, ",") {
		w.Events = append(w.Events, webhook.Type(name))
	}
	return w
}

func webhooksOf(rows []gen.Webhook) []Webhook {
	found := make([]Webhook, len(rows))
	for i, row := range rows {
		found[i] = webhookOf(row)
	}
	return found
}

// state is what the change log shows. Paths of URLs often hold a secret.
func (w Webhook) state() any {
	host := ""
	if u, err := url.Parse(w.URL); err == nil {
		host = u.Host
	}
	return map[string]any{"host": host, "events": w.Events, "off": w.OffReason}
}

func (w Webhook) change(action string, before, after any) race.Change {
	return race.Change{Action: action, RaceID: w.RaceID, Subject: race.Subject{Kind: "webhook", ID: w.ID}, Before: before, After: after}
}

func (w Webhook) eventNames() string {
	names := make([]string, len(w.Events))
	for i, name := range w.Events {
		names[i] = string(name)
	}
	return strings.Join(names, ",")
}

// AddWebhook adds an endpoint with its secret. One of the race that already has the ID
// gets the secret instead: the answer with the earlier one was lost. Errors:
// race.ErrNotFound, *race.ConflictError when there are too many.
func (s *Store) AddWebhook(ctx context.Context, w Webhook, secret []byte) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		r, err := lockRace(ctx, q, w.RaceID)
		if err != nil {
			return err
		}
		if r.OrganizerID != w.CreatedBy { // it was handed over a moment ago
			return race.ErrNotFound
		}
		known, err := q.WebhooksOfRace(ctx, w.RaceID)
		if err != nil {
			return fmt.Errorf("list the webhooks of race %s: %w", w.RaceID, err)
		}
		if slices.ContainsFunc(known, func(row gen.Webhook) bool { return row.WebhookID == w.ID }) {
			if err := q.DeleteWebhookSecrets(ctx, w.ID); err != nil {
				return fmt.Errorf("replace the secret of webhook %s: %w", w.ID, err)
			}
			return insertWebhookSecret(ctx, q, w.ID, 1, secret)
		}
		if len(known) >= maxWebhooks {
			return &race.ConflictError{Message: fmt.Sprintf("there are already %d webhooks: remove one first", len(known))}
		}
		err = q.InsertWebhook(ctx, gen.InsertWebhookParams{
			WebhookID: w.ID, RaceID: w.RaceID, Url: w.URL, Events: w.eventNames(), CreatedBy: w.CreatedBy, CreatedAt: w.CreatedAt,
		})
		if err != nil {
			return fmt.Errorf("add webhook %s: %w", w.ID, err)
		}
		if err := insertWebhookSecret(ctx, q, w.ID, 1, secret); err != nil {
			return err
		}
		return writeChanges(ctx, tx, s.now(), w.change("webhook.created", nil, w.state()))
	})
}

func insertWebhookSecret(ctx context.Context, q *gen.Queries, webhookID string, no int, secret []byte) error {
	if err := q.InsertWebhookSecret(ctx, webhookID, count32(no), secret); err != nil {
		return fmt.Errorf("add a secret of webhook %s: %w", webhookID, err)
	}
	return nil
}

// Webhooks returns the endpoints of a race, the newest first.
func (s *Store) Webhooks(ctx context.Context, raceID string) ([]Webhook, error) {
	rows, err := s.queries.WebhooksOfRace(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("list the webhooks of race %s: %w", raceID, err)
	}
	return webhooksOf(rows), nil
}

// Webhook returns an endpoint of a race, or race.ErrNotFound.
func (s *Store) Webhook(ctx context.Context, raceID, webhookID string) (Webhook, error) {
	row, err := s.queries.Webhook(ctx, webhookID, raceID)
	return foundWebhook(row, raceID, webhookID, err)
}

func foundWebhook(row gen.Webhook, raceID, webhookID string, err error) (Webhook, error) {
	if errors.Is(err, sql.ErrNoRows) || err == nil && row.RaceID != raceID {
		return Webhook{}, race.ErrNotFound
	}
	if err != nil {
		return Webhook{}, fmt.Errorf("read webhook %s: %w", webhookID, err)
	}
	return webhookOf(row), nil
}

// inWebhook runs fn with an endpoint of a race that it has locked.
func (s *Store) inWebhook(ctx context.Context, raceID, webhookID string, fn func(tx *sql.Tx, q *gen.Queries, w Webhook) error) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		row, err := q.LockWebhook(ctx, webhookID)
		w, err := foundWebhook(row, raceID, webhookID, err)
		if err != nil {
			return err
		}
		return fn(tx, q, w)
	})
}

// WebhookChange says what of an endpoint is to change; nil leaves it.
type WebhookChange struct {
	URL    *string
	Events []webhook.Type
	On     *bool
}

// ChangeWebhook changes an endpoint. One that is switched on goes on with what waits.
func (s *Store) ChangeWebhook(ctx context.Context, raceID, webhookID string, change WebhookChange) (w Webhook, err error) {
	err = s.inWebhook(ctx, raceID, webhookID, func(tx *sql.Tx, q *gen.Queries, was Webhook) error {
		w = was
		var wake sql.NullTime
		if change.URL != nil {
			w.URL = *change.URL
		}
		if change.Events != nil {
			w.Events = change.Events
		}
		if on := change.On; on != nil && *on != (was.OffReason == "") {
			w.OffReason, w.OffAt = "", time.Time{}
			if !*on {
				w.OffReason, w.OffAt = offByOwner, s.now().UTC().Truncate(time.Microsecond)
			}
		}
		if w.OffReason == "" {
			wake = sql.NullTime{Time: s.now(), Valid: true}
			if was.OffReason != "" {
				w.FailingSince = time.Time{}
			}
		}
		err := q.UpdateWebhook(ctx, gen.UpdateWebhookParams{
			Url: w.URL, Events: w.eventNames(), OffReason: w.OffReason, OffAt: nullMoment(w.OffAt), FailingSince: nullMoment(w.FailingSince), WakeAt: wake, WebhookID: w.ID,
		})
		if err != nil {
			return fmt.Errorf("change webhook %s: %w", webhookID, err)
		}
		before, after, err := differences(was.state(), w.state())
		if err != nil || len(after) == 0 && was.URL == w.URL {
			return err
		}
		return writeChanges(ctx, tx, s.now(), w.change("webhook.changed", before, after))
	})
	return w, err
}

func nullMoment(t time.Time) sql.NullTime { return sql.NullTime{Time: t, Valid: !t.IsZero()} }

// RemoveWebhook removes an endpoint with its secrets and deliveries.
func (s *Store) RemoveWebhook(ctx context.Context, raceID, webhookID string) error {
	return s.inWebhook(ctx, raceID, webhookID, func(tx *sql.Tx, q *gen.Queries, w Webhook) error {
		if err := deleteWebhook(ctx, q, webhookID); err != nil {
			return err
		}
		return writeChanges(ctx, tx, s.now(), w.change("webhook.removed", w.state(), nil))
	})
}

func deleteWebhook(ctx context.Context, q *gen.Queries, webhookID string) error {
	for _, remove := range []func(context.Context, string) error{q.DeleteWebhookSecrets, q.DeleteWebhookDeliveries, q.DeleteWebhook} {
		if err := remove(ctx, webhookID); err != nil {
			return fmt.Errorf("remove webhook %s: %w", webhookID, err)
		}
	}
	return nil
}

// deleteWebhooks removes the endpoints of a race that is deleted.
func deleteWebhooks(ctx context.Context, q *gen.Queries, raceID string) error {
	rows, err := q.WebhooksOfRace(ctx, raceID)
	if err != nil {
		return fmt.Errorf("list the webhooks of race %s: %w", raceID, err)
	}
	for _, row := range rows {
		if err := deleteWebhook(ctx, q, row.WebhookID); err != nil {
			return err
		}
	}
	return nil
}

// RotateWebhook adds a secret to an endpoint. Those before it also sign for 24 hours.
func (s *Store) RotateWebhook(ctx context.Context, raceID, webhookID string, secret []byte) (overlapEnds time.Time, err error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	overlapEnds = now.Add(webhookOverlap)
	err = s.inWebhook(ctx, raceID, webhookID, func(tx *sql.Tx, q *gen.Queries, w Webhook) error {
		if err := q.DeleteExpiredWebhookSecrets(ctx, webhookID, nullMoment(now)); err != nil {
			return fmt.Errorf("delete expired secrets of webhook %s: %w", webhookID, err)
		}
		there, err := q.WebhookSecretNumbers(ctx, webhookID)
		if err != nil {
			return fmt.Errorf("list the secrets of webhook %s: %w", webhookID, err)
		}
		if len(there) >= maxWebhookSecrets {
			return &race.ConflictError{Message: "the secret was rotated too often: earlier ones end within 24 hours"}
		}
		if err := q.ExpireWebhookSecrets(ctx, nullMoment(overlapEnds), webhookID); err != nil {
			return fmt.Errorf("end the secret of webhook %s: %w", webhookID, err)
		}
		no := 1
		if len(there) > 0 {
			no = int(there[len(there)-1].SecretNo) + 1
		}
		if err := insertWebhookSecret(ctx, q, webhookID, no, secret); err != nil {
			return err
		}
		return writeChanges(ctx, tx, now, w.change("webhook.secret_rotated", nil, nil))
	})
	return overlapEnds, err
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
		webhook.Event
	}
	q, now := s.queries.WithTx(tx), s.now().UTC().Truncate(time.Microsecond)
	var deliveries []delivery
	for _, w := range endpoints {
		before := len(deliveries)
		for _, e := range events {
			if e.RaceID == w.RaceID && slices.Contains(w.Events, e.Type) {
				deliveries = append(deliveries, delivery{w.ID, e})
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
			return append(args, uuid.Must(uuid.NewV7()).String(), d.webhookID, d.Position, string(d.Type), d.At, string(d.Data()), DeliveryWaiting, 0, now, now)
		})
		if err != nil {
			return fmt.Errorf("add deliveries: %w", err)
		}
	}
	return nil
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
	Secrets [][]byte // the newest first
	Due     []WebhookDelivery
	Next    time.Time // when the next is due; zero: none waits
}

// DueWebhooks returns up to limit deliveries that are due at an endpoint. It returns
// race.ErrNotFound when there is no such endpoint, or it is off.
func (s *Outcomes) DueWebhooks(ctx context.Context, webhookID string, limit int) (WebhookBatch, error) {
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
		if batch.Secrets, err = q.WebhookSecrets(ctx, webhookID, nullMoment(now)); err != nil {
			return err
		}
		due, err := q.DueWebhookDeliveries(ctx, webhookID, now, count32(limit))
		if err != nil {
			return err
		}
		batch.Due = deliveriesOf(due)
		if batch.Next, err = q.NextWebhookDelivery(ctx, webhookID); errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil && !errors.Is(err, race.ErrNotFound) {
		err = fmt.Errorf("read what is due at webhook %s: %w", webhookID, err)
	}
	return batch, err
}

// BeginDelivery notes an attempt before it is made, and that the next one is due at a
// time. It returns the delivery as it is then, and false when somebody else has it.
func (s *Outcomes) BeginDelivery(ctx context.Context, d WebhookDelivery, next time.Time) (WebhookDelivery, bool, error) {
	next = next.UTC().Truncate(time.Microsecond)
	n, err := s.queries.BeginWebhookDelivery(ctx, gen.BeginWebhookDeliveryParams{
		AttemptedAt: nullMoment(s.now()), DueAt: next, DeliveryID: d.ID, WasDueAt: d.DueAt,
	})
	if err != nil {
		return d, false, fmt.Errorf("begin delivery %s: %w", d.ID, err)
	}
	d.Attempts, d.DueAt = d.Attempts+1, next
	return d, n == 1, nil
}

// FinishDelivery notes what became of an attempt that BeginDelivery began: state is what
// the delivery is in from then on, and next when it is due if it waits. An endpoint that
// is gone, or has taken nothing for days, is switched off. A delivery that was replayed
// meanwhile stays due.
func (s *Outcomes) FinishDelivery(ctx context.Context, d WebhookDelivery, o webhook.Outcome, state string, next time.Time) (off bool, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now().UTC().Truncate(time.Microsecond)
		row, err := q.LockWebhook(ctx, d.WebhookID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		err = q.FinishWebhookDelivery(ctx, gen.FinishWebhookDeliveryParams{
			State: state, Outcome: o.String(), DueAt: next.UTC().Truncate(time.Microsecond), DeliveryID: d.ID, WasDueAt: d.DueAt,
		})
		if err != nil {
			return err
		}
		if o.Delivered() {
			return q.WebhookSucceeded(ctx, d.WebhookID)
		}
		off, err = s.noteFailure(ctx, tx, webhookOf(row), o, now)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("finish delivery %s: %w", d.ID, err)
	}
	return off, nil
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
