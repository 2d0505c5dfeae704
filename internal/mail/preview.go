package mail

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// examples are the words of people that stand in previews.
var examples = map[string]struct{ division, task, title, excerpt string }{
	"en": {"Example division", "Example task", "Example notice", "This is an example of what the notice says."},
	"ko": {"예시 부문", "예시 할 일", "예시 공지", "공지 내용이 들어갈 자리의 예시입니다."},
}

// Preview writes the notice of a kind that a race sends, as WriteNotice does, about a race
// that is real and a runner, times and places that are made up. Nobody can switch anything
// off by its link.
func Preview(kind notice.Kind, language string, r race.Race, publicURL string) (Message, error) {
	say := examples[language]
	before := notice.Figures{Gun: "3:45:06", Net: "3:44:05", Status: "OK", Place: 123, SexPlace: 45, Division: say.division, DivisionPlace: 6, Points: 600}
	now := before
	now.Gun, now.Net, now.Place, now.SexPlace, now.DivisionPlace, now.Points = "3:44:56", "3:43:55", 122, 44, 5, 602
	if kind == notice.PlaceMoved { // by somebody else: the runner's own times stay
		now.Gun, now.Net = before.Gun, before.Net
	}
	about, err := json.Marshal(notice.Facts{
		RaceID: r.ID, Race: r.Name, Date: r.Date.String(), Bib: "1234", Before: &before, Now: &now,
		Until: time.Date(2030, 1, 2, 9, 0, 0, 0, time.UTC), Count: 1, Causes: []string{"5678"},
		Post:  &notice.Post{ID: r.ID, Title: say.title, Excerpt: say.excerpt},
		Tasks: []notice.Task{{Title: say.task, Deadline: "2030-01-02", Status: "open"}},
	})
	if err != nil {
		return Message{}, fmt.Errorf("write a preview: %w", err)
	}
	return WriteNotice(userdb.Mail{Kind: userdb.MailKind(kind), Language: language, About: about}, notice.Unsubscriber{}, publicURL)
}

// Framed returns a notice's HTML for a frame of a page: in the colours of a dark or a light
// device, whatever the reader's own is, and with links that a sandboxed frame blocks.
func Framed(html string, dark bool) string {
	media := "not all"
	if dark {
		media = "all"
	}
	return strings.NewReplacer("(prefers-color-scheme:dark)", media, "<head>", `<head><base target="_blank">`).Replace(html)
}
