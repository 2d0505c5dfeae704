package maindb

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// The kinds of a version's body, as the migration describes them.
const (
	wholeRows  = "rows"
	baseRows   = "base"
	difference = "difference"
	dropped    = "dropped"
)

// smallest is how many times smaller than the rows a difference must be to be
// stored. Otherwise the version keeps its rows, and later differences refer to it.
const smallest = 4

// NotKeptError says that a version exists, but its rows were dropped. They cannot
// be computed again: revisions of records are kept for ever, but not the start
// list, the settings and the credits that they were ranked with.
type NotKeptError struct {
	Version       int
	Before, After int // the nearest versions with rows; the first and the latest always have theirs
}

func (e *NotKeptError) Error() string {
	return fmt.Sprintf("the rows of version %d are no longer kept; the nearest versions with rows are %d and %d",
		e.Version, e.Before, e.After)
}

// keepsRows reports whether a provisional version keeps its rows. The rule needs no
// state, and a version that it drops is never needed again: a version stays while
// fewer versions have followed than the largest power of four that divides its
// number. So old ones are ever sparser: of 200 versions 1 and 192 stay beside the
// latest, of 10,000 versions 1, 8192, 9216 and 9984. The rows of 30,000 entries
// take 1.45 MB.
func keepsRows(version, latest int) bool {
	fours := bits.TrailingZeros(uint(version)) / 2
	return version == 1 || version == latest || latest-version < 1<<(2*fours)
}

// Thinned is the outcome of ThinStandings.
type Thinned struct {
	Dropped     int `json:"dropped,omitempty"`     // versions whose rows were dropped
	Differences int `json:"differences,omitempty"` // versions whose rows are now stored as a difference
}

// ThinStandings drops rows of those versions of a race whose inputs were read
// before a time. The first, the latest and every official version keep their rows,
// an official one as a difference to an earlier official one where that is much
// smaller; of the others, ever fewer keep them the older they get. It may be
// repeated, interrupted, and run twice at the same time.
func (s *Outcomes) ThinStandings(ctx context.Context, raceID string, before time.Time) (Thinned, error) {
	var done Thinned
	bodies, err := s.queries.StandingsBodies(ctx, raceID)
	if err != nil || len(bodies) == 0 {
		return done, wrapThinning(raceID, err)
	}
	latest := int(bodies[len(bodies)-1].Version)
	var base *whole
	for _, body := range bodies[:len(bodies)-1] {
		final := body.Status != string(race.Provisional) // official or void
		version := int(body.Version)
		switch {
		case body.BodyKind == baseRows:
			base = &whole{version: version}
		case body.BodyKind != wholeRows, !body.ComputedAt.Before(before):
		case final:
			made, err := s.shrink(ctx, raceID, version, &base)
			if err != nil {
				return done, wrapThinning(raceID, err)
			}
			if made {
				done.Differences++
			}
		case !keepsRows(version, latest):
			if err := s.queries.DropStandingsRows(ctx, raceID, body.Version); err != nil {
				return done, wrapThinning(raceID, err)
			}
			done.Dropped++
		}
	}
	return done, nil
}

func wrapThinning(raceID string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("drop rows of the standings of race %s: %w", raceID, err)
}

// whole is a version that serves as the base of differences. Its rows are read when
// they are needed.
type whole struct {
	version int
	rows    []standings.Row
}

// shrink stores an official version as a difference to the base, or makes it the
// base for those that follow.
func (s *Outcomes) shrink(ctx context.Context, raceID string, version int, base **whole) (made bool, err error) {
	head, rows, err := s.Standings(ctx, raceID, version)
	if err != nil {
		return false, err
	}
	packed, err := s.packDifference(ctx, raceID, *base, rows, &head)
	if err != nil {
		return false, err
	}
	if packed == nil {
		*base = &whole{version: version, rows: rows}
		return false, s.queries.MakeStandingsBase(ctx, raceID, count32(version))
	}
	return true, s.queries.StoreStandingsDifference(ctx, gen.StoreStandingsDifferenceParams{
		Body: packed, BodyBase: sql.NullInt32{Int32: count32((*base).version), Valid: true},
		RaceID: raceID, Version: count32(version),
	})
}

