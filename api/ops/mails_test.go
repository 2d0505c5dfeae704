package ops_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// address is of the reader of all mails here; no answer may hold it.
const address = "zebra7391@example.org"

// provider takes mails, unless it is made to fail.
type provider struct {
	taken []mail.Message
	fails error
}

func (p *provider) Send(_ context.Context, m mail.Message) (string, error) {
	if p.fails != nil {
		return "", p.fails
	}
	p.taken = append(p.taken, m)
	return "provider's", nil
}

// mailing is an account whose mails go to a provider.
type mailing struct {
	*bundle
	provider *provider
	steps    *activities.Mails
	userID   string
}

func setupMails(t *testing.T) *mailing {
	t.Helper()
	m := &mailing{bundle: setup(t), provider: &provider{}}
	m.steps = activities.NewMails(m.credits, m.provider, "https://results.example.org", prometheus.NewRegistry())
	account, err := m.accounts.CreateAccount(t.Context(), userdb.Account{UserID: newID(), LoginID: "zebra7391", PasswordHash: "h", Type: auth.Runner})
	require.NoError(t, err)
	m.userID = account.UserID
	m.inUser(t, "UPDATE user SET email = '"+address+"', email_confirmed_at = '2026-01-01' WHERE user_id = '"+m.userID+"'")
	return m
}

// deliver does what the relay and the worker do, and returns how often each mail had been
// sent again.
func (m *mailing) deliver(t *testing.T) map[string]int {
	t.Helper()
	started := map[string]int{}
	require.NoError(t, m.accounts.AnswerRecoveries(t.Context()))
	require.NoError(t, m.accounts.StartMails(t.Context(), func(ctx context.Context, mailID string, resends int) error {
		started[mailID] = resends
		_, err := m.steps.SendMail(ctx, activities.MailInput{MailID: mailID})
		if errors.Is(err, m.provider.fails) {
			return nil // Temporal tries again
		}
		return err
	}))
	return started
}

// notices writes a notice about the race and sends it, as the workflow of its event does.
func (m *mailing) notice(t *testing.T, position int64, kind notice.Kind) {
	t.Helper()
	event := notice.Event{Position: position, Kind: kind, RaceID: m.raceID, At: time.Now()}
	figures := &notice.Figures{Gun: "2:10:22", Status: "OK", Place: 7}
	_, err := m.credits.WriteNotices(t.Context(), event, []userdb.NewNotice{{
		UserID: m.userID, Recipient: userdb.Recipient{Address: address, Language: "ko"}, Kind: kind, ExpiresAt: time.Now().Add(time.Hour),
		About: notice.Facts{
			RaceID: m.raceID, Race: "Harbour Half", Date: "2026-03-01", Before: figures, Now: figures, Until: time.Now().Add(time.Hour),
			Post: &notice.Post{ID: newID(), Title: "Parking", Excerpt: "There is none."},
		},
	}}, nil)
	require.NoError(t, err)
	waiting, err := m.credits.NoticesToSend(t.Context(), position, kind, newID(), 0, 10)
	require.NoError(t, err)
	for _, mailID := range waiting {
		_, err := m.steps.SendMail(t.Context(), activities.MailInput{MailID: mailID})
		require.NoError(t, err)
	}
}

type listedMail struct {
	MailID     string `json:"mail_id"`
	UserID     string `json:"user_id"`
	Kind       string `json:"kind"`
	RaceID     string `json:"race_id"`
	State      string `json:"state"`
	Reason     string `json:"reason"`
	Error      string `json:"error"`
	Attempts   int    `json:"attempts"`
	Resends    int    `json:"resends"`
	Resendable bool   `json:"resendable"`
	WorkflowID string `json:"workflow_id"`
}

// list returns the mails of a list, which holds no address.
func (m *mailing) list(t *testing.T, query string) []listedMail {
	t.Helper()
	answer := m.call(t, http.MethodGet, "/v1/ops/mails?"+query, nil)
	require.NotContains(t, answer.Body.String(), "zebra7391")
	return decode[struct{ Items []listedMail }](t, answer, http.StatusOK).Items
}

// only returns the one mail of a list.
func (m *mailing) only(t *testing.T, query string) listedMail {
	t.Helper()
	found := m.list(t, query)
	require.Len(t, found, 1, query)
	return found[0]
}

func (m *mailing) resend(t *testing.T, mailID string) (status int, says string) {
	t.Helper()
	answer := m.call(t, http.MethodPost, "/v1/ops/mails/"+mailID+"/resend", object{"reason": "the provider is back"})
	return answer.Code, answer.Body.String()
}

// refused requires that a mail is not sent again, for a reason, and that the attempt is
// logged.
func (m *mailing) refused(t *testing.T, mailID, why string) {
	t.Helper()
	status, says := m.resend(t, mailID)
	require.Equal(t, http.StatusConflict, status, says)
	require.Contains(t, says, why)
	logged := m.lastAction(t)
	require.Equal(t, "resend-mail", logged.Action)
	require.Contains(t, logged.After["error"], why)
}

