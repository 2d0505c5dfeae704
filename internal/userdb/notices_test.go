package userdb_test

import (
	"context"
	"sync"
	"sync/atomic"
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
	waiting, err := b.ledger.NoticesToSend(t.Context(), 3, notice.ResultPosted, "s", time.Minute, 10)
	require.NoError(t, err)
	require.Empty(t, waiting)
	told, err := b.ledger.Noticed(t.Context(), []string{uta})
	require.NoError(t, err)
	require.Equal(t, map[[2]string]int64{{"result/r", uta}: 2}, told)
}

// TestMailsOfAnEvent: one step at a time sends the mails of an event, what became of many
// is noted at once, and nobody has them for longer than its lease.
func TestMailsOfAnEvent(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	const lease = time.Minute
	var mails []userdb.NewNotice
	for _, name := range []string{"uta", "bo", "ada", "kim", "lea"} {
		expires := b.clock().Add(time.Hour)
		if name == "lea" {
			expires = b.clock().Add(30 * time.Second)
		}
		mails = append(mails, userdb.NewNotice{UserID: b.account(t, name).UserID, Recipient: userdb.Recipient{Address: name + "@example.org"}, Kind: notice.RaceOfficial, ExpiresAt: expires})
	}
	_, err := b.ledger.WriteNotices(t.Context(), notice.Event{Position: 1, Kind: notice.RaceOfficial}, mails, nil)
	require.NoError(t, err)
	look := func(sender string) (ids []string) {
		waiting, err := b.ledger.NoticesToSend(t.Context(), 1, notice.RaceOfficial, sender, lease, 10)
		if err != nil {
			require.ErrorIs(t, err, userdb.ErrNoticesHeld)
			return []string{"held"}
		}
		for _, w := range waiting {
			ids = append(ids, w.MailID)
		}
		return ids
	}
	note := func(sender string, done ...userdb.MailOutcome) error {
		return b.ledger.NoteNotices(t.Context(), 1, notice.RaceOfficial, sender, lease, done)
	}
	all := look("first")
	require.Len(t, all, 5)
	require.Equal(t, []string{"held"}, look("second"))
	b.pass(20 * time.Second)
	for range 2 { // as when the answer is lost
		require.NoError(t, note("first",
			userdb.MailOutcome{MailID: all[0], State: userdb.MailSent, ProviderID: "p0"},
			userdb.MailOutcome{MailID: all[2], State: userdb.MailQueued, Fault: "reach the SMTP server: 421 \xc1\xa2\xbc\xd3 \xc3\xca\xb0\xfa"}, // Korean in EUC-KR
		))
	}
	b.pass(45 * time.Second) // as long as a mail waits and its attempt takes
	require.Equal(t, []string{"held"}, look("second"), "the note was not long ago")
	b.pass(30 * time.Second)
	require.Equal(t, []string{all[1], all[3], all[4], all[2]}, look("second"), "the one with fewer attempts first")
	require.ErrorIs(t, note("first", userdb.MailOutcome{MailID: all[1], State: userdb.MailSent}), userdb.ErrNoticesHeld)
	require.Equal(t, []string{all[3], all[4], all[2]}, look("second"), "it was noted all the same")
	read, err := b.ledger.ReadNotices(t.Context(), all[3:])
	require.NoError(t, err)
	require.Len(t, read, 2)
	require.Equal(t, userdb.MailQueued, read[0].State)
	require.ErrorIs(t, read[1].Unsent, userdb.ErrMailExpired)
	require.NoError(t, note("second", userdb.MailOutcome{MailID: all[2], State: userdb.MailBounced}, userdb.MailOutcome{MailID: all[3], State: userdb.MailSent}))
	require.NoError(t, b.ledger.LeaveNotices(t.Context(), 1, notice.RaceOfficial, "second"))
	require.Empty(t, look("third"))
	begun, err := b.ledger.BeginMail(t.Context(), all[1])
	require.NoError(t, err)
	require.Equal(t, [2]any{userdb.MailSent, 1}, [2]any{begun.State, begun.Attempts})
}

