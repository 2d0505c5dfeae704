package webhook

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

const (
	slackURL   = "https://hooks.slack.com/services/T024BE7LD/B0253/s3cretPart"
	discordURL = "https://discord.com/api/webhooks/223704706495545344/3d89bb7572e0fb30d8128367b3b1b44f-_"
)

// TestChatURLs: only the services' own hosts and the form of their incoming webhooks are
// accepted, and what is shown of one is not enough to post with.
func TestChatURLs(t *testing.T) {
	t.Parallel()
	require.NoError(t, Config{}.CheckURL(Slack, slackURL))
	for _, address := range []string{
		discordURL, discordURL + "?thread_id=12", "https://discordapp.com/api/webhooks/1/a", "https://canary.discord.com/api/v10/webhooks/1/a", "https://DISCORD.com:443/api/webhooks/1/a",
	} {
		require.NoError(t, Config{}.CheckURL(Discord, address), address)
	}
	for _, address := range []string{
		"", discordURL, "https://hooks.slack.com/", "http://hooks.slack.com/services/T/B/x", "https://hooks.slack.com.example.org/services/T/B/x", "https://example.org/services/T/B/x",
		"https://hooks.slack.com/services/T/B/", "https://hooks.slack.com/services/T/B/x/y", "https://hooks.slack.com/services/T/B/x?y", "https://hooks.slack.com/services/T/../x",
		"https://hooks.slack.com/services/T/B/%78", "https://u@hooks.slack.com/services/T/B/x", "https://hooks.slack.com:8443/services/T/B/x", "https://hooks.slack.com/triggers/T/1/x",
		"https://127.0.0.1/services/T/B/x", slackURL + "#a",
	} {
		require.Error(t, Config{}.CheckURL(Slack, address), address)
	}
	for _, address := range []string{slackURL, discordURL + "/slack", discordURL + "?wait=true", "https://discord.com/api/webhooks/a/b", "https://evil.example/api/webhooks/1/a"} {
		require.Error(t, Config{}.CheckURL(Discord, address), address)
	}
	require.Equal(t, errBelongsToChat, Config{}.CheckURL(Standard, slackURL))
	require.Equal(t, errBelongsToChat, Config{}.CheckURL(Standard, discordURL))
	require.NoError(t, Config{Loopback: true}.CheckURL(Slack, "http://127.0.0.1:9999/services/T/B/x"))
	require.Error(t, Config{Loopback: true}.CheckURL(Slack, "http://127.0.0.1:9999/hook"))
	require.Error(t, Config{Loopback: true}.CheckURL(Slack, "https://example.org/services/T/B/x"))

	require.Equal(t, "https://hooks.slack.com/services/T024BE7LD/B0253/…", Slack.Shown(slackURL))
	require.Equal(t, "https://discord.com/api/webhooks/223704706495545344/…", Discord.Shown(discordURL+"?thread_id=12"))
	require.Equal(t, Slack.Shown(slackURL), Slack.Shown(Slack.Shown(slackURL)))
	require.Equal(t, "https://example.org/a?b", Standard.Shown("https://example.org/a?b"))
}

// noteOf is a note of events, each a type and the IDs of what changed.
func noteOf(race string, events ...string) Note {
	n := Note{Language: "en", RaceID: "r", Race: race, PublicURL: "https://results.example.org/"}
	for _, event := range events {
		name, ids, _ := strings.Cut(event, " ")
		data := `{"race_id":"r"}`
		if ids != "" {
			data = `{"race_id":"r","record_ids":["` + strings.ReplaceAll(ids, " ", `","`) + `"]}`
		}
		n.Events = append(n.Events, Message{ID: "e", Type: Type(name), At: message.At, Data: json.RawMessage(data)})
	}
	return n
}

// posted returns the fields that a note is posted with.
func posted(t *testing.T, format Format, n Note) map[string]any {
	t.Helper()
	body, err := n.body(format, message.At)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(body, &fields))
	return fields
}

