package maindb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// maxTransfer is how long a code for a place is good for.
const maxTransfer = 7 * 24 * time.Hour

// Transfer is a place that a runner offers to somebody else. It stays the giver's until
// both have confirmed who the other is.
type Transfer struct {
	ID        string
	RaceID    string
	GiverID   string
	RunnerID  string // who has accepted it; empty: nobody has
	State     race.TransferState
	ByHand    bool // by the organizer: whatever the race's deadline, and although others wait
	Reason    string
	OfferedAt time.Time
	ExpiresAt time.Time
	Entry     LineEntry // the giver's; lists are without it
}

// TransferOffer is a request to offer a place to the holder of a code.
type TransferOffer struct {
	ID       string
	RaceID   string
	GiverID  string
	CodeHash []byte
	ByHand   bool
	Reason   string // of the organizer
}

// OfferTransfer offers the place of a runner to the holder of the code, in place of what
// they offered before. When an earlier call with the same ID did so it changes nothing.
// It returns race.ErrNotFound when the runner has no entry, and a *race.ConflictError
// when they have no place, or the race lets nobody transfer one now.
func (s *Store) OfferTransfer(ctx context.Context, o TransferOffer) (Transfer, error) {
	err := s.inEntry(ctx, o.RaceID, o.GiverID, func(l *line, e gen.Entry) error {
		if _, err := l.q.LockTransfer(ctx, o.ID); err == nil {
			return nil
		} else if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("look for transfer %s: %w", o.ID, err)
		}
		if e.State != string(race.Entered) {
			return &race.ConflictError{Message: "only a runner who has a place can transfer it: the entry is " + e.State}
		}
		if err := l.mayTransfer(o.ByHand); err != nil {
			return err
		}
		if err := l.endTransfers(ctx, o.GiverID, race.TransferWithdrawn); err != nil {
			return err
		}
		expires := l.now.Add(maxTransfer)
		if until := l.race.Entry.TransferUntil; !o.ByHand && until.Before(expires) {
			expires = until.UTC().Truncate(time.Microsecond)
		}
		err := l.q.InsertTransfer(ctx, gen.InsertTransferParams{
			TransferID: o.ID, RaceID: o.RaceID, UserID: o.GiverID, EntryID: e.EntryID, CodeHash: o.CodeHash, ByHand: o.ByHand, Reason: o.Reason,
			OfferedAt: l.now, ExpiresAt: expires,
		})
		if err != nil {
			return fmt.Errorf("offer a place of race %s to somebody else: %w", o.RaceID, err)
		}
		l.log("entry.transfer_offered", e, o.Reason, map[string]any{"status": e.State, "until": expires})
		return nil
	})
	if err != nil {
		return Transfer{}, err
	}
	return s.TransferOf(ctx, o.RaceID, o.GiverID)
}

func (l *line) endTransfers(ctx context.Context, userID string, state race.TransferState) error {
	err := l.q.EndTransfers(ctx, gen.EndTransfersParams{State: string(state), ChangedAt: l.now, RaceID: l.race.ID, UserID: userID})
	if err != nil {
		return fmt.Errorf("end what a runner of race %s offers to others: %w", l.race.ID, err)
	}
	return nil
}

// mayTransfer returns why no place of the pool can be transferred now.
func (l *line) mayTransfer(byHand bool) error {
	settings := l.race.Entry
	switch {
	case l.race.Status != race.Scheduled:
		return &race.ConflictError{Message: "the race has results: places can no longer be transferred"}
	case byHand:
		return nil
	case settings.TransferUntil.IsZero():
		return &race.ConflictError{Field: "transfer_until", Message: "places of this race cannot be transferred to others"}
	case !l.now.Before(settings.TransferUntil):
		return &race.ConflictError{Field: "transfer_until", Message: "places could be transferred until " + settings.In(settings.TransferUntil).Format(time.RFC3339)}
	case l.row.Waiting > 0 && !settings.TransferPastLine:
		return &race.ConflictError{Message: "others wait in line: a place that is given up goes to the first of them"}
	}
	return nil
}

// TransferOf returns the last transfer that a runner offered in a race, or
// race.ErrNotFound.
func (s *Store) TransferOf(ctx context.Context, raceID, giverID string) (Transfer, error) {
	row, err := s.queries.LastTransferOf(ctx, raceID, giverID)
	return s.foundTransfer(ctx, row, err)
}

