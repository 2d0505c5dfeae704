package maindb

import (
	"cmp"
	"context"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// ClaimsAbout returns up to limit claims older than the one with the ID before, the
// newest first: those of an account, the invitations to its login, and those of others
// to results that the account has. An empty before means the newest.
func (s *Store) ClaimsAbout(ctx context.Context, userID, loginHash, before string, limit int) ([]Claim, error) {
	rows, err := s.queries.ClaimsAbout(ctx, gen.ClaimsAboutParams{
		UserID: nullString(userID), LoginHash: nullString(loginHash), HolderID: userID, Before: cmp.Or(before, lastID), Limit: count32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list the claims of user %s: %w", userID, err)
	}
	list := make([]Claim, len(rows))
	for i, row := range rows {
		list[i] = claimOf(row.Claim)
		list[i].RaceName, list[i].RaceDate = row.RaceName, race.DateOf(row.RaceDate)
	}
	return list, nil
}

// ClaimedResult is a result that an account has by a claim.
type ClaimedResult struct {
	BibKey string // of the bib when it was claimed
	From   string // user ID of the person who had it before
	UserID string // the account's
}

// ClaimedResults returns the results of a race that accounts have by claims.
func (s *Store) ClaimedResults(ctx context.Context, raceID string) ([]ClaimedResult, error) {
	rows, err := s.queries.ClaimedResults(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("list the claimed results of race %s: %w", raceID, err)
	}
	claimed := make([]ClaimedResult, len(rows))
	for i, row := range rows {
		claimed[i] = ClaimedResult{BibKey: row.BibKey, From: row.FormerUserID.String, UserID: row.UserID.String}
	}
	return claimed, nil
}

// ClaimsOfRace returns up to limit claims of a race older than the one with the ID
// before, the newest first; an empty before means the newest. An empty state stands
// for every state.
func (s *Store) ClaimsOfRace(ctx context.Context, raceID string, state race.ClaimState, before string, limit int) ([]Claim, error) {
	rows, err := s.queries.ClaimsOfRace(ctx, gen.ClaimsOfRaceParams{
		RaceID: raceID, State: cmp.Or(string(state), "%"), Before: cmp.Or(before, lastID), Limit: count32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list the claims of race %s: %w", raceID, err)
	}
	list := make([]Claim, len(rows))
	for i, row := range rows {
		list[i] = claimOf(row)
	}
	return list, nil
}

func claimOf(row gen.Claim) Claim {
	c := Claim{
		ID: row.ClaimID, RaceID: row.RaceID, Bib: row.Bib, Kind: race.ClaimKind(row.Kind), State: race.ClaimState(row.State),
		UserID: row.UserID.String, Contested: row.Contested, Reason: row.Reason, CreatedAt: row.CreatedAt, ChangedAt: row.ChangedAt,
	}
	if row.BirthDateMatches.Valid {
		c.BirthDateMatches = &row.BirthDateMatches.Bool
	}
	return c
}
