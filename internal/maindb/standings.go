package maindb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// ErrOvertaken says that the inputs of a version are outdated: since they were
// read, another version was written, the publication was changed, or, for a version
// that publishes, the race, its start list or its records were changed. Read them
// again.
var ErrOvertaken = errors.New("the standings' inputs have changed since they were read")

// StandingsHead is a version of the standings without its rows.
type StandingsHead struct {
	Version    int         // from 1; 0: there is none yet
	Status     race.Status // Provisional, Official or Void
	ComputedAt time.Time   // when its inputs were read
	InputsHash [sha256.Size]byte
	Ruleset    json.RawMessage // the edition of the ranking engine and the rules that were used
	Reason     string          // of an official version, or one after a change of rules; else empty
	Entries    int             // rows
	RowsKept   bool            // false if they were dropped, see NotKeptError
}

// Ruleset is the content of StandingsHead.Ruleset.
type Ruleset struct {
	Edition int `json:"edition"`
	standings.Rules
	Scoring string `json:"scoring,omitempty"` // rule and edition; empty in the oldest versions, which did not keep it
}

// RulesetOf returns the rules by which this release ranks a race.
func RulesetOf(r race.Race) Ruleset {
	return Ruleset{
		Edition: standings.Edition, Rules: standings.Rules{Ranking: r.Ranking, Divisions: r.Divisions, Teams: r.Teams}, Scoring: r.Scoring,
	}
}

// Changed names the rules that differ in a later ruleset.
func (r Ruleset) Changed(later Ruleset) []string {
	sameDivision := func(a, b race.Division) bool { return reflect.DeepEqual(a, b) }
	return changedOf(
		setting{"ranking engine", r.Edition != later.Edition},
		setting{"ranking", r.Ranking != later.Ranking},
		setting{"divisions", !slices.EqualFunc(r.Divisions, later.Divisions, sameDivision)},
		setting{"teams", !slices.Equal(r.Teams, later.Teams)},
		setting{"scoring", r.Scoring != "" && later.Scoring != "" && r.Scoring != later.Scoring},
	)
}

// Rules decodes the ruleset of a version.
func (h *StandingsHead) Rules() (Ruleset, error) {
	var rules Ruleset
	if err := json.Unmarshal(h.Ruleset, &rules); err != nil {
		return Ruleset{}, fmt.Errorf("decode the rules: %w", err)
	}
	return rules, nil
}

// LatestStandings returns the newest version of a race's standings, the zero
// value when there is none.
func (s *Store) LatestStandings(ctx context.Context, raceID string) (StandingsHead, error) {
	row, err := s.queries.LatestStandings(ctx, raceID)
	if errors.Is(err, sql.ErrNoRows) {
		return StandingsHead{}, nil
	}
	if err != nil {
		return StandingsHead{}, fmt.Errorf("read the latest standings of race %s: %w", raceID, err)
	}
	return headOf(gen.StandingsBeforeRow(row)), nil
}

// StandingsBefore returns up to limit versions older than before, the newest first;
// 0 means all versions.
func (s *Store) StandingsBefore(ctx context.Context, raceID string, before, limit int) ([]StandingsHead, error) {
	if before == 0 {
		before = math.MaxInt32
	}
	rows, err := s.queries.StandingsBefore(ctx, raceID, count32(before), count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list standings of race %s: %w", raceID, err)
	}
	heads := make([]StandingsHead, len(rows))
	for i, row := range rows {
		heads[i] = headOf(row)
	}
	return heads, nil
}

// Standings returns one version with its rows. It returns race.ErrNotFound when
// there is no such version, and a *NotKeptError when its rows were dropped.
func (s *Store) Standings(ctx context.Context, raceID string, version int) (StandingsHead, []standings.Row, error) {
	row, err := s.queries.StandingsVersion(ctx, raceID, count32(version))
	if errors.Is(err, sql.ErrNoRows) {
		return StandingsHead{}, nil, race.ErrNotFound
	}
	if err != nil {
		return StandingsHead{}, nil, fmt.Errorf("read standings %d of race %s: %w", version, raceID, err)
	}
	head := headOf(gen.StandingsBeforeRow{
		Version: row.Version, Status: row.Status, ComputedAt: row.ComputedAt, InputsHash: row.InputsHash,
		Ruleset: row.Ruleset, Reason: row.Reason, Entries: row.Entries, BodyKind: row.BodyKind,
	})
	rows, err := s.rowsOf(ctx, &row, &head)
	if err != nil {
		return StandingsHead{}, nil, fmt.Errorf("standings %d of race %s: %w", version, raceID, err)
	}
	return head, rows, nil
}

