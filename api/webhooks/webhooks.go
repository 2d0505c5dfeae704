// Package webhooks serves the endpoints to which changes of a race are sent for its owner,
// by Standard Webhooks 1.0 or as messages to a Slack or Discord channel.
package webhooks

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
)

const (
	tag = "Webhooks"

	racePath       = "/v1/races/{race_id}/webhooks"
	webhookPath    = racePath + "/{webhook_id}"
	deliveriesPath = webhookPath + "/deliveries"

	maxBody = 16 << 10
)

const about = "Events are sent by POST as [Standard Webhooks 1.0](https://www.standardwebhooks.com) says, signed with HMAC-SHA256 (`v1`). The body is `{type, timestamp, data}`; " +
	"data holds IDs alone, such as `{\"race_id\": …, \"record_ids\": […]}`, of up to 200 changes that followed each other; an import is one event. Read what changed by the API. " +
	"Answer with a 2xx status within 20 seconds; anything else, redirects included, is a failure. Attempts follow after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h, " +
	"later by up to an hour if Retry-After asks for it, each with the same `webhook-id`: an event may arrive more than once, and in another order. " +
	"An endpoint that answers 410, or fails for five days, is switched off. A 429 with Retry-After leaves the whole endpoint alone for that time, up to an hour. "

// aboutChats is said of the other formats.
const aboutChats = "\n\nWith the format `slack` or `discord`, messages go to a channel: the race's name, and for each type of event a sentence with the number of records and a link. " +
	"`url` is that of an incoming webhook; it is a secret and never shown again in full. Events gather for up to a minute and make one message, without a signature; " +
	"names ping nobody. `result.posted` and `entry.changed`, which come one by one by the thousand, are for programs alone. " +
	"An answer of 404 or 410 means that the channel or its webhook is gone, and switches it off."

// Config is what the calls need.
type Config struct {
	Store *maindb.Store
	Reach webhook.Config
	Now   func() time.Time
}

// Register adds the calls to the API. It returns what pages do with them.
func Register(api huma.API, cfg Config) *Service {
	c := calls{cfg}
	errs := []int{http.StatusNotFound, http.StatusConflict}
	server.Register(api, huma.Operation{
		OperationID: "create-webhook", Method: http.MethodPost, Path: racePath, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Add a webhook to a race", Tags: []string{tag}, Description: about + "The secret is shown only in this answer." + aboutChats,
	}, c.create)
	server.Register(api, huma.Operation{
		OperationID: "list-webhooks", Method: http.MethodGet, Path: racePath, Errors: errs,
		Summary: "List the webhooks of a race", Tags: []string{tag},
	}, c.list)
	server.Register(api, huma.Operation{
		OperationID: "get-webhook", Method: http.MethodGet, Path: webhookPath, Errors: errs,
		Summary: "Read a webhook", Tags: []string{tag},
	}, c.get)
	server.Register(api, huma.Operation{
		OperationID: "change-webhook", Method: http.MethodPatch, Path: webhookPath, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Change a webhook, or switch it off or on", Tags: []string{tag}, Description: "A webhook that is switched on again continues with what was waiting when it was switched off; what changed in the meantime is not sent.",
	}, c.change)
	server.Register(api, huma.Operation{
		OperationID: "delete-webhook", Method: http.MethodDelete, Path: webhookPath, DefaultStatus: http.StatusNoContent, Errors: errs,
		Summary: "Remove a webhook", Tags: []string{tag}, Description: "Its secrets and its log of deliveries are deleted.",
	}, c.remove)
	server.Register(api, huma.Operation{
		OperationID: "rotate-webhook-secret", Method: http.MethodPost, Path: webhookPath + "/rotate", MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Give a webhook a new secret", Tags: []string{tag},
		Description: "For 24 hours events are signed with the old secret too: the header then holds both signatures. The secret is shown only in this answer. Repeat the call if the answer was lost.",
	}, c.rotate)
	server.Register(api, huma.Operation{
		OperationID: "test-webhook", Method: http.MethodPost, Path: webhookPath + "/test", DefaultStatus: http.StatusAccepted, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Send a test message", Tags: []string{tag}, Description: "An event of the type `webhook.test`, in a second or two, whatever the webhook asked for. What became of it is in its deliveries.",
	}, c.test)
	server.Register(api, huma.Operation{
		OperationID: "list-webhook-deliveries", Method: http.MethodGet, Path: deliveriesPath, Errors: errs,
		Summary: "List the deliveries of a webhook", Tags: []string{tag}, Description: "Of the last 30 days, the newest first.",
	}, c.deliveries)
	server.Register(api, huma.Operation{
		OperationID: "replay-webhook-delivery", Method: http.MethodPost, Path: deliveriesPath + "/{delivery_id}/replay", DefaultStatus: http.StatusAccepted, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Resend a delivery", Tags: []string{tag}, Description: "The delivery keeps its webhook-id, whether or not it has arrived, and gets all attempts again.",
	}, c.replay)
	server.Register(api, huma.Operation{
		OperationID: "replay-webhook", Method: http.MethodPost, Path: webhookPath + "/replay", DefaultStatus: http.StatusAccepted, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Resend deliveries from a time range", Tags: []string{tag}, Description: "The deliveries keep their webhook-ids, whether or not they have arrived.",
	}, c.replayRange)
	return &Service{c}
}

