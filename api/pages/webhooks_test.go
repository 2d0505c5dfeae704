package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/webhook"
)

// TestWebhooksOnPages adds an endpoint, follows what became of its deliveries, and sends
// some again, by forms alone.
func TestWebhooksOnPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	director := b.director(t)
	r := b.addLimited(t, race.EntrySettings{Capacity: 5})
	b.raceID = r.ID
	path := b.run("en", "/webhooks")
	require.Equal(t, path, director.visit(b.run("en", "")).Find(`a[href$="/webhooks"]`).AttrOr("href", ""))
	require.Equal(t, http.StatusForbidden, b.runners(t, "ann")[0].visit(path).status)

	form := director.visit(path)
	require.Len(t, form.Find("input[name=events]").Nodes, len(webhook.Types))
	refused := director.post(path, "url", "http://example.org/a", "events", "race.changed")
	require.Equal(t, http.StatusUnprocessableEntity, refused.status)
	require.Equal(t, "Must begin with https://", refused.Find("#field-url-wrong").Text())
	require.Equal(t, "http://example.org/a", refused.Find("#field-url").AttrOr("value", ""))
	require.Equal(t, 1, refused.Find("input[name=events][checked]").Length(), "what was ticked stays")
	require.Equal(t, "이벤트를 하나 이상 골라 주세요.", director.post(b.run("ko", "/webhooks"), "url", "https://example.org/a").Find("#field-events-wrong").Text())
	require.Equal(t, http.StatusUnprocessableEntity, director.post(path, "url", "https://example.org/a", "events", "race.exploded").status)

	for _, event := range webhook.Types {
		require.Equal(t, http.StatusOK, director.post(path, "url", "https://example.org/"+string(event), "events", string(event)).status, event)
		require.Equal(t, path, director.post(director.visit(path).Find(".panel a").AttrOr("href", ""), "do", "remove").to())
	}

	made := director.post(path, "url", "https://example.org/a?x=<script>", "events", "race.changed", "key", "once")
	require.Equal(t, http.StatusOK, made.status, made.body)
	require.Regexp(t, `^whsec_`, made.Find("#secret").AttrOr("value", ""))
	list := director.visit(path)
	require.NotContains(t, list.body, "whsec_", "shown once")
	require.NotContains(t, list.body, "x=<script>")
	one := list.Find(".panel a").AttrOr("href", "")
	require.Equal(t, []string{"On"}, list.texts(".panel .badge"))

	_, err := b.outcomes.SealChanges(t.Context(), 1000) // what was before is not told
	require.NoError(t, err)
	require.NoError(t, b.main.AddChange(t.Context(), race.Change{Action: "race.changed", RaceID: r.ID, Subject: race.Subject{Kind: "race", ID: r.ID}}))
	_, err = b.outcomes.SealChanges(t.Context(), 1000)
	require.NoError(t, err)
	for n := 1; n > 0; {
		n, err = b.outcomes.ConsumeWebhooks(t.Context())
		require.NoError(t, err)
	}
	id := one[strings.LastIndex(one, "/")+1:]
	attempt := func(o webhook.Outcome, state string, next time.Time) {
		t.Helper()
		due, err := b.outcomes.DueWebhooks(t.Context(), id, "s", time.Minute, 1)
		require.NoError(t, err)
		require.Len(t, due.Due, 1)
		deliveries, err := b.outcomes.StillDue(t.Context(), id, "s", due.Due)
		require.NoError(t, err)
		_, err = b.outcomes.NoteDeliveries(t.Context(), id, "s", time.Minute, []maindb.DeliveryOutcome{{WebhookDelivery: deliveries[0], Outcome: o, State: state, NextAt: next}})
		require.NoError(t, err)
	}
	attempt(webhook.Outcome{Failure: "dns"}, "waiting", time.Now().Add(time.Hour))
	log := director.visit(one)
	require.Equal(t, []string{"Failing"}, log.texts("dd .badge"))
	row := log.texts("tbody td")
	require.Contains(t, row[1], "Waiting")
	require.Equal(t, "1", row[2])
	require.Contains(t, row[3], "the name of the host was not found")
	require.NotEmpty(t, row[4], "when the next attempt is due")
	require.Contains(t, director.visit(strings.Replace(one, "/en/", "/ko/", 1)).texts("tbody td")[3], "호스트 이름을 찾지 못함")

	require.Equal(t, one, director.post(one, append(log.fill("tbody form"), "do", "replay")...).to())
	attempt(webhook.Outcome{Status: 204}, "delivered", time.Now().Add(time.Hour))
	log = director.visit(one)
	require.Equal(t, []string{"On"}, log.texts("dd .badge"))
	require.Contains(t, log.texts("tbody td")[3], "HTTP 204")

	wrong := director.post(one, "do", "range", "since", "yesterday", "until", "")
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.NotEmpty(t, wrong.Find("#field-since-wrong").Text())
	require.NotEmpty(t, wrong.Find("#field-until-wrong").Text())
	require.Equal(t, "yesterday", wrong.Find("#field-since").AttrOr("value", ""))
	now := time.Now().UTC()
	backwards := director.post(one, "do", "range", "since", now.Format("2006-01-02T15:04"), "until", now.Add(-time.Hour).Format("2006-01-02T15:04"))
	require.NotEmpty(t, backwards.Find("#field-until-wrong").Text())
	for said, day := range map[string]time.Duration{"It will be sent again in a few seconds.": 0, "Nothing happened in that time.": -72 * time.Hour} {
		from := now.Add(day - 24*time.Hour)
		require.Equal(t, one, director.post(one, "do", "range", "since", from.Format("2006-01-02T15:04"), "until", from.Add(36*time.Hour).Format("2006-01-02T15:04")).to())
		require.Equal(t, []string{said}, director.visit(one).texts(".said"))
	}

	require.Regexp(t, `^whsec_`, director.post(one, "do", "rotate").Find("#secret").AttrOr("value", ""))
	require.Equal(t, one, director.post(one, "do", "off").to())
	off := director.visit(one)
	require.Contains(t, off.Find("dd").Last().Text(), "You switched it off.")
	require.Zero(t, off.Find("tbody form, #range").Length(), "nothing is sent again while it is off")
	require.Equal(t, http.StatusConflict, director.post(one, append(log.fill("tbody form"), "do", "replay")...).status)
	require.Equal(t, one, director.post(one, "do", "on").to())
	require.Equal(t, path, director.post(one, "do", "remove").to())
	require.Equal(t, http.StatusNotFound, director.visit(one).status)
	require.Equal(t, http.StatusNotFound, director.post(one, "do", "rotate").status)
	require.Equal(t, http.StatusNotFound, director.visit(path+"/x").status)
}