// TestMailsAreSentAgain: a mail that failed is sent again once, as the same mail, and one
// that may have arrived never.
func TestMailsAreSentAgain(t *testing.T) {
	t.Parallel()
	m := setupMails(t)
	require.NoError(t, m.accounts.AskRecovery(t.Context(), address))
	m.provider.fails = errors.New("the SMTP server refused the mail to <" + address + ">: code 554")
	m.deliver(t)
	waiting := m.only(t, "state=waiting")
	require.Equal(t, listedMail{
		MailID: waiting.MailID, UserID: m.userID, Kind: "recover", State: "sending", Attempts: 1, WorkflowID: "mail/" + waiting.MailID,
		Error: "the SMTP server refused the mail to <…@…>: code 554",
	}, waiting)
	m.refused(t, waiting.MailID, "still being sent")

	m.provider.fails = mail.ErrOff
	_, err := m.steps.SendMail(t.Context(), activities.MailInput{MailID: waiting.MailID})
	require.NoError(t, err)
	failed := m.only(t, "state=failed&kind=recover")
	require.Equal(t, []any{waiting.MailID, "sender-off", true}, []any{failed.MailID, failed.Reason, failed.Resendable})
	require.Empty(t, m.list(t, "state=waiting"))
	require.Empty(t, m.list(t, "state=failed&older_than=3600"))
	require.Empty(t, m.list(t, "state=failed&kind=confirm-email"))

	m.provider.fails = nil
	status, says := m.resend(t, failed.MailID)
	require.Equal(t, http.StatusAccepted, status, says)
	logged := m.lastAction(t)
	require.Equal(t, []any{"resend-mail", failed.MailID, "the provider is back", "queued"}, []any{logged.Action, logged.Target, logged.Reason, logged.After["state"]})
	m.refused(t, failed.MailID, "still being sent")
	require.Equal(t, "mail/"+failed.MailID+"/again/1", m.only(t, "state=waiting").WorkflowID)
	require.Equal(t, map[string]int{failed.MailID: 1}, m.deliver(t))
	require.Empty(t, m.deliver(t))
	require.Len(t, m.provider.taken, 1)
	require.Equal(t, []string{failed.MailID, address}, []string{m.provider.taken[0].ID, m.provider.taken[0].To})
	m.refused(t, failed.MailID, "not sent twice")

	for _, path := range []string{"nothing", newID()} {
		status, _ := m.resend(t, path)
		require.Equal(t, http.StatusNotFound, status)
	}
	for _, query := range []string{"state=sent", "kind=nonsense", "race_id=x", "older_than=-1"} {
		require.Equal(t, http.StatusUnprocessableEntity, m.call(t, http.MethodGet, "/v1/ops/mails?"+query, nil).Code, query)
	}
}

// TestMailsThatAreNoLongerUseful are refused: whose link was replaced or has ended, whose
// offer is over, and what their reader does not want any more.
func TestMailsThatAreNoLongerUseful(t *testing.T) {
	t.Parallel()
	m := setupMails(t)
	m.provider.fails = mail.ErrOff
	require.NoError(t, m.accounts.AskRecovery(t.Context(), address))
	m.deliver(t)
	recovery := m.only(t, "state=failed").MailID
	m.inUser(t, "UPDATE account_link SET used_at = NOW(6)")
	m.refused(t, recovery, "replaced by a later one")
	m.inUser(t, "UPDATE mail SET expires_at = created_at")
	require.False(t, m.only(t, "state=failed").Resendable)
	m.refused(t, recovery, "no longer useful")

	m.notice(t, 7, notice.OfferMade)
	m.refused(t, m.only(t, "state=failed&kind=offer-made").MailID, "has been answered, or has ended")

	posted, err := m.main.AddPost(t.Context(), race.Post{ID: newID(), RaceID: m.raceID, State: race.PostPublished, Title: "Parking", Body: "There is none.", CreatedBy: newID()})
	require.NoError(t, err)
	m.inMain(t, `INSERT INTO notice_event (position, kind, race_id, subjects, happened_at)
		VALUES (9, 'post-published', '`+m.raceID+`', '[{"kind":"post","id":"`+posted.ID+`"}]', NOW(6))`)
	m.notice(t, 9, notice.PostPublished)
	post := m.only(t, "state=failed&kind=post-published").MailID
	status, says := m.resend(t, post)
	require.Equal(t, http.StatusAccepted, status, says)
	m.deliver(t)
	withdrawn, err := m.main.ChangePost(t.Context(), m.raceID, posted.ID, 1, func(p *race.Post) error {
		p.State = race.PostWithdrawn
		return nil
	})
	require.NoError(t, err)
	m.refused(t, post, "was withdrawn")
	require.NoError(t, m.main.RemovePost(t.Context(), m.raceID, posted.ID, withdrawn.Revision))
	m.refused(t, post, "was withdrawn")

	m.notice(t, 8, notice.PlaceMoved)
	moved := m.only(t, "state=failed&race_id="+m.raceID+"&kind=place-moved")
	require.Equal(t, "notice/8/place-moved", moved.WorkflowID)
	_, err = m.accounts.ChooseNotices(t.Context(), m.userID, []notice.Choice{{Kind: notice.PlaceMoved, Channel: notice.Email, State: notice.Off}}, nil)
	require.NoError(t, err)
	m.refused(t, moved.MailID, "switched such notices off")
	m.inUser(t, "DELETE FROM notice_choice")
	m.inUser(t, "UPDATE user SET suspended_at = NOW(6)")
	m.refused(t, moved.MailID, "suspended")
	m.inUser(t, "UPDATE user SET suspended_at = NULL, email = 'other@example.org'")
	m.refused(t, moved.MailID, "another address")
}