// packDifference returns the body of a version as a difference to the base. It
// returns nil when there is no base, when the difference is not small enough, or
// when it would not reproduce exactly the same rows.
func (s *Store) packDifference(ctx context.Context, raceID string, base *whole, rows []standings.Row, head *StandingsHead) (packed []byte, err error) {
	if base == nil {
		return nil, nil
	}
	if base.rows == nil {
		if _, base.rows, err = s.Standings(ctx, raceID, base.version); err != nil {
			return nil, err
		}
	}
	changed := differing(base.rows, rows)
	if len(changed)*smallest > len(rows) {
		return nil, nil
	}
	again, err := applyDifference(base.rows, changed, head)
	if err != nil || !slices.Equal(again, rows) {
		return nil, nil //nolint:nilerr // another edition of the ranking engine ranked it: it keeps its rows
	}
	return encodeDifference(changed)
}

// changedRow is a row of a difference.
type changedRow struct {
	standings.Row
	removed bool // the base has the record, the version has not
}

// differing returns the entries that differ between a version and its base, by
// record ID. Places are not compared: they follow from the entries.
func differing(base, rows []standings.Row) []changedRow {
	earlier := make(map[string]standings.Entry, len(base))
	for i := range base {
		earlier[base[i].RecordID] = base[i].Entry
	}
	var changed []changedRow
	for i := range rows {
		if entry, was := earlier[rows[i].RecordID]; !was || entry != rows[i].Entry {
			changed = append(changed, changedRow{Row: rows[i]})
		}
		delete(earlier, rows[i].RecordID)
	}
	for _, gone := range earlier {
		changed = append(changed, changedRow{Row: standings.Row{Entry: gone}, removed: true})
	}
	slices.SortFunc(changed, func(a, b changedRow) int { return cmp.Compare(a.RecordID, b.RecordID) })
	return changed
}

// applyDifference ranks a version again from its base. The hash in the version's
// head proves that the entries are the right ones; it also covers the rules and the
// edition of the ranking engine.
func applyDifference(base []standings.Row, changed []changedRow, head *StandingsHead) ([]standings.Row, error) {
	replaced := make(map[string]bool, len(changed))
	entries := make([]standings.Entry, 0, len(base)+len(changed))
	for i := range changed {
		replaced[changed[i].RecordID] = true
		if !changed[i].removed {
			entries = append(entries, changed[i].Entry)
		}
	}
	for i := range base {
		if !replaced[base[i].RecordID] {
			entries = append(entries, base[i].Entry)
		}
	}
	rules, err := head.Rules()
	if err != nil {
		return nil, err
	}
	hash, err := standings.Hash(rules.Rules, entries)
	if err != nil {
		return nil, err
	}
	if hash != head.InputsHash {
		return nil, fmt.Errorf("the difference does not reproduce the version's inputs, or edition %d of the ranking engine ranked it", rules.Edition)
	}
	return standings.Rank(rules.Rules, entries), nil
}

// rowsOf decodes the body of a version.
func (s *Store) rowsOf(ctx context.Context, row *gen.Standing, head *StandingsHead) ([]standings.Row, error) {
	switch row.BodyKind {
	case dropped:
		return nil, s.notKept(ctx, row.RaceID, row.Version)
	case difference:
		base, err := s.queries.StandingsVersion(ctx, row.RaceID, row.BodyBase.Int32)
		if err != nil {
			return nil, fmt.Errorf("read its base, version %d: %w", row.BodyBase.Int32, err)
		}
		rows, err := decodeSnapshot(base.Body, int(base.Entries))
		if err != nil {
			return nil, fmt.Errorf("its base, version %d: %w", row.BodyBase.Int32, err)
		}
		changed, err := decodeDifference(row.Body)
		if err != nil {
			return nil, err
		}
		return applyDifference(rows, changed, head)
	}
	return decodeSnapshot(row.Body, int(row.Entries))
}

func (s *Store) notKept(ctx context.Context, raceID string, version int32) error {
	before, err := s.queries.KeptStandingsBefore(ctx, raceID, version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("find the rows kept before: %w", err)
	}
	after, err := s.queries.KeptStandingsAfter(ctx, raceID, version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("find the rows kept after: %w", err)
	}
	return &NotKeptError{Version: int(version), Before: int(before), After: int(after)}
}