type calls struct{ Config }

// RacePath is embedded in the inputs. It is exported because huma ignores embedded types
// that are not.
type RacePath struct {
	RaceID string `path:"race_id"`
}

// Path is embedded like RacePath.
type Path struct {
	RacePath
	WebhookID string `path:"webhook_id"`
}

// NewWebhook is what a new webhook is to be.
type NewWebhook struct {
	Format   string   `json:"format,omitempty" enum:"standard,slack,discord" default:"standard" example:"standard" doc:"What is sent: Standard Webhooks to a program, or messages to a Slack or Discord channel."`
	Language string   `json:"language,omitempty" enum:"en,ko" default:"en" example:"ko" doc:"The language of messages to a Slack or Discord channel."`
	URL      string   `json:"url" maxLength:"1000" example:"https://example.org/hooks/results" doc:"A public address by https, with port 443 or one from 1024 on. For slack and discord the URL of an incoming webhook, as these services show it."`
	Events   []string `json:"events" minItems:"1" maxItems:"20" uniqueItems:"true" enum:"result.posted,result.corrected,result.removed,import.applied,import.undone,race.changed,race.official,standings.published,race.voided,entry.changed,entry.drawn,claim.opened,dispute.opened,dispute.closed" example:"[\"result.corrected\",\"race.official\"]" doc:"The types of events to send."`
}

// ShownWebhook is a webhook without its secrets.
type ShownWebhook struct {
	WebhookID    string         `json:"webhook_id" format:"uuid"`
	Format       webhook.Format `json:"format" enum:"standard,slack,discord"`
	Language     string         `json:"language,omitempty" doc:"The language of messages; only with slack and discord."`
	URL          string         `json:"url" doc:"Of slack and discord without its last part, which is a secret."`
	Events       []webhook.Type `json:"events" nullable:"false"`
	Active       bool           `json:"active"`
	OffReason    string         `json:"off_reason,omitempty" enum:"owner,handed_over,gone,failing" doc:"Why it is switched off: by its owner, with the race's hand-over, because it answered 410 (slack and discord: 404 or 410), or because it failed for five days."`
	OffAt        *time.Time     `json:"off_at,omitempty"`
	FailingSince *time.Time     `json:"failing_since,omitempty" doc:"The first failure since the last success."`
	CreatedAt    time.Time      `json:"created_at"`
}

func show(w maindb.Webhook) ShownWebhook {
	shown := ShownWebhook{
		WebhookID: w.ID, Format: w.Format, URL: w.URL, Events: w.Events, Active: w.OffReason == "", OffReason: w.OffReason, OffAt: server.TimeOrNil(w.OffAt),
		FailingSince: server.TimeOrNil(w.FailingSince), CreatedAt: w.CreatedAt,
	}
	if w.Format.IsChat() {
		shown.Language = w.Language
	}
	return shown
}

type createInput struct {
	RacePath
	Body NewWebhook
}

type createdOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		ShownWebhook
		Secret string `json:"secret,omitempty" doc:"The receiver verifies signatures with it: whsec_ and base64. It is shown only once: keep it like a password. Not with slack and discord."`
	}
}

type webhookOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         ShownWebhook
}

type webhooksOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items []ShownWebhook `json:"items" nullable:"false" doc:"The newest first."`
	}
}

func invalid(field, message string) error {
	return &race.InvalidError{Fields: []race.FieldError{{Field: field, Message: message}}}
}

func (c calls) create(ctx context.Context, in *createInput) (*createdOutput, error) {
	format := cmp.Or(webhook.Format(in.Body.Format), webhook.Standard)
	if err := c.Reach.CheckURL(format, in.Body.URL); err != nil {
		return nil, invalid("url", err.Error())
	}
	w := maindb.Webhook{
		ID: server.ResourceID(ctx), RaceID: server.RaceFrom(ctx).ID, Format: format, Language: cmp.Or(in.Body.Language, "en"), URL: format.Shown(in.Body.URL),
		Events: typesOf(in.Body.Events), CreatedBy: server.CallerFrom(ctx).UserID, CreatedAt: c.Now().UTC().Truncate(time.Microsecond),
	}
	if err := checkOffered(w.Format, w.Events); err != nil {
		return nil, err
	}
	key, secret := webhook.NewSecret()
	if format.IsChat() {
		key, secret = []byte(in.Body.URL), ""
	}
	if err := c.Store.AddWebhook(ctx, w, key); err != nil {
		return nil, err
	}
	out := &createdOutput{CacheControl: "no-store"}
	out.Body.ShownWebhook, out.Body.Secret = show(w), secret
	return out, nil
}

// checkOffered checks that endpoints of a format can ask for events.
func checkOffered(format webhook.Format, events []webhook.Type) error {
	for _, t := range events {
		if !format.Offers(t) {
			return invalid("events", "result.posted and entry.changed come one by one, by the thousand: they are not sent to Slack or Discord")
		}
	}
	return nil
}

func typesOf(names []string) []webhook.Type {
	types := make([]webhook.Type, len(names))
	for i, name := range names {
		types[i] = webhook.Type(name)
	}
	slices.Sort(types)
	return types
}

func (c calls) list(ctx context.Context, _ *RacePath) (*webhooksOutput, error) {
	found, err := c.Store.Webhooks(ctx, server.RaceFrom(ctx).ID)
	out := &webhooksOutput{CacheControl: "no-store"}
	out.Body.Items = make([]ShownWebhook, len(found))
	for i, w := range found {
		out.Body.Items[i] = show(w)
	}
	return out, err
}

func (c calls) find(ctx context.Context, webhookID string) (maindb.Webhook, error) {
	if !server.IsID(webhookID) {
		return maindb.Webhook{}, race.ErrNotFound
	}
	return c.Store.Webhook(ctx, server.RaceFrom(ctx).ID, webhookID)
}

func (c calls) get(ctx context.Context, in *Path) (*webhookOutput, error) {
	w, err := c.find(ctx, in.WebhookID)
	return &webhookOutput{CacheControl: "no-store", Body: show(w)}, err
}

type changeInput struct {
	Path
	Body WebhookChange
}

// WebhookChange says what of a webhook is to change.
type WebhookChange struct {
	URL      *string  `json:"url,omitempty" maxLength:"1000" example:"https://example.org/hooks/results" doc:"Of the webhook's format, which stays."`
	Language *string  `json:"language,omitempty" enum:"en,ko" example:"en"`
	Events   []string `json:"events,omitempty" minItems:"1" maxItems:"20" uniqueItems:"true" enum:"result.posted,result.corrected,result.removed,import.applied,import.undone,race.changed,race.official,standings.published,race.voided,entry.changed,entry.drawn,claim.opened,dispute.opened,dispute.closed" example:"[\"import.applied\"]"`
	Active   *bool    `json:"active,omitempty" example:"true" doc:"false switches it off, true on."`
}

func (c calls) change(ctx context.Context, in *changeInput) (*webhookOutput, error) {
	was, err := c.find(ctx, in.WebhookID)
	if err != nil {
		return nil, err
	}
	change := maindb.WebhookChange{On: in.Body.Active, Language: in.Body.Language}
	if address := in.Body.URL; address != nil {
		if err := c.Reach.CheckURL(was.Format, *address); err != nil {
			return nil, invalid("url", err.Error())
		}
		shown := was.Format.Shown(*address)
		change.URL = &shown
		if was.Format.IsChat() {
			change.Secret = []byte(*address)
		}
	}
	if in.Body.Events != nil {
		change.Events = typesOf(in.Body.Events)
		if err := checkOffered(was.Format, change.Events); err != nil {
			return nil, err
		}
	}
	w, err := c.Store.ChangeWebhook(ctx, server.RaceFrom(ctx).ID, in.WebhookID, change)
	return &webhookOutput{CacheControl: "no-store", Body: show(w)}, err
}

