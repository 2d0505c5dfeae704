package userdb_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// TestNoticePreferences: what somebody chooses is logged once, the link of a mail
// switches off one kind and nothing else, and nothing of it survives the account.
func TestNoticePreferences(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	uta, bo := b.account(t, "uta").UserID, b.account(t, "bo").UserID
	signing, err := b.ledger.Unsubscribers(t.Context(), []string{uta, bo})
	require.NoError(t, err)
	again, err := b.ledger.Unsubscribers(t.Context(), []string{uta, bo})
	require.NoError(t, err)
	require.Equal(t, signing, again)
	require.NotEqual(t, signing[uta], signing[bo])

	until := b.clock().Add(time.Hour).UTC().Truncate(time.Microsecond)
	off := []notice.Choice{{Kind: notice.PlaceMoved, Channel: notice.Email, State: notice.Off}}
	for range 2 { // the second changes nothing
		is, err := b.store.ChooseNotices(t.Context(), uta, off, &until)
		require.NoError(t, err)
		require.Equal(t, notice.Preferences{Chosen: off, PausedUntil: until}, is)
	}
	link, ok := notice.ParseToken(signing[uta].Token(notice.ResultPosted))
	require.True(t, ok)
	_, state, err := b.store.Unsubscription(t.Context(), link)
	require.NoError(t, err)
	require.Equal(t, notice.On, state, "reading changes nothing")
	for range 2 {
		require.NoError(t, b.store.Unsubscribe(t.Context(), link))
	}
	is, err := b.store.Preferences(t.Context(), uta)
	require.NoError(t, err)
	require.Len(t, is.Chosen, 2)
	others, err := b.store.Preferences(t.Context(), bo)
	require.NoError(t, err)
	require.Equal(t, notice.Preferences{}, others)

	var logged []race.Change
	_, err = b.store.LogChanges(t.Context(), func(_ context.Context, c race.Change) error {
		if c.Action != "account.created" {
			logged = append(logged, c)
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, logged, 2)
	require.Equal(t, "account.notices_changed", logged[0].Action)
	require.Equal(t, map[string]any{"result-posted/email": "off"}, logged[1].After)

	require.NoError(t, b.store.EraseAccount(t.Context(), uta))
	require.ErrorIs(t, b.store.Unsubscribe(t.Context(), link), userdb.ErrLink)
	_, err = b.store.Preferences(t.Context(), uta)
	require.ErrorIs(t, err, race.ErrNotFound)
	_, err = b.store.ChooseNotices(t.Context(), uta, off, nil)
	require.ErrorIs(t, err, race.ErrNotFound)
}

// TestNobodyIsToldOfTheSameThingTwice: of two events that found at the same time what an
// account knows, the second has to look again.
func TestNobodyIsToldOfTheSameThingTwice(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	uta := b.account(t, "uta").UserID
	write := func(position int64, n userdb.Noticed) (int, error) {
		n.UserID, n.Thing = uta, "result/r"
		mails := []userdb.NewNotice{{UserID: uta, Kind: notice.ResultPosted, ExpiresAt: b.clock().Add(time.Hour)}}
		return b.ledger.WriteNotices(t.Context(), notice.Event{Position: position, Kind: notice.ResultPosted}, mails, []userdb.Noticed{n})
	}
	written, err := write(1, userdb.Noticed{State: 1})
	require.NoError(t, err)
	require.Equal(t, 1, written)
	_, err = write(2, userdb.Noticed{State: 2})
	require.ErrorIs(t, err, userdb.ErrNoticed, "it took the account for one that knows nothing")
	_, err = write(2, userdb.Noticed{State: 2, Was: 1, Known: true})
	require.NoError(t, err)
	_, err = write(3, userdb.Noticed{State: 3, Was: 1, Known: true})
	require.ErrorIs(t, err, userdb.ErrNoticed)
	waiting, underWay, err := b.ledger.NoticesToSend(t.Context(), 3, notice.ResultPosted, time.Minute, 10)
	require.NoError(t, err)
	require.Empty(t, waiting)
	require.Zero(t, underWay)
	told, err := b.ledger.Noticed(t.Context(), []string{uta})
	require.NoError(t, err)
	require.Equal(t, map[[2]string]int64{{"result/r", uta}: 2}, told)
}

// TestMailsInTurns: mails that were begun are left alone for as long as they may be under
// way, unless their attempt failed; and what became of many is noted at once.
func TestMailsInTurns(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	const lease = time.Minute
	var mails []userdb.NewNotice
	for _, name := range []string{"uta", "bo", "ada", "kim"} {
		mails = append(mails, userdb.NewNotice{UserID: b.account(t, name).UserID, Recipient: userdb.Recipient{Address: name + "@example.org"}, Kind: notice.RaceOfficial, ExpiresAt: b.clock().Add(time.Hour)})
	}
	_, err := b.ledger.WriteNotices(t.Context(), notice.Event{Position: 1, Kind: notice.RaceOfficial}, mails, nil)
	require.NoError(t, err)
	look := func() (ids []string, underWay int) {
		waiting, underWay, err := b.ledger.NoticesToSend(t.Context(), 1, notice.RaceOfficial, lease, 10)
		require.NoError(t, err)
		for _, w := range waiting {
			ids = append(ids, w.MailID)
		}
		return ids, underWay
	}
	turn := func(done []userdb.MailOutcome, next ...string) (begun []string) {
		t.Helper()
		mails, err := b.ledger.TurnMails(t.Context(), done, next, lease)
		require.NoError(t, err)
		for _, m := range mails {
			require.Equal(t, userdb.MailSending, m.State)
			begun = append(begun, m.ID)
		}
		return begun
	}
	all, _ := look()
	require.Len(t, all, 4)
	require.Equal(t, all, turn(nil, all...))
	require.Empty(t, turn(nil, all...))
	left, underWay := look()
	require.Empty(t, left)
	require.Equal(t, 4, underWay)
	for range 2 { // as when the answer is lost
		require.Empty(t, turn([]userdb.MailOutcome{
			{MailID: all[0], State: userdb.MailSent, ProviderID: "p0"},
			{MailID: all[1], State: userdb.MailSent, ProviderID: "p1"},
			{MailID: all[2], State: userdb.MailQueued, Fault: "reach the SMTP server: 421 \xc1\xa2\xbc\xd3 \xc3\xca\xb0\xfa"}, // Korean in EUC-KR
		}))
	}
	left, _ = look()
	require.Equal(t, []string{all[2]}, left, "the last may be under way")
	b.pass(lease)
	left, _ = look()
	require.Equal(t, all[2:], left)
	for attempts := 2; attempts <= 3; attempts++ { // without a lease, also when the clock that began it was ahead
		again, err := b.ledger.BeginMail(t.Context(), all[3])
		require.NoError(t, err)
		require.Equal(t, attempts, again.Attempts)
		b.pass(-5 * time.Second)
	}
	b.pass(lease + 10*time.Second)
	begun, err := b.ledger.BeginMail(t.Context(), all[1])
	require.NoError(t, err)
	require.Equal(t, userdb.MailSent, begun.State)
	require.Equal(t, all[2:], turn(nil, all[2:]...))
	require.Empty(t, turn([]userdb.MailOutcome{{MailID: all[2], State: userdb.MailBounced}, {MailID: all[3], State: userdb.MailSent}}))
	left, underWay = look()
	require.Empty(t, left)
	require.Zero(t, underWay)
}

// TestNoNoticeForAnErasedAccount: somebody may leave between the moment at which an event
// finds them and the moment at which their mail is written.
func TestNoNoticeForAnErasedAccount(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	uta, bo := b.account(t, "uta").UserID, b.account(t, "bo").UserID
	require.NoError(t, b.store.EraseAccount(t.Context(), uta))
	e := notice.Event{Position: 7, Kind: notice.ResultPosted}
	var mails []userdb.NewNotice
	var noticed []userdb.Noticed
	for _, id := range []string{uta, bo} {
		mails = append(mails, userdb.NewNotice{UserID: id, Recipient: userdb.Recipient{Address: id + "@example.org"}, Kind: e.Kind, ExpiresAt: b.clock().Add(time.Hour)})
		noticed = append(noticed, userdb.Noticed{UserID: id, Thing: "thing", State: 1})
	}
	written, err := b.ledger.WriteNotices(t.Context(), e, mails, noticed)
	require.NoError(t, err)
	require.Equal(t, 1, written)
	known, err := b.ledger.Noticed(t.Context(), []string{uta, bo})
	require.NoError(t, err)
	require.Equal(t, map[[2]string]int64{{"thing", bo}: 1}, known)
}
