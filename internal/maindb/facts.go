package maindb

import (
	"context"
	"fmt"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// Facts reads what decides the credit of a record, with the relevant settings of
// the race, in one statement. It returns race.ErrNotFound when there is no such
// record.
func (s *Store) Facts(ctx context.Context, recordID string) (scoring.Facts, error) {
	found, err := s.FactsOf(ctx, []string{recordID})
	if err != nil {
		return scoring.Facts{}, err
	}
	facts, ok := found[recordID]
	if !ok {
		return scoring.Facts{}, fmt.Errorf("record %s: %w", recordID, race.ErrNotFound)
	}
	return facts, nil
}

// FactsOf reads what decides the credits of the records, by record ID. Records that
// do not exist are left out.
func (s *Store) FactsOf(ctx context.Context, recordIDs []string) (map[string]scoring.Facts, error) {
	found := make(map[string]scoring.Facts, len(recordIDs))
	for ids := range slices.Chunk(recordIDs, chunk) {
		rows, err := s.queries.Facts(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read the facts of %d records: %w", len(ids), err)
		}
		for _, row := range rows {
			found[row.RecordID] = factsOf(row)
		}
	}
	return found, nil
}

func factsOf(row gen.FactsRow) scoring.Facts {
	return scoring.Facts{
		Record: race.Record{
			ID: row.RecordID, RaceID: row.RaceID, Revision: int(row.Revision),
			Result: race.Result{
				Bib: row.Bib, Gun: race.Time(row.GunMs.Int64), Net: race.Time(row.NetMs.Int64),
				Status: race.ResultStatus(row.Status), Sequence: int(row.FinishSequence.Int32),
			},
			Removed: row.Removed, HoldsBib: row.HeldBib.Valid, Decided: row.Decided,
			TimeConfirmed: row.TimeConfirmed,
		},
		ChangedAt: row.UpdatedAt,
		Race: race.Race{
			ID: row.RaceID, Status: race.Status(row.RaceStatus), Distance: race.Distance(row.DistanceMm), Scoring: row.Scoring, Points: row.Points,
			Ranking: race.Ranking{
				Basis: race.Basis(row.RankingBasis), DivisionsBasis: race.Basis(row.DivisionsBasis), Ties: race.Ties(row.Ties),
			},
		},
		Entrant: entrantOf(row),
	}
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
