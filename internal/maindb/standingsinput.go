package maindb

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// StandingsInputs is what main_db holds about a race's standings and the inputs
// that they are computed from.
type StandingsInputs struct {
	Latest      StandingsHead
	Publication Publication // zero if nobody requested one
	HeldBy      int         // how many open disputes the publication waits for
	Race        race.Race
	Entries     []standings.Entry // of the live records, by record ID; without credits
	Mark        StandingsMark     // without the credits' part

	entrants []entrant // of each entry
}

// entrant is what the fingerprint of an entry needs in addition to the entry.
type entrant struct {
	participantID string // empty: nobody is entered with the bib
	holdsBib      bool
	timeConfirmed bool
}

// Fingerprint identifies the inputs that the i-th entry would be credited from now.
// It is empty for inputs that were not read from the database.
func (in StandingsInputs) Fingerprint(i int) race.Fingerprint {
	if i >= len(in.entrants) {
		return ""
	}
	e, who := in.Entries[i], in.entrants[i]
	facts := scoring.Facts{Record: race.Record{Result: e.Result, HoldsBib: who.holdsBib, TimeConfirmed: who.timeConfirmed}, Race: in.Race}
	if who.participantID != "" {
		facts.Entrant = &race.Participant{ID: who.participantID, UserID: e.UserID, Sex: e.Sex, Age: e.Age, Field: e.Field}
	}
	return facts.Fingerprint()
}

// StandingsMark identifies a state of the inputs, so that a change since then can
// be noticed.
type StandingsMark struct {
	RecordRevisions int64     // of all records of the race together, removed ones too
	CreditRevisions int64     // last applied, of all its credits together
	RaceChangedAt   time.Time // its settings
}

// StandingsInputs reads the inputs of a race's standings, or returns
// race.ErrNotFound. The latest version is read first, so that the next version's
// inputs are never older than those of the latest.
func (s *Store) StandingsInputs(ctx context.Context, raceID string) (StandingsInputs, error) {
	latest, err := s.LatestStandings(ctx, raceID)
	if err != nil {
		return StandingsInputs{}, err
	}
	publication, err := s.Publication(ctx, raceID)
	if err != nil {
		return StandingsInputs{}, err
	}
	held := 0
	if publication.Open() && !publication.DespiteDisputes {
		if held, err = s.OpenDisputes(ctx, raceID); err != nil {
			return StandingsInputs{}, err
		}
	}
	in, err := readRanked(ctx, s.queries, raceID)
	in.Latest, in.Publication, in.HeldBy = latest, publication, held
	return in, err
}

// readRanked reads what is ranked: the race and its entries.
func readRanked(ctx context.Context, q *gen.Queries, raceID string) (in StandingsInputs, err error) {
	row, err := q.Race(ctx, raceID)
	if in.Race, err = foundRace(raceID, row, err); err != nil {
		return StandingsInputs{}, err
	}
	in.Mark.RaceChangedAt = row.UpdatedAt
	rows, err := q.StandingsEntries(ctx, raceID)
	if err != nil {
		return StandingsInputs{}, fmt.Errorf("read the entries of race %s: %w", raceID, err)
	}
	in.Entries, in.entrants = make([]standings.Entry, 0, len(rows)), make([]entrant, 0, len(rows))
	for i := range rows {
		in.Mark.RecordRevisions += int64(rows[i].Revision)
		if !rows[i].Removed {
			in.Entries = append(in.Entries, standingsEntry(&in.Race, &rows[i]))
			in.entrants = append(in.entrants, entrant{
				participantID: rows[i].ParticipantID.String, holdsBib: rows[i].HeldBib.Valid, timeConfirmed: rows[i].TimeConfirmed,
			})
		}
	}
	return in, nil
}

func standingsEntry(r *race.Race, row *gen.StandingsEntriesRow) standings.Entry {
	e := standings.Entry{
		RecordID: row.RecordID, Revision: int(row.Revision),
		Result: resultOf(row.Bib, row.GunMs, row.NetMs, row.Status, row.FinishSequence),
		Age:    race.UnknownAge, Field: race.Runner, // used if nobody is entered with the bib
	}
	if row.UserID.Valid {
		e.UserID, e.Sex, e.Field = row.UserID.String, race.Sex(row.Sex.String), race.Field(row.Field.String)
		if len(r.Teams) > 0 {
			e.Team = row.Team.String
		}
		if row.Age.Valid {
			e.Age = int(row.Age.Int16)
		}
		if !row.TimeConfirmed {
			e.Implausible = scoring.Implausible(*r, &race.Participant{Sex: e.Sex, Field: e.Field}, e.Result)
		}
	}
	return e
}

// MarkStandings records that the latest version is up to date with those inputs.
func (s *Outcomes) MarkStandings(ctx context.Context, raceID string, mark StandingsMark) error {
	return setMark(ctx, s.queries, raceID, mark)
}

func setMark(ctx context.Context, q *gen.Queries, raceID string, mark StandingsMark) error {
	err := q.SetStandingsMark(ctx, gen.SetStandingsMarkParams{
		RaceID: raceID, RecordRevisions: mark.RecordRevisions, CreditRevisions: mark.CreditRevisions,
		RaceChangedAt: mark.RaceChangedAt,
	})
	if err != nil {
		return fmt.Errorf("mark the standings of race %s: %w", raceID, err)
	}
	return nil
}

// RevisionReason is a revision with the reason for it.
type RevisionReason struct {
	Revision  int
	Removed   bool
	Reason    string
	ChangedAt time.Time
}

// RevisionReasons returns the revisions of the records with their reasons, the
// first one first, by record ID.
func (s *Store) RevisionReasons(ctx context.Context, recordIDs []string) (map[string][]RevisionReason, error) {
	reasons := make(map[string][]RevisionReason, len(recordIDs))
	for ids := range slices.Chunk(recordIDs, chunk) {
		rows, err := s.queries.RevisionReasons(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read why records were revised: %w", err)
		}
		for _, row := range rows {
			reasons[row.RecordID] = append(reasons[row.RecordID], RevisionReason{
				Revision: int(row.Revision), Removed: row.Removed, Reason: row.Reason, ChangedAt: row.ChangedAt,
			})
		}
	}
	return reasons, nil
}
