package mail

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	texttemplate "text/template"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// noticeWords are what a notice of one kind says in one language. Subjects name neither a
// person nor what happened to them, because they are shown on locked screens. All texts
// are templates over noticeView; a row without a value is left out. The race and its day
// stand above them.
type noticeWords struct {
	subject string
	text    string // paragraphs
	rows    []row
	after   string // a paragraph behind the rows
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
		notice.EntryConfirmed:  {"Your entry is confirmed", `You have a place in the race. The page of your entry shows your bib once you have one; there you can also cancel.`, nil, "", "See your entry"},
		notice.MovedUp:         {"You have moved up into the race", `A place has become free: you are now entered, and no longer on the waiting list.`, nil, "", "See your entry"},
		notice.OfferMade:       {"You are offered a place", `A place in the race is held for you. Accept or decline it in time; otherwise it goes to the next in line.`, []row{{"Held until", `{{.Time .Until}}`}}, "", "Accept or decline"},
		notice.OfferEnding:     {"An offer of a place ends soon", `The place that is held for you goes to the next in line unless you accept it in time.`, []row{{"Held until", `{{.Time .Until}}`}}, "", "Accept or decline"},
		notice.ResultPosted:    {"Your result was posted", `If something is wrong with it, dispute it from “Results” on your page.`, []row{{"Bib", `{{.Bib}}`}, {"Result", `{{.Result .Now}}`}}, "", "See your result"},
		notice.ResultCorrected: {"Your result was corrected", `{{if .Removed}}It was removed. If that is a mistake, write to the organizer.{{else}}If it is wrong now, dispute it from “Results” on your page.{{end}}`, []row{{"Bib", `{{.Bib}}`}, {"Before", `{{.Result .Before}}`}, {"Now", `{{.Result .Now}}`}}, "", "See your result"},
		notice.PlaceMoved:      {"Your place has moved", `Your place has moved because of the correction of {{.Others}}.`, []row{{"Before", `{{.Places .Before}}`}, {"Now", `{{.Places .Now}}`}}, "Your own result is unchanged.", "See your result"},
		notice.RaceOfficial:    {"The results of a race are official", `The organizer has published the official results.`, []row{{"Your result", `{{.Result .Now}}`}, {"Your place", `{{.Places .Now}}`}}, "", "See your result"},
		notice.PointsCredited:  {"Your points have changed", `These are your points for this race:`, []row{{"Before", `{{with .Before}}{{.Points}}{{end}}`}, {"Now", `{{.Now.Points}}`}}, "", "See your points"},
		notice.ClaimWaiting:    {`{{.Plural "A claim is" "Claims are"}} waiting for your answer`, `{{.Plural "A runner says that a result of the race is theirs." "Runners say that results of the race are theirs."}}`, []row{{"Waiting", `{{.Count}}`}}, "", "See the claims"},
		notice.DisputeWaiting:  {`{{.Plural "A dispute is" "Disputes are"}} waiting for an answer`, `{{.Plural "A runner disputes a result of the race." "Runners dispute results of the race."}}`, []row{{"Waiting", `{{.Count}}`}}, "", "See the disputes"},
		notice.TaskDue:         {`{{.Plural "A task is" "Tasks are"}} due`, `Still to be done for the race:`, nil, "", `See the {{.Plural "task" "tasks"}}`},
		notice.TaskOverdue:     {"A deadline has passed", `The deadline has passed for:`, nil, "", `See the {{.Plural "task" "tasks"}}`},
		notice.TaskChanged:     {`Your {{.Plural "task has" "tasks have"}} changed`, `This is how {{.Plural "it is" "they are"}} now:`, nil, "", `See the {{.Plural "task" "tasks"}}`},
		notice.PostPublished:   {"{{.Race}}: a notice", `{{.Post.Excerpt}}`, nil, "", "Read the notice"},
		notice.WebhookOff:      {"A webhook was switched off", `A webhook of the race was switched off: its endpoint failed for days, or answered that it is gone.`, nil, "Once it works again, switch the webhook on and resend what it missed.", "See the webhooks"},
		notice.ImportApplied:   {"Files were applied to a race", `Files have changed the race since the last notice.`, []row{{"Rows changed", `{{.Count}}`}}, "", "See the race"},
	},
	"ko": {
		notice.EntryConfirmed:  {"참가 신청이 완료되었습니다", `대회에 참가하시게 되었습니다. 배번은 정해지는 대로 신청 페이지에서 볼 수 있고, 신청 취소도 거기에서 할 수 있습니다.`, nil, "", "내 신청 보기"},
		notice.MovedUp:         {"대기에서 참가로 바뀌었습니다", `자리가 나서 대회에 참가하게 되었습니다. 더 기다리지 않으셔도 됩니다.`, nil, "", "내 신청 보기"},
		notice.OfferMade:       {"참가하실 자리가 났습니다", `참가하실 자리를 비워 두었습니다. 기한 안에 수락하거나 거절해 주세요. 답이 없으면 다음 대기자에게 넘어갑니다.`, []row{{"기한", `{{.Time .Until}}`}}, "", "수락 또는 거절하기"},
		notice.OfferEnding:     {"참가 자리 제안이 곧 끝납니다", `비워 둔 참가 자리는 기한 안에 수락하지 않으면 다음 대기자에게 넘어갑니다.`, []row{{"기한", `{{.Time .Until}}`}}, "", "수락 또는 거절하기"},
		notice.ResultPosted:    {"내 기록이 등록되었습니다", `잘못된 점이 있으면 내 페이지의 ‘기록’에서 이의를 신청해 주세요.`, []row{{"배번", `{{.Bib}}`}, {"기록", `{{.Result .Now}}`}}, "", "내 기록 보기"},
		notice.ResultCorrected: {"내 기록이 정정되었습니다", `{{if .Removed}}기록이 삭제되었습니다. 잘못되었다면 주최자에게 알려 주세요.{{else}}정정된 기록이 맞지 않으면 내 페이지의 ‘기록’에서 이의를 신청해 주세요.{{end}}`, []row{{"배번", `{{.Bib}}`}, {"이전", `{{.Result .Before}}`}, {"현재", `{{.Result .Now}}`}}, "", "내 기록 보기"},
		notice.PlaceMoved:      {"내 순위가 바뀌었습니다", `{{.Others}}의 기록이 정정되어 순위가 바뀌었습니다.`, []row{{"이전", `{{.Places .Before}}`}, {"현재", `{{.Places .Now}}`}}, "내 기록은 그대로입니다.", "내 기록 보기"},
		notice.RaceOfficial:    {"대회 공식 결과가 확정되었습니다", `주최자가 공식 결과를 발표했습니다.`, []row{{"내 기록", `{{.Result .Now}}`}, {"내 순위", `{{.Places .Now}}`}}, "", "내 기록 보기"},
		notice.PointsCredited:  {"내 포인트가 바뀌었습니다", `이 대회에서 받은 포인트입니다.`, []row{{"이전", `{{with .Before}}{{.Points}}점{{end}}`}, {"현재", `{{.Now.Points}}점`}}, "", "내 포인트 보기"},
		notice.ClaimWaiting:    {"답을 기다리는 기록 연결 신청이 있습니다", `대회 기록이 자기 것이라고 한 선수의 신청입니다. 확인하고 답해 주세요.`, []row{{"대기", `{{.Count}}건`}}, "", "신청 보기"},
		notice.DisputeWaiting:  {"답을 기다리는 이의 신청이 있습니다", `대회 기록에 선수가 이의를 신청했습니다. 확인하고 답해 주세요.`, []row{{"대기", `{{.Count}}건`}}, "", "이의 신청 보기"},
		notice.TaskDue:         {"아직 남은 할 일이 있습니다", `대회 준비에서 아직 남은 할 일입니다.`, nil, "", "할 일 보기"},
		notice.TaskOverdue:     {"기한이 지난 할 일이 있습니다", `대회 준비에서 기한이 지난 할 일입니다.`, nil, "", "할 일 보기"},
		notice.TaskChanged:     {"맡은 할 일이 바뀌었습니다", `대회 준비에서 바뀐 할 일입니다.`, nil, "", "할 일 보기"},
		notice.PostPublished:   {"{{.Race}}: 공지가 있습니다", `{{.Post.Excerpt}}`, nil, "", "공지 읽기"},
		notice.WebhookOff:      {"웹훅이 꺼졌습니다", `대회의 웹훅이 꺼졌습니다. 며칠 동안 이벤트를 받지 못했거나 주소가 없어졌습니다.`, nil, "고친 뒤 웹훅을 다시 켜고, 놓친 이벤트를 다시 보내 주세요.", "웹훅 보기"},
		notice.ImportApplied:   {"대회에 파일이 적용되었습니다", `지난 알림 이후 파일로 대회가 변경되었습니다.`, []row{{"바뀐 행", `{{.Count}}개`}}, "", "대회 보기"},
	},
}

