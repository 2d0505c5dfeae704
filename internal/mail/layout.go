package mail

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// content is what a mail says, before it is laid out as text and as HTML.
type content struct {
	subject    string
	heading    string // empty: the subject
	language   string
	race, day  string // of a notice: which race it is about, and when that is
	paragraphs []string
	list       []row    // things, such as tasks, each with what is to be said of it
	rows       []row    // facts
	after      []string // paragraphs behind them
	button     string
	link       string // where the button leads; empty: there is none
	why        string // its reader gets it
	links      []footLink
}

// row is a fact with its label, such as a time or a place, or a thing with its state.
type row struct{ Label, Value string }

// footLink is a link below a mail.
type footLink struct{ Title, Address string }

// message lays the content out.
func (c content) message(id, to string) (Message, error) {
	html, err := c.html()
	if err != nil {
		return Message{}, fmt.Errorf("lay out mail %s: %w", id, err)
	}
	return Message{ID: id, To: to, Subject: c.subject, Text: c.text(), HTML: html}, nil
}

func (c content) html() (string, error) {
	var out strings.Builder
	err := layout(c).Render(context.Background(), &out)
	return out.String(), err
}

// unbroken keeps the short parts of a value on one line each, such as a time with its name.
func unbroken(value string) string {
	const short = 24 // characters: phones show some 30
	parts := strings.Split(value, ", ")
	for i, part := range parts {
		if utf8.RuneCountInString(part) <= short {
			parts[i] = strings.ReplaceAll(part, " ", "\u00a0")
		}
	}
	return strings.Join(parts, ", ")
}

// text is the mail for readers of plain text. What follows the line "-- " is shown as
// less important by mail programs, as a signature is.
func (c content) text() string {
	var parts []string
	if c.race != "" {
		parts = append(parts, strings.TrimSuffix(c.race+", "+c.day, ", "))
	}
	if c.heading != "" {
		parts = append(parts, c.heading)
	}
	parts = append(parts, c.paragraphs...)
	lines := func(begin string, rows []row) {
		said := make([]string, len(rows))
		for i, r := range rows {
			said[i] = strings.TrimSuffix(begin+r.Label+": "+r.Value, ": ")
		}
		if len(said) > 0 {
			parts = append(parts, strings.Join(said, "\n"))
		}
	}
	lines("- ", c.list)
	lines("", c.rows)
	parts = append(parts, c.after...)
	if c.link != "" {
		parts = append(parts, c.button+":\n"+c.link)
	}
	foot := []string{"-- ", c.why}
	for _, l := range c.links {
		foot = append(foot, l.Title+": "+l.Address)
	}
	return strings.Join(append(parts, strings.Join(foot, "\n")), "\n\n") + "\n"
}

// seoul is where readers of Korean are taken to be when nothing else is known. It has no
// summer time.
var seoul = time.FixedZone("Asia/Seoul", 9*60*60)

// weekdays are the days of the week in Korean, from Sunday.
var weekdays = [...]string{"일", "월", "화", "수", "목", "금", "토"}

// dayIn writes a day as its readers do.
func dayIn(language string, day time.Time) string {
	if language == "ko" {
		return day.Format("2006년 1월 2일") + " (" + weekdays[day.Weekday()] + ")"
	}
	return day.Format("Monday, 2 January 2006")
}

// timeIn writes a moment in a time zone, which is named. Without one it is that of Seoul
// in Korean, and UTC in other languages.
func timeIn(language string, at time.Time, zone string) string {
	in, err := time.LoadLocation(zone)
	switch {
	case zone != "" && zone != "Local" && err == nil:
		at = at.In(in)
	case language == "ko":
		at, zone = at.In(seoul), seoul.String()
	default:
		at, zone = at.UTC(), "UTC"
	}
	return clockIn(language, at, zone)
}

// clockIn writes a moment as the clocks of a time zone show it.
func clockIn(language string, at time.Time, zone string) string {
	if language == "ko" {
		if zone == seoul.String() {
			zone = "한국 시간"
		}
		return dayIn(language, at) + " " + at.Format("15:04") + ", " + zone
	}
	return at.Format("Monday, 2 January 2006, 15:04") + " (" + zone + ")"
}
