package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// ListedDispute is a dispute with the bib of its record.
type ListedDispute struct {
	race.Dispute
	Bib string
}

// maxDisputes bounds how often a runner disputes one record.
const maxDisputes = 10

// OpenDispute adds an open dispute of a record's latest revision. A dispute that
// already has the ID is returned unchanged. Errors: race.ErrNotFound when the race has
// no such record, race.ErrNotOwn when it is not the result of the runner,
// *race.ConflictError for a void race or a runner who disputes it already, and
// race.ErrLeft.
func (s *Store) OpenDispute(ctx context.Context, d race.Dispute) (opened race.Dispute, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now().UTC().Truncate(time.Microsecond)
		if err := holdAccount(ctx, q, d.RunnerID); err != nil {
			return err
		}
		if _, err := holdLiveRace(ctx, q, d.RaceID); err != nil {
			return err
		}
		facts, err := q.Facts(ctx, []string{d.RecordID})
		switch {
		case err != nil:
			return fmt.Errorf("read record %s: %w", d.RecordID, err)
		case len(facts) == 0 || facts[0].RaceID != d.RaceID:
			return race.ErrNotFound
		case facts[0].UserID.String != d.RunnerID || !facts[0].HeldBib.Valid && !facts[0].Removed:
			return race.ErrNotOwn
		}
		earlier, err := q.DisputesOfRecord(ctx, d.RecordID)
		if err != nil {
			return fmt.Errorf("list the disputes of record %s: %w", d.RecordID, err)
		}
		own := 0
		for _, row := range earlier {
			switch {
			case row.DisputeID == d.ID && row.RunnerID == d.RunnerID:
				opened = disputeOf(row)
				return nil
			case row.RunnerID == d.RunnerID && row.State == string(race.DisputeOpen):
				return &race.ConflictError{Message: "you dispute this result already: withdraw dispute " + row.DisputeID + " to say something else"}
			case row.RunnerID == d.RunnerID:
				own++
			}
		}
		if own >= maxDisputes {
			return &race.ConflictError{Message: fmt.Sprintf("you have disputed this result %d times: write to the organizer", own)}
		}
		d.State, d.Revision, d.OpenedAt = race.DisputeOpen, int(facts[0].Revision), now
		opened = d
		err = q.InsertDispute(ctx, gen.InsertDisputeParams{
			DisputeID: d.ID, RaceID: d.RaceID, RecordID: d.RecordID, Revision: facts[0].Revision, RunnerID: d.RunnerID,
			Wrong: d.Wrong, RightWouldBe: d.RightWouldBe, OpenedAt: now,
		})
		if err != nil {
			return fmt.Errorf("add dispute %s: %w", d.ID, err)
		}
		entry := ofDispute(d, "dispute.opened")
		entry.After = map[string]any{"state": d.State, "record_id": d.RecordID, "revision": d.Revision}
		return writeChanges(ctx, tx, now, entry)
	})
	return opened, err
}

func ofDispute(d race.Dispute, action string) race.Change {
	return race.Change{Action: action, RaceID: d.RaceID, Subject: race.Subject{Kind: "dispute", ID: d.ID}}
}

// AnswerDispute closes a dispute of a race with a decision and its reason, and returns
// it. One that is upheld names the revision that corrects the record, which must be
// newer than the disputed one; 0 means the latest. The same answer again changes
// nothing. Errors: race.ErrNotFound, *race.ConflictError for a dispute that is closed
// and for a record that has not been corrected.
func (s *Store) AnswerDispute(ctx context.Context, raceID, disputeID string, state race.DisputeState, revision int, change Change) (race.Dispute, error) {
	return s.closeDispute(ctx, disputeID, func(q *gen.Queries, d *race.Dispute) error {
		switch {
		case d.RaceID != raceID:
			return race.ErrNotFound
		case d.State == state && d.Answer == change.Reason && (revision == 0 || revision == d.AnsweredRevision):
			return errDone
		case d.State != race.DisputeOpen:
			return &race.ConflictError{Message: fmt.Sprintf("the dispute is %s already", d.State)}
		}
		if state == race.DisputeUpheld {
			record, err := q.Record(ctx, d.RecordID, d.RaceID)
			if err != nil {
				return fmt.Errorf("read record %s: %w", d.RecordID, err)
			}
			if revision == 0 {
				revision = int(record.Revision)
			}
			if revision <= d.Revision || revision > int(record.Revision) {
				return &race.ConflictError{Field: "revision", Message: fmt.Sprintf(
					"revision %d was disputed and the latest is %d: correct the record first, or reject the dispute", d.Revision, record.Revision)}
			}
			d.AnsweredRevision = revision
		}
		d.State, d.Answer, d.ClosedBy = state, change.Reason, change.By
		return nil
	}, change)
}