// say fills in a text, as text: the layout escapes it.
func (v noticeView) say(text string) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	filled, err := parsed(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = filled.Execute(&out, v)
	return out.String(), err
}

// parsedTexts are the templates of wordsOf that have been used, by their text.
var parsedTexts sync.Map

func parsed(text string) (*texttemplate.Template, error) {
	if known, ok := parsedTexts.Load(text); ok {
		if t, ok := known.(*texttemplate.Template); ok {
			return t, nil
		}
	}
	t, err := texttemplate.New("").Parse(text)
	if err == nil {
		parsedTexts.Store(text, t)
	}
	return t, err
}

// Time formats the end of an offer.
func (v noticeView) Time(at time.Time) string { return timeIn(v.Language, at, v.Zone) }

// taskStatuses are what the statuses of tasks are called.
var taskStatuses = map[string]map[string]string{
	"en": {"open": "to do", "in_progress": "in progress", "done": "done", "dropped": "dropped"},
	"ko": {"open": "시작 전", "in_progress": "진행 중", "done": "완료", "dropped": "취소됨"},
}

// deadline writes the deadline of a task: a day, or a moment by the race's clock, as
// notice.Task has it.
func (v noticeView) deadline(text string) string {
	if moment, err := time.Parse(time.RFC3339, text); err == nil {
		return v.Time(moment)
	}
	clock, zone, _ := strings.Cut(strings.TrimSuffix(text, ")"), " (")
	if at, err := time.Parse("2006-01-02 15:04", clock); err == nil {
		return clockIn(v.Language, at, zone)
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return dayIn(v.Language, day)
	}
	return text
}