// TestNotes: one line for each type of event, whatever number of events there
// were; a record that was corrected twice counts once.
func TestNotes(t *testing.T) {
	t.Parallel()
	one := noteOf("Spring Marathon", "result.corrected a")
	require.Equal(t, map[string]any{
		"text": "Spring Marathon: A result was corrected. <https://results.example.org/en/races/r/standings>", "mrkdwn": false, "unfurl_links": false,
		"blocks": []any{map[string]any{"type": "rich_text", "elements": []any{map[string]any{"type": "rich_text_section", "elements": []any{
			map[string]any{"type": "text", "text": "Spring Marathon"},
			map[string]any{"type": "text", "text": ":"},
			map[string]any{"type": "text", "text": " A result was corrected. "},
			map[string]any{"type": "link", "url": "https://results.example.org/en/races/r/standings"},
		}}}}},
	}, posted(t, Slack, one))
	require.Equal(t, map[string]any{
		"content": "Spring Marathon: A result was corrected. <https://results.example.org/en/races/r/standings>", "flags": 4.0,
		"allowed_mentions": map[string]any{"parse": []any{}},
	}, posted(t, Discord, one))

	several := noteOf("봄 마라톤", "result.corrected a b", "claim.opened c", "result.corrected b d", "race.official")
	several.Language, several.PublicURL = "ko", ""
	require.Equal(t, "봄 마라톤:\n• 기록 3건이 정정되었습니다.\n• 답을 기다리는 기록 연결 신청이 1건 있습니다.\n• 공식 결과가 확정되었습니다.", posted(t, Slack, several)["text"])

	late, err := one.body(Slack, message.At.Add(25*time.Hour))
	require.NoError(t, err)
	require.Contains(t, string(late), "A result was corrected. (2026-04-20 09:00 UTC)")

	for _, format := range []Format{Slack, Discord} {
		for _, of := range append([]Type{Test}, Types...) {
			for _, language := range []string{"en", "ko"} {
				say, known := sentences[language][of]
				require.Equal(t, format.Offers(of), known, "%s %s", language, of)
				require.Equal(t, strings.Contains(sentences["en"][of].many, "%d"), strings.Contains(say.many, "%d"), of)
				require.Equal(t, sentences["en"][of].path, say.path)
			}
		}
	}
	require.True(t, Standard.Offers("result.posted"))
}

// TestNamesArriveAsTheyAre writes the names of races that would ping, link or format, and
// reads them back as each service shows them.
func TestNamesArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"@everyone", "@here <@123> <@&456> <#789>", "<!channel> <!here|x> <!subteam^S1>", "<https://evil.example|Official results>", "[Official results](https://evil.example)",
		"# Big", "> quote", "- list", "**bold** __x__ ~~y~~ `code` ||spoiler||", "a & b &lt;!channel&gt;", `back\slash`, ":smile: \"quoted\"", "춘천 마라톤",
		"*Spring* _Run_ ~2026~ `10K`", "1. Run", "results at https://evil.example/x or www.evil.example", "mailto:a@evil.example",
	} {
		n := noteOf(name, "race.official")
		message := posted(t, Slack, n)
		require.Equal(t, map[string]any{"type": "text", "text": name}, richText(message)[0], "rich text is shown as it is")
		require.Equal(t, false, message["mrkdwn"])
		slack, _ := message["text"].(string)
		shown, _, _ := strings.Cut(slack, ": The results are official.")
		require.NotContains(t, shown, "<", name)
		require.NotRegexp(t, "&($|[^agl])", shown, name)
		require.Equal(t, name, strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(shown))

		discord, _ := posted(t, Discord, n)["content"].(string)
		shown, _, _ = strings.Cut(discord, ": The results are official.")
		require.NotRegexp(t, `(^|[^\\])(\\\\)*[@<\[#>*_~|`+"`"+`]`, shown, name)
		require.NotContains(t, shown, "://", "a bare URL becomes a link")
		require.Equal(t, name, unescaped(shown))
	}
	twoLines, _ := posted(t, Discord, noteOf("A\n# B", "race.official"))["content"].(string)
	require.True(t, strings.HasPrefix(twoLines, `A \# B: `), twoLines)
}

