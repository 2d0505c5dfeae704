package activities_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
)

// hookBundle is a race with one webhook, whose receiver answers what the test says.
type hookBundle struct {
	api      *maindb.Store    // with the rights of the API
	worker   *maindb.Outcomes // with those of the worker
	hooks    *activities.Webhooks
	dies     atomic.Int64 // in how many of the next steps the worker is killed before it notes anything
	stuck    atomic.Int64 // how many of the next attempts to give up the lease fail
	reads    atomic.Int64 // how often deliveries were read
	clock    atomic.Int64 // microseconds
	raceID   string
	webhook  maindb.Webhook
	secret   string
	registry *prometheus.Registry

	log strings.Builder

	mu         sync.Mutex
	status     int
	slow       time.Duration // that passes with each call
	meanwhile  func()        // is called once, during a call
	takes      int           // so many, then it answers 429; 0: all
	retryAfter string
	got        []*http.Request
	bodies     []string
}

func (b *hookBundle) now() time.Time { return time.UnixMicro(b.clock.Load()).UTC() }

func (b *hookBundle) DueWebhooks(ctx context.Context, webhookID, sender string, lease time.Duration, limit int) (maindb.WebhookBatch, error) {
	return b.worker.DueWebhooks(ctx, webhookID, sender, lease, limit)
}

func (b *hookBundle) StillDue(ctx context.Context, webhookID, sender string, due []maindb.DueDelivery) ([]maindb.WebhookDelivery, error) {
	b.reads.Add(1)
	return b.worker.StillDue(ctx, webhookID, sender, due)
}

func (b *hookBundle) NoteDeliveries(ctx context.Context, webhookID, sender string, lease time.Duration, done []maindb.DeliveryOutcome) (maindb.DeliveriesNoted, error) {
	if b.dies.Load() > 0 {
		return maindb.DeliveriesNoted{}, nil
	}
	return b.worker.NoteDeliveries(ctx, webhookID, sender, lease, done)
}

func (b *hookBundle) LeaveWebhook(ctx context.Context, webhookID, sender string) error {
	if b.dies.Add(-1) >= 0 {
		return nil
	}
	if b.stuck.Add(-1) >= 0 {
		return errLost
	}
	return b.worker.LeaveWebhook(ctx, webhookID, sender)
}

func setupHook(t *testing.T) *hookBundle {
	t.Helper()
	return setupFormat(t, webhook.Standard)
}

// secretPath is that of a chat's URL, by its format.
var secretPath = map[webhook.Format]string{webhook.Standard: "/hook", webhook.Slack: "/services/T1/B1/verysecret", webhook.Discord: "/api/webhooks/1/verysecret"}

func setupFormat(t *testing.T, format webhook.Format) *hookBundle {
	t.Helper()
	_, cfg := mysqltest.New(t, maindb.Migrations())
	b := &hookBundle{status: http.StatusNoContent, registry: prometheus.NewRegistry()}
	b.clock.Store(time.Date(2026, 4, 20, 9, 0, 0, 0, time.UTC).UnixMicro())
	b.api = maindb.New(mysqltest.As(t, cfg, maindb.Grants(), mysql.API), b.now)
	b.worker = maindb.NewOutcomes(mysqltest.As(t, cfg, maindb.Grants(), mysql.Worker), b.now)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.got, b.bodies = append(b.got, r), append(b.bodies, string(body))
		b.pass(b.slow)
		if meanwhile := b.meanwhile; meanwhile != nil {
			b.meanwhile = nil
			meanwhile()
		}
		if b.retryAfter != "" {
			w.Header().Set("Retry-After", b.retryAfter)
		}
		if b.takes > 0 && len(b.got) > b.takes {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(b.status)
	}))
	t.Cleanup(receiver.Close)
	owner := uuid.NewString()
	r, err := b.api.CreateRace(t.Context(), race.Race{
		ID: uuid.Must(uuid.NewV7()).String(), OrganizerID: owner, Name: "A", Date: race.DateOf(b.now()), Distance: 42_195_000,
		Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}, Scoring: "agegrade-2025",
	})
	require.NoError(t, err)
	b.raceID = r.ID
	key, secret := webhook.NewSecret()
	b.secret = secret
	address := receiver.URL + secretPath[format]
	b.webhook = maindb.Webhook{
		ID: uuid.Must(uuid.NewV7()).String(), RaceID: r.ID, Format: format, Language: "en", URL: format.Shown(address), Events: []webhook.Type{"entry.changed", "import.applied"},
		CreatedBy: owner, CreatedAt: b.now(),
	}
	if format.IsChat() {
		key, b.webhook.Events = []byte(address), []webhook.Type{"import.applied", "race.changed"}
	}
	require.NoError(t, b.api.AddWebhook(t.Context(), b.webhook, key))
	b.hooks = activities.NewWebhooks(b, webhook.NewSender(webhook.Config{Loopback: true}, time.Now), "https://results.example.org", b.now, slog.New(slog.NewTextHandler(&b.log, nil)), b.registry)
	return b
}