func (c calls) remove(ctx context.Context, in *Path) (*struct{}, error) {
	if _, err := c.find(ctx, in.WebhookID); err != nil {
		return nil, err
	}
	return nil, c.Store.RemoveWebhook(ctx, server.RaceFrom(ctx).ID, in.WebhookID)
}

type rotatedOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Secret        string    `json:"secret" doc:"The new secret. It is shown only once."`
		OldSecretsEnd time.Time `json:"old_secrets_end" doc:"Until then events are signed with the earlier secret, too."`
	}
}

func (c calls) rotate(ctx context.Context, in *Path) (*rotatedOutput, error) {
	if _, err := c.find(ctx, in.WebhookID); err != nil {
		return nil, err
	}
	key, secret := webhook.NewSecret()
	ends, err := c.Store.RotateWebhook(ctx, server.RaceFrom(ctx).ID, in.WebhookID, key)
	if err != nil {
		return nil, err
	}
	out := &rotatedOutput{CacheControl: "no-store"}
	out.Body.Secret, out.Body.OldSecretsEnd = secret, ends
	return out, nil
}

func (c calls) test(ctx context.Context, in *Path) (*struct{}, error) {
	if _, err := c.find(ctx, in.WebhookID); err != nil {
		return nil, err
	}
	return nil, c.Store.TestWebhook(ctx, server.RaceFrom(ctx).ID, in.WebhookID)
}

type deliveriesInput struct {
	server.Page
	Path
}

// WebhookDelivery is an event on its way to an endpoint.
type WebhookDelivery struct {
	DeliveryID    string          `json:"delivery_id" format:"uuid" doc:"The webhook-id of every attempt."`
	Type          webhook.Type    `json:"type"`
	Timestamp     time.Time       `json:"timestamp"`
	Data          json.RawMessage `json:"data"`
	State         string          `json:"state" enum:"waiting,delivered,failed"`
	Attempts      int             `json:"attempts" doc:"The number of attempts since it was first due or last replayed."`
	Outcome       string          `json:"outcome,omitempty" doc:"The outcome of the last attempt: the HTTP status, or why there was none (refused: the address is not public; dns; tls; timeout; connection)."`
	AttemptedAt   *time.Time      `json:"attempted_at,omitempty"`
	NextAttemptAt *time.Time      `json:"next_attempt_at,omitempty"`
}

type deliveriesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []WebhookDelivery `json:"items" nullable:"false"`
		NextCursor string            `json:"next_cursor,omitempty"`
	}
}

func (c calls) deliveries(ctx context.Context, in *deliveriesInput) (*deliveriesOutput, error) {
	var before string
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	if _, err := c.find(ctx, in.WebhookID); err != nil {
		return nil, err
	}
	found, err := c.Store.WebhookDeliveries(ctx, in.WebhookID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &deliveriesOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.WebhookDelivery) []any { return []any{last.ID} })
	out.Body.Items = make([]WebhookDelivery, len(found))
	for i, d := range found {
		out.Body.Items[i] = WebhookDelivery{
			DeliveryID: d.ID, Type: d.Type, Timestamp: d.HappenedAt, Data: d.Data, State: d.State, Attempts: d.Attempts, Outcome: d.Outcome, AttemptedAt: server.TimeOrNil(d.AttemptedAt),
		}
		if d.State == maindb.DeliveryWaiting {
			out.Body.Items[i].NextAttemptAt = server.TimeOrNil(d.DueAt)
		}
	}
	return out, nil
}

type replayInput struct {
	Path
	DeliveryID string `path:"delivery_id"`
}

func (c calls) replay(ctx context.Context, in *replayInput) (*struct{}, error) {
	if !server.IsID(in.WebhookID) || !server.IsID(in.DeliveryID) {
		return nil, race.ErrNotFound
	}
	return nil, c.Store.ReplayWebhook(ctx, server.RaceFrom(ctx).ID, in.WebhookID, in.DeliveryID)
}