// tasks lists tasks, with how far they are and until when they have to be
// done.
func (v noticeView) tasks() []row {
	var rows []row
	for _, t := range v.Tasks {
		state := taskStatuses[v.Language][t.Status]
		if t.Deadline != "" {
			state += " · " + v.deadline(t.Deadline)
		}
		rows = append(rows, row{t.Title, state})
	}
	if more := v.Count - len(v.Tasks); more > 0 {
		rows = append(rows, map[string]row{"en": {strconv.Itoa(more) + " more", ""}, "ko": {"그 밖에 " + strconv.Itoa(more) + "건", ""}}[v.Language])
	}
	return rows
}

// Plural chooses a text by how much a notice is about.
func (v noticeView) Plural(one, several string) string {
	if v.Count == 1 {
		return one
	}
	return several
}

// removed reports whether there is no result any more.
func removed(f *notice.Figures) bool { return f == nil || f.Status == "removed" }

// Removed reports whether the result that a notice is about was removed.
func (v noticeView) Removed() bool { return removed(v.Now) }

// Result says a result: its times, or why it has none that counts.
func (v noticeView) Result(f *notice.Figures) string {
	korean := v.Language == "ko"
	choose := func(en, ko string) string {
		if korean {
			return ko
		}
		return en
	}
	if removed(f) {
		return choose("none", "없음")
	}
	var parts []string
	if f.Gun != "" {
		parts = append(parts, choose("gun time ", "건타임 ")+f.Gun)
	}
	if f.Net != "" {
		parts = append(parts, choose("net time ", "넷타임 ")+f.Net)
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
	parts = append(parts, strconv.Itoa(f.Place)+" overall")
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
	case len(v.Causes) > 1:
		last := len(v.Causes) - 1
		return "bibs " + strings.Join(v.Causes[:last], ", ") + " and " + v.Causes[last]
	}
	return "bib " + v.Causes[0]
}