// change logs a change of the race and has its event written.
func (b *hookBundle) change(t *testing.T, actions ...string) {
	t.Helper()
	for _, action := range actions {
		kind, _, _ := strings.Cut(action, ".")
		require.NoError(t, b.api.AddChange(t.Context(), race.Change{Action: action, RaceID: b.raceID, Subject: race.Subject{Kind: kind, ID: uuid.NewString()}}))
	}
	_, err := b.worker.SealChanges(t.Context(), 1000)
	require.NoError(t, err)
	for {
		n, err := b.worker.ConsumeWebhooks(t.Context())
		require.NoError(t, err)
		if n == 0 {
			return
		}
	}
}

func (b *hookBundle) send(t *testing.T) activities.WebhookSent {
	t.Helper()
	sent, err := b.hooks.SendWebhooks(t.Context(), activities.WebhookInput{WebhookID: b.webhook.ID})
	require.NoError(t, err)
	return sent
}

// taken returns the IDs of the messages received since the last call, and the requests.
func (b *hookBundle) taken() (ids []string, requests []*http.Request, bodies []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.got {
		ids = append(ids, r.Header.Get("Webhook-Id"))
	}
	requests, bodies, b.got, b.bodies = b.got, b.bodies, nil, nil
	return ids, requests, bodies
}

func (b *hookBundle) answer(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status = status
}

func (b *hookBundle) pass(by time.Duration) { b.clock.Add(by.Microseconds()) }

func (b *hookBundle) deliveries(t *testing.T) []maindb.WebhookDelivery {
	t.Helper()
	found, err := b.api.WebhookDeliveries(t.Context(), b.webhook.ID, "", 100)
	require.NoError(t, err)
	return found
}

// TestWebhookIsSentOnce: changes that follow each other are one event, which is sent once;
// what nobody asked for is not; after the worker was killed between sending and noting
// it, the event comes once more with the same ID.
func TestWebhookIsSentOnce(t *testing.T) {
	t.Parallel()
	b := setupHook(t)
	b.change(t, "import.applied", "entry.entered", "entry.cancelled", "race.voided")
	var woken []string
	wake := func(_ context.Context, id string) error { woken = append(woken, id); return nil }
	require.NoError(t, b.worker.WakeWebhooks(t.Context(), wake))
	require.NoError(t, b.worker.WakeWebhooks(t.Context(), wake))
	require.Equal(t, []string{b.webhook.ID}, woken)

	require.Equal(t, activities.WebhookSent{Delivered: 2, More: true}, b.send(t))
	require.Equal(t, activities.WebhookSent{}, b.send(t))
	ids, _, bodies := b.taken()
	require.Len(t, ids, 2)
	require.NotEqual(t, ids[0], ids[1])
	require.Contains(t, strings.Join(bodies, ""), `{"type":"import.applied","timestamp":"2026-04-20T09:00:00Z","data":{"import_ids":["`)
	require.Contains(t, strings.Join(bodies, ""), `"entry_ids":[`)

	b.change(t, "import.applied")
	b.dies.Store(1)
	b.send(t)
	require.Equal(t, b.now().Add(time.Minute), b.send(t).NextAt, "not at once: the attempt may be under way")
	b.pass(time.Minute)
	b.send(t)
	require.Equal(t, activities.WebhookSent{}, b.send(t))
	ids, _, bodies = b.taken()
	require.Len(t, ids, 2)
	require.Equal(t, ids[0], ids[1])
	require.Equal(t, bodies[0], bodies[1])
}

