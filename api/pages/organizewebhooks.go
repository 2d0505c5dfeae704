package pages

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/webhooks"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
)

// webhookPages adds the pages about the endpoints and channels to which changes of a race
// are sent.
func (s *site) webhookPages(get, post func(path string, act action)) {
	get(ofRace+"/webhooks", s.webhooksPage)
	post(ofRace+"/webhooks", s.addWebhook)
	get(ofRace+"/webhooks/{webhook_id}", s.webhookPage)
	post(ofRace+"/webhooks/{webhook_id}", s.changeWebhook)
}

func webhooksPath(raceID string) string { return organizedPath(raceID) + "/webhooks" }

// webhooksView is the endpoints of a race.
type webhooksView struct {
	race.Race
	webhooks []webhooks.ShownWebhook
	secret   string // of the webhook that was just made
}

func (s *site) webhooksPage(ctx context.Context, v *visit) (page, error) {
	return s.webhooksWith(ctx, v, "")
}

func (s *site) webhooksWith(ctx context.Context, v *visit, secret string) (page, error) {
	found, err := s.Webhooks.All(ctx)
	if err != nil {
		return page{}, err
	}
	view := webhooksView{Race: server.RaceFrom(ctx), webhooks: found, secret: secret}
	return page{title: v.T("webhooks.title"), body: webhooksBody(v, view), module: "organize.js"}, nil
}

// formats are what there is to choose from in the form.
func (v *visit) formats() []option {
	return []option{
		{string(webhook.Standard), v.T("webhooks.format.standard")},
		{string(webhook.Slack), v.T("webhooks.format.slack")},
		{string(webhook.Discord), v.T("webhooks.format.discord")},
	}
}

// usualEvents are ticked in a new form.
var usualEvents = []webhook.Type{"result.corrected", "import.applied", "race.official"}

// sends reports whether the form asks for a type of event.
func (v *visit) sends(t webhook.Type) bool {
	if v.form.sent {
		return slices.Contains(v.form.values["events"], string(t))
	}
	return slices.Contains(usualEvents, t)
}

// addWebhook shows the secret of a new webhook in its answer, and never again. A channel of
// a chat has none to show.
func (s *site) addWebhook(ctx context.Context, v *visit) (page, error) {
	in := webhooks.NewWebhook{
		Format: v.form.get("format"), Language: v.form.get("language"), URL: strings.TrimSpace(v.form.get("url")), Events: v.form.values["events"],
	}
	if len(in.Events) == 0 {
		v.blame("events", v.T("webhooks.events.none"))
		return s.webhooksPage(ctx, v)
	}
	secret, err := s.Webhooks.Create(ctx, in)
	if v.refused(err) {
		return s.webhooksPage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	if secret == "" {
		return v.done(webhooksPath(v.raceID), "webhook-added")
	}
	v.form = &form{values: map[string][]string{}, wrong: map[string]string{}}
	return s.webhooksWith(ctx, v, secret)
}

// webhookView is one endpoint with its log of deliveries.
type webhookView struct {
	race.Race
	webhooks.ShownWebhook
	deliveries []webhooks.WebhookDelivery
	next       string
	secret     string // the new one, just after it was rotated
}

func (view webhookView) path() string { return webhooksPath(view.ID) + "/" + view.WebhookID }

// since is where the range to send again begins in a new form: what failed has not arrived
// since then.
func (view webhookView) since() string {
	if view.FailingSince == nil {
		return ""
	}
	return view.FailingSince.UTC().Format(localTime)
}

func (s *site) webhookPage(ctx context.Context, v *visit) (page, error) {
	return s.webhookWith(ctx, v, "")
}

func (s *site) webhookWith(ctx context.Context, v *visit, secret string) (page, error) {
	view := webhookView{Race: server.RaceFrom(ctx), secret: secret}
	if v.form.sent {
		v.query.Del("after")
	}
	var cursor string
	var err error
	view.ShownWebhook, view.deliveries, cursor, err = s.Webhooks.One(ctx, v.param("webhook_id"), v.part(listedPerPage))
	if err != nil {
		return page{}, err
	}
	view.next = v.next(cursor)
	return page{title: v.T("webhooks.title"), body: webhookBody(v, view), module: "organize.js"}, nil
}

// changeWebhook answers the buttons of a webhook's page.
func (s *site) changeWebhook(ctx context.Context, v *visit) (page, error) {
	id := v.param("webhook_id")
	to, said := webhooksPath(v.raceID)+"/"+id, ""
	var err error
	switch v.form.get("do") {
	case "rotate":
		var secret string
		if secret, err = s.Webhooks.Rotate(ctx, id); err == nil {
			return s.webhookWith(ctx, v, secret)
		}
	case "on":
		said, err = "webhook-on", s.Webhooks.Switch(ctx, id, true)
	case "off":
		said, err = "webhook-off", s.Webhooks.Switch(ctx, id, false)
	case "test":
		said, err = "webhook-tested", s.Webhooks.Test(ctx, id)
	case "remove":
		to, said = webhooksPath(v.raceID), "webhook-removed"
		if err = s.Webhooks.Remove(ctx, id); isNotFound(err) { // pressed twice
			err = nil
		}
	case "replay":
		said, err = "webhook-replayed", s.Webhooks.Replay(ctx, id, v.form.get("delivery_id"))
	default:
		said, err = s.replayRange(ctx, v, id)
	}
	if v.form.refused() || v.refused(err) {
		return s.webhookPage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(to, said)
}

// replayRange sends again what happened between two times of the form, which are in UTC as
// those of the log are.
func (s *site) replayRange(ctx context.Context, v *visit, id string) (said string, err error) {
	var ends [2]time.Time
	for i, name := range []string{"since", "until"} {
		if v.form.get(name) == "" {
			v.blame(name, v.T("wrong.localtime"))
			continue
		}
		if text := v.localInstant(name, time.UTC); text != "" {
			ends[i], err = time.Parse(time.RFC3339, text)
		}
	}
	if v.form.refused() || err != nil {
		return "", err
	}
	n, err := s.Webhooks.ReplayRange(ctx, id, ends[0], ends[1])
	if n == 0 {
		return "webhook-replayed-none", err
	}
	return "webhook-replayed", err
}
