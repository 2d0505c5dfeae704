package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Format is what an endpoint takes.
type Format string

// The formats: Standard Webhooks, which are signed IDs for programs, and a few sentences
// for people, at the URL of an incoming webhook of Slack or Discord. Whoever knows that URL
// can post to the channel, so it is the endpoint's secret.
const (
	Standard Format = "standard"
	Slack    Format = "slack"
	Discord  Format = "discord"
)

// IsChat reports whether people read what is sent.
func (f Format) IsChat() bool { return f == Slack || f == Discord }

// Offers reports whether an endpoint of the format can ask for a type of event. Results
// that are posted one by one and entries come by the thousand, which no chat can show and
// nobody would read: import.applied, entry.drawn and race.official say it once.
func (f Format) Offers(t Type) bool {
	return !f.IsChat() || t != "result.posted" && t != "entry.changed"
}

// window is how long events gather before they are posted to a chat in one message, so
// that no channel gets more than one a minute.
const window = time.Minute

// DueAt returns when an event that became known at now is due at an endpoint of the format.
func (f Format) DueAt(t Type, now time.Time) time.Time {
	if !f.IsChat() || t == Test {
		return now
	}
	return now.Truncate(window).Add(window)
}

// chat is what is particular to a service.
type chat struct {
	hosts  []string
	path   *regexp.Regexp
	query  *regexp.Regexp
	wrong  error // what is said of any other URL
	limit  int   // characters in a message
	escape func(string) string
	// message is what is posted: the text in the service's markup, or the parts of it.
	message func(text string, parts []part) map[string]any
}

var chats = map[Format]chat{
	Slack: {
		hosts: []string{"hooks.slack.com", "hooks.slack-gov.com"},
		path:  regexp.MustCompile(`^/services/[A-Za-z0-9]+/[A-Za-z0-9]+/[A-Za-z0-9]+$`),
		query: regexp.MustCompile(`^$`),
		wrong: errors.New("must be the URL of an incoming webhook of Slack, such as https://hooks.slack.com/services/T…/B…/…"),
		limit: 4000, escape: strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace, message: slackMessage,
	},
	Discord: {
		hosts: []string{"discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"},
		path:  regexp.MustCompile(`^/api/(v\d+/)?webhooks/\d+/[A-Za-z0-9_-]+$`),
		query: regexp.MustCompile(`^(thread_id=\d+)?$`),
		wrong: errors.New("must be the URL of a webhook of Discord, such as https://discord.com/api/webhooks/…/…"),
		limit: 2000, escape: escapeDiscord, message: discordMessage,
	},
}

// errBelongsToChat is said of a chat's URL that is to get Standard Webhooks.
var errBelongsToChat = errors.New("is a URL of Slack or Discord: choose its format")

// checkChat checks that a URL is one of the format's own: of a chat, that it has a host of
// the service and the form of its incoming webhooks; of Standard Webhooks, that it is no
// chat's.
func (c Config) checkChat(format Format, u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	of, known := chats[format]
	if !known {
		for _, other := range chats {
			if slices.Contains(other.hosts, host) {
				return errBelongsToChat
			}
		}
		return nil
	}
	ours := slices.Contains(of.hosts, host) && (u.Port() == "" || u.Port() == "443") || c.isLoopback(host)
	if !ours || !of.path.MatchString(u.EscapedPath()) || !of.query.MatchString(u.RawQuery) {
		return of.wrong
	}
	return nil
}

