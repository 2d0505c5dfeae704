package mail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// noticeWords are what a notice of one kind says in one language: a subject that names
// neither a person nor what happened to them, because subjects are shown on locked
// screens, and paragraphs, of which those stay that have something to say.
type noticeWords struct {
	subject string // a template, too
	text    string // a template over noticeView
	button  string
}

// noticeView is what the texts of notices may use.
type noticeView struct {
	notice.Facts
	Language string
}

// wordsOf holds the notices in every language.
var wordsOf = map[string]map[notice.Kind]noticeWords{
	"en": {
		notice.EntryConfirmed:  {"Your entry is confirmed", `You are entered in {{.Race}}, {{.Date}}.`, "See your entry"},
		notice.MovedUp:         {"You have moved up into the race", `A place has become free: you are now entered in {{.Race}}, {{.Date}}, and no longer on the waiting list.`, "See your entry"},
		notice.OfferMade:       {"You are offered a place", `A place in {{.Race}}, {{.Date}}, is held for you until {{.Time .Until}}. Accept or decline it before then; otherwise it goes to the next in line.`, "Accept or decline"},
		notice.OfferEnding:     {"An offer of a place ends soon", `The place in {{.Race}}, {{.Date}}, that is held for you goes to the next in line at {{.Time .Until}} unless you accept it.`, "Accept or decline"},
		notice.ResultPosted:    {"A result of yours was posted", `Your result in {{.Race}}, {{.Date}}: {{.Result .Now}}.`, "See your result"},
		notice.ResultCorrected: {"A result of yours was corrected", `Your result in {{.Race}}, {{.Date}}, was corrected. Before: {{.Result .Before}}. Now: {{.Result .Now}}.`, "See your result"},
		notice.PlaceMoved:      {"Your place has moved", `Your place in {{.Race}}, {{.Date}}, has moved because of the correction of {{.Others}}. Before: {{.Places .Before}}. Now: {{.Places .Now}}. Your own result is unchanged.`, "See your result"},
		notice.RaceOfficial:    {"The results of a race are official", `The results of {{.Race}}, {{.Date}}, are official. Yours: {{.Result .Now}}, {{.Places .Now}}.`, "See your result"},
		notice.PointsCredited:  {"Your points have changed", `For {{.Race}}, {{.Date}}, you have {{.Now.Points}} points{{with .Before}} (before: {{.Points}}){{end}}.`, "See your points"},
		notice.ClaimWaiting:    {"Claims are waiting for your answer", `Claims to results of {{.Race}}, {{.Date}}, that are waiting for your answer: {{.Count}}.`, "See the claims"},
		notice.DisputeWaiting:  {"Disputes are waiting for an answer", `Disputes about results of {{.Race}}, {{.Date}}, that are waiting for an answer: {{.Count}}.`, "See the disputes"},
		notice.TaskDue:         {"Tasks are due", `Still to be done for {{.Race}}, {{.Date}}: {{.TaskList}}.`, "See the tasks"},
		notice.TaskOverdue:     {"A deadline has passed", `The deadline has passed for these tasks of {{.Race}}, {{.Date}}: {{.TaskList}}.`, "See the tasks"},
		notice.TaskChanged:     {"Your tasks have changed", `Tasks of yours for {{.Race}}, {{.Date}}, have changed: {{.TaskList}}.`, "See the tasks"},
		notice.PostPublished:   {"{{.Race}}: a notice", "{{.Race}}, {{.Date}}: {{.Post.Title}}\n\n{{.Post.Excerpt}}", "Read the notice"},
		notice.WebhookOff:      {"A webhook was switched off", `A webhook of {{.Race}}, {{.Date}}, was switched off: its endpoint failed for days, or answered that it is gone. Once it works again, switch the webhook on and resend what it missed.`, "See the webhooks"},
		notice.ImportApplied:   {"Files were applied to a race", `Changes made to {{.Race}}, {{.Date}}, by files since the last notice: {{.Count}}.`, "See the race"},
	},
	"ko": {
		notice.EntryConfirmed:  {"참가 접수가 완료되었습니다", `{{.Race}}({{.Date}}) 참가 접수가 완료되었습니다.`, "내 접수 보기"},
		notice.MovedUp:         {"대기에서 참가로 바뀌었습니다", `자리가 나서 {{.Race}}({{.Date}})에 참가하게 되었습니다. 더 기다리지 않으셔도 됩니다.`, "내 접수 보기"},
		notice.OfferMade:       {"참가 자리를 제안합니다", `{{.Race}}({{.Date}})의 자리를 {{.Time .Until}}까지 비워 두었습니다. 그 전에 수락하거나 거절해 주세요. 답이 없으면 다음 대기자에게 넘어갑니다.`, "수락 또는 거절"},
		notice.OfferEnding:     {"참가 자리 제안이 곧 끝납니다", `{{.Race}}({{.Date}})의 자리는 {{.Time .Until}}까지 수락하지 않으면 다음 대기자에게 넘어갑니다.`, "수락 또는 거절"},
		notice.ResultPosted:    {"내 기록이 등록되었습니다", `{{.Race}}({{.Date}}) 기록: {{.Result .Now}}.`, "내 기록 보기"},
		notice.ResultCorrected: {"내 기록이 정정되었습니다", `{{.Race}}({{.Date}}) 기록이 정정되었습니다. 이전: {{.Result .Before}}. 현재: {{.Result .Now}}.`, "내 기록 보기"},
		notice.PlaceMoved:      {"내 순위가 바뀌었습니다", `{{.Others}}의 기록이 정정되어 {{.Race}}({{.Date}}) 순위가 바뀌었습니다. 이전: {{.Places .Before}}. 현재: {{.Places .Now}}. 내 기록은 그대로입니다.`, "내 기록 보기"},
		notice.RaceOfficial:    {"대회 공식 결과가 확정되었습니다", `{{.Race}}({{.Date}})의 공식 결과가 확정되었습니다. 내 결과: {{.Result .Now}}, {{.Places .Now}}.`, "내 기록 보기"},
		notice.PointsCredited:  {"내 포인트가 바뀌었습니다", `{{.Race}}({{.Date}}) 포인트는 {{.Now.Points}}점입니다{{with .Before}} (이전 {{.Points}}점){{end}}.`, "내 포인트 보기"},
		notice.ClaimWaiting:    {"답을 기다리는 기록 연결 신청이 있습니다", `{{.Race}}({{.Date}})의 기록 연결 신청 {{.Count}}건이 답을 기다립니다.`, "신청 보기"},
		notice.DisputeWaiting:  {"답을 기다리는 이의 신청이 있습니다", `{{.Race}}({{.Date}})의 기록 이의 신청 {{.Count}}건이 답을 기다립니다.`, "이의 신청 보기"},
		notice.TaskDue:         {"아직 남은 할 일이 있습니다", `{{.Race}}({{.Date}}) 준비에서 아직 남은 할 일: {{.TaskList}}.`, "할 일 보기"},
		notice.TaskOverdue:     {"기한이 지난 할 일이 있습니다", `{{.Race}}({{.Date}}) 준비에서 기한이 지난 할 일: {{.TaskList}}.`, "할 일 보기"},
		notice.TaskChanged:     {"맡은 할 일이 바뀌었습니다", `{{.Race}}({{.Date}}) 준비에서 바뀐 할 일: {{.TaskList}}.`, "할 일 보기"},
		notice.PostPublished:   {"{{.Race}} 공지가 있습니다", "{{.Race}}({{.Date}}): {{.Post.Title}}\n\n{{.Post.Excerpt}}", "공지 읽기"},
		notice.WebhookOff:      {"웹훅이 꺼졌습니다", `{{.Race}}({{.Date}})의 웹훅이 꺼졌습니다. 며칠 동안 이벤트를 받지 못했거나 주소가 없어졌습니다. 고친 뒤 웹훅을 다시 켜고, 놓친 이벤트를 다시 보내 주세요.`, "웹훅 보기"},
		notice.ImportApplied:   {"대회에 파일이 적용되었습니다", `지난 알림 이후 {{.Race}}({{.Date}})에 파일로 {{.Count}}건이 변경되었습니다.`, "대회 보기"},
	},
}