// TestLeaseIsGivenUpThroughAFault: the next step begins at once although the first attempt to
// give up the lease failed.
func TestLeaseIsGivenUpThroughAFault(t *testing.T) {
	t.Parallel()
	b := setupHook(t)
	b.change(t, "import.applied")
	b.stuck.Store(1)
	require.Equal(t, activities.WebhookSent{Delivered: 1, More: true}, b.send(t))
	b.change(t, "import.applied")
	require.Equal(t, activities.WebhookSent{Delivered: 1, More: true}, b.send(t))
}

// TestWebhookOfAWorkerWithAWrongClock: the lease of one whose clock was a day ahead holds
// nobody up.
func TestWebhookOfAWorkerWithAWrongClock(t *testing.T) {
	t.Parallel()
	b := setupHook(t)
	b.change(t, "import.applied")
	b.pass(24 * time.Hour)
	b.dies.Store(1)
	b.send(t)
	b.pass(-24 * time.Hour)
	require.Equal(t, activities.WebhookSent{Delivered: 1, More: true}, b.send(t))
}

// TestSlowWebhook: a step leaves other endpoints their turn, and the next goes on.
func TestSlowWebhook(t *testing.T) {
	t.Parallel()
	b := setupHook(t)
	for range 20 {
		b.change(t, "import.applied", "entry.entered")
	}
	b.slow = 20 * time.Second
	sent := b.send(t)
	require.True(t, sent.More)
	require.Less(t, sent.Delivered, 40)
	b.slow = 0
	require.Equal(t, activities.WebhookSent{Delivered: 40 - sent.Delivered, More: true}, b.send(t))
	ids, _, _ := b.taken()
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), 40)
}

// TestWebhookMeanwhile: of what a step has not begun, nothing is sent twice that is replayed
// meanwhile, and nothing at all once the endpoint is switched off.
func TestWebhookMeanwhile(t *testing.T) {
	t.Parallel()
	b := setupHook(t)
	for range 20 {
		b.change(t, "import.applied", "entry.entered")
	}
	b.pass(time.Second)
	var failed error
	b.meanwhile = func() {
		_, failed = b.api.ReplayWebhookRange(t.Context(), b.raceID, b.webhook.ID, b.now().Add(-time.Hour), time.Now().Add(time.Hour))
	}
	for sent := b.send(t); sent.Delivered > 0; {
		sent = b.send(t)
	}
	require.NoError(t, failed)
	ids, _, _ := b.taken()
	require.LessOrEqual(t, len(ids), 40+4, "four are under way before one has arrived")
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), 40)

	for range 20 {
		b.change(t, "import.applied", "entry.entered")
	}
	language := "ko"
	b.meanwhile = func() {
		_, failed = b.api.ChangeWebhook(t.Context(), b.raceID, b.webhook.ID, maindb.WebhookChange{Language: &language})
	}
	require.Equal(t, 40, b.send(t).Delivered, "as before")
	require.NoError(t, failed)
	b.taken()
	for range 20 {
		b.change(t, "import.applied", "entry.entered")
	}
	var address string
	b.meanwhile = func() {
		address = b.webhook.URL + "/new"
		_, failed = b.api.ChangeWebhook(t.Context(), b.raceID, b.webhook.ID, maindb.WebhookChange{URL: &address})
	}
	sent := b.send(t)
	require.NoError(t, failed)
	require.Equal(t, 40-sent.Delivered, b.send(t).Delivered, "the rest at once to the new address")
	_, requests, _ := b.taken()
	require.Equal(t, "/hook/new", requests[39].URL.Path)

	for range 20 {
		b.change(t, "import.applied", "entry.entered")
	}
	off := false
	b.meanwhile = func() {
		_, failed = b.api.ChangeWebhook(t.Context(), b.raceID, b.webhook.ID, maindb.WebhookChange{On: &off})
	}
	b.send(t)
	require.NoError(t, failed)
	ids, _, _ = b.taken()
	require.LessOrEqual(t, len(ids), 4)
}

