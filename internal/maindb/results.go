package maindb

import (
	"context"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// OwnResult is a runner's live record in a race.
type OwnResult struct {
	Record race.Record
	Race   race.Race // ID, name, date, distance and status alone
	Field  race.Field
}

// ResultsOf returns up to limit results of a runner behind a position, the
// newest race first.
func (s *Store) ResultsOf(ctx context.Context, userID string, after RacePosition, limit int) ([]OwnResult, error) {
	date, id := endOfDates, endOfIDs
	if after.ID != "" {
		date, id = after.Date.Midnight(), after.ID
	}
	rows, err := s.queries.ResultsOfUserBefore(ctx, gen.ResultsOfUserBeforeParams{
		UserID: userID, RaceDate: date, RaceID: id, Limit: count32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list the results of user %s: %w", userID, err)
	}
	results := make([]OwnResult, len(rows))
	for i, row := range rows {
		results[i] = OwnResult{
			Record: race.Record{
				ID: row.RecordID, RaceID: row.RaceID, Revision: int(row.Revision), HoldsBib: true,
				Result: resultOf(row.Bib, row.GunMs, row.NetMs, row.Status, row.FinishSequence),
			},
			Race: race.Race{
				ID: row.RaceID, Name: row.Name, Date: race.DateOf(row.RaceDate), Distance: race.Distance(row.DistanceMm),
				Status: race.Status(row.RaceStatus),
			},
			Field: race.Field(row.Field),
		}
	}
	return results, nil
}

// RacesOfSeason returns the races of a calendar year that have results, by date.
func (s *Store) RacesOfSeason(ctx context.Context, year int) ([]string, error) {
	first := time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC)
	races, err := s.queries.RacesOfSeason(ctx, first, first.AddDate(1, 0, -1))
	if err != nil {
		return nil, fmt.Errorf("list the races of %d: %w", year, err)
	}
	return races, nil
}

// Entrant is what a race knows of who is entered.
type Entrant struct {
	UserID string
	Sex    race.Sex
	Age    int // on race day, or race.UnknownAge
}

// Entrants returns everybody who is entered in a race.
func (s *Store) Entrants(ctx context.Context, raceID string) ([]Entrant, error) {
	rows, err := s.queries.EntrantsOfRace(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("list the entrants of race %s: %w", raceID, err)
	}
	entrants := make([]Entrant, len(rows))
	for i, row := range rows {
		entrants[i] = Entrant{UserID: row.UserID, Sex: race.Sex(row.Sex), Age: race.UnknownAge}
		if row.Age.Valid {
			entrants[i].Age = int(row.Age.Int16)
		}
	}
	return entrants, nil
}
