package mail_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// TestWriteNotice goes over all kinds in all languages: each says something, escapes what
// people wrote, has nothing of it in its subject, and can be switched off if it may be.
func TestWriteNotice(t *testing.T) {
	t.Parallel()
	const hostile = `<script>alert("춘천")</script>`
	figures := func(place int) *notice.Figures {
		return &notice.Figures{Gun: "3:01:02", Net: "3:00:01", Status: "OK", Place: place, SexPlace: place, Division: hostile, DivisionPlace: place, Points: 712}
	}
	about, err := json.Marshal(notice.Facts{
		RaceID: mailID, Race: hostile, Date: "2026-04-20", Bib: "1/2", Before: figures(7), Now: figures(6),
		Until: time.Date(2026, 4, 21, 8, 0, 0, 0, time.UTC), Count: 3, Causes: []string{"4711"}, Post: &notice.Post{ID: mailID, Title: hostile, Excerpt: hostile},
	})
	require.NoError(t, err)
	signing := notice.Unsubscriber{ID: [16]byte{1}}
	for _, d := range notice.Definitions() {
		if d.Kind == notice.Security { // other mails
			continue
		}
		for _, language := range append(mail.Languages(), "fr") {
			m, err := mail.WriteNotice(userdb.Mail{ID: mailID, Kind: userdb.MailKind(d.Kind), Language: language, Address: "uta@example.org", About: about}, signing, "https://results.example.org/")
			require.NoError(t, err, d.Kind)
			require.NotEmpty(t, m.Subject)
			require.Equal(t, d.Kind == notice.PostPublished, strings.Contains(m.Subject, hostile), "only a message of a race names it")
			require.NotContains(t, m.Text, "{{")
			require.NotContains(t, m.HTML, "<script>", "%s in %s", d.Kind, language)
			require.NotContains(t, m.HTML, "{{")
			require.NotRegexp(t, `[^\n]{999}`, m.HTML, "RFC 5322")
			require.Contains(t, m.HTML, "prefers-color-scheme:dark")
			require.Contains(t, m.HTML, "word-break:keep-all")
			require.Equal(t, 1, strings.Count(m.HTML, `class="button"`), "one thing to do")
			_, foot, parted := strings.Cut(m.Text, "\n-- \n")
			require.True(t, parted)
			require.Contains(t, foot, map[bool]string{true: "보내는 메일입니다", false: "You get this mail"}[language == "ko"], "why its reader gets it")
			require.Contains(t, foot, "/my/notices")
			require.Contains(t, m.Text, "https://results.example.org/")
			require.Equal(t, language == "ko", strings.ContainsAny(m.Subject, "가나다라마바사아자차카타파하기니의을를이었습"), m.Subject)
			require.Equal(t, d.Class == notice.Transactional, m.Unsubscribe == "", d.Kind)
			if m.Unsubscribe != "" {
				require.Equal(t, "https://results.example.org"+notice.UnsubscribePath+signing.Token(d.Kind), m.Unsubscribe)
				require.Contains(t, m.Text, m.Unsubscribe)
			}
		}
	}
	// A mail about one task leads to it, and one about several to the board.
	facts := notice.Facts{RaceID: mailID, Race: hostile, Count: 1, Tasks: []notice.Task{{ID: "task/1", Title: hostile, Deadline: "2026-04-21 18:00 (Asia/Seoul)", Status: "open"}}}
	for count, link := range map[int]string{1: "/tasks/task%2F1\n", 2: "/tasks\n"} {
		facts.Count = count
		about, err := json.Marshal(facts)
		require.NoError(t, err)
		m, err := mail.WriteNotice(userdb.Mail{ID: mailID, Kind: userdb.MailKind(notice.TaskDue), Language: "en", About: about}, signing, "https://results.example.org")
		require.NoError(t, err)
		require.Contains(t, m.Text, "https://results.example.org/en/organize/races/"+mailID+link)
		require.Equal(t, map[int]string{1: "A task is due", 2: "Tasks are due"}[count], m.Subject)
		require.Contains(t, m.Text, ": to do · Tuesday, 21 April 2026, 18:00 (Asia/Seoul)\n")
	}
	tasks, err := json.Marshal(notice.Facts{Race: "Race", Date: "2026-04-20", Zone: "Asia/Seoul", Count: 3, Tasks: []notice.Task{
		{Title: "Order medals", Status: "open", Deadline: "2026-04-01T09:00:00+09:00"}, {Title: "Book buses", Status: "done", Deadline: "2026-03-01"},
	}})
	require.NoError(t, err)
	m, err := mail.WriteNotice(userdb.Mail{Kind: userdb.MailKind(notice.TaskDue), Language: "en", About: tasks}, signing, "")
	require.NoError(t, err)
	require.Contains(t, m.Text, "Race, Monday, 20 April 2026\n\n")
	require.Equal(t, "Tasks are due", m.Subject)
	require.Contains(t, m.Text, "- Order medals: to do · Wednesday, 1 April 2026, 09:00 (Asia/Seoul)\n- Book buses: done · Sunday, 1 March 2026\n- 1 more\n")
	// A post's title is the heading, and a time stays on a line with its name.
	posted, err := json.Marshal(notice.Facts{Race: "Race", Post: &notice.Post{ID: mailID, Title: "The start moves", Excerpt: "Fog."}})
	require.NoError(t, err)
	m, err = mail.WriteNotice(userdb.Mail{Kind: userdb.MailKind(notice.PostPublished), Language: "en", About: posted}, signing, "")
	require.NoError(t, err)
	require.Equal(t, "Race: a notice", m.Subject)
	require.Contains(t, m.HTML, "<h1>The start moves</h1>")
	require.Contains(t, m.Text, "Race\n\nThe start moves\n\nFog.\n")
	turned, err := json.Marshal(notice.Facts{Race: "\u202EecaR", Date: "2026-04-20", Count: 1, Tasks: []notice.Task{{Title: "מים\u2067", Status: "open"}}})
	require.NoError(t, err)
	m, err = mail.WriteNotice(userdb.Mail{Kind: userdb.MailKind(notice.TaskDue), Language: "en", About: turned}, signing, "")
	require.NoError(t, err)
	require.Contains(t, m.Text, "ecaR, Monday", "nothing that was stored turns around what stands after it")
	require.Contains(t, m.Text, "- מים\u200E: to do")
	require.False(t, strings.ContainsAny(m.HTML+m.Text+m.Subject, "\u202E\u2067"))
	onlyImages, err := json.Marshal(notice.Facts{Race: "Race", Post: &notice.Post{ID: mailID, Title: "The course"}})
	require.NoError(t, err)
	m, err = mail.WriteNotice(userdb.Mail{Kind: userdb.MailKind(notice.PostPublished), Language: "en", About: onlyImages}, signing, "")
	require.NoError(t, err)
	require.NotContains(t, m.HTML, `<p class="text"></p>`)
	require.NotContains(t, m.Text, "\n\n\n")
	result, err := json.Marshal(notice.Facts{Race: "Race", Bib: "7", Before: figures(1), Now: &notice.Figures{Status: "removed"}})
	require.NoError(t, err)
	m, err = mail.WriteNotice(userdb.Mail{Kind: userdb.MailKind(notice.ResultCorrected), Language: "en", About: result}, signing, "")
	require.NoError(t, err)
	require.Contains(t, m.HTML, "gun\u00a0time\u00a03:01:02, net\u00a0time\u00a03:00:01")
	require.Contains(t, m.Text, "It was removed.", "there is nothing to dispute")
	_, err = mail.WriteNotice(userdb.Mail{Kind: "nonsense", About: about}, signing, "")
	require.Error(t, err)
}

