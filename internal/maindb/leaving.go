package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Leave erases what a person has written here whose account is about to be deleted,
// and sees to it that nothing is written for the account afterwards: a call that is
// under way with an access token from before gets race.ErrLeft. Results stay, since
// the places of others depend on them. It returns the accounts of the people of start
// lists whose results the account has claimed. Repeating it is safe.
func (s *Store) Leave(ctx context.Context, userID string) (standIns []string, err error) {
	for {
		if err := s.leaveLines(ctx, userID); err != nil {
			return nil, err
		}
		standIns, err = s.leave(ctx, userID)
		if !errors.Is(err, errInLine) { // a request to enter came in between
			return standIns, err
		}
	}
}

// errInLine says that an account that is to leave holds a place or waits for one.
var errInLine = errors.New("the account is in line for a race")

// leaveLines cancels the entries that hold a place others wait for, each under the
// lock on its pool.
func (s *Store) leaveLines(ctx context.Context, userID string) error {
	races, err := s.queries.LiveEntriesOf(ctx, userID)
	if err != nil {
		return fmt.Errorf("read the entries of user %s: %w", userID, err)
	}
	for _, raceID := range races {
		var conflict *race.ConflictError
		if err := s.CancelEntry(ctx, raceID, userID); err != nil && !errors.As(err, &conflict) { // results have come: it stays
			return fmt.Errorf("cancel an entry of user %s: %w", userID, err)
		}
	}
	return nil
}

func (s *Store) leave(ctx context.Context, userID string) (standIns []string, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if err := q.MarkAccount(ctx, userID); err != nil {
			return err
		}
		if err := q.MarkLeft(ctx, sql.NullTime{Time: s.now(), Valid: true}, userID); err != nil {
			return err
		}
		if live, err := q.LiveEntriesOf(ctx, userID); err != nil {
			return err
		} else if len(live) > 0 {
			return errInLine
		}
		found, err := q.StandInsOf(ctx, nullString(userID))
		if err != nil {
			return err
		}
		standIns = nil
		for _, id := range found {
			standIns = append(standIns, id.String)
		}
		void, err := q.VoidRecordsOf(ctx, userID)
		if err != nil {
			return err
		}
		for _, erase := range []func() error{
			func() error { return q.DeleteUnofficialRecordsOf(ctx, userID) },
			func() error { return q.DeleteKeysOf(ctx, nullString(userID)) },
			func() error { return q.DeleteMappingsOf(ctx, userID) },
			func() error { return q.DeleteSeriesOf(ctx, userID) },
			func() error { return q.DeleteOpenClaimsOf(ctx, nullString(userID)) },
			func() error { return q.EraseDisputeTexts(ctx, userID) },
			func() error { return q.EraseCommentsOf(ctx, userID) }, // from here on nobody can report them
			func() error { return q.DeleteReportsAbout(ctx, userID) },
			func() error { return q.DeleteReportsBy(ctx, userID) },
			func() error { return q.SealDeclinedInvitationsOf(ctx, nullString(userID)) },
			func() error { return q.DeleteAcceptedInvitationsOf(ctx, nullString(userID)) },
			func() error { return q.ForgetLoginOfClaims(ctx, nullString(userID)) },
			func() error { return q.EraseEntriesWithoutResults(ctx, s.now(), userID) },
			func() error { return q.ForgetOwnAges(ctx, userID) },
			func() error { return q.EraseEntryDetails(ctx, userID) },
			func() error { return q.ForgetTransfersOf(ctx, s.now(), userID, nullString(userID)) },
			func() error { return q.ForgetAssignee(ctx, nullString(userID)) }, // of void races: it has left the staff of others
			func() error { return q.ForgetWatcher(ctx, userID) },
			func() error { return q.DeleteCalendarFeedsOf(ctx, userID) },
		} {
			if err := erase(); err != nil {
				return err
			}
		}
		// The credits of void races name the entry, which is no longer there.
		return reviseAgain(ctx, tx, void, "the account was deleted", s.now())
	})
	if err != nil {
		return nil, fmt.Errorf("erase what user %s has written: %w", userID, err)
	}
	return standIns, nil
}

// holdAccount locks the mark of an account until the end of the transaction, in which
// something is written that Leave would erase. It returns race.ErrLeft.
func holdAccount(ctx context.Context, q *gen.Queries, userID string) error {
	if err := q.MarkAccount(ctx, userID); err != nil {
		return fmt.Errorf("hold account %s: %w", userID, err)
	}
	leftAt, err := q.AccountLeft(ctx, userID)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("hold account %s: %w", userID, err)
	}
	if leftAt.Valid {
		return race.ErrLeft
	}
	return nil
}

// shareAccount is holdAccount for rows that many calls of one account write at the
// same time: it keeps the account from leaving, but its other calls do not wait.
func shareAccount(ctx context.Context, q *gen.Queries, userID string) error {
	leftAt, err := q.ShareMark(ctx, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return holdAccount(ctx, q, userID) // its first call makes the mark
	}
	if err != nil {
		return fmt.Errorf("share account %s: %w", userID, err)
	}
	if leftAt.Valid {
		return race.ErrLeft
	}
	return nil
}

// Export returns everything that is kept here about an account, by table, and the
// records of its results with their splits.
func (s *Store) Export(ctx context.Context, userID string) (map[string][]map[string]any, error) {
	found, err := mysql.RowsAbout(ctx, s.db, []string{"user_id", "account_id", "about_id", "organizer_id", "runner_id", "created_by", "assignee_id"}, userID)
	if err != nil {
		return nil, err
	}
	found["official_record"], err = mysql.QueryRows(ctx, s.db, `SELECT official_record.* FROM official_record
JOIN participant ON participant.race_id = official_record.race_id AND participant.bib_key = official_record.held_bib
WHERE participant.user_id = ? AND participant.status = 'entered'`, userID)
	if err != nil {
		return nil, fmt.Errorf("read the results of user %s: %w", userID, err)
	}
	found["official_record_split"], err = mysql.QueryRows(ctx, s.db, `SELECT official_record_split.* FROM official_record_split
JOIN official_record ON official_record.record_id = official_record_split.record_id
JOIN participant ON participant.race_id = official_record.race_id AND participant.bib_key = official_record.held_bib
WHERE participant.user_id = ? AND participant.status = 'entered' AND official_record_split.race_id = official_record.race_id`, userID)
	if err != nil {
		return nil, fmt.Errorf("read the splits of user %s: %w", userID, err)
	}
	return found, nil
}
