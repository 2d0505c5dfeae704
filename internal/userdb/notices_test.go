package userdb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

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

// reader makes an account with an address.
func (b *accountsBundle) reader(t testing.TB, name string) (userID string) {
	t.Helper()
	userID = b.account(t, name).UserID
	_, err := b.db.ExecContext(t.Context(), "UPDATE user SET email = ? WHERE user_id = ?", name+"@example.org", userID)
	require.NoError(t, err)
	return userID
}

// heldFor returns for how long another sender holds the mails of an event.
func heldFor(t *testing.T, err error) time.Duration {
	t.Helper()
	held, is := errors.AsType[*userdb.HeldError](err)
	require.True(t, is, "%v", err)
	return held.For
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
		mails = append(mails, userdb.NewNotice{UserID: b.reader(t, name), Recipient: userdb.Recipient{Address: name + "@example.org"}, Kind: notice.RaceOfficial, ExpiresAt: expires})
	}
	_, err := b.ledger.WriteNotices(t.Context(), notice.Event{Position: 1, Kind: notice.RaceOfficial}, mails, nil)
	require.NoError(t, err)
	look := func(sender string) (ids []string) {
		ids, err := b.ledger.NoticesToSend(t.Context(), 1, notice.RaceOfficial, sender, lease, 10)
		if err != nil {
			return []string{"held " + heldFor(t, err).String()}
		}
		return ids
	}
	note := func(sender string, done ...userdb.MailOutcome) error {
		return b.ledger.NoteNotices(t.Context(), 1, notice.RaceOfficial, sender, lease, done)
	}
	all := look("first")
	require.Len(t, all, 5)
	require.Equal(t, []string{"held 1m0s"}, look("second"))
	b.pass(20 * time.Second)
	for range 2 { // as when the answer is lost
		require.NoError(t, note("first",
			userdb.MailOutcome{MailID: all[0], State: userdb.MailSent, ProviderID: "p0"},
			userdb.MailOutcome{MailID: all[2], State: userdb.MailQueued, Fault: "reach the SMTP server: 421 \xc1\xa2\xbc\xd3 \xc3\xca\xb0\xfa"}, // Korean in EUC-KR
		))
	}
	b.pass(45 * time.Second) // as long as a mail waits and its attempt takes
	require.Equal(t, []string{"held 15s"}, look("second"), "the note was not long ago")
	b.pass(30 * time.Second)
	require.Equal(t, []string{all[1], all[3], all[4], all[2]}, look("second"), "the one with fewer attempts first")
	require.Equal(t, lease, heldFor(t, note("first", userdb.MailOutcome{MailID: all[1], State: userdb.MailSent})))
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
	require.Equal(t, 90*time.Second, heldFor(t, look("behind")))
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
		mails = append(mails, userdb.NewNotice{UserID: b.reader(t, name), Recipient: userdb.Recipient{Address: name + "@example.org"}, Kind: notice.RaceOfficial, ExpiresAt: b.clock().Add(time.Hour)})
	}
	_, err := b.ledger.WriteNotices(t.Context(), notice.Event{Position: 1, Kind: notice.RaceOfficial}, mails, nil)
	require.NoError(t, err)
	look := func() ([]string, error) {
		return b.ledger.NoticesToSend(t.Context(), 1, notice.RaceOfficial, "s", lease, 10)
	}
	_, err = b.db.ExecContext(t.Context(), "UPDATE mail SET state = 'sending', attempts = 1")
	require.NoError(t, err)
	b.pass(20 * time.Second)
	_, err = look()
	require.Equal(t, lease-20*time.Second, heldFor(t, err), "they may be under way")
	b.pass(lease - 20*time.Second)
	left, err := look()
	require.NoError(t, err)
	require.Len(t, left, 3)
	read, err := b.ledger.ReadNotices(t.Context(), []string{left[0]})
	require.NoError(t, err)
	require.NoError(t, read[0].Unsent)
	require.NoError(t, b.ledger.NoteNotices(t.Context(), 1, notice.RaceOfficial, "s", lease, []userdb.MailOutcome{
		{MailID: left[0], State: userdb.MailSent}, {MailID: left[1], State: userdb.MailQueued, Fault: "refused"},
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
		UserID: b.reader(t, "uta"), Recipient: userdb.Recipient{Address: "uta@example.org"}, Kind: notice.RaceOfficial, ExpiresAt: b.clock().Add(time.Hour),
	}}, nil)
	require.NoError(t, err)
	waiting, err := b.ledger.NoticesToSend(t.Context(), 1, notice.RaceOfficial, "s", time.Minute, 10)
	require.NoError(t, err)
	for attempts := 1; attempts <= 3; attempts++ {
		again, err := b.ledger.BeginMail(t.Context(), waiting[0])
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

// TestNoticesThatNobodyWantsAnyMore: what happened between the writing of a mail and its
// sending counts as if it had happened before, for every class of notices.
func TestNoticesThatNobodyWantsAnyMore(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	choose := func(kind notice.Kind, pause time.Duration) func(userID string) {
		return func(userID string) {
			until := b.clock().Add(pause)
			_, err := b.store.ChooseNotices(t.Context(), userID, []notice.Choice{{Kind: kind, Channel: notice.Email, State: notice.Off}}, &until)
			require.NoError(t, err)
		}
	}
	set := func(column string) func(userID string) {
		return func(userID string) {
			_, err := b.db.ExecContext(t.Context(), "UPDATE user SET "+column+" WHERE user_id = ?", userID) //nolint:gosec // of this test
			require.NoError(t, err)
		}
	}
	for position, c := range []struct {
		meanwhile func(userID string)
		personal  userdb.MailReason // why a notice is not sent that its reader may switch off
		must      userdb.MailReason // and one that they may not
	}{
		{func(string) {}, "", ""},
		{choose(notice.RaceOfficial, -time.Hour), userdb.MailOptedOut, ""},
		{choose(notice.PlaceMoved, -time.Hour), "", ""},
		{choose(notice.PlaceMoved, time.Hour), userdb.MailOptedOut, ""},
		{set("suspended_at = NOW(6)"), userdb.MailSuspended, userdb.MailSuspended},
		{set("email_problem = 'bounced'"), userdb.MailAddressOff, userdb.MailAddressOff},
		{set("email_problem = 'complained'"), userdb.MailAddressOff, userdb.MailAddressOff},
		{set("email_problem = 'unwanted'"), userdb.MailAddressOff, ""},
		{set("email_problem = 'pending-bounced'"), "", ""},
		{set("email = NULL"), userdb.MailAddressOff, userdb.MailAddressOff},
	} {
		userID := b.reader(t, fmt.Sprint("reader", position))
		for kind, reason := range map[notice.Kind]userdb.MailReason{notice.RaceOfficial: c.personal, notice.OfferMade: c.must} {
			event := notice.Event{Position: int64(position), Kind: kind}
			_, err := b.ledger.WriteNotices(t.Context(), event, []userdb.NewNotice{{UserID: userID, Recipient: userdb.Recipient{Address: "a@example.org"}, Kind: kind, ExpiresAt: b.clock().Add(time.Hour)}}, nil)
			require.NoError(t, err)
			c.meanwhile(userID)
			waiting, err := b.ledger.NoticesToSend(t.Context(), event.Position, kind, "s", time.Minute, 10)
			require.NoError(t, err)
			read, err := b.ledger.ReadNotices(t.Context(), []string{waiting[0]})
			require.NoError(t, err)
			kept, err := b.store.KeptMail(t.Context(), waiting[0])
			require.NoError(t, err)
			require.Equal(t, reason, kept.Reason, "%d %s", position, kind)
			if reason == "" {
				require.NoError(t, read[0].Unsent)
				require.Equal(t, userdb.MailQueued, kept.State)
			} else {
				require.ErrorIs(t, read[0].Unsent, userdb.ErrWithheld)
				require.Equal(t, [2]userdb.MailState{userdb.MailFailed, userdb.MailFailed}, [2]userdb.MailState{read[0].State, kept.State})
			}
			reachable, err := b.ledger.Reachable(t.Context(), []string{userID})
			require.NoError(t, err)
			definition, _ := notice.Of(kind)
			recipient, may := reachable[userID]
			require.Equal(t, reason == "", may && recipient.Withhold(definition, b.clock()) == "", "no such mail would be written any more")
		}
	}
	counts, err := b.store.CountMails(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[userdb.MailList]int{userdb.WaitingList: 9, userdb.SuppressedList: 11}, counts)
	listed, err := b.store.KeptMails(t.Context(), userdb.MailFilter{List: userdb.SuppressedList}, "", 100)
	require.NoError(t, err)
	require.Len(t, listed, 11)
	failed, err := b.store.KeptMails(t.Context(), userdb.MailFilter{List: userdb.FailedList}, "", 100)
	require.NoError(t, err)
	require.Empty(t, failed)
}

// TestNoticesFollowTheirReader: a notice goes to the address that its reader has when it is
// sent, not to the one that they have given up.
func TestNoticesFollowTheirReader(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	userID, event := b.reader(t, "uta"), notice.Event{Position: 1, Kind: notice.RaceOfficial}
	_, err := b.ledger.WriteNotices(t.Context(), event, []userdb.NewNotice{{
		UserID: userID, Recipient: userdb.Recipient{Address: "uta@example.org"}, Kind: event.Kind, ExpiresAt: b.clock().Add(time.Hour),
	}}, nil)
	require.NoError(t, err)
	_, err = b.db.ExecContext(t.Context(), "UPDATE user SET email = 'uta@example.com', email_confirmed_at = ? WHERE user_id = ?", b.clock(), userID)
	require.NoError(t, err)
	waiting, err := b.ledger.NoticesToSend(t.Context(), event.Position, event.Kind, "s", time.Minute, 10)
	require.NoError(t, err)
	read, err := b.ledger.ReadNotices(t.Context(), waiting)
	require.NoError(t, err)
	require.Equal(t, "uta@example.com", read[0].Address)
	require.NoError(t, b.ledger.NoteNotices(t.Context(), event.Position, event.Kind, "s", time.Minute, []userdb.MailOutcome{{MailID: waiting[0], State: userdb.MailBounced}}))
	account, err := b.store.Account(t.Context(), userID)
	require.NoError(t, err)
	require.Equal(t, userdb.EmailBounced, account.EmailProblem, "the address that was tried")
}

// TestLinksOfManyAtOnce: events that tell the same people at the same time make what signs
// their links, each in its own order.
func TestLinksOfManyAtOnce(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	for range 20 {
		forward := make([]string, 200)
		for i := range forward {
			forward[i] = uuid.NewString()
		}
		backward := slices.Clone(forward)
		slices.Reverse(backward)
		var all errgroup.Group
		for _, users := range [][]string{forward, backward, forward, backward} {
			all.Go(func() error {
				_, err := b.ledger.Unsubscribers(t.Context(), users)
				return err
			})
		}
		require.NoError(t, all.Wait())
	}
}