// TestPreview: every kind of notice is shown with values for all that it says, and in the
// colours that were asked for.
func TestPreview(t *testing.T) {
	t.Parallel()
	r := race.Race{ID: mailID, Name: `<script>alert("춘천")</script>`, Date: race.Date{Year: 2026, Month: time.April, Day: 20}}
	for _, d := range notice.Definitions() {
		if d.Kind == notice.Security {
			continue
		}
		for _, language := range mail.Languages() {
			m, err := mail.Preview(d.Kind, language, r, "https://results.example.org")
			require.NoError(t, err, d.Kind)
			require.NotEmpty(t, m.Subject)
			require.NotRegexp(t, `\{\{|<no value>|<nil>|: \.|\(\)|0001-01-01`, m.Text, d.Kind)
			require.Contains(t, m.Text, r.Name)
			require.NotContains(t, m.HTML, "<script>", d.Kind)
			light, dark := mail.Framed(m.HTML, false), mail.Framed(m.HTML, true)
			require.Contains(t, light, "@media not all{body,.paper{background:#0f1512")
			require.Contains(t, dark, "@media all{body,.paper{background:#0f1512")
			require.Contains(t, dark, `<base target="_blank">`)
			require.NotContains(t, light+dark, "prefers-color-scheme")
		}
	}
}

