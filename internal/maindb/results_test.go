package maindb_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestResultsOfARunner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	userID := ""
	var want []string // race IDs, the newest first
	for _, date := range []string{"2024-04-15", "2025-04-21", "2026-04-20"} {
		raceID := b.addRace(t)
		b.exec(t, "UPDATE race SET race_date = ? WHERE race_id = ?", date, raceID)
		entrant := b.addEntrant(t, raceID, "7", 40, race.Entered)
		if userID == "" {
			userID = entrant
		}
		b.exec(t, "UPDATE participant SET user_id = ? WHERE user_id = ?", userID, entrant)
		b.addRecord(t, raceID, "07", 2, true)
		b.addEntrant(t, raceID, "8", 40, race.Entered)
		b.addRecord(t, raceID, "8", 1, true)
		want = append([]string{raceID}, want...)
	}
	var got []string
	var after maindb.RacePosition
	for {
		page, err := b.store.ResultsOf(t.Context(), userID, after, 2)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, result := range page {
			got = append(got, result.Race.ID)
			require.Equal(t, 2, result.Record.Revision)
			require.Equal(t, "07", result.Record.Result.Bib)
		}
		last := page[len(page)-1].Race
		after = maindb.RacePosition{Date: last.Date, ID: last.ID}
	}
	require.Equal(t, want, got)

	season, err := b.store.RacesOfSeason(t.Context(), 2025)
	require.NoError(t, err)
	require.Equal(t, want[1:2], season)
	entrants, err := b.store.Entrants(t.Context(), season[0])
	require.NoError(t, err)
	require.Len(t, entrants, 2)
	require.Contains(t, entrants, maindb.Entrant{UserID: userID, Sex: race.Female, Age: 40})
}