// TestLongListIsGivenUp: once nothing of a long list is due as it was, a step does not read
// on to its end, four at a time.
func TestLongListIsGivenUp(t *testing.T) {
	t.Parallel()
	b := setupHook(t)
	for range 60 {
		b.change(t, "import.applied", "entry.entered")
	}
	b.pass(time.Second)
	b.answer(http.StatusBadGateway)
	var failed error
	b.meanwhile = func() {
		_, failed = b.api.ReplayWebhookRange(t.Context(), b.raceID, b.webhook.ID, b.now().Add(-time.Hour), time.Now().Add(time.Hour))
	}
	require.True(t, b.send(t).More)
	require.NoError(t, failed)
	require.LessOrEqual(t, b.reads.Load(), int64(3))
	b.answer(http.StatusNoContent)
	require.Equal(t, 120, b.send(t).Delivered)
}

// TestWebhookAfterARotation: both secrets sign for a day, then the new one alone.
func TestWebhookAfterARotation(t *testing.T) {
	t.Parallel()
	b := setupHook(t)
	key, secret := webhook.NewSecret()
	ends, err := b.api.RotateWebhook(t.Context(), b.raceID, b.webhook.ID, key)
	require.NoError(t, err)
	require.Equal(t, b.now().Add(24*time.Hour), ends)
	for _, old := range []bool{true, false} {
		b.change(t, "import.applied")
		b.send(t)
		_, requests, bodies := b.taken()
		for of, good := range map[string]bool{secret: true, b.secret: old} {
			verifier, err := standardwebhooks.NewWebhook(of)
			require.NoError(t, err)
			require.Equal(t, good, verifier.Verify([]byte(bodies[0]), requests[0].Header) == nil)
		}
		b.pass(24 * time.Hour)
	}
}

// TestWebhookThatFails: ten attempts in three days, one replayed by hand, and after five
// days of failures the endpoint is switched off until its owner switches it on.
func TestWebhookThatFails(t *testing.T) {
	t.Parallel()
	b := setupHook(t)
	b.answer(http.StatusFound) // a redirect is a failure
	b.change(t, "import.applied")
	attempts := 0
	for sent := b.send(t); ; sent = b.send(t) {
		if attempts += sent.Failed; sent.More {
			continue
		}
		if sent.NextAt.IsZero() {
			break
		}
		b.clock.Store(sent.NextAt.UnixMicro())
	}
	require.Equal(t, 10, attempts)
	ids, _, _ := b.taken()
	require.Len(t, ids, 10)
	require.Equal(t, "failed 302 10", fmt.Sprint(b.deliveries(t)[0].State, " ", b.deliveries(t)[0].Outcome, " ", b.deliveries(t)[0].Attempts))

	b.answer(http.StatusOK)
	require.NoError(t, b.api.ReplayWebhook(t.Context(), b.raceID, b.webhook.ID, ids[0]))
	require.Equal(t, 1, b.send(t).Delivered)
	n, err := b.api.ReplayWebhookRange(t.Context(), b.raceID, b.webhook.ID, b.now().Add(-240*time.Hour), b.now())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 1, b.send(t).Delivered)
	again, _, _ := b.taken()
	require.Equal(t, []string{ids[0], ids[0]}, again)

	b.answer(http.StatusInternalServerError)
	for range 6 { // a new event each day
		b.change(t, "import.applied")
		b.send(t)
		b.pass(24*time.Hour + time.Minute)
	}
	w, err := b.api.Webhook(t.Context(), b.raceID, b.webhook.ID)
	require.NoError(t, err)
	require.Equal(t, "failing", w.OffReason)
	troubled, err := b.api.TroubledDeliveries(t.Context(), maindb.DeliveryWaiting, "", 100)
	require.NoError(t, err)
	require.NotEmpty(t, troubled)
	one, err := b.api.Delivery(t.Context(), troubled[0].ID)
	require.NoError(t, err)
	require.Equal(t, troubled[0], one)
	require.Equal(t, [3]string{b.raceID, "failing", "500"}, [3]string{one.RaceID, one.OffReason, one.Outcome})
	log, err := b.api.Changes(t.Context(), maindb.ChangeFilter{RaceID: b.raceID, Action: "webhook.switched_off"}, "", 10)
	require.NoError(t, err)
	require.Len(t, log, 1)
	require.Equal(t, activities.WebhookSent{}, b.send(t), "nothing more is sent")
	require.Error(t, b.api.ReplayWebhook(t.Context(), b.raceID, b.webhook.ID, ids[0]))

	b.answer(http.StatusOK)
	on := true
	w, err = b.api.ChangeWebhook(t.Context(), b.raceID, b.webhook.ID, maindb.WebhookChange{On: &on})
	require.NoError(t, err)
	require.Empty(t, w.OffReason)
	b.pass(30 * time.Hour)
	require.Positive(t, b.send(t).Delivered, "what waited goes on")

	b.pass(31 * 24 * time.Hour)
	require.NoError(t, b.worker.TidyWebhooks(t.Context()))
	require.Empty(t, b.deliveries(t))
}

