package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// SetVerified notes whether operators vouch for an organizer, and returns whether they
// did before. Setting what is so already changes nothing.
func (s *Store) SetVerified(ctx context.Context, organizerID string, verified bool, change Change) (before bool, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now()
		before, err = q.LockOrganizer(ctx, organizerID)
		if errors.Is(err, sql.ErrNoRows) {
			before, err = false, nil
		}
		if err != nil || before == verified {
			return err
		}
		err := q.PutOrganizer(ctx, gen.PutOrganizerParams{
			OrganizerID: organizerID, Verified: verified, Reason: fit(change.Reason), DecidedBy: nullString(change.By), DecidedAt: now,
		})
		if err != nil {
			return err
		}
		return writeChanges(ctx, tx, now, race.Change{
			Action: "organizer.verified", Subject: race.Subject{Kind: "account", ID: organizerID}, AboutID: organizerID, Reason: change.Reason,
			Before: map[string]bool{"verified": before}, After: map[string]bool{"verified": verified},
		})
	})
	if err != nil {
		return false, fmt.Errorf("set whether organizer %s is verified: %w", organizerID, err)
	}
	return before, nil
}

// VerifiedOrganizers returns which of the organizers operators vouch for.
func (s *Store) VerifiedOrganizers(ctx context.Context, organizerIDs []string) (map[string]bool, error) {
	verified := make(map[string]bool)
	for ids := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(organizerIDs))), chunk) {
		found, err := s.queries.VerifiedOrganizers(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read which organizers are verified: %w", err)
		}
		for _, id := range found {
			verified[id] = true
		}
	}
	return verified, nil
}

// UnverifiedOrganizer is an owner of races for whom operators do not vouch.
type UnverifiedOrganizer struct {
	UserID string
	Races  int
}

// UnverifiedOrganizers returns owners of races for whom operators do not vouch, those
// with the latest races first.
func (s *Store) UnverifiedOrganizers(ctx context.Context, limit int) ([]UnverifiedOrganizer, error) {
	rows, err := s.queries.UnverifiedOrganizers(ctx, int32(min(limit, chunk))) //nolint:gosec // at most a chunk
	if err != nil {
		return nil, fmt.Errorf("list unverified organizers: %w", err)
	}
	found := make([]UnverifiedOrganizer, len(rows))
	for i, row := range rows {
		found[i] = UnverifiedOrganizer{UserID: row.OrganizerID, Races: int(row.Races)}
	}
	return found, nil
}

// ListedEntry is an entry of a stand-in, which may be the same person as another.
type ListedEntry struct {
	UserID   string
	RaceID   string
	RaceDate race.Date
	Bib      string
	Sex      race.Sex
	Age      int // on race day, or race.UnknownAge
}

// ListedEntriesOfSeason returns the entries of a calendar year that are no account's,
// in the order of the races.
func (s *Store) ListedEntriesOfSeason(ctx context.Context, year int) ([]ListedEntry, error) {
	first := time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC)
	rows, err := s.queries.ListedEntriesOfSeason(ctx, first, first.AddDate(1, 0, -1))
	if err != nil {
		return nil, fmt.Errorf("list the entries of %d: %w", year, err)
	}
	entries := make([]ListedEntry, len(rows))
	for i, row := range rows {
		entries[i] = ListedEntry{
			UserID: row.UserID, RaceID: row.RaceID, RaceDate: race.DateOf(row.RaceDate), Bib: row.Bib.String, Sex: race.Sex(row.Sex), Age: race.UnknownAge,
		}
		if row.Age.Valid {
			entries[i].Age = int(row.Age.Int16)
		}
	}
	return entries, nil
}

// MergePeople gives all entries of one stand-in to another in one transaction, since
// both are the same person, and returns the IDs of their races and how many records it
// revised. Races that are void stay as they are. It returns a *race.ConflictError when
// both are in one race.
func (s *Store) MergePeople(ctx context.Context, from, into string, standIn StandIn, reason string) (raceIDs []string, revised int, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		c := claiming{Store: s, tx: tx, q: s.queries.WithTx(tx), standIn: standIn}
		if raceIDs, err = c.q.LiveRacesOfUser(ctx, from); err != nil {
			return fmt.Errorf("list the races of user %s: %w", from, err)
		}
		for _, raceID := range raceIDs { // in the order of their IDs, so that two merges do not deadlock
			if err := c.mergeIn(ctx, raceID, from, into, reason); err != nil {
				return err
			}
		}
		revised = c.revised
		return nil
	})
	return raceIDs, revised, err
}

