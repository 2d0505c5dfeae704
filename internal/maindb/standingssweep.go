package maindb

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
)

// SweepPosition is how far a sweep has come: through the races whose records have
// changed since a time, then those whose settings have, then those with an open
// publication.
type SweepPosition struct {
	Since  time.Time `json:"since"`
	Part   sweepPart `json:"part"`
	At     time.Time `json:"at"` // of the last change seen in this part
	RaceID string    `json:"race_id"`
}

type sweepPart int

const (
	sweepRecords sweepPart = iota
	sweepSettings
	sweepPublications
	sweepDone
)

// Done reports whether there are no races after the position.
func (p SweepPosition) Done() bool { return p.Part >= sweepDone }

// RacesToSweep returns up to limit races after a position, each once, and the
// position after them. A race may come again in a later page. There may be no
// races in a page although others follow.
func (s *Store) RacesToSweep(ctx context.Context, after SweepPosition, limit int) (races []string, next SweepPosition, err error) {
	next = after
	if next.At.Before(next.Since) {
		next.At = next.Since
	}
	switch after.Part {
	case sweepRecords:
		rows, err := s.queries.RacesWithChangedRecords(ctx, gen.RacesWithChangedRecordsParams{
			AfterTime: next.At, AfterRace: next.RaceID, Limit: count32(limit),
		})
		if err != nil {
			return nil, after, fmt.Errorf("list races with changed records: %w", err)
		}
		for _, row := range rows {
			races, next.At, next.RaceID = append(races, row.RaceID), row.UpdatedAt, row.RaceID
		}
	case sweepSettings:
		rows, err := s.queries.RacesWithChangedSettings(ctx, gen.RacesWithChangedSettingsParams{
			AfterTime: next.At, AfterRace: next.RaceID, Limit: count32(limit),
		})
		if err != nil {
			return nil, after, fmt.Errorf("list races with changed settings: %w", err)
		}
		for _, row := range rows {
			races, next.At, next.RaceID = append(races, row.RaceID), row.UpdatedAt, row.RaceID
		}
	case sweepPublications:
		if races, err = s.queries.RacesWithOpenPublication(ctx, next.RaceID, count32(limit)); err != nil {
			return nil, after, fmt.Errorf("list races with an open publication: %w", err)
		}
		if len(races) > 0 {
			next.RaceID = races[len(races)-1]
		}
	case sweepDone:
		return nil, after, nil
	}
	if len(races) < limit {
		next = SweepPosition{Since: after.Since, Part: after.Part + 1}
	}
	slices.Sort(races)
	return slices.Compact(races), next, nil
}

// OnlyOpen reports whether the races after the position are there because their
// publication is open.
func (p SweepPosition) OnlyOpen() bool { return p.Part == sweepPublications }

// StandingsMarks are what the last recompute of a race had read, the zero value
// when there was none, and what there is now, without the credits' part.
type StandingsMarks struct {
	Marked, Current StandingsMark
}

// StandingsMarks returns the marks of those of the races that exist, by race ID.
func (s *Store) StandingsMarks(ctx context.Context, raceIDs []string) (map[string]StandingsMarks, error) {
	marks := make(map[string]StandingsMarks, len(raceIDs))
	for ids := range slices.Chunk(raceIDs, chunk) {
		rows, err := s.queries.StandingsMarks(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read the standings' marks of %d races: %w", len(ids), err)
		}
		sums, err := s.queries.RevisionsOfRaces(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("sum up the revisions of %d races: %w", len(ids), err)
		}
		revisions := make(map[string]int64, len(sums))
		for _, sum := range sums {
			revisions[sum.RaceID] = sum.Revisions
		}
		for _, row := range rows {
			marks[row.RaceID] = StandingsMarks{
				Marked: StandingsMark{
					RecordRevisions: row.RecordRevisions.Int64, CreditRevisions: row.CreditRevisions.Int64,
					RaceChangedAt: row.MarkedChangedAt.Time,
				},
				Current: StandingsMark{RecordRevisions: revisions[row.RaceID], RaceChangedAt: row.RaceChangedAt},
			}
		}
	}
	return marks, nil
}