type rangeInput struct {
	Path
	Body struct {
		Since time.Time `json:"since" example:"2026-10-18T06:00:00Z" doc:"The start of the range, by the events' timestamps."`
		Until time.Time `json:"until" example:"2026-10-18T18:00:00Z" doc:"The end of the range: events from this time on are not sent again."`
	}
}

type replayedOutput struct {
	Body struct {
		Replayed int `json:"replayed" doc:"How many deliveries are sent again."`
	}
}

func (c calls) replayRange(ctx context.Context, in *rangeInput) (*replayedOutput, error) {
	if !server.IsID(in.WebhookID) {
		return nil, race.ErrNotFound
	}
	since, until := in.Body.Since.UTC(), in.Body.Until.UTC()
	if since.Year() < 1000 || until.Year() > 9999 || !until.After(since) {
		return nil, invalid("until", "must be after since")
	}
	n, err := c.Store.ReplayWebhookRange(ctx, server.RaceFrom(ctx).ID, in.WebhookID, since, until)
	if err != nil {
		return nil, err
	}
	out := &replayedOutput{}
	out.Body.Replayed = n
	return out, nil
}

// Service is what pages do with the webhooks of the race of ctx, as the calls do.
type Service struct{ calls calls }

// All returns the webhooks, the newest first.
func (s *Service) All(ctx context.Context) ([]ShownWebhook, error) {
	out, err := s.calls.list(ctx, nil)
	return out.Body.Items, err
}

// One returns a webhook with a part of its deliveries and the cursor of the next part.
func (s *Service) One(ctx context.Context, webhookID string, part server.Page) (ShownWebhook, []WebhookDelivery, string, error) {
	found, err := s.calls.find(ctx, webhookID)
	if err != nil {
		return ShownWebhook{}, nil, "", err
	}
	out, err := s.calls.deliveries(ctx, &deliveriesInput{Page: part, Path: Path{WebhookID: webhookID}})
	if err != nil {
		return ShownWebhook{}, nil, "", err
	}
	return show(found), out.Body.Items, out.Body.NextCursor, nil
}

// Create adds a webhook and returns its secret, which is shown only this once. It is empty
// when there is nothing to sign.
func (s *Service) Create(ctx context.Context, in NewWebhook) (secret string, err error) {
	if err := server.Valid(in); err != nil {
		return "", err
	}
	out, err := s.calls.create(ctx, &createInput{Body: in})
	if err != nil {
		return "", err
	}
	return out.Body.Secret, nil
}

// Rotate gives a webhook a new secret and returns it.
func (s *Service) Rotate(ctx context.Context, webhookID string) (secret string, err error) {
	out, err := s.calls.rotate(ctx, &Path{WebhookID: webhookID})
	if err != nil {
		return "", err
	}
	return out.Body.Secret, nil
}

// Switch switches a webhook on or off.
func (s *Service) Switch(ctx context.Context, webhookID string, on bool) error {
	_, err := s.calls.change(ctx, &changeInput{Path: Path{WebhookID: webhookID}, Body: WebhookChange{Active: &on}})
	return err
}

// Test sends a webhook a test message.
func (s *Service) Test(ctx context.Context, webhookID string) error {
	_, err := s.calls.test(ctx, &Path{WebhookID: webhookID})
	return err
}

// Remove removes a webhook.
func (s *Service) Remove(ctx context.Context, webhookID string) error {
	_, err := s.calls.remove(ctx, &Path{WebhookID: webhookID})
	return err
}

// ReplayRange sends the deliveries of events from since until before until again, and
// returns how many there are.
func (s *Service) ReplayRange(ctx context.Context, webhookID string, since, until time.Time) (int, error) {
	in := &rangeInput{Path: Path{WebhookID: webhookID}}
	in.Body.Since, in.Body.Until = since, until
	out, err := s.calls.replayRange(ctx, in)
	if err != nil {
		return 0, err
	}
	return out.Body.Replayed, nil
}

// Replay sends a delivery again.
func (s *Service) Replay(ctx context.Context, webhookID, deliveryID string) error {
	_, err := s.calls.replay(ctx, &replayInput{Path: Path{WebhookID: webhookID}, DeliveryID: deliveryID})
	return err
}