// TestSenderWithAWrongClock: a lease that ends in a year holds nobody up.
func TestSenderWithAWrongClock(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	look := func(sender string) error {
		_, err := b.ledger.NoticesToSend(t.Context(), 1, notice.RaceOfficial, sender, time.Minute, 10)
		return err
	}
	b.pass(365 * 24 * time.Hour)
	require.NoError(t, look("ahead"))
	b.pass(-365 * 24 * time.Hour)
	require.NoError(t, look("right"))
	b.pass(-30 * time.Second)
	require.ErrorIs(t, look("behind"), userdb.ErrNoticesHeld)
}

// TestSendersThatBeginTogether: one of them gets the mails of an event that nobody has had.
func TestSendersThatBeginTogether(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	for position := range int64(20) {
		var senders sync.WaitGroup
		var got atomic.Int64
		for _, sender := range []string{"a", "b", "c", "d"} {
			senders.Go(func() {
				if _, err := b.ledger.NoticesToSend(t.Context(), position, notice.RaceOfficial, sender, time.Minute, 10); err == nil {
					got.Add(1)
				}
			})
		}
		senders.Wait()
		require.EqualValues(t, 1, got.Load())
	}
}

// TestMailsLeftSending: programs of the version before mark mails as sending, and leave some
// behind when they are killed or stopped.
func TestMailsLeftSending(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	const lease = time.Minute
	var mails []userdb.NewNotice
	for _, name := range []string{"uta", "bo", "ada"} {
		mails = append(mails, userdb.NewNotice{UserID: b.account(t, name).UserID, Recipient: userdb.Recipient{Address: name + "@example.org"}, Kind: notice.RaceOfficial, ExpiresAt: b.clock().Add(time.Hour)})
	}
	_, err := b.ledger.WriteNotices(t.Context(), notice.Event{Position: 1, Kind: notice.RaceOfficial}, mails, nil)
	require.NoError(t, err)
	look := func() ([]userdb.WaitingNotice, error) {
		return b.ledger.NoticesToSend(t.Context(), 1, notice.RaceOfficial, "s", lease, 10)
	}
	_, err = b.db.ExecContext(t.Context(), "UPDATE mail SET state = 'sending', attempts = 1")
	require.NoError(t, err)
	_, err = look()
	require.ErrorIs(t, err, userdb.ErrNoticesHeld, "they may be under way")
	b.pass(lease)
	left, err := look()
	require.NoError(t, err)
	require.Len(t, left, 3)
	read, err := b.ledger.ReadNotices(t.Context(), []string{left[0].MailID})
	require.NoError(t, err)
	require.NoError(t, read[0].Unsent)
	require.NoError(t, b.ledger.NoteNotices(t.Context(), 1, notice.RaceOfficial, "s", lease, []userdb.MailOutcome{
		{MailID: left[0].MailID, State: userdb.MailSent}, {MailID: left[1].MailID, State: userdb.MailQueued, Fault: "refused"},
	}))
	again, err := look()
	require.NoError(t, err)
	require.ElementsMatch(t, left[1:], again)
	require.NoError(t, b.ledger.DropNotices(t.Context(), 1, notice.RaceOfficial, lease))
	again, err = look()
	require.NoError(t, err)
	require.Empty(t, again)
}

// TestMailIsBegunAgain also when the clock that began it was ahead.
func TestMailIsBegunAgain(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	_, err := b.ledger.WriteNotices(t.Context(), notice.Event{Position: 1, Kind: notice.RaceOfficial}, []userdb.NewNotice{{
		UserID: b.account(t, "uta").UserID, Recipient: userdb.Recipient{Address: "uta@example.org"}, Kind: notice.RaceOfficial, ExpiresAt: b.clock().Add(time.Hour),
	}}, nil)
	require.NoError(t, err)
	waiting, err := b.ledger.NoticesToSend(t.Context(), 1, notice.RaceOfficial, "s", time.Minute, 10)
	require.NoError(t, err)
	for attempts := 1; attempts <= 3; attempts++ {
		again, err := b.ledger.BeginMail(t.Context(), waiting[0].MailID)
		require.NoError(t, err)
		require.Equal(t, attempts, again.Attempts)
		b.pass(-5 * time.Second)
	}
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