// RaceConsequences is what a change of several races leads to in one of them.
type RaceConsequences struct {
	RaceID       string       `json:"race_id" format:"uuid"`
	Consequences Consequences `json:"consequences"`
}

// PlanMerge returns what MergePeople would lead to in each race, and changes nothing.
// It returns a *race.ConflictError as MergePeople does.
func (s *Store) PlanMerge(ctx context.Context, from, into string, standIn StandIn) ([]RaceConsequences, error) {
	raceIDs, err := s.queries.LiveRacesOfUser(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("list the races of user %s: %w", from, err)
	}
	planned := make([]RaceConsequences, len(raceIDs))
	for i, raceID := range raceIDs {
		planned[i].RaceID = raceID
		planned[i].Consequences, err = s.Plan(func(planning *Store) error {
			_, err := planning.underRace(ctx, raceID, standIn, func(c *claiming) error { return c.mergeIn(ctx, raceID, from, into, "planned") })
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return planned, nil
}

func (c *claiming) mergeIn(ctx context.Context, raceID, from, into, reason string) (err error) {
	if c.race, err = lockRace(ctx, c.q, raceID); err != nil || c.race.Status == race.Void {
		return err
	}
	entry, err := c.q.ParticipantOf(ctx, raceID, from)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // it has passed to an account since
	}
	if err != nil {
		return fmt.Errorf("read the entry of user %s: %w", from, err)
	}
	if taken, _, err := c.takenBy(ctx, entry); err != nil || taken {
		return err
	}
	if _, err := c.q.ParticipantOf(ctx, raceID, into); !errors.Is(err, sql.ErrNoRows) {
		if err != nil {
			return fmt.Errorf("read the entry of user %s: %w", into, err)
		}
		return &race.ConflictError{Message: "both are entered in race " + raceID + ": they are not the same person"}
	}
	if err := c.give(ctx, entry, into, true, "same person as in another race"); err != nil {
		return err
	}
	return c.logPerson(ctx, "person.merged", entry, from, into, reason)
}

// SeparatePerson gives the entry of a bib back to the bib's own stand-in, and returns
// whose it was and how many records it revised; 0 if it is the stand-in's already. It
// returns race.ErrNotFound, a *race.InvalidError for a bib that nobody has and a
// *race.ConflictError for the result of an account.
func (s *Store) SeparatePerson(ctx context.Context, raceID, bib string, standIn StandIn, reason string) (from, into string, revised int, err error) {
	revised, err = s.underRace(ctx, raceID, standIn, func(c *claiming) error {
		entry, err := c.entryOfBib(ctx, race.BibKey(bib))
		if err != nil {
			return err
		}
		taken, own, err := c.takenBy(ctx, entry)
		if err != nil {
			return err
		}
		if from, into = entry.UserID, own; from == into {
			return nil
		}
		if taken {
			return &race.ConflictError{Message: "the result is an account's: its organizer can revoke the claim"}
		}
		if _, err := c.q.ParticipantOf(ctx, raceID, own); !errors.Is(err, sql.ErrNoRows) {
			if err != nil {
				return fmt.Errorf("read the entry of user %s: %w", own, err)
			}
			return &race.ConflictError{Message: "the runner of this bib has another result of the race by now: separate that one first"}
		}
		if err := c.give(ctx, entry, own, true, "separated from a person of other races"); err != nil {
			return err
		}
		return c.logPerson(ctx, "person.separated", entry, from, own, reason)
	})
	return from, into, revised, err
}

func (c *claiming) logPerson(ctx context.Context, action string, entry gen.Participant, from, into, reason string) error {
	state := func(userID string) map[string]string {
		return map[string]string{"user_id": userID, "bib": entry.Bib.String}
	}
	return writeChanges(ctx, c.tx, c.now(), race.Change{
		Action: action, RaceID: c.race.ID, Subject: race.Subject{Kind: "participant", ID: entry.ParticipantID},
		Before: state(from), After: state(into), Reason: reason,
	})
}
