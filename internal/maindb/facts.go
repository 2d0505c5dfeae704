package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Facts is everything that decides what a record earns, as one read found it.
type Facts struct {
	Record    race.Record       // its latest revision
	ChangedAt time.Time         // when that was made
	Rule      string            // the race's scoring rule with its edition, e.g. "agegrade-2025"
	Fixed     int64             // what every finisher gets under the rule "fixed"
	Distance  race.Distance     // of the race
	Ranking   race.Ranking      // Basis alone: the time that scores
	Entrant   *race.Participant // who is entered with the record's bib; nil: nobody
}

// Facts returns what decides the credit of a record, or race.ErrNotFound when
// there is no such record.
func (s *Store) Facts(ctx context.Context, recordID string) (Facts, error) {
	row, err := s.queries.Facts(ctx, recordID)
	if errors.Is(err, sql.ErrNoRows) {
		return Facts{}, fmt.Errorf("record %s: %w", recordID, race.ErrNotFound)
	}
	if err != nil {
		return Facts{}, fmt.Errorf("read the facts of record %s: %w", recordID, err)
	}
	return Facts{
		Record: race.Record{
			ID: row.RecordID, RaceID: row.RaceID, Revision: int(row.Revision),
			Result: race.Result{
				Bib: row.Bib, Gun: race.Time(row.GunMs.Int64), Net: race.Time(row.NetMs.Int64),
				Status: race.ResultStatus(row.Status), Sequence: int(row.FinishSequence.Int32),
			},
			Removed: row.Removed, HoldsBib: row.HeldBib.Valid,
		},
		ChangedAt: row.UpdatedAt,
		Rule:      row.Scoring, Fixed: row.Points, Distance: race.Distance(row.DistanceMm),
		Ranking: race.Ranking{Basis: race.Basis(row.RankingBasis)},
		Entrant: entrantOf(row),
	}, nil
}

func entrantOf(row gen.FactsRow) *race.Participant {
	if !row.ParticipantID.Valid {
		return nil
	}
	age := race.UnknownAge
	if row.Age.Valid {
		age = int(row.Age.Int16)
	}
	return &race.Participant{
		ID: row.ParticipantID.String, RaceID: row.RaceID, UserID: row.UserID.String, Bib: row.Bib,
		Sex: race.Sex(row.Sex.String), Age: age, Field: race.Field(row.Field.String), Status: race.Entered,
	}
}