// NewStandings is a new version of the standings.
type NewStandings struct {
	RaceID     string
	Version    int         // one more than the latest when the inputs were read
	Status     race.Status // Provisional, Official or Void
	ComputedAt time.Time
	InputsHash [sha256.Size]byte
	Rules      Ruleset
	Reason     string // at most 500 characters
	Rows       []standings.Row
	Mark       StandingsMark
	// Publishes is the open publication that this version carries out; nil if none.
	Publishes *Publication
}

// AddStandings writes a version; if it publishes, it makes the race official in the
// same transaction. It returns ErrOvertaken when a version with that number already
// exists, so that of two concurrent computations none replaces newer inputs by
// older ones. A version that publishes must also match what is committed: it is
// compared with the publication, and with the race, start list and records while
// other writers are locked out.
func (s *Outcomes) AddStandings(ctx context.Context, n NewStandings) error {
	body, err := encodeSnapshot(n.Rows)
	if err != nil {
		return fmt.Errorf("write standings %d of race %s: %w", n.Version, n.RaceID, err)
	}
	rules, err := json.Marshal(n.Rules)
	if err != nil {
		return fmt.Errorf("encode the rules of race %s: %w", n.RaceID, err)
	}
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if n.Publishes != nil {
			at, err := s.fulfil(ctx, q, n)
			if err != nil {
				return err
			}
			n.Mark.RaceChangedAt = at
			entry := ofRace(n.RaceID, "race.published")
			entry.Before, entry.After = map[string]any{"status": race.Provisional}, map[string]any{"status": race.Official, "version": n.Version}
			if err := writeChanges(ctx, tx, at, entry); err != nil {
				return err
			}
		}
		if n.Status == race.Official {
			published := race.Change{Action: "standings.published", RaceID: n.RaceID, Subject: race.Subject{Kind: "standings", ID: strconv.Itoa(n.Version)}, Reason: n.Reason}
			if err := writeChanges(ctx, tx, s.now(), published); err != nil {
				return err
			}
		}
		err = q.InsertStandings(ctx, gen.InsertStandingsParams{
			RaceID: n.RaceID, Version: count32(n.Version), Status: string(n.Status), ComputedAt: n.ComputedAt,
			InputsHash: n.InputsHash[:], Ruleset: rules, Reason: n.Reason, Entries: count32(len(n.Rows)), Body: body,
		})
		if err != nil {
			return err
		}
		return setMark(ctx, q, n.RaceID, n.Mark)
	})
	if mysql.IsDuplicate(err) || errors.Is(err, ErrOvertaken) {
		return ErrOvertaken
	}
	if err != nil {
		return fmt.Errorf("add standings %d of race %s: %w", n.Version, n.RaceID, err)
	}
	return nil
}

func headOf(row gen.StandingsBeforeRow) StandingsHead {
	head := StandingsHead{
		Version: int(row.Version), Status: race.Status(row.Status), ComputedAt: row.ComputedAt,
		Ruleset: row.Ruleset, Reason: row.Reason, Entries: int(row.Entries), RowsKept: row.BodyKind != dropped,
	}
	copy(head.InputsHash[:], row.InputsHash)
	return head
}

// SweepPosition is how far a sweep has got: first through the races whose records
// have changed since a time, then those whose settings have changed, then those
// with an open publication.
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
// position after them. A race may appear again on a later page. A page may be empty
// although others follow.
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

// OnlyOpen reports whether only races with an open publication are left after the
// position.
func (p SweepPosition) OnlyOpen() bool { return p.Part == sweepPublications }

// StandingsMarks are the marks of what the last recompute of a race read, the zero
// value when there was none, and of what is there now, without the credits' part.
type StandingsMarks struct {
	Marked, Current StandingsMark
}

// StandingsMarks returns the marks of the races by race ID. Races that do not exist
// are left out.
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