// richText returns the elements of a message to Slack.
func richText(message map[string]any) []any {
	blocks, _ := message["blocks"].([]any)
	block, _ := blocks[0].(map[string]any)
	sections, _ := block["elements"].([]any)
	section, _ := sections[0].(map[string]any)
	elements, _ := section["elements"].([]any)
	return elements
}

// unescaped is what Discord shows of escaped text.
func unescaped(text string) string {
	var out strings.Builder
	escaped := false
	for _, r := range text {
		if r == '\\' && !escaped {
			escaped = true
			continue
		}
		escaped = false
		out.WriteRune(r)
	}
	return out.String()
}

// TestLongNotesFit: what a message of Discord cannot hold is left out.
func TestLongNotesFit(t *testing.T) {
	t.Parallel()
	var all []string
	for of := range sentences["en"] {
		all = append(all, string(of))
	}
	n := noteOf(strings.Repeat("@", 200), all...)
	n.PublicURL = "https://results.example.org/" + strings.Repeat("x", 200)
	content, _ := posted(t, Discord, n)["content"].(string)
	require.LessOrEqual(t, utf8.RuneCountInString(content), 2000)
	require.True(t, strings.HasSuffix(content, ">\n…"), content)
}

// TestChatsAnswers: how long a chat asks to be left alone, and that it is gone.
func TestChatsAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		format       Format
		status       int
		header, body string
		rest         time.Duration
		gone         bool
	}{
		{Slack, 429, "30", "rate_limited", 30 * time.Second, false},
		{Discord, 429, "", `{"message":"You are being rate limited.","retry_after":1.337,"global":false}`, 1337 * time.Millisecond, false},
		{Discord, 429, "65", `{"retry_after":64.57}`, 65 * time.Second, false},
		{Discord, 429, "", `<html>`, 0, false},
		{Discord, 429, "", `{"retry_after":1e300}`, time.Hour, false},
		{Discord, 429, "", `{"retry_after":-5}`, 0, false},
		{Slack, 429, "999999", "", time.Hour, false},
		{Slack, 503, "30", "", 0, false},
		{Slack, 404, "", "no_service", 0, true},
		{Slack, 410, "", "channel_is_archived", 0, true},
		{Slack, 403, "", "invalid_token", 0, false},
		{Discord, 404, "", `{"message":"Unknown Webhook","code":10015}`, 0, true},
	} {
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if test.header != "" {
				w.Header().Set("Retry-After", test.header)
			}
			if r.Header.Get("Webhook-Id") != "" || r.Header.Get("Content-Type") != "application/json" {
				test.status = http.StatusTeapot
			}
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		}))
		path := map[Format]string{Slack: "/services/T/B/x", Discord: "/api/webhooks/1/x"}[test.format]
		outcome, err := NewSender(Config{Loopback: true}, time.Now).SendNote(t.Context(), test.format, receiver.URL+path, noteOf("A", "race.official"))
		receiver.Close()
		require.NoError(t, err)
		require.Equal(t, test.status, outcome.Status)
		require.Equal(t, test.rest, outcome.Rest(), test.body)
		require.Equal(t, test.gone, outcome.Gone(), test.body)
	}
	require.False(t, Outcome{Status: 404}.Gone(), "a program's")
	outcome, err := NewSender(Config{}, time.Now).SendNote(t.Context(), Slack, "https://hooks.slack.com.example.org/services/T/B/x", noteOf("A", "race.official"))
	require.NoError(t, err)
	require.Equal(t, Outcome{Failure: "refused"}, outcome)
}