// noticeFoot is what stands below notices.
var noticeFoot = map[string]struct {
	why              map[notice.Class]string
	staff            string
	unsubscribe, all string
}{
	"en": {
		why: map[notice.Class]string{
			notice.Transactional: "You get this mail because you have entered this race, or asked for a place in it, at Mrmrthon. Such mails are always sent.",
			notice.Personal:      "You get this mail because you take part in this race at Mrmrthon.",
			notice.Activity:      "You get this mail, at most once a day, because you take part in this race at Mrmrthon.",
		},
		staff: "You get this mail because you work on this race at Mrmrthon.", unsubscribe: "Unsubscribe from mails of this kind", all: "Choose which mails you get",
	},
	"ko": {
		why: map[notice.Class]string{
			notice.Transactional: "Mrmrthon에서 이 대회에 참가 신청을 한 분께 보내는 메일입니다. 이런 메일은 끌 수 없습니다.",
			notice.Personal:      "Mrmrthon에서 이 대회에 참가한 분께 보내는 메일입니다.",
			notice.Activity:      "Mrmrthon에서 이 대회에 참가한 분께 하루에 한 번까지 보내는 메일입니다.",
		},
		staff: "Mrmrthon에서 이 대회를 함께 운영하는 분께 보내는 메일입니다.", unsubscribe: "이 종류의 메일 그만 받기", all: "받을 메일 고르기",
	},
}

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
	if err := json.Unmarshal(race.WithoutOverrides(m.About), &view.Facts); err != nil {
		return Message{}, fmt.Errorf("read what notice %s says: %w", m.ID, err)
	}
	view.Race = race.Within(view.Race)
	for i, t := range view.Tasks {
		view.Tasks[i].Title = race.Within(t.Title)
	}
	c, err := view.content(say)
	if err != nil {
		return Message{}, fmt.Errorf("write a notice of kind %s: %w", kind, err)
	}
	switch kind { //nolint:exhaustive // others need no more than their words
	case notice.TaskDue, notice.TaskOverdue, notice.TaskChanged:
		c.list = view.tasks()
	case notice.PostPublished:
		c.heading = view.Post.Title
	}
	base, foot := strings.TrimSuffix(publicURL, "/"), noticeFoot[language]
	c.link, c.why = base+"/"+language+pathOf(kind, view.Facts), foot.why[definition.Class]
	if definition.ForStaff {
		c.why = foot.staff
	}
	unsubscribe := ""
	if definition.Class != notice.Transactional {
		unsubscribe = base + notice.UnsubscribePath + signing.Token(kind)
		c.links = append(c.links, footLink{foot.unsubscribe, unsubscribe})
	}
	c.links = append(c.links, footLink{foot.all, base + "/" + language + "/my/notices"})
	out, err := c.message(m.ID, m.Address)
	out.Unsubscribe = unsubscribe
	return out, err
}

// content fills in what a notice says.
func (v noticeView) content(say noticeWords) (content, error) {
	var failed error
	fill := func(text string) string {
		said, err := v.say(text)
		failed = errors.Join(failed, err)
		return said
	}
	c := content{language: v.Language, subject: fill(say.subject), race: v.Race, button: fill(say.button)}
	if day, err := time.Parse(time.DateOnly, v.Date); err == nil {
		c.day = dayIn(v.Language, day)
	}
	if text := fill(say.text); text != "" { // a post may have nothing but images
		c.paragraphs = strings.Split(text, "\n\n")
	}
	for _, r := range say.rows {
		if value := fill(r.Value); value != "" {
			c.rows = append(c.rows, row{r.Label, value})
		}
	}
	if say.after != "" {
		c.after = []string{fill(say.after)}
	}
	return c, failed
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