// WithdrawDispute closes a runner's own dispute. Withdrawing it again changes nothing.
// Errors: race.ErrNotFound, *race.ConflictError when it has been answered.
func (s *Store) WithdrawDispute(ctx context.Context, runnerID, disputeID string) (race.Dispute, error) {
	return s.closeDispute(ctx, disputeID, func(_ *gen.Queries, d *race.Dispute) error {
		switch {
		case d.RunnerID != runnerID:
			return race.ErrNotFound
		case d.State == race.DisputeWithdrawn:
			return errDone
		case d.State != race.DisputeOpen:
			return &race.ConflictError{Message: fmt.Sprintf("the dispute is %s already", d.State)}
		}
		d.State, d.ClosedBy = race.DisputeWithdrawn, runnerID
		return nil
	}, Change{By: runnerID})
}

// errDone says that there is nothing left to do.
var errDone = errors.New("done already")

// closeDispute lets decide close a dispute in a transaction that holds its race.
func (s *Store) closeDispute(ctx context.Context, disputeID string, decide func(*gen.Queries, *race.Dispute) error, change Change) (d race.Dispute, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		found, err := s.Dispute(ctx, disputeID) // outside of the transaction, which then sees what others commit before it holds the race
		if err != nil {
			return err
		}
		if _, err := holdRace(ctx, q, found.RaceID); err != nil {
			return err
		}
		row, err := q.Dispute(ctx, disputeID)
		if err != nil {
			return fmt.Errorf("read dispute %s: %w", disputeID, err)
		}
		d = disputeOf(row)
		if err := decide(q, &d); err != nil {
			return err
		}
		return s.writeClosed(ctx, tx, &d, change)
	})
	if errors.Is(err, errDone) {
		err = nil
	}
	return d, err
}

func (s *Store) writeClosed(ctx context.Context, tx *sql.Tx, d *race.Dispute, change Change) error {
	d.ClosedAt = s.now().UTC().Truncate(time.Microsecond)
	err := s.queries.WithTx(tx).CloseDispute(ctx, gen.CloseDisputeParams{
		State: string(d.State), ClosedAt: sql.NullTime{Time: d.ClosedAt, Valid: true}, ClosedBy: nullString(d.ClosedBy), Answer: d.Answer,
		AnsweredRevision: nullSequence(d.AnsweredRevision), DisputeID: d.ID,
	})
	if err != nil {
		return fmt.Errorf("close dispute %s: %w", d.ID, err)
	}
	entry := ofDispute(*d, "dispute."+string(d.State))
	entry.Reason, entry.PrivateNote = change.Reason, change.PrivateNote
	entry.Before = map[string]any{"state": race.DisputeOpen, "record_id": d.RecordID, "revision": d.Revision}
	after := map[string]any{"state": d.State, "record_id": d.RecordID}
	if d.AnsweredRevision > 0 {
		after["revision"] = d.AnsweredRevision
	}
	entry.After = after
	if change.By != d.RunnerID {
		entry.AboutID = d.RunnerID
	}
	return writeChanges(ctx, tx, d.ClosedAt, entry)
}

// Dispute returns a dispute, or race.ErrNotFound.
func (s *Store) Dispute(ctx context.Context, disputeID string) (race.Dispute, error) {
	row, err := s.queries.Dispute(ctx, disputeID)
	if errors.Is(err, sql.ErrNoRows) {
		return race.Dispute{}, race.ErrNotFound
	}
	if err != nil {
		return race.Dispute{}, fmt.Errorf("read dispute %s: %w", disputeID, err)
	}
	return disputeOf(row), nil
}

