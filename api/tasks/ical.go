package tasks

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// The calendar is written by hand: it needs five properties of RFC 5545, and the part of
// a library that would write them is no longer than this. Deadlines are events and not
// to-dos (VTODO), because Google's and Apple's calendars show no to-dos of subscriptions.

// words are what a calendar says in each language.
var words = map[string]struct{ done, opens, closes, draw string }{
	"en": {"Done: ", "Entry opens: ", "Entry closes: ", "Draw: "},
	"ko": {"완료: ", "참가 신청 시작: ", "참가 신청 마감: ", "추첨: "},
}

// moment is how long a deadline at a time of day looks in a calendar.
const moment = 30 * time.Minute

type event struct {
	uid      string
	sequence int
	stamp    time.Time
	day      race.Date // all day; zero: at
	at       time.Time
	summary  string
	text     string
	url      string
}

// writeCalendar writes the calendar of a race.
func writeCalendar(to *bytes.Buffer, r race.Race, tasks []race.Task, base, lang string) {
	line(to, "BEGIN", "VCALENDAR")
	line(to, "VERSION", "2.0")
	line(to, "PRODID", "-//Mrmrthon//Race preparation//EN")
	line(to, "METHOD", "PUBLISH")
	line(to, "NAME", escape(r.Name))
	line(to, "X-WR-CALNAME", escape(r.Name))
	line(to, "REFRESH-INTERVAL;VALUE=DURATION", "PT1H")
	say := words[lang]
	racePage := base + "/" + lang + "/races/" + r.ID
	event{uid: "race-" + r.ID, stamp: r.CreatedAt, day: r.Date, summary: r.Name, url: racePage}.write(to)
	if r.Entry != nil {
		for _, e := range []struct {
			name, summary string
			at            time.Time
		}{{"opens", say.opens, r.Entry.OpensAt}, {"closes", say.closes, r.Entry.ClosesAt}, {"draw", say.draw, r.Entry.DrawsAt()}} {
			if !e.at.IsZero() {
				event{uid: e.name + "-" + r.ID, stamp: r.CreatedAt, at: e.at, summary: e.summary + r.Name, url: racePage}.write(to)
			}
		}
	}
	for _, t := range tasks {
		if t.Deadline.IsZero() || t.Status == race.TaskDropped {
			continue
		}
		e := event{
			uid: "task-" + t.ID, sequence: t.Revision - 1, stamp: t.UpdatedAt, at: t.Deadline.End(r.Location()), summary: t.Title, text: t.Note,
			url: base + "/" + lang + "/organize/races/" + r.ID + "/tasks/" + t.ID,
		}
		if t.Deadline.Clock == "" {
			e.day = t.Deadline.Day
		}
		if t.Status == race.TaskDone {
			e.summary = say.done + t.Title
		}
		e.write(to)
	}
	line(to, "END", "VCALENDAR")
}

func (e event) write(to *bytes.Buffer) {
	const day, at = "20060102", "20060102T150405Z"
	line(to, "BEGIN", "VEVENT")
	line(to, "UID", e.uid+"@mrmrthon")
	line(to, "SEQUENCE", strconv.Itoa(e.sequence))
	line(to, "DTSTAMP", e.stamp.UTC().Format(at))
	line(to, "LAST-MODIFIED", e.stamp.UTC().Format(at))
	if e.day.IsZero() {
		line(to, "DTSTART", e.at.UTC().Format(at))
		line(to, "DTEND", e.at.UTC().Add(moment).Format(at))
	} else {
		line(to, "DTSTART;VALUE=DATE", e.day.Midnight().Format(day))
		line(to, "DTEND;VALUE=DATE", e.day.Midnight().AddDate(0, 0, 1).Format(day))
	}
	line(to, "SUMMARY", escape(e.summary))
	if e.text != "" {
		line(to, "DESCRIPTION", escape(e.text))
	}
	line(to, "URL", e.url)
	line(to, "TRANSP", "TRANSPARENT") // nobody is busy all day because of a deadline
	line(to, "END", "VEVENT")
}

var escaper = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`)

// escape writes text as a value of type TEXT. Control characters may not stand in one.
func escape(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c == 0x7f {
			return -1
		}
		return race.DropOverride(c)
	}, escaper.Replace(text))
}

// maxLine is the length of a line in bytes, without its end.
const maxLine = 75

// line writes a property, folded between characters.
func line(to *bytes.Buffer, name, value string) {
	rest := fmt.Sprintf("%s:%s", name, value)
	for room := maxLine; len(rest) > room; room = maxLine - 1 {
		cut := room
		for !utf8.RuneStart(rest[cut]) {
			cut--
		}
		to.WriteString(rest[:cut] + "\r\n ")
		rest = rest[cut:]
	}
	to.WriteString(rest + "\r\n")
}
