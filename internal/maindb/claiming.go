package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// StandIn returns the user ID of the stand-in of a bib of a race, after it has made
// sure that it exists.
type StandIn func(ctx context.Context, raceID, bibKey string) (userID string, err error)

// AccountEntry returns what an entry of a runner takes from their account: user ID, sex
// and birth date. It is zero when the account is gone.
type AccountEntry func(ctx context.Context, userID string) (Entry, error)

// claiming is a claim under the lock on its race.
type claiming struct {
	*Store
	tx      *sql.Tx
	q       *gen.Queries
	race    race.Race
	standIn StandIn
	revised int
}

// underRace calls do under the lock on a live race and returns how many records it
// revised.
func (s *Store) underRace(ctx context.Context, raceID string, standIn StandIn, do func(*claiming) error) (revised int, err error) {
	err = s.inRace(ctx, raceID, func(tx *sql.Tx) error {
		c := claiming{Store: s, tx: tx, q: s.queries.WithTx(tx), standIn: standIn}
		if _, err := c.q.LockPools(ctx, raceID); err != nil { // before the race, like everybody who changes entries
			return fmt.Errorf("lock the pools of race %s: %w", raceID, err)
		}
		if c.race, err = lockRace(ctx, c.q, raceID); err != nil {
			return err
		}
		if c.race.Status == race.Void {
			return errVoid
		}
		if err := do(&c); err != nil {
			return err
		}
		revised = c.revised
		return nil
	})
	return revised, err
}

// entryOfBib returns the entry that has a bib.
func (c *claiming) entryOfBib(ctx context.Context, bibKey string) (gen.Participant, error) {
	entry, err := c.q.ParticipantWithBib(ctx, c.race.ID, nullString(bibKey))
	if errors.Is(err, sql.ErrNoRows) {
		return gen.Participant{}, &race.InvalidError{Fields: []race.FieldError{{Field: "bib", Message: "is not a bib of this race"}}}
	}
	if err != nil {
		return gen.Participant{}, fmt.Errorf("read the entry of a bib in race %s: %w", c.race.ID, err)
	}
	return entry, nil
}

// takenBy reports whether an entry is an account's, and returns the stand-in of its
// bib.
func (c *claiming) takenBy(ctx context.Context, entry gen.Participant) (taken bool, standIn string, err error) {
	standIn, err = c.standIn(ctx, c.race.ID, entry.BibKey.String)
	return !entry.Listed && entry.UserID != standIn, standIn, err
}

// ownEntry returns the ID of the entry without a bib that a runner has in the race,
// NULL for none or a cancelled one. An entry with a bib is a *race.ConflictError.
func (c *claiming) ownEntry(ctx context.Context, userID string) (sql.NullString, error) {
	own, err := c.q.ParticipantOf(ctx, c.race.ID, userID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return sql.NullString{}, nil
	case err != nil:
		return sql.NullString{}, fmt.Errorf("look for an entry of user %s: %w", userID, err)
	case own.BibKey.Valid:
		return sql.NullString{}, &race.ConflictError{Field: "bib", Message: "you have bib " + own.Bib.String + " in this race"}
	case own.Status != string(race.Entered):
		return sql.NullString{}, nil
	}
	return nullString(own.ParticipantID), nil
}

func (c *claiming) dropOwnEntry(ctx context.Context, userID string) error {
	own, err := c.q.ParticipantOf(ctx, c.race.ID, userID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		err = c.q.DeleteParticipants(ctx, []string{own.ParticipantID})
	}
	if err != nil {
		return fmt.Errorf("replace an entry of user %s: %w", userID, err)
	}
	return nil
}

// give is the one way in which an entry passes from one person to another: the records
// of its bib are revised, so that the points move with it, exactly once, by the
// ordinary path. listed says whether a start list may pass it on.
func (c *claiming) give(ctx context.Context, entry gen.Participant, userID string, listed bool, reason string) error {
	if err := c.q.GiveEntry(ctx, gen.GiveEntryParams{UserID: userID, Listed: listed, UpdatedAt: c.now(), ParticipantID: entry.ParticipantID}); err != nil {
		return fmt.Errorf("give entry %s to user %s: %w", entry.ParticipantID, userID, err)
	}
	if err := c.freePlace(ctx, entry); err != nil || !entry.BibKey.Valid {
		return err
	}
	revised, err := c.reviseBibs(ctx, c.tx, c.race.ID, []string{entry.BibKey.String}, fit(reason+": bib "+entry.Bib.String))
	c.revised += revised
	return err
}

// freePlace ends the entry of somebody whose participation has passed to another person:
// a place of a pool would otherwise stay taken by nobody. It goes to the next in line.
func (c *claiming) freePlace(ctx context.Context, was gen.Participant) error {
	e, err := c.q.EntryOf(ctx, was.UserID, c.race.ID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (e.State != string(race.Entered) || c.race.Entry == nil) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read entry in race %s: %w", c.race.ID, err)
	}
	if p, err := c.q.ParticipantOf(ctx, c.race.ID, was.UserID); err == nil && p.Status == string(race.Entered) {
		return nil // given to the same person, as when a runner claims what a start list gave them
	} else if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read entry in race %s: %w", c.race.ID, err)
	}
	row, err := c.q.LockPool(ctx, c.race.ID, e.Pool)
	if err != nil {
		return fmt.Errorf("lock pool %d of race %s: %w", e.Pool, c.race.ID, err)
	}
	l, err := c.lineOf(ctx, c.tx, c.race, row)
	if err != nil {
		return err
	}
	l.row.Taken--
	const reason = "the participation belongs to another person"
	if err := l.setState(ctx, e, race.Cancelled, reason); err != nil {
		return err
	}
	l.log("entry.cancelled", e, reason, map[string]any{"status": race.Cancelled})
	if err := l.serve(ctx); err != nil {
		return err
	}
	return l.write(ctx)
}
