package maindb_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// recordRows accepts every row and appends it to got.
func recordRows(got *[]string) func(context.Context, []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
	return func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
		for _, row := range rows {
			*got = append(*got, sentAs(row.RecordID, row.Revision))
		}
		return rows, nil
	}
}

func results(n int) []race.Result {
	all := make([]race.Result, n)
	for i := range all {
		all[i] = finish(fmt.Sprint(i+1), 7200+i)
	}
	return all
}

func TestSendOutboxKeepsWhatWasNotSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	_, err := b.store.ImportResults(t.Context(), fileOf(raceID, results(5)), organizer)
	require.NoError(t, err)
	b.clock.Advance(time.Minute)
	waiting, oldest, err := b.store.OutboxDepth(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]int{raceID: 5}, waiting)
	require.Equal(t, time.Minute, oldest)

	down := errors.New("the queue refused two")
	n, err := b.store.SendOutbox(t.Context(), 4, func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
		require.Len(t, rows, 4)
		return rows[1:3], down
	})
	require.ErrorIs(t, err, down)
	require.Equal(t, 2, n)
	n, err = b.store.SendOutbox(t.Context(), 4, func(context.Context, []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
		return nil, down
	})
	require.ErrorIs(t, err, down)
	require.Zero(t, n)

	require.Len(t, b.outbox(t), 3)
	waiting, oldest, err = b.store.OutboxDepth(t.Context())
	require.NoError(t, err)
	require.Empty(t, waiting)
	require.Zero(t, oldest)
}

func TestSendOutboxAfterACrash(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.store.ImportResults(t.Context(), fileOf(b.scheduledRace(t), results(3)), organizer)
	require.NoError(t, err)
	dying, kill := context.WithCancel(t.Context())
	_, err = b.store.SendOutbox(dying, 10, func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
		kill() // sent, but never committed
		return rows, nil
	})
	require.ErrorIs(t, err, context.Canceled)
	var again []string
	require.Eventually(t, func() bool { // the dead one's locks end when the server hears of it
		_, err := b.store.SendOutbox(t.Context(), 10, recordRows(&again))
		return err != nil || len(again) >= 3
	}, time.Minute, 10*time.Millisecond, "the next one sends them again")
	require.Len(t, again, 3)
}

func TestSendersAtOnceShareTheOutbox(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const total = 2000
	_, err := b.store.ImportResults(t.Context(), fileOf(b.scheduledRace(t), results(total)), organizer)
	require.NoError(t, err)
	var group sync.WaitGroup
	sent := make([][]string, 4)
	errs := make([]error, len(sent))
	for i := range sent {
		group.Go(func() {
			for {
				n, err := b.store.SendOutbox(t.Context(), 100, recordRows(&sent[i]))
				if err != nil || n == 0 {
					errs[i] = err
					return
				}
			}
		})
	}
	group.Wait()
	once := map[string]bool{}
	for i, rows := range sent {
		require.NoError(t, errs[i])
		for _, row := range rows {
			require.False(t, once[row], "sent twice")
			once[row] = true
		}
	}
	require.Len(t, once, total)
}

func TestLateOutbox(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	early := b.clock.Now()
	_, err := b.store.ImportResults(t.Context(), fileOf(raceID, results(3)), organizer)
	require.NoError(t, err)
	b.clock.Advance(time.Minute)
	_, err = b.store.ImportResults(t.Context(), fileOf(raceID, append(results(3), finish("99", 8000))), organizer)
	require.NoError(t, err)

	rows, oldest, err := b.store.LateOutbox(t.Context(), early, 2)
	require.NoError(t, err)
	require.Zero(t, rows)
	require.Empty(t, oldest)
	rows, oldest, err = b.store.LateOutbox(t.Context(), early.Add(time.Second), 2)
	require.NoError(t, err)
	require.Equal(t, 3, rows)
	require.Len(t, oldest, 2)
	require.Less(t, oldest[0].ID, oldest[1].ID)
	require.Equal(t, raceID, oldest[0].RaceID)
	require.Equal(t, 1, oldest[0].Revision)
	require.True(t, early.Equal(oldest[0].CreatedAt))
}

// TestRacesTakeTurnsInTheOutbox: a race with a few rows is done after as many
// rows of the race that came before it with many.
func TestRacesTakeTurnsInTheOutbox(t *testing.T) {
	t.Parallel()
	b := setup(t)
	big, small := b.scheduledRace(t), b.scheduledRace(t)
	_, err := b.store.ImportResults(t.Context(), fileOf(big, results(500)), organizer)
	require.NoError(t, err)
	_, err = b.store.ImportResults(t.Context(), fileOf(small, results(30)), organizer)
	require.NoError(t, err)

	var sent []maindb.OutboxRow
	lastOfSmall := 0
	for {
		n, err := b.store.SendOutbox(t.Context(), 100, func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
			for _, row := range rows {
				sent = append(sent, row)
				if row.RaceID == small {
					lastOfSmall = len(sent)
				}
			}
			return rows, nil
		})
		require.NoError(t, err)
		if n == 0 {
			break
		}
		require.True(t, n == 100 || len(sent) == 530, "what a race leaves of its share goes to the others")
	}
	require.Len(t, sent, 530)
	require.LessOrEqual(t, lastOfSmall, 60, "one row of each race in turn")
	next := 1
	for _, row := range sent { // each race's own rows stay in their order
		if row.RaceID == big {
			require.Equal(t, strconv.Itoa(next), row.Bib)
			require.Equal(t, "Spring Marathon", row.RaceName)
			next++
		}
	}
}