// DisputesOfRecord returns the disputes of a record, the oldest first.
func (s *Store) DisputesOfRecord(ctx context.Context, recordID string) ([]race.Dispute, error) {
	rows, err := s.queries.DisputesOfRecord(ctx, recordID)
	if err != nil {
		return nil, fmt.Errorf("list the disputes of record %s: %w", recordID, err)
	}
	disputes := make([]race.Dispute, len(rows))
	for i, row := range rows {
		disputes[i] = disputeOf(row)
	}
	return disputes, nil
}

// Disputes returns up to limit disputes of a race in a state, or in any when that is
// empty, older than the one with the ID before, the newest first.
func (s *Store) Disputes(ctx context.Context, raceID string, state race.DisputeState, before string, limit int) ([]ListedDispute, error) {
	if before == "" {
		before = lastID
	}
	rows, err := s.queries.DisputesOfRace(ctx, gen.DisputesOfRaceParams{RaceID: raceID, BeforeID: before, State: string(state), Limit: count32(limit)})
	if err != nil {
		return nil, fmt.Errorf("list the disputes of race %s: %w", raceID, err)
	}
	listed := make([]ListedDispute, len(rows))
	for i, row := range rows {
		listed[i] = ListedDispute{Dispute: disputeOf(row.Dispute), Bib: row.Bib}
	}
	return listed, nil
}

// DisputesOf returns up to limit disputes of a runner, older than the one with the ID
// before, the newest first.
func (s *Store) DisputesOf(ctx context.Context, runnerID, before string, limit int) ([]ListedDispute, error) {
	if before == "" {
		before = lastID
	}
	rows, err := s.queries.DisputesOfRunner(ctx, runnerID, before, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list the disputes of user %s: %w", runnerID, err)
	}
	listed := make([]ListedDispute, len(rows))
	for i, row := range rows {
		listed[i] = ListedDispute{Dispute: disputeOf(row.Dispute), Bib: row.Bib}
	}
	return listed, nil
}

// OpenDisputes returns how many disputes of a race are open.
func (s *Store) OpenDisputes(ctx context.Context, raceID string) (int, error) {
	return openDisputes(ctx, s.queries, raceID)
}

func openDisputes(ctx context.Context, q *gen.Queries, raceID string) (int, error) {
	open, err := q.OpenDisputes(ctx, raceID)
	if err != nil {
		return 0, fmt.Errorf("count the open disputes of race %s: %w", raceID, err)
	}
	return int(open), nil
}

// eraseDisputes withdraws the open disputes of somebody who leaves, and erases what
// they wrote.
func (s *Store) eraseDisputes(ctx context.Context, tx *sql.Tx, userID string) error {
	q := s.queries.WithTx(tx)
	open, err := q.OpenDisputesOfRunner(ctx, userID)
	if err != nil {
		return fmt.Errorf("list the open disputes of user %s: %w", userID, err)
	}
	for _, row := range open {
		d := disputeOf(row)
		d.State, d.ClosedBy = race.DisputeWithdrawn, userID
		if err := s.writeClosed(ctx, tx, &d, Change{By: userID}); err != nil {
			return err
		}
	}
	if err := q.EraseDisputes(ctx, userID); err != nil {
		return fmt.Errorf("erase the disputes of user %s: %w", userID, err)
	}
	return nil
}

func disputeOf(row gen.Dispute) race.Dispute {
	return race.Dispute{
		ID: row.DisputeID, RaceID: row.RaceID, RecordID: row.RecordID, Revision: int(row.Revision), RunnerID: row.RunnerID,
		State: race.DisputeState(row.State), Wrong: row.Wrong, RightWouldBe: row.RightWouldBe, OpenedAt: row.OpenedAt,
		ClosedAt: row.ClosedAt.Time, ClosedBy: row.ClosedBy.String, Answer: row.Answer, AnsweredRevision: int(row.AnsweredRevision.Int32),
	}
}
