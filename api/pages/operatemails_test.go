package pages_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const readerAddress = "reader@example.org"

// unsent is a notice to an account with a confirmed address that was given up, with the
// error of its last attempt.
func (b *testBundle) unsent(t testing.TB, fault string) (userID, mailID string) {
	t.Helper()
	const address = readerAddress
	userID = newID()
	_, err := b.accounts.CreateAccount(t.Context(), userdb.Account{UserID: userID, LoginID: "reader", PasswordHash: "x", Type: auth.Organizer, EmailPending: address})
	require.NoError(t, err)
	token := ""
	require.NoError(t, b.accounts.StartMails(t.Context(), func(ctx context.Context, id string, _ int) error {
		m, err := b.ledger.BeginMail(ctx, id)
		if m.Address == address {
			token = m.Token
		}
		return errors.Join(err, b.ledger.FinishMail(ctx, id, userdb.MailSent, "p"))
	}))
	require.NoError(t, b.accounts.UseLink(t.Context(), auth.HashRefreshToken(token), "", false))
	_, err = b.ledger.WriteNotices(t.Context(), notice.Event{Position: 1, Kind: notice.ImportApplied, RaceID: b.raceID, At: time.Now()}, []userdb.NewNotice{{
		UserID: userID, Recipient: userdb.Recipient{Address: address}, Kind: notice.ImportApplied, ExpiresAt: time.Now().Add(time.Hour), About: notice.Facts{RaceID: b.raceID},
	}}, nil)
	require.NoError(t, err)
	waiting, err := b.ledger.NoticesToSend(t.Context(), 1, notice.ImportApplied, "s", 0, 1)
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	mailID = waiting[0]
	_, err = b.ledger.BeginMail(t.Context(), mailID)
	require.NoError(t, err)
	require.NoError(t, b.ledger.NoteMailFault(t.Context(), mailID, fault))
	require.NoError(t, b.ledger.FinishMail(t.Context(), mailID, userdb.MailFailed, ""))
	return userID, mailID
}

// TestOperatorSendsMailsAgain: a mail that was given up is found by its race, sent again
// after a page has said what that does, and refused in words once it is on its way.
func TestOperatorSendsMailsAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.addRace(t, springMarathon(b.organizer), field)
	reader, mailID := b.unsent(t, "code 554 <b>")
	c := b.operator(t)
	require.Equal(t, []string{"1"}, c.visit("/en/operate").texts(`.stages a[href="/en/operate/mails?state=failed"] b`))

	list := c.visit("/en/operate/mails?state=failed&race_id=" + b.raceID)
	require.Equal(t, http.StatusOK, list.status, list.body)
	require.Equal(t, []string{"Waiting 0", "Failed 1", "Bounced 0", "Reported 0", "Suppressed 0", "Addresses off 0"}, list.texts(".filters .segments a"))
	require.Contains(t, list.Find(".tale").Text(), "sending is switched off (MAIL_SENDER)")
	require.Contains(t, list.Find(".facts").Text(), "1 attempt")
	require.Contains(t, list.body, "code 554 &lt;b&gt;")
	require.NotContains(t, list.body, readerAddress)
	again := "/en/operate/mails/" + mailID + "/resend"
	require.Equal(t, again, list.Find(".tale a.button").AttrOr("href", ""))
	ask := c.visit(again)
	require.Contains(t, ask.Find(".does").Text(), "under the same Message-ID")
	left := c.post(again, ask.fill("main form.narrow")...)
	require.Equal(t, http.StatusConflict, left.status, "its reader does not run the race")
	require.Contains(t, left.Find("#wrong").Text(), "The mail is for those who run the race")
	b.hire(t, race.Race{ID: b.raceID, OrganizerID: b.organizer}, reader, race.Timing)
	done := c.post(again, ask.fill("main form.narrow")...)
	require.Equal(t, http.StatusSeeOther, done.status, done.body)
	require.Equal(t, []string{"The mail is sent again, under the same ID."}, c.visit(done.to()).texts(".said"))
	require.Equal(t, 1, c.visit("/ko/operate/mails?kind=import-applied&user_id="+reader).Find(".tale > li").Length())
	refused := c.post("/ko/operate/mails/"+mailID+"/resend", "reason", "again")
	require.Equal(t, http.StatusConflict, refused.status)
	require.Contains(t, refused.body, "아직 보내는 중인 메일입니다")
	require.Equal(t, []string{"Mail sent again", "Mail sent again", "Mail sent again"}, c.visit("/en/operate/actions?action=resend-mail").texts(".tale h2"))

	require.NoError(t, b.ledger.NoteMailEvent(t.Context(), userdb.MailEvent{Kind: userdb.PermanentBounce, Addresses: []string{readerAddress}, SentAt: time.Now(), At: time.Now()}))
	off := c.visit("/ko/operate/mails?state=addresses")
	require.Equal(t, http.StatusOK, off.status, off.body)
	require.Equal(t, "/ko/operate/accounts/"+reader, off.Find(".tale h2 a").AttrOr("href", ""))
	require.Contains(t, off.Find(".tale").Text(), "메일이 반송됨")
	for query, field := range map[string]string{"state=sent": "state", "kind=nonsense": "kind", "race_id=x": "race_id", "user_id=x": "user_id", "minutes=-1": "minutes"} {
		wrong := c.visit("/ko/operate/mails?" + query)
		require.Equal(t, http.StatusUnprocessableEntity, wrong.status, query)
		require.NotEmpty(t, wrong.Find("#field-"+field+"-wrong").Text(), query)
		require.Contains(t, wrong.texts(".filters .segments a"), "대기 중 1", "%s: what there is does not depend on the filter", query)
	}
	require.Equal(t, http.StatusNotFound, c.visit("/en/operate/mails/"+newID()+"/resend").status)
}