// TestANewRaceHasAHeadStart: what comes while a large race is being sent goes
// first, and the large one keeps an eighth.
func TestANewRaceHasAHeadStart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	big, small := b.scheduledRace(t), b.scheduledRace(t)
	_, err := b.store.ImportResults(t.Context(), fileOf(big, results(1500)), organizer)
	require.NoError(t, err)
	send := func(limit int) map[string]int {
		sent := map[string]int{}
		_, err := b.store.SendOutbox(t.Context(), limit, func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
			for _, row := range rows {
				sent[row.RaceID]++
			}
			return rows, nil
		})
		require.NoError(t, err)
		return sent
	}
	require.Equal(t, map[string]int{big: 600}, send(600))
	_, err = b.store.ImportResults(t.Context(), fileOf(small, results(700)), organizer)
	require.NoError(t, err)
	require.Equal(t, map[string]int{small: 77 + 6, big: 5}, send(88), "what is left is shared in turns")
	require.Equal(t, map[string]int{small: 438 + 31, big: 31}, send(500))
	require.Equal(t, map[string]int{small: 50, big: 50}, send(100), "its head start is over")
}

// TestEveryRaceHasItsTurn: also when there are more races than one transaction
// sends rows of, and the first ones never run out of rows.
func TestEveryRaceHasItsTurn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const races = 120
	for range races {
		_, err := b.store.ImportResults(t.Context(), fileOf(b.scheduledRace(t), results(20)), organizer)
		require.NoError(t, err)
	}
	served := map[string]int{}
	for range 3 {
		_, err := b.store.SendOutbox(t.Context(), 50, func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
			for _, row := range rows {
				served[row.RaceID]++
			}
			return rows, nil
		})
		require.NoError(t, err)
	}
	require.Len(t, served, races)
}

// TestRowsOfADeletedRaceAreSentToo: nothing may stay in the outbox for ever.
func TestRowsOfADeletedRaceAreSentToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.db.ExecContext(t.Context(),
		"INSERT INTO outbox (race_id, record_id, revision, created_at) VALUES ('no race', 'no record', 1, NOW(6))")
	require.NoError(t, err)
	var got []string
	n, err := b.store.SendOutbox(t.Context(), 10, recordRows(&got))
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// TestSendingCostsWhatIsSent: not what waits. Of 1,000 races with 50 rows each a
// batch of 500 reads a few thousand entries of indexes.
func TestSendingCostsWhatIsSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.db.SetMaxOpenConns(1) // the counters are the connection's
	digits := "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 " +
		"UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	_, err := b.db.ExecContext(t.Context(), "INSERT INTO outbox (race_id, record_id, revision, created_at) "+
		"SELECT CONCAT('race-', LPAD(a.d * 100 + b.d * 10 + c.d, 4, '0')), UUID(), 1, NOW(6) "+
		"FROM "+digits+" AS a, "+digits+" AS b, "+digits+" AS c, "+digits+" AS e, (SELECT 1 AS d UNION ALL SELECT 2 "+
		"UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5) AS f")
	require.NoError(t, err)
	reads := func() (sum int) {
		rows, err := b.db.QueryContext(t.Context(), "SHOW SESSION STATUS LIKE 'Handler_read%'")
		require.NoError(t, err)
		defer func() { require.NoError(t, rows.Close()) }()
		for rows.Next() {
			var name string
			var n int
			require.NoError(t, rows.Scan(&name, &n))
			if !strings.Contains(name, "tmp") && !strings.Contains(name, "rnd_next") {
				sum += n
			}
		}
		require.NoError(t, rows.Err())
		return sum
	}
	served := map[string]int{}
	for range 3 {
		before := reads()
		n, err := b.store.SendOutbox(t.Context(), 500, func(_ context.Context, rows []maindb.OutboxRow) ([]maindb.OutboxRow, error) {
			for _, row := range rows {
				served[row.RaceID]++
			}
			return rows, nil
		})
		require.NoError(t, err)
		require.Equal(t, 500, n)
		require.Less(t, reads()-before, 5000)
	}
	require.Len(t, served, 150, "ten rows of each of fifty races, then of the next fifty")
}
