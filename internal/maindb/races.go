package maindb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Race returns the race with that ID, or race.ErrNotFound.
func (s *Store) Race(ctx context.Context, raceID string) (race.Race, error) {
	row, err := s.queries.Race(ctx, raceID)
	if errors.Is(err, sql.ErrNoRows) {
		return race.Race{}, race.ErrNotFound
	}
	if err != nil {
		return race.Race{}, fmt.Errorf("read race %s: %w", raceID, err)
	}
	return raceOf(row)
}

func raceOf(row gen.Race) (race.Race, error) {
	r := race.Race{
		ID:          row.RaceID,
		OrganizerID: row.OrganizerID,
		Name:        row.Name,
		City:        row.City,
		Date:        race.DateOf(row.RaceDate),
		Distance:    race.Distance(row.DistanceMm),
		Ranking: race.Ranking{
			Basis:          race.Basis(row.RankingBasis),
			DivisionsBasis: race.Basis(row.DivisionsBasis),
			Ties:           race.Ties(row.Ties),
		},
		Scoring:   row.Scoring,
		Points:    row.Points,
		Capacity:  int(row.Capacity),
		Status:    race.Status(row.Status),
		CreatedAt: row.CreatedAt,
	}
	if err := json.Unmarshal(row.Divisions, &r.Divisions); err != nil {
		return race.Race{}, fmt.Errorf("read divisions of race %s: %w", row.RaceID, err)
	}
	return r, nil
}
