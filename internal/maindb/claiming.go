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
	if !entry.BibKey.Valid {
		return nil
	}
	revised, err := c.reviseBibs(ctx, c.tx, c.race.ID, []string{entry.BibKey.String}, fit(reason+": bib "+entry.Bib.String))
	c.revised += revised
	return err
}