// TransferWithCode returns the transfer with a code, as long as it is open, or was
// accepted by the runner. Others learn nothing: they get race.ErrNotFound.
func (s *Store) TransferWithCode(ctx context.Context, raceID string, codeHash []byte, runnerID string) (Transfer, error) {
	row, err := s.queries.TransferWithCode(ctx, raceID, codeHash)
	t, err := s.foundTransfer(ctx, row, err)
	if err == nil && t.RunnerID != runnerID && t.State != race.TransferOffered {
		return Transfer{}, race.ErrNotFound
	}
	return t, err
}

func (s *Store) foundTransfer(ctx context.Context, row gen.EntryTransfer, err error) (Transfer, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return Transfer{}, race.ErrNotFound
	}
	if err != nil {
		return Transfer{}, fmt.Errorf("read a transfer: %w", err)
	}
	now, err := s.databaseTime(ctx)
	if err != nil {
		return Transfer{}, err
	}
	t := transferOf(row, now)
	t.Entry, err = s.EntryOf(ctx, row.RaceID, row.UserID)
	return t, err
}

func (s *Store) databaseTime(ctx context.Context) (now time.Time, err error) {
	if err := s.db.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&now); err != nil {
		return now, fmt.Errorf("read the database's clock: %w", err)
	}
	return now, nil
}

func transferOf(row gen.EntryTransfer, now time.Time) Transfer {
	t := Transfer{
		ID: row.TransferID, RaceID: row.RaceID, GiverID: row.UserID, RunnerID: row.RunnerID.String, State: race.TransferState(row.State),
		ByHand: row.ByHand, Reason: row.Reason, OfferedAt: row.OfferedAt, ExpiresAt: row.ExpiresAt,
	}
	if t.State.Open() && !now.Before(t.ExpiresAt) {
		t.State = race.TransferExpired
	}
	return t
}

// TransfersOfRace returns transfers of a race, the newest first, from the one before the
// given ID on; an empty ID: from the newest.
func (s *Store) TransfersOfRace(ctx context.Context, raceID, before string, limit int) ([]Transfer, error) {
	rows, err := s.queries.TransfersOfRace(ctx, gen.TransfersOfRaceParams{RaceID: raceID, Before: before, Limit: count32(limit)})
	if err != nil {
		return nil, fmt.Errorf("list the transfers of race %s: %w", raceID, err)
	}
	now, err := s.databaseTime(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]Transfer, len(rows))
	for i, row := range rows {
		found[i] = transferOf(row, now)
	}
	return found, nil
}

