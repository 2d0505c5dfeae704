package relay_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestTwoRelaysShareOneOutbox runs two processes' relays on a real database
// while records are posted.
func TestTwoRelaysShareOneOutbox(t *testing.T) {
	t.Parallel()
	db, _ := mysqltest.New(t, maindb.Migrations())
	store := maindb.New(db, time.Now)
	r, err := store.CreateRace(t.Context(), race.Race{
		ID: uuid.NewString(), OrganizerID: uuid.NewString(), Name: "City Ten", Date: race.Date{Year: 2026, Month: 5, Day: 3},
		Distance: 10_000_000, Ranking: race.Ranking{Basis: race.Gun, Ties: race.TiesShare}, Scoring: "wa-2025",
		Status: race.Scheduled,
	})
	require.NoError(t, err)

	var mu sync.Mutex
	arrived := map[queue.Message]int{}
	fragile := sender(func(_ context.Context, messages []queue.Message) (failures []queue.Failure) {
		mu.Lock()
		defer mu.Unlock()
		for i, m := range messages {
			if len(arrived)%50 == 7 && arrived[m] == 0 && i%2 == 1 {
				failures = append(failures, queue.Failure{Index: i, Err: context.DeadlineExceeded})
				continue
			}
			arrived[m]++
		}
		return failures
	})
	relays := []*testBundle{start(t, store, fragile), start(t, store, fragile)}

	const imported, posted = 5000, 100
	file := make([]race.Result, imported)
	for i := range file {
		file[i] = race.Result{Bib: fmt.Sprint(i + 1), Gun: race.Time(1_800_000 + i), Status: race.Finished}
	}
	change := maindb.Change{By: r.OrganizerID}
	_, err = store.ImportResults(t.Context(), rows(r.ID, file), change)
	require.NoError(t, err)
	for i := range posted {
		result := race.Result{Bib: fmt.Sprint(imported + i + 1), Gun: 2_000_000, Status: race.Finished}
		_, _, err := store.PostRecord(t.Context(), r.ID, uuid.NewString(), result, change)
		require.NoError(t, err)
		relays[i%2].Poke()
	}
	require.Eventually(t, func() bool {
		waiting, _, err := store.OutboxDepth(t.Context())
		return err == nil && len(waiting) == 0
	}, 2*time.Minute, 10*time.Millisecond)
	for _, relay := range relays {
		relay.stop()
	}
	require.Len(t, arrived, imported+posted)
}

// rows is a file with the times of results.
func rows(raceID string, results []race.Result) maindb.ResultsFile {
	file := maindb.ResultsFile{ImportID: uuid.NewString(), RaceID: raceID}
	for _, r := range results {
		file.Rows = append(file.Rows, race.ResultRow{Bib: r.Bib, Gun: &r.Gun})
	}
	return file
}