// TestMailsOfTheRaceAndItsStaff: what the worker would no longer write is not sent again
// either: about a void race, or to somebody who does not run it any more.
func TestMailsOfTheRaceAndItsStaff(t *testing.T) {
	t.Parallel()
	m := setupMails(t)
	m.provider.fails = mail.ErrOff
	role := func(role race.Role) {
		m.inMain(t, "DELETE FROM race_staff")
		if role != "" {
			m.inMain(t, "INSERT INTO race_staff (race_id, user_id, role, added_at) VALUES ('"+m.raceID+"', '"+m.userID+"', '"+string(role)+"', NOW(6))")
		}
	}
	for i, told := range []struct {
		kind notice.Kind
		to   race.Role // the least role; empty: the owner alone
	}{{notice.DisputeWaiting, race.Timing}, {notice.ImportApplied, race.Timing}, {notice.TaskDue, race.Viewer}, {notice.ClaimWaiting, ""}, {notice.WebhookOff, ""}} {
		m.notice(t, int64(10+i), told.kind)
		mailID := m.only(t, "state=failed&kind="+string(told.kind)).MailID
		for _, has := range []race.Role{"", race.Viewer, race.Timing, race.Editor} {
			role(has)
			if told.to == "" || !has.Includes(told.to) {
				m.refused(t, mailID, "does not do that any more")
				continue
			}
			status, says := m.resend(t, mailID)
			require.Equal(t, http.StatusAccepted, status, says)
			m.deliver(t)
		}
	}
	m.notice(t, 20, notice.EntryConfirmed)
	m.refused(t, m.only(t, "state=failed&kind=entry-confirmed").MailID, "no longer entered")

	m.notice(t, 21, notice.ResultCorrected)
	corrected := m.only(t, "state=failed&kind=result-corrected").MailID
	status, says := m.resend(t, corrected)
	require.Equal(t, http.StatusAccepted, status, says)
	m.deliver(t)
	_, _, err := m.main.VoidRace(t.Context(), m.raceID, maindb.Change{By: newID(), Reason: "entered twice"})
	require.NoError(t, err)
	m.refused(t, corrected, "is void")
	require.Empty(t, m.provider.taken)
}