// say fills in what a notice says, as text: the page escapes it.
func (v noticeView) say(text string) (string, error) {
	parsed, err := texttemplate.New("").Parse(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = parsed.Execute(&out, v)
	return out.String(), err
}

// Time formats the end of an offer.
func (v noticeView) Time(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 UTC") }

// taskStatuses are what the statuses of tasks are called.
var taskStatuses = map[string]map[string]string{
	"en": {"open": "open", "in_progress": "in progress", "done": "done", "dropped": "dropped"},
	"ko": {"open": "시작 전", "in_progress": "진행 중", "done": "완료", "dropped": "취소됨"},
}

// TaskList names tasks, with how far they are and until when they have to be done.
func (v noticeView) TaskList() string {
	parts := make([]string, len(v.Tasks))
	for i, t := range v.Tasks {
		parts[i] = t.Title + " (" + taskStatuses[v.Language][t.Status]
		switch deadline, err := time.Parse(time.RFC3339, t.Deadline); {
		case err == nil:
			parts[i] += ", " + v.Time(deadline)
		case t.Deadline != "":
			parts[i] += ", " + t.Deadline
		}
		parts[i] += ")"
	}
	list := strings.Join(parts, "; ")
	if more := v.Count - len(v.Tasks); more > 0 {
		list += " +" + strconv.Itoa(more)
	}
	return list
}

// Result says a result: its times, or why it has none that counts.
func (v noticeView) Result(f *notice.Figures) string {
	korean := v.Language == "ko"
	choose := func(en, ko string) string {
		if korean {
			return ko
		}
		return en
	}
	if f == nil || f.Status == "removed" {
		return choose("none", "없음")
	}
	var parts []string
	if f.Gun != "" {
		parts = append(parts, choose("gun time ", "건 타임 ")+f.Gun)
	}
	if f.Net != "" {
		parts = append(parts, choose("net time ", "넷 타임 ")+f.Net)
	}
	if f.Status != "OK" || len(parts) == 0 {
		parts = append(parts, f.Status)
	}
	return strings.Join(parts, ", ")
}

// Places says the places of a result.
func (v noticeView) Places(f *notice.Figures) string {
	if f == nil || f.Place == 0 {
		if v.Language == "ko" {
			return "순위 없음"
		}
		return "no place"
	}
	var parts []string
	if v.Language == "ko" {
		parts = append(parts, "전체 "+strconv.Itoa(f.Place)+"위")
		if f.SexPlace > 0 {
			parts = append(parts, "성별 "+strconv.Itoa(f.SexPlace)+"위")
		}
		if f.DivisionPlace > 0 {
			parts = append(parts, f.Division+" "+strconv.Itoa(f.DivisionPlace)+"위")
		}
		return strings.Join(parts, ", ")
	}
	parts = append(parts, "place "+strconv.Itoa(f.Place)+" overall")
	if f.SexPlace > 0 {
		parts = append(parts, strconv.Itoa(f.SexPlace)+" by sex")
	}
	if f.DivisionPlace > 0 {
		parts = append(parts, strconv.Itoa(f.DivisionPlace)+" in "+f.Division)
	}
	return strings.Join(parts, ", ")
}

// Others names the results whose correction moved a place, by their bibs.
func (v noticeView) Others() string {
	switch {
	case len(v.Causes) == 0 && v.Language == "ko":
		return "다른 참가자"
	case len(v.Causes) == 0:
		return "other results"
	case v.Language == "ko":
		return "배번 " + strings.Join(v.Causes, ", ")
	}
	return "bib " + strings.Join(v.Causes, ", ")
}

// Of the two colours of a page, dark mode swaps both; what has none follows.
var noticePage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="{{.Language}}"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark"><title>{{.Subject}}</title>
<style>body{font-family:sans-serif;max-width:36em;margin:1em;background:#fff;color:#1a1a1a}a{color:#0b57d0}small{color:#555}.text{white-space:pre-line}
@media (prefers-color-scheme:dark){body{background:#121212;color:#eaeaea}a{color:#8ab4f8}small{color:#aaa}}</style></head>
<body><p class="text">{{.Body}}</p>
<p><a href="{{.Link}}">{{.Button}}</a></p>
{{with .Unsubscribe}}<p><small><a href="{{.}}">{{$.UnsubscribeText}}</a></small></p>{{end}}</body></html>
`))

var unsubscribeText = map[string]string{"en": "Unsubscribe from mails of this kind", "ko": "이 종류의 메일 그만 받기"}

// WriteNotice writes a notice. The link by which its kind is switched off is signed by
// signing.
func WriteNotice(m userdb.Mail, signing notice.Unsubscriber, publicURL string) (Message, error) {
	kind, language := notice.Kind(m.Kind), m.Language
	definition, known := notice.Of(kind)
	if _, spoken := wordsOf[language]; !spoken {
		language = "en"
	}
	say, written := wordsOf[language][kind]
	if !known || !written {
		return Message{}, fmt.Errorf("there is no text for notices of kind %q", m.Kind)
	}
	view := noticeView{Language: language}
	if err := json.Unmarshal(m.About, &view.Facts); err != nil {
		return Message{}, fmt.Errorf("read what notice %s says: %w", m.ID, err)
	}
	base := strings.TrimSuffix(publicURL, "/")
	subject, err := view.say(say.subject)
	if err != nil {
		return Message{}, fmt.Errorf("write the subject of a notice of kind %s: %w", kind, err)
	}
	out := Message{ID: m.ID, To: m.Address, Subject: subject}
	link := base + "/" + language + pathOf(kind, view.Facts)
	if definition.Class != notice.Transactional {
		out.Unsubscribe = base + notice.UnsubscribePath + signing.Token(kind)
	}
	body, err := view.say(say.text)
	if err != nil {
		return Message{}, fmt.Errorf("write a notice of kind %s: %w", kind, err)
	}
	out.Text = body + "\n\n" + say.button + ": " + link + "\n"
	if out.Unsubscribe != "" {
		out.Text += "\n" + unsubscribeText[language] + ": " + out.Unsubscribe + "\n"
	}
	var html bytes.Buffer
	err = noticePage.Execute(&html, map[string]any{
		"Language": language, "Subject": subject, "Body": body, "Button": say.button, "Link": link,
		"Unsubscribe": out.Unsubscribe, "UnsubscribeText": unsubscribeText[language],
	})
	if err != nil {
		return Message{}, fmt.Errorf("write a notice of kind %s: %w", kind, err)
	}
	out.HTML = html.String()
	return out, nil
}

// pathOf is the page that shows what a notice is about.
func pathOf(kind notice.Kind, f notice.Facts) string {
	raceID := url.PathEscape(f.RaceID)
	switch kind {
	case notice.EntryConfirmed, notice.MovedUp, notice.OfferMade, notice.OfferEnding:
		return "/my/races/" + raceID
	case notice.PostPublished:
		if f.Post != nil {
			return "/races/" + raceID + "/posts/" + url.PathEscape(f.Post.ID)
		}
	case notice.PointsCredited:
		return "/my/points"
	case notice.ClaimWaiting:
		return "/organize/races/" + raceID + "/claims"
	case notice.DisputeWaiting:
		return "/organize/races/" + raceID + "/disputes"
	case notice.WebhookOff:
		return "/organize/races/" + raceID + "/webhooks"
	case notice.ImportApplied:
		return "/organize/races/" + raceID
	case notice.TaskDue, notice.TaskOverdue, notice.TaskChanged:
		if path := "/organize/races/" + raceID + "/tasks"; f.Count != 1 || len(f.Tasks) != 1 || f.Tasks[0].ID == "" {
			return path
		}
		return "/organize/races/" + raceID + "/tasks/" + url.PathEscape(f.Tasks[0].ID)
	case notice.ResultPosted, notice.ResultCorrected, notice.PlaceMoved, notice.RaceOfficial, notice.Security:
	}
	if f.Bib == "" {
		return "/races/" + raceID
	}
	return "/races/" + raceID + "/results/" + url.PathEscape(f.Bib)
}
