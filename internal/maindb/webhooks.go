package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
)

// Why a webhook is off.
const (
	offByOwner    = "owner"
	offHandedOver = "handed_over"
	offGone       = "gone"    // it answered 410, or as a chat 404
	offFailing    = "failing" // it failed for days
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
	// chatAtOnce is how many deliveries to a chat make one message: more than come in the
	// minute for which they gather, with one of each type a second.
	chatAtOnce = 1000
	// webhookLog is how long deliveries are kept.
	webhookLog = 30 * 24 * time.Hour
	// webhookOverdue is after how long a due delivery whose workflow does nothing wakes it
	// again, in case Temporal has lost the workflow.
	webhookOverdue = time.Hour // longer than an endpoint that fails is left alone
)

// Webhook is an endpoint to which changes of a race are sent. Its secrets are elsewhere.
type Webhook struct {
	ID           string
	RaceID       string
	Format       webhook.Format
	Language     string // of messages to a chat
	URL          string // of a chat what may be shown of it: the whole URL is its secret
	Events       []webhook.Type
	CreatedBy    string // user ID
	CreatedAt    time.Time
	OffReason    string // owner, handed_over, gone, failing; empty: it is on
	OffAt        time.Time
	FailingSince time.Time // zero: the last attempt succeeded, or there was none

	lastFailedAt time.Time
	restUntil    time.Time // it asked to be left alone until then
}

func webhookOf(row gen.Webhook) Webhook {
	w := Webhook{
		ID: row.WebhookID, RaceID: row.RaceID, Format: webhook.Format(row.Format), Language: row.Language, URL: row.Url, CreatedBy: row.CreatedBy, CreatedAt: row.CreatedAt, OffReason: row.OffReason,
		OffAt: row.OffAt.Time, FailingSince: row.FailingSince.Time, lastFailedAt: row.LastFailedAt.Time, restUntil: row.RestUntil.Time,
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
	state := map[string]any{"host": host, "events": w.Events, "off": w.OffReason}
	if w.Format.IsChat() {
		state["format"], state["language"] = w.Format, w.Language
	}
	return state
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

// AddWebhook adds an endpoint with its secret, the key that signs or a chat's URL. One of the race that already has the ID
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
			WebhookID: w.ID, RaceID: w.RaceID, Format: string(w.Format), Language: w.Language, Url: w.URL, Events: w.eventNames(),
			CreatedBy: w.CreatedBy, CreatedAt: w.CreatedAt,
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
	URL      *string
	Secret   []byte // with a new URL of a chat
	Language *string
	Events   []webhook.Type
	On       *bool
}

// ChangeWebhook changes an endpoint. One that is switched on goes on with what waits.
func (s *Store) ChangeWebhook(ctx context.Context, raceID, webhookID string, change WebhookChange) (w Webhook, err error) {
	err = s.inWebhook(ctx, raceID, webhookID, func(tx *sql.Tx, q *gen.Queries, was Webhook) error {
		w = was
		var wake sql.NullTime
		if change.URL != nil {
			w.URL, w.restUntil = *change.URL, time.Time{} // somebody else
		}
		if change.Language != nil {
			w.Language = *change.Language
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
			Url: w.URL, Language: w.Language, Events: w.eventNames(), OffReason: w.OffReason, OffAt: nullMoment(w.OffAt), FailingSince: nullMoment(w.FailingSince), WakeAt: wake, RestUntil: nullMoment(w.restUntil), WebhookID: w.ID,
		})
		if err != nil {
			return fmt.Errorf("change webhook %s: %w", webhookID, err)
		}
		if change.URL != nil {
			if err := q.ReleaseWebhook(ctx, webhookID); err != nil {
				return fmt.Errorf("release webhook %s: %w", webhookID, err)
			}
		}
		if change.Secret != nil {
			if err := q.DeleteWebhookSecrets(ctx, webhookID); err != nil {
				return fmt.Errorf("replace the secret of webhook %s: %w", webhookID, err)
			}
			if err := insertWebhookSecret(ctx, q, webhookID, 1, change.Secret); err != nil {
				return err
			}
		}
		before, after, err := differences(was.state(), w.state())
		if err != nil || len(after) == 0 && was.URL == w.URL && change.Secret == nil {
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

// TestWebhook has a test message sent to an endpoint. It takes the way of all events, from
// the change log.
func (s *Store) TestWebhook(ctx context.Context, raceID, webhookID string) error {
	return s.inWebhook(ctx, raceID, webhookID, func(tx *sql.Tx, _ *gen.Queries, w Webhook) error {
		if w.OffReason != "" {
			return errWebhookOff
		}
		return writeChanges(ctx, tx, s.now(), w.change("webhook.tested", nil, nil))
	})
}

// RotateWebhook adds a secret to an endpoint. Those before it also sign for 24 hours.
func (s *Store) RotateWebhook(ctx context.Context, raceID, webhookID string, secret []byte) (overlapEnds time.Time, err error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	overlapEnds = now.Add(webhookOverlap)
	err = s.inWebhook(ctx, raceID, webhookID, func(tx *sql.Tx, q *gen.Queries, w Webhook) error {
		if w.Format.IsChat() {
			return &race.ConflictError{Message: "messages to Slack and Discord are not signed: to replace the secret, make a new webhook there and give its URL"}
		}
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