// TestWriteAccountMails goes over all kinds in all languages: each says something, names
// nobody, has at most one thing to do, and says why it comes.
func TestWriteAccountMails(t *testing.T) {
	t.Parallel()
	for _, kind := range userdb.AccountMailKinds() {
		for _, language := range append(mail.Languages(), "fr") {
			m, err := mail.Write(userdb.Mail{
				ID: mailID, Kind: kind, Language: language, Address: "uta@example.org", Detail: "<b>Firefox", Token: "token", CreatedAt: time.Date(2026, 4, 21, 23, 30, 0, 0, time.UTC),
			}, "https://results.example.org/")
			require.NoError(t, err, kind)
			require.Equal(t, []string{mailID, "uta@example.org"}, []string{m.ID, m.To})
			require.NotEmpty(t, m.Subject)
			require.Empty(t, m.Unsubscribe, "nobody does without")
			for _, part := range []string{m.Subject, m.HTML, m.Text} {
				require.NotContains(t, part, "%!", kind)
				require.NotContains(t, part, "uta@")
			}
			require.NotContains(t, m.HTML, "<b>Firefox")
			require.NotRegexp(t, `[^\n]{999}`, m.HTML, "RFC 5322")
			require.NotContains(t, m.Subject, "Firefox")
			require.LessOrEqual(t, strings.Count(m.HTML, `class="button"`), 1)
			if language == "ko" {
				require.Contains(t, m.Text, "2026년 4월 22일 (수) 08:30, 한국 시간")
			} else {
				require.Contains(t, m.Text, "Tuesday, 21 April 2026, 23:30 (UTC)")
			}
			link := "https://results.example.org" + mail.LinkPath + "#" + string(kind) + ".token"
			withLink := kind == userdb.ConfirmEmail || kind == userdb.ChangeLogin || kind == userdb.Recover
			require.Equal(t, withLink, strings.Contains(m.Text, link), kind)
			require.Equal(t, withLink, strings.Contains(m.HTML, `href="`+link+`"`), kind)
		}
	}
	for language, days := range map[string]string{"en": "(20 April 2026, 1 September 2026)", "ko": "(2026년 4월 20일, 2026년 9월 1일)"} {
		m, err := mail.Write(userdb.Mail{Kind: userdb.RecoveredKeepingPasskeys, Language: language, Detail: "2026-04-20, 2026-09-01"}, "")
		require.NoError(t, err)
		require.Contains(t, m.Text, days)
	}
	_, err := mail.Write(userdb.Mail{Kind: "nonsense"}, "")
	require.Error(t, err)
}

func TestMasked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"550 <uta.pippig+x@mail.example.org>: no such user": "550 <…@…>: no such user",
		"refused: uta@localhost, code 554":                  "refused: …@…, code 554",
		"dial tcp 10.0.0.7:25: connection refused":          "dial tcp 10.0.0.7:25: connection refused",
		"535 anmeldung ung\xfcltig":                         "535 anmeldung ung\uFFFDltig",
	} {
		require.Equal(t, want, mail.Masked(text))
	}
}
