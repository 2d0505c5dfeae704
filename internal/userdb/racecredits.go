package userdb

import (
	"context"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// RaceCredits returns what the ledger says of every record of a race that it
// knows, by record ID: revision, status, runner and points alone.
func (s *Store) RaceCredits(ctx context.Context, raceID string) (map[string]race.Credit, error) {
	rows, err := s.queries.CreditsOfWholeRace(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("read the credits of race %s: %w", raceID, err)
	}
	credits := make(map[string]race.Credit, len(rows))
	for _, row := range rows {
		credits[row.RecordID] = race.Credit{
			RecordID: row.RecordID, RaceID: raceID, Revision: int(row.Revision), Status: race.CreditStatus(row.Status),
			UserID: row.UserID.String, Points: row.Points, AppliedAt: row.UpdatedAt,
			Fingerprint: fingerprintOf(row.Fingerprint),
		}
	}
	return credits, nil
}