// TestChannelsOnPages adds a channel of Slack, whose URL no page shows, and tests it.
func TestChannelsOnPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	director := b.director(t)
	r := b.addLimited(t, race.EntrySettings{Capacity: 5})
	b.raceID = r.ID
	path := b.run("en", "/webhooks")
	const address = "https://hooks.slack.com/services/T0/B0/verysecret"
	require.Equal(t, []string{"standard", "slack", "discord"}, []string{
		director.visit(path).Find("#field-format").AttrOr("value", ""), director.visit(path).Find("#field-format1").AttrOr("value", ""), director.visit(path).Find("#field-format2").AttrOr("value", ""),
	})
	require.Equal(t, "Is a URL of Slack or Discord: choose its format", director.post(path, "url", address, "format", "standard", "events", "race.changed").Find("#field-url-wrong").Text())
	korean := director.post(b.run("ko", "/webhooks"), "url", "https://example.org/", "format", "discord", "events", "race.changed")
	require.Equal(t, "https://discord.com/api/webhooks/…/… 형태의 Discord 웹훅 URL을 적어 주세요.", korean.Find("#field-url-wrong").Text())
	require.Equal(t, "discord", korean.Find("input[name=format][checked]").AttrOr("value", ""))
	require.NotEmpty(t, director.post(path, "url", address, "format", "slack", "events", "result.posted").Find("#field-events-wrong").Text())

	require.Equal(t, path, director.post(path, "url", " "+address+" ", "format", "slack", "language", "ko", "events", "race.changed", "key", "once").to())
	list := director.visit(path)
	require.Equal(t, []string{"https://hooks.slack.com/services/T0/B0/…"}, list.texts(".panel .address"))
	require.Equal(t, []string{"The channel is added. Send it a test message from its page."}, list.texts(".said"))
	one := list.Find(".panel a").AttrOr("href", "")
	shown := director.visit(one)
	require.Contains(t, shown.Find("dd").First().Text(), "한국어")
	require.Zero(t, shown.Find(`button[value="rotate"]`).Length(), "there is nothing to sign")
	require.NotContains(t, list.body+shown.body, "verysecret")
	require.NotContains(t, b.logs.String(), "verysecret")

	_, err := b.outcomes.SealChanges(t.Context(), 1000) // what was before is not told
	require.NoError(t, err)
	require.Equal(t, one, director.post(one, "do", "test").to())
	_, err = b.outcomes.SealChanges(t.Context(), 1000)
	require.NoError(t, err)
	for n := 1; n > 0; {
		n, err = b.outcomes.ConsumeWebhooks(t.Context())
		require.NoError(t, err)
	}
	require.Contains(t, director.visit(one).texts("tbody th")[0], "Test message")
	require.Contains(t, director.visit(b.run("en", "/changes")).body, "Test message sent to a webhook")
}