// TestAddressesThatAreOff: what bounced is sent again only after its owner has confirmed
// the address; a complaint about a notice stops notices, one about the account all mails.
func TestAddressesThatAreOff(t *testing.T) {
	t.Parallel()
	m := setupMails(t)
	m.provider.fails = mail.ErrBounced
	m.notice(t, 1, notice.ResultPosted)
	bounced := m.only(t, "state=bounced")
	require.Equal(t, []string{"result-posted", "refused", m.raceID}, []string{bounced.Kind, bounced.Reason, bounced.RaceID})
	m.refused(t, bounced.MailID, "its owner confirms it")
	type off struct {
		UserID  string `json:"user_id"`
		Problem string `json:"problem"`
		Since   string `json:"since"`
	}
	addresses := func() []off {
		answer := m.call(t, http.MethodGet, "/v1/ops/mail-addresses", nil)
		require.NotContains(t, answer.Body.String(), "zebra7391")
		return decode[struct{ Items []off }](t, answer, http.StatusOK).Items
	}
	require.Len(t, addresses(), 1)
	require.Equal(t, []string{m.userID, "bounced"}, []string{addresses()[0].UserID, addresses()[0].Problem})
	m.provider.fails = nil
	m.notice(t, 2, notice.PlaceMoved)
	require.Equal(t, "address-off", m.only(t, "state=suppressed").Reason)

	confirm := func() {
		m.inUser(t, "UPDATE user SET email_problem = '', email_problem_at = NULL, email_confirmed_at = UTC_TIMESTAMP(6) WHERE user_id = '"+m.userID+"'")
	}
	confirm()
	status, says := m.resend(t, bounced.MailID)
	require.Equal(t, http.StatusAccepted, status, says)
	waiting, err := m.credits.NoticesToSend(t.Context(), 1, notice.ResultPosted, newID(), 0, 10)
	require.NoError(t, err)
	require.Empty(t, waiting, "the workflow of the event leaves it to the one of its own")
	require.Equal(t, map[string]int{bounced.MailID: 1}, m.deliver(t))
	require.Len(t, m.provider.taken, 1)
	require.Contains(t, m.provider.taken[0].Text, "2:10:22")
	require.NotEmpty(t, m.provider.taken[0].Unsubscribe)
	report := func(kind userdb.MailEventKind, sent time.Time) {
		require.NoError(t, m.credits.NoteMailEvent(t.Context(), userdb.MailEvent{Kind: kind, MailID: bounced.MailID, Addresses: []string{address}, SentAt: sent, At: sent}))
	}
	report(userdb.PermanentBounce, time.Now().Add(-time.Hour))
	require.Empty(t, m.list(t, "state=bounced"), "a late report about the first attempt says nothing about the second")
	require.Empty(t, addresses())

	report(userdb.Complaint, time.Now())
	require.Equal(t, "result-posted", m.only(t, "state=complained").Kind)
	require.Equal(t, "unwanted", addresses()[0].Problem)
	m.refused(t, bounced.MailID, "reported it as unwanted")
	reachable, err := m.credits.Reachable(t.Context(), []string{m.userID})
	require.NoError(t, err)
	for kind, wanted := range map[notice.Kind]bool{notice.PlaceMoved: false, notice.OfferMade: true} {
		definition, _ := notice.Of(kind)
		require.Equal(t, wanted, reachable[m.userID].Preferences.Wants(definition, notice.Email, time.Now()), kind)
	}
	m.notice(t, 3, notice.RaceOfficial)
	require.Len(t, m.list(t, "state=suppressed"), 2, "nor one that was written before")
	require.NoError(t, m.accounts.AskRecovery(t.Context(), address))
	m.deliver(t)
	require.Equal(t, "Choose a new password", m.provider.taken[len(m.provider.taken)-1].Subject, "whoever does without notices can still recover their account")
	m.notice(t, 4, notice.OfferMade)
	require.Equal(t, "참가하실 자리가 났습니다", m.provider.taken[len(m.provider.taken)-1].Subject)
	require.NoError(t, m.credits.NoteMailEvent(t.Context(), userdb.MailEvent{
		Kind: userdb.Complaint, MailID: m.provider.taken[len(m.provider.taken)-1].ID, SentAt: time.Now(), At: time.Now(),
	}))
	require.Equal(t, "complained", addresses()[0].Problem, "a complaint about what nobody can switch off stops everything")

	confirm()
	require.NoError(t, m.accounts.AskRecovery(t.Context(), address))
	m.deliver(t)
	last := m.provider.taken[len(m.provider.taken)-1].ID
	require.NoError(t, m.credits.NoteMailEvent(t.Context(), userdb.MailEvent{Kind: userdb.Suppression, MailID: last, SentAt: time.Now(), At: time.Now()}))
	require.Equal(t, []string{last, "suppressed"}, []string{m.list(t, "state=suppressed")[0].MailID, m.list(t, "state=suppressed")[0].Reason})
	require.Equal(t, "bounced", addresses()[0].Problem)

	counts := decode[struct{ Counts map[string]int }](t, m.call(t, http.MethodGet, "/v1/ops/mails", nil), http.StatusOK).Counts
	require.Equal(t, map[string]int{"waiting": 0, "failed": 0, "bounced": 0, "complained": 2, "suppressed": 3, "addresses_off": 1}, counts)
	var all []listedMail
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		page := decode[struct {
			Items []listedMail
			Next  string `json:"next_cursor"`
		}](t, m.call(t, http.MethodGet, "/v1/ops/mails?state=suppressed&limit=2&user_id="+m.userID+"&cursor="+cursor, nil), http.StatusOK)
		all, cursor = append(all, page.Items...), page.Next
	}
	require.Len(t, all, 3)

	require.NoError(t, m.accounts.EraseAccount(t.Context(), m.userID))
	for _, list := range userdb.MailLists() {
		require.Empty(t, m.list(t, "state="+string(list)), list)
	}
	require.Empty(t, addresses())
	for _, path := range []string{"/v1/ops/actions", "/v1/ops/actions?action=resend-mail&target=" + bounced.MailID} {
		logged := m.call(t, http.MethodGet, path, nil).Body.String()
		require.Contains(t, logged, bounced.MailID)
		require.NotContains(t, strings.ToLower(logged), "zebra7391")
	}
}