// TestWebhookThatIsGone: 410 switches off at once.
func TestWebhookThatIsGone(t *testing.T) {
	t.Parallel()
	b := setupHook(t)
	b.answer(http.StatusGone)
	b.change(t, "import.applied")
	b.send(t)
	w, err := b.api.Webhook(t.Context(), b.raceID, b.webhook.ID)
	require.NoError(t, err)
	require.Equal(t, "gone", w.OffReason)
	b.change(t, "import.applied")
	require.Len(t, b.deliveries(t), 1, "nothing is kept for an endpoint that is off")
}

// TestWebhookThatIsDown: of many events, eight are tried, then the endpoint rests.
func TestWebhookThatIsDown(t *testing.T) {
	t.Parallel()
	b := setupHook(t)
	b.answer(http.StatusBadGateway)
	for range 20 {
		b.change(t, "import.applied")
	}
	sent := b.send(t)
	require.False(t, sent.More)
	require.Equal(t, b.now().Add(5*time.Second), sent.NextAt)
	require.LessOrEqual(t, sent.Failed, 8+8)
	require.Less(t, sent.Failed, 20)
}

// TestWebhookThatAsksForRest: an endpoint that takes some events and then asks to be left
// alone gets none of those that were begun ahead, and these lose no attempt.
func TestWebhookThatAsksForRest(t *testing.T) {
	t.Parallel()
	b := setupHook(t)
	for range 60 {
		b.change(t, "import.applied")
	}
	const takes, atOnce = 10, 8
	b.mu.Lock()
	b.takes, b.retryAfter = takes, "60"
	b.mu.Unlock()
	sent := b.send(t)
	ids, _, _ := b.taken()
	require.Equal(t, takes, sent.Delivered)
	require.LessOrEqual(t, len(ids), takes+atOnce, "no more than were under way")
	untouched := 0
	for _, d := range b.deliveries(t) {
		if d.State == maindb.DeliveryWaiting && d.Outcome == "" {
			require.Zero(t, d.Attempts)
			untouched++
		}
	}
	require.Equal(t, 60-len(ids), untouched)
	b.mu.Lock()
	b.takes = 0
	b.mu.Unlock()
	require.Equal(t, b.now().Add(time.Minute), b.send(t).NextAt)
	b.pass(time.Minute)
	require.Equal(t, untouched, b.send(t).Delivered)
}

// TestChannelIsTold: what happens in a minute is one message to a channel, each event has
// one delivery, and what was lost with a killed worker comes once more.
func TestChannelIsTold(t *testing.T) {
	t.Parallel()
	for _, format := range []webhook.Format{webhook.Slack, webhook.Discord} {
		b := setupFormat(t, format)
		b.change(t, "import.applied", "race.changed", "entry.entered", "record.posted")
		b.pass(20 * time.Second)
		b.change(t, "import.applied")
		require.Equal(t, activities.WebhookSent{NextAt: b.now().Truncate(time.Minute).Add(time.Minute)}, b.send(t))
		b.pass(time.Minute)
		b.dies.Store(1)
		b.send(t)
		b.pass(2 * time.Minute)
		require.Equal(t, activities.WebhookSent{Delivered: 3, More: true}, b.send(t))
		require.Equal(t, activities.WebhookSent{}, b.send(t))
		require.Len(t, b.deliveries(t), 3)
		_, requests, bodies := b.taken()
		require.Len(t, bodies, 2, "the first was sent, and nobody noted it")
		require.Equal(t, bodies[0], bodies[1])
		require.Equal(t, secretPath[format], requests[0].URL.Path)
		require.Contains(t, bodies[0], "2 files were applied.")
		require.Contains(t, bodies[0], "The race’s settings were changed.")

		require.NoError(t, b.api.TestWebhook(t.Context(), b.raceID, b.webhook.ID))
		b.change(t)
		require.Equal(t, 1, b.send(t).Delivered, "at once")
		_, _, bodies = b.taken()
		require.Contains(t, bodies[0], "This is a test message.")
		require.ErrorIs(t, b.api.TestWebhook(t.Context(), uuid.NewString(), b.webhook.ID), race.ErrNotFound)
	}
}

