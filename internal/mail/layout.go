package mail

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
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

// The layout is one column that needs no images and no tables but for old versions of
// Outlook. Where a mail program drops the styles, what is left reads well without them.
// Each pair of colours has a contrast of at least 4.5, light and dark. Korean breaks
// between words only.
var layout = template.Must(template.New("").Parse(`<!doctype html>
<html lang="{{.Language}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark"><title>{{.Subject}}</title>
<style>
:root{color-scheme:light dark;supported-color-schemes:light dark}
body{margin:0;padding:0;background:#fbfaf6;color:#16211b;word-break:keep-all;overflow-wrap:anywhere;-webkit-text-size-adjust:100%;
font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Apple SD Gothic Neo","Noto Sans KR","Noto Sans CJK KR","Malgun Gothic",sans-serif}
.paper{width:100%;background:#fbfaf6}.margin{padding:24px 16px}
.card{width:100%;max-width:560px;margin:0 auto;background:#fff;border:1px solid #dddbd0;border-top:4px solid #c4391d;border-radius:6px;border-collapse:separate}
.says{padding:24px 28px 28px}.name{margin:0 0 20px;font-size:14px;font-weight:700;color:#59615b}
h1{margin:0 0 16px;font-size:24px;line-height:1.3;font-weight:700}
p{margin:0 0 16px}.text{white-space:pre-line}.race b{font-size:17px}.race span{color:#59615b}
.rows{width:100%;margin:0 0 20px;border-collapse:collapse}.rows th,.rows td{padding:9px 0;border-top:1px solid #dddbd0;text-align:left;vertical-align:top;font-weight:400}
.rows th{width:1%;white-space:nowrap;padding-right:20px;color:#59615b}.rows span{color:#59615b}.rows tr:last-child th,.rows tr:last-child td{border-bottom:1px solid #dddbd0}
.do{margin:24px 0 0}.button{background:#b02f14;color:#fff}
.foot{padding:16px 28px 20px;border-top:1px solid #dddbd0;font-size:13px;line-height:1.5;color:#59615b}.foot p{margin:0 0 6px}.foot a{color:#b02f14}.foot li{margin:0;padding:4px 0}
.foot ul{margin:0;padding:0;list-style:none}
@media (max-width:480px){.margin{padding:0}.card{border-left:0;border-right:0;border-radius:0}.says{padding:20px 20px 24px}.foot{padding:16px 20px}.button{display:block!important;text-align:center}h1{font-size:22px}}
@media (prefers-color-scheme:dark){body,.paper{background:#0f1512;color:#e8ece6}.card{background:#182019;border-color:#2e3831;border-top-color:#d9512f}
.name,.race span,.rows th,.rows span,.foot{color:#a6afa8}.rows th,.rows td,.rows tr:last-child th,.rows tr:last-child td,.foot{border-color:#2e3831}
.button{background:#ff9072;color:#1d0a04}.foot a{color:#ff9072}}
</style></head>
<body><table role="presentation" class="paper" cellpadding="0" cellspacing="0"><tr><td class="margin" align="center">
<table role="presentation" class="card" cellpadding="0" cellspacing="0" align="center"><tr><td class="says" align="left">
<p class="name">Mrmrthon</p>
<h1>{{.Heading}}</h1>
{{with .Race}}<p class="race"><b>{{.}}</b>{{with $.Day}}<br><span>{{.}}</span>{{end}}</p>
{{end}}{{range .Paragraphs}}<p class="text">{{.}}</p>
{{end}}{{with .List}}<table class="rows">{{range .}}<tr><td><b>{{.Label}}</b>{{with .Value}}<br><span>{{.}}</span>{{end}}</td></tr>{{end}}</table>
{{end}}{{with .Rows}}<table class="rows">{{range .}}<tr><th scope="row">{{.Label}}</th><td>{{.Value}}</td></tr>{{end}}</table>
{{end}}{{range .After}}<p class="text">{{.}}</p>
{{end}}{{with .Link}}<p class="do"><a class="button" style="display:inline-block;padding:13px 22px;border-radius:6px;font-weight:700;text-decoration:none" href="{{.}}">{{$.Button}}</a></p>
{{end}}</td></tr><tr><td class="foot" align="left"><p>{{.Why}}</p>
{{with .Links}}<ul>{{range .}}<li><a href="{{.Address}}">{{.Title}}</a></li>{{end}}</ul>{{end}}</td></tr></table>
</td></tr></table></body></html>
`))

// message lays the content out.
func (c content) message(id, to string) (Message, error) {
	html, err := c.html()
	if err != nil {
		return Message{}, fmt.Errorf("lay out mail %s: %w", id, err)
	}
	return Message{ID: id, To: to, Subject: c.subject, Text: c.text(), HTML: html}, nil
}

func (c content) html() (string, error) {
	var out bytes.Buffer
	rows := make([]row, len(c.rows))
	for i, r := range c.rows {
		rows[i] = row{r.Label, unbroken(r.Value)}
	}
	links := make([]struct {
		Title   string
		Address template.URL
	}, len(c.links))
	for i, l := range c.links {
		links[i].Title, links[i].Address = l.Title, template.URL(l.Address) //nolint:gosec // of our own making
	}
	err := layout.Execute(&out, map[string]any{
		"Language": c.language, "Subject": c.subject, "Heading": cmp.Or(c.heading, c.subject), "Race": c.race, "Day": c.day, "Paragraphs": c.paragraphs, "List": c.list, "Rows": rows, "After": c.after,
		"Button": c.button, "Why": c.why, "Links": links,
		"Link": template.URL(c.link), //nolint:gosec // likewise
	})
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