// OpenTransfersWith returns the open transfers of a runner, whether they give the place or
// have accepted it, the first to expire first.
func (s *Store) OpenTransfersWith(ctx context.Context, userID string) ([]Transfer, error) {
	now, err := s.databaseTime(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := s.queries.OpenTransfersWith(ctx, userID, nullString(userID), now)
	if err != nil {
		return nil, fmt.Errorf("list the transfers of user %s: %w", userID, err)
	}
	found := make([]Transfer, len(rows))
	for i, row := range rows {
		found[i] = transferOf(row, now)
	}
	return found, nil
}

// inTransfer calls change with a transfer and the giver's entry under the lock on its
// pool.
func (s *Store) inTransfer(ctx context.Context, t Transfer, change func(*line, gen.EntryTransfer, gen.Entry) error) error {
	return s.inEntry(ctx, t.RaceID, t.GiverID, func(l *line, e gen.Entry) error {
		row, err := l.q.LockTransfer(ctx, t.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("lock transfer %s: %w", t.ID, err)
		}
		return change(l, row, e)
	})
}

var errTransferOver = &race.ConflictError{Message: "the place is no longer offered: ask the runner who offered it for a new code"}

// stands returns why a transfer cannot go on.
func (l *line) stands(t gen.EntryTransfer, giver gen.Entry) error {
	switch {
	case !race.TransferState(t.State).Open(), !l.now.Before(t.ExpiresAt),
		giver.State != string(race.Entered), giver.EntryID != t.EntryID: // they have left, and maybe joined again
		return errTransferOver
	}
	return l.mayTransfer(t.ByHand)
}

// mayReceive returns why a runner cannot take a place of the pool over. A runner who waits
// for a place of their own has to leave the line first, so that nobody has two.
func (l *line) mayReceive(ctx context.Context, runnerID string, a Account) (known *gen.Entry, participant *gen.Participant, origin race.EntryOrigin, err error) {
	if known, participant, err = l.knownRunner(ctx, runnerID); err != nil {
		return nil, nil, "", err
	}
	switch {
	case participant != nil && participant.Status == string(race.Entered), known != nil && known.State == string(race.Entered):
		return nil, nil, "", &race.ConflictError{Message: "the runner who is to take the place has entered the race already"}
	case known != nil && known.State == string(race.RemovedEntry):
		return nil, nil, "", &race.ConflictError{Message: "the organizer has removed the entry of the runner who is to take the place"}
	case known != nil && known.State == string(race.Deferred):
		return nil, nil, "", &race.ConflictError{Message: "the runner who is to take the place has deferred their entry to the next edition"}
	case known != nil && !race.EntryStatus(known.State).Left():
		return nil, nil, "", &race.ConflictError{Message: "the runner who is to take the place is in line for one: they have to leave the line first"}
	}
	if _, err = l.race.ChooseEntryPool(l.pool.Name, a.Sex, a.BirthDate.AgeOn(l.race.Date)); err != nil {
		return nil, nil, "", err
	}
	origin, qualifies, err := l.qualify(ctx, runnerID, a)
	if err == nil && !qualifies {
		err = &race.ConflictError{Message: "the runner who is to take the place has no result that meets the standard of its pool"}
	}
	return known, participant, origin, err
}

// knownRunner returns the entry and the participation of a runner in the race of the
// line, nil for none.
func (l *line) knownRunner(ctx context.Context, userID string) (known *gen.Entry, participant *gen.Participant, err error) {
	e, err := l.q.EntryOf(ctx, userID, l.race.ID)
	if err == nil {
		known = &e
	} else if !errors.Is(err, sql.ErrNoRows) {
		return nil, nil, fmt.Errorf("read entry in race %s: %w", l.race.ID, err)
	}
	p, err := l.q.ParticipantOf(ctx, l.race.ID, userID)
	if err == nil {
		participant = &p
	} else if !errors.Is(err, sql.ErrNoRows) {
		return nil, nil, fmt.Errorf("read entry in race %s: %w", l.race.ID, err)
	}
	return known, participant, nil
}

// AcceptTransfer notes that a runner wants the place that is offered with a code. It
// becomes theirs when the giver confirms them. Repeating it changes nothing. It returns
// race.ErrNotFound when the code is of no offer, or somebody else has accepted it, and a
// *race.ConflictError when the runner cannot take the place. giverName is the name that the
// runner has confirmed; only a hash of it is kept.
func (s *Store) AcceptTransfer(ctx context.Context, raceID string, codeHash []byte, runnerID string, account Account, giverName string) (Transfer, error) {
	t, err := s.TransferWithCode(ctx, raceID, codeHash, runnerID)
	if err != nil {
		return Transfer{}, err
	}
	err = s.inTransfer(ctx, t, func(l *line, row gen.EntryTransfer, e gen.Entry) error {
		switch {
		case row.RunnerID.String == runnerID && row.State == string(race.TransferDone):
			return nil
		case row.RunnerID.String == runnerID && row.State == string(race.TransferAccepted):
			row.GiverHash = nameHash(row.TransferID, giverName) // it may have changed since
			return l.setTransfer(ctx, row, race.TransferAccepted, runnerID)
		case row.UserID == runnerID:
			return &race.ConflictError{Message: "this is your own place: give the code to the person who is to have it"}
		case row.State == string(race.TransferAccepted):
			return race.ErrNotFound
		}
		if err := l.stands(row, e); err != nil {
			return err
		}
		if err := holdAccount(ctx, l.q, runnerID); err != nil {
			return err
		}
		if _, _, _, err := l.mayReceive(ctx, runnerID, account); err != nil {
			return err
		}
		l.log("entry.transfer_accepted", e, "", map[string]any{"status": e.State})
		row.GiverHash = nameHash(row.TransferID, giverName)
		return l.setTransfer(ctx, row, race.TransferAccepted, runnerID)
	})
	if err != nil {
		return Transfer{}, err
	}
	return s.TransferWithCode(ctx, raceID, codeHash, runnerID)
}

// nameHash is what is kept of a name that somebody has confirmed.
func nameHash(transferID, name string) []byte {
	sum := sha256.Sum256([]byte(transferID + " " + name))
	return sum[:]
}

func (l *line) setTransfer(ctx context.Context, t gen.EntryTransfer, state race.TransferState, runnerID string) error {
	err := l.q.SetTransfer(ctx, gen.SetTransferParams{State: string(state), RunnerID: nullString(runnerID), GiverHash: t.GiverHash, ChangedAt: l.now, TransferID: t.TransferID})
	if err != nil {
		return fmt.Errorf("write transfer %s: %w", t.TransferID, err)
	}
	return nil
}

// EndTransfer ends an open transfer: withdrawn by who gives the place, or declined by who
// was to get it. Repeating it changes nothing.
func (s *Store) EndTransfer(ctx context.Context, t Transfer, state race.TransferState) error {
	return s.inTransfer(ctx, t, func(l *line, row gen.EntryTransfer, e gen.Entry) error {
		switch {
		case row.State == string(state):
			return nil
		case row.State == string(race.TransferDone):
			return &race.ConflictError{Message: "the place has been transferred"}
		case !race.TransferState(row.State).Open():
			return nil
		case state == race.TransferDeclined && row.RunnerID.Valid && row.RunnerID.String != t.RunnerID:
			return race.ErrNotFound // somebody else has accepted meanwhile
		}
		action := "entry.transfer_withdrawn"
		if state == race.TransferDeclined {
			action = "entry.transfer_declined"
		}
		l.log(action, e, "", map[string]any{"status": e.State})
		return l.setTransfer(ctx, row, state, row.RunnerID.String)
	})
}

// ConfirmTransfer hands the giver's place over to the runner who has accepted it: with
// its bib, in the same pool, at once. entryID is of the runner's entry. Repeating it
// changes nothing. It returns race.ErrNotFound when that runner has not accepted, and a
// *race.ConflictError when one of the two, or the race, no longer allows it, or when the
// giver's name is no longer the one that the runner has confirmed.
func (s *Store) ConfirmTransfer(ctx context.Context, t Transfer, entryID string, account Account, giverName string) error {
	return s.inTransfer(ctx, t, func(l *line, row gen.EntryTransfer, e gen.Entry) error {
		switch {
		case row.RunnerID.String != t.RunnerID || t.RunnerID == "":
			return race.ErrNotFound
		case row.State == string(race.TransferDone):
			return nil
		case row.State != string(race.TransferAccepted):
			return errTransferOver
		case !bytes.Equal(row.GiverHash, nameHash(row.TransferID, giverName)):
			return &race.ConflictError{Message: "the name of the runner who gives the place has changed: the runner who takes it has to accept it again"}
		}
		if err := l.stands(row, e); err != nil {
			return err
		}
		if err := holdAccount(ctx, l.q, t.RunnerID); errors.Is(err, race.ErrLeft) {
			return &race.ConflictError{Message: "the account of the runner who was to take the place has been deleted"}
		} else if err != nil {
			return err
		}
		known, participant, origin, err := l.mayReceive(ctx, t.RunnerID, account)
		if err != nil {
			return err
		}
		to := l.newEntry(Entry{
			ID: entryID, RaceID: l.race.ID, UserID: t.RunnerID, Sex: account.Sex, BirthDate: account.BirthDate, ReceivedAt: l.now,
		})
		to.Origin = string(origin)
		if err := l.handOver(ctx, row, e, to, known, participant); err != nil {
			return err
		}
		return l.setTransfer(ctx, row, race.TransferDone, t.RunnerID)
	})
}

// handOver gives the place and the bib of an entry to another runner. How many places
// are taken stays the same.
func (l *line) handOver(ctx context.Context, t gen.EntryTransfer, giver, to gen.Entry, known *gen.Entry, participant *gen.Participant) error {
	old, err := l.q.ParticipantOf(ctx, l.race.ID, giver.UserID)
	if err != nil {
		return fmt.Errorf("read entry in race %s: %w", l.race.ID, err)
	}
	if err := l.q.CancelParticipant(ctx, l.now, old.ParticipantID); err != nil {
		return fmt.Errorf("take the place of an entry of race %s: %w", l.race.ID, err)
	}
	if err := l.setState(ctx, giver, race.Transferred, t.Reason); err != nil {
		return err
	}
	l.row.NextSeq++
	to.State = string(race.Entered)
	existing := map[string]gen.Participant{}
	if participant != nil {
		existing[to.UserID] = *participant
	}
	if known != nil {
		err = l.rejoin(ctx, to)
	} else {
		err = insertEntries(ctx, l.tx, []gen.Entry{to})
	}
	if err != nil {
		return err
	}
	if _, err := l.addWithBibs(ctx, []gen.Entry{to}, []string{old.Bib.String}, existing); err != nil {
		return err
	}
	l.log("entry.transferred", giver, t.Reason, map[string]any{"status": race.Transferred, "bib": old.Bib.String, "to": to.EntryID})
	to.State = ""
	l.log("entry.received", to, t.Reason, map[string]any{"status": race.Entered, "bib": old.Bib.String, "from": giver.EntryID})
	return nil
}