// TestChannelInABurst: corrections by hand, second by second, are one message a minute.
func TestChannelInABurst(t *testing.T) {
	t.Parallel()
	b := setupFormat(t, webhook.Discord)
	const events = 110 // more than a step sends of other formats
	for range events {
		b.change(t, "import.applied")
	}
	b.pass(time.Minute)
	require.Equal(t, activities.WebhookSent{Delivered: events, More: true}, b.send(t))
	_, _, bodies := b.taken()
	require.Len(t, bodies, 1)
	require.Contains(t, bodies[0], "110 files were applied.")
	require.Len(t, b.deliveries(t), 100, "a delivery for each; the log lists as many as asked for")
}

// TestChannelThatIsBusy is left alone for as long as it asks, whatever else happens.
func TestChannelThatIsBusy(t *testing.T) {
	t.Parallel()
	b := setupFormat(t, webhook.Slack)
	b.answer(http.StatusTooManyRequests)
	b.retryAfter = "300"
	b.change(t, "import.applied")
	b.pass(time.Minute)
	require.Equal(t, 1, b.send(t).Failed)
	rested := b.now().Add(5 * time.Minute)
	b.answer(http.StatusOK)
	b.change(t, "race.changed")
	language := "ko"
	_, err := b.api.ChangeWebhook(t.Context(), b.raceID, b.webhook.ID, maindb.WebhookChange{Language: &language})
	require.NoError(t, err)
	b.pass(2 * time.Minute) // the second event is due, and its signal has woken the workflow
	sent := b.send(t)
	require.Zero(t, sent.Delivered)
	require.WithinDuration(t, rested, sent.NextAt, 0)
	_, _, bodies := b.taken()
	require.Len(t, bodies, 1)
	b.pass(4 * time.Minute)
	require.Equal(t, 2, b.send(t).Delivered)
	_, _, bodies = b.taken()
	require.Len(t, bodies, 1)
}

// TestChannelThatIsGone: 404 and 410 of a chat switch it off at once; nothing in the log
// holds its URL, nor does the change log.
func TestChannelThatIsGone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotFound, http.StatusGone} {
		b := setupFormat(t, webhook.Discord)
		b.answer(http.StatusInternalServerError)
		b.change(t, "import.applied")
		b.pass(time.Minute)
		require.Equal(t, 1, b.send(t).Failed)
		w, err := b.api.Webhook(t.Context(), b.raceID, b.webhook.ID)
		require.NoError(t, err)
		require.Empty(t, w.OffReason)
		b.answer(status)
		b.pass(time.Minute)
		b.send(t)
		w, err = b.api.Webhook(t.Context(), b.raceID, b.webhook.ID)
		require.NoError(t, err)
		require.Equal(t, "gone", w.OffReason)
		require.NotContains(t, w.URL, "verysecret")
		require.Contains(t, b.log.String(), "switched off")
		require.NotContains(t, b.log.String(), "verysecret")
		log, err := b.api.Changes(t.Context(), maindb.ChangeFilter{RaceID: b.raceID}, "", 100)
		require.NoError(t, err)
		require.Contains(t, fmt.Sprintf("%s", log), "webhook.switched_off")
		require.NotContains(t, fmt.Sprintf("%s", log), "verysecret")
		require.Error(t, b.api.TestWebhook(t.Context(), b.raceID, b.webhook.ID))
		_, err = b.api.RotateWebhook(t.Context(), b.raceID, b.webhook.ID, []byte("x"))
		require.Error(t, err, "there is nothing to sign")
	}
}