// Shown returns what may be shown of an endpoint's URL: of a chat's, all but the last
// part of its path.
func (f Format) Shown(address string) string {
	if !f.IsChat() {
		return address
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + path.Dir(u.Path) + "/…"
}

// escapeDiscord escapes every ASCII punctuation mark, which Discord shows as it is then:
// no name makes a heading, a mention, a link or bold text.
func escapeDiscord(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r > ' ' && r < 0x7f && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}

// sentence is what is posted to a chat about events of a type.
type sentence struct {
	one, many string // many has a %d; empty: the number does not matter
	path      string // of the page that shows it; %s is the race
}

const (
	standingsPage = "/races/%s/standings"
	disputesPage  = "/organize/races/%s/disputes"
	filesPage     = "/organize/races/%s/files"
)

var sentences = map[string]map[Type]sentence{
	"en": {
		"result.corrected":    {"A result was corrected.", "%d results were corrected.", standingsPage},
		"result.removed":      {"A result was removed.", "%d results were removed.", standingsPage},
		"import.applied":      {"A file was applied.", "%d files were applied.", filesPage},
		"import.undone":       {"A file was undone.", "%d files were undone.", filesPage},
		"race.changed":        {"The race’s settings were changed.", "", "/organize/races/%s/changes"},
		"race.official":       {"The results are official.", "", standingsPage},
		"standings.published": {"Official standings were published.", "", standingsPage},
		"race.voided":         {"The race was voided.", "", "/races/%s"},
		"entry.drawn":         {"The places were drawn.", "", "/races/%s/draw"},
		"claim.opened":        {"A claim to a result waits for an answer.", "%d claims to results wait for an answer.", "/organize/races/%s/claims"},
		"dispute.opened":      {"A result was disputed.", "%d disputes were opened.", disputesPage},
		"dispute.closed":      {"A dispute was closed.", "%d disputes were closed.", disputesPage},
		Test:                  {"This is a test message. Changes to the race will be posted here.", "", "/organize/races/%s/webhooks"},
	},
	"ko": {
		"result.corrected":    {"기록 1건이 정정되었습니다.", "기록 %d건이 정정되었습니다.", standingsPage},
		"result.removed":      {"기록 1건이 삭제되었습니다.", "기록 %d건이 삭제되었습니다.", standingsPage},
		"import.applied":      {"파일 1개가 적용되었습니다.", "파일 %d개가 적용되었습니다.", filesPage},
		"import.undone":       {"파일 1개의 적용이 취소되었습니다.", "파일 %d개의 적용이 취소되었습니다.", filesPage},
		"race.changed":        {"대회 설정이 변경되었습니다.", "", "/organize/races/%s/changes"},
		"race.official":       {"공식 결과가 확정되었습니다.", "", standingsPage},
		"standings.published": {"공식 순위가 게시되었습니다.", "", standingsPage},
		"race.voided":         {"대회가 무효 처리되었습니다.", "", "/races/%s"},
		"entry.drawn":         {"참가자 추첨이 끝났습니다.", "", "/races/%s/draw"},
		"claim.opened":        {"답을 기다리는 기록 연결 신청이 1건 있습니다.", "답을 기다리는 기록 연결 신청이 %d건 있습니다.", "/organize/races/%s/claims"},
		"dispute.opened":      {"이의 신청 1건이 접수되었습니다.", "이의 신청 %d건이 접수되었습니다.", disputesPage},
		"dispute.closed":      {"이의 신청 1건이 종료되었습니다.", "이의 신청 %d건이 종료되었습니다.", disputesPage},
		Test:                  {"시험 메시지입니다. 이 대회에서 바뀌는 내용을 여기로 알립니다.", "", "/organize/races/%s/webhooks"},
	},
}

// Note is a message for a chat: what has happened in a race since the last one. It has
// the race's name, which is public, numbers and links, and nothing about a runner.
type Note struct {
	Language  string
	RaceID    string
	Race      string // its name
	PublicURL string // where readers reach the pages; empty: there are no links
	Events    []Message
}

// part is a part of a message: text as readers see it, and after it a link, if there is one.
type part struct{ text, link string }

// body returns what is posted to a chat.
func (n Note) body(format Format, now time.Time) ([]byte, error) {
	of := chats[format]
	parts, err := n.parts(of, now)
	if err != nil {
		return nil, err
	}
	message := of.message(written(of, parts), parts)
	body, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode a message for %s: %w", format, err)
	}
	return body, nil
}

// slackMessage sends the parts as rich text, which Slack neither formats nor searches for
// links. Its markup has no way to escape an asterisk, an underscore, a tilde, a backtick or
// a bare URL. The text beside it is what notifications show.
func slackMessage(text string, parts []part) map[string]any {
	var elements []map[string]any
	for _, p := range parts {
		if p.text != "" {
			elements = append(elements, map[string]any{"type": "text", "text": p.text})
		}
		if p.link != "" {
			elements = append(elements, map[string]any{"type": "link", "url": p.link})
		}
	}
	section := map[string]any{"type": "rich_text_section", "elements": elements}
	return map[string]any{
		"text": text, "mrkdwn": false, "unfurl_links": false,
		"blocks": []map[string]any{{"type": "rich_text", "elements": []map[string]any{section}}},
	}
}

func discordMessage(text string, _ []part) map[string]any {
	const suppressEmbeds = 1 << 2
	return map[string]any{"content": text, "flags": suppressEmbeds, "allowed_mentions": map[string]any{"parse": []string{}}}
}

// written returns parts in the service's markup. Only the name of the race, which comes
// first, is not our own text.
func written(of chat, parts []part) string {
	var out strings.Builder
	for i, p := range parts {
		if i == 0 {
			p.text = of.escape(p.text)
		}
		out.WriteString(p.text)
		if p.link != "" {
			out.WriteString("<" + p.link + ">")
		}
	}
	return out.String()
}

// parts returns the race's name and a line for each type of event. What does not fit is
// left out: the pages have it all.
func (n Note) parts(of chat, now time.Time) ([]part, error) {
	lines, err := n.lines(now)
	if err != nil {
		return nil, err
	}
	parts := []part{{text: race.Within(strings.Join(strings.Fields(n.Race), " "))}, {text: ":"}}
	if len(lines) == 1 {
		lines[0].text = " " + lines[0].text
		return append(parts, lines[0]), nil
	}
	for _, line := range lines {
		line.text = "\n• " + line.text
		if utf8.RuneCountInString(written(of, append(slices.Clip(parts), line))) > of.limit-len("\n…") {
			return append(parts, part{text: "\n…"}), nil
		}
		parts = append(parts, line)
	}
	return parts, nil
}

// lateAfter is how old an event has to be for a message to say when it happened.
const lateAfter = time.Hour

// lines says each type of event once, in the order in which they came.
func (n Note) lines(now time.Time) ([]part, error) {
	type gathered struct {
		since    time.Time
		subjects map[string]bool
	}
	var order []Type
	of := map[Type]*gathered{}
	for _, e := range n.Events {
		subjects, err := subjectsOf(e.Data)
		if err != nil {
			return nil, fmt.Errorf("read event %s: %w", e.ID, err)
		}
		g := of[e.Type]
		if g == nil {
			g = &gathered{since: e.At, subjects: map[string]bool{}}
			of[e.Type], order = g, append(order, e.Type)
		}
		if e.At.Before(g.since) {
			g.since = e.At
		}
		for _, id := range subjects {
			g.subjects[id] = true
		}
	}
	language := n.Language
	if sentences[language] == nil {
		language = "en"
	}
	lines := make([]part, len(order))
	for i, t := range order {
		say := sentences[language][t]
		line := part{text: say.one}
		if count := len(of[t].subjects); count > 1 && say.many != "" {
			line.text = fmt.Sprintf(say.many, count)
		}
		if now.Sub(of[t].since) > lateAfter {
			line.text += " (" + of[t].since.UTC().Format("2006-01-02 15:04 UTC") + ")"
		}
		if n.PublicURL != "" {
			line.text += " "
			line.link = strings.TrimSuffix(n.PublicURL, "/") + "/" + language + fmt.Sprintf(say.path, url.PathEscape(n.RaceID))
		}
		lines[i] = line
	}
	return lines, nil
}

// subjectsOf returns the IDs in what Event.Data wrote.
func subjectsOf(data json.RawMessage) (ids []string, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	for name, value := range fields {
		if !strings.HasSuffix(name, "_ids") {
			continue
		}
		if err := json.Unmarshal(value, &ids); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// askedIn returns how long Discord asks to be left alone in the body of an answer with
// the status 429, which is more precise than its header.
func askedIn(status int, body []byte) time.Duration {
	var limited struct {
		RetryAfter float64 `json:"retry_after"` // seconds
	}
	if status != http.StatusTooManyRequests || json.Unmarshal(body, &limited) != nil {
		return 0
	}
	return time.Duration(math.Ceil(min(max(limited.RetryAfter, 0), maxRetryAfter.Seconds()) * float64(time.Second)))
}
