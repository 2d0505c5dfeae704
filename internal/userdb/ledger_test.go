package userdb_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// ledgerBundle is a ledger with a few runners in a database of its own.
type ledgerBundle struct {
	db      *sql.DB
	store   *userdb.Ledger
	raceID  string
	runners []string
}

func setupLedger(t *testing.T, runners int) *ledgerBundle {
	t.Helper()
	db, cfg := mysqltest.New(t, userdb.Migrations())
	b := &ledgerBundle{db: db, store: userdb.NewLedger(mysqltest.As(t, cfg, userdb.Grants(), mysql.Worker), time.Now), raceID: uuid.NewString()}
	for range runners {
		id := uuid.NewString()
		_, err := db.ExecContext(t.Context(), `INSERT INTO user
			(user_id, user_type, name, phone, sex, total_point, created_at, updated_at)
			VALUES (?, 'runner', '', '', '', 0, NOW(6), NOW(6))`, id)
		require.NoError(t, err)
		b.runners = append(b.runners, id)
	}
	return b
}

func (b *ledgerBundle) credited(recordID string, revision int, runner string, points int64) race.Credit {
	return race.Credit{
		RecordID: recordID, RaceID: b.raceID, Revision: revision, Status: race.Credited, UserID: runner,
		Points: points, Rule: "agegrade", Edition: "2025", WorkflowID: fmt.Sprintf("credit/%s/r%d", recordID, revision),
	}
}

func (b *ledgerBundle) rejected(recordID string, revision int, reason string) race.Credit {
	return race.Credit{
		RecordID: recordID, RaceID: b.raceID, Revision: revision, Status: race.Rejected, Reason: reason,
		WorkflowID: fmt.Sprintf("credit/%s/r%d", recordID, revision),
	}
}

func (b *ledgerBundle) apply(t *testing.T, c race.Credit) userdb.Applied {
	t.Helper()
	applied, err := b.store.ApplyCredit(t.Context(), c)
	require.NoError(t, err)
	return applied
}

// totals returns total_point by runner, after checking that each is the sum of
// the runner's ledger lines.
func (b *ledgerBundle) totals(t *testing.T) map[string]int64 {
	t.Helper()
	rows, err := b.db.QueryContext(t.Context(), `SELECT u.user_id, u.total_point, COALESCE(SUM(p.points), 0)
		FROM user u LEFT JOIN point p ON p.user_id = u.user_id GROUP BY u.user_id, u.total_point`)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	totals := map[string]int64{}
	for rows.Next() {
		var id string
		var total, sum int64
		require.NoError(t, rows.Scan(&id, &total, &sum))
		require.Equal(t, sum, total, "total_point of a runner is the sum of the ledger lines")
		totals[id] = total
	}
	require.NoError(t, rows.Err())
	return totals
}

type ledgerLine struct {
	Runner, Entry, Reason string
	Revision              int
	Points                int64
}

func (b *ledgerBundle) lines(t *testing.T, recordID string) []ledgerLine {
	t.Helper()
	rows, err := b.db.QueryContext(t.Context(),
		`SELECT user_id, entry, reason, revision, points FROM point WHERE record_id = ? ORDER BY point_id`, recordID)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var lines []ledgerLine
	for rows.Next() {
		var l ledgerLine
		require.NoError(t, rows.Scan(&l.Runner, &l.Entry, &l.Reason, &l.Revision, &l.Points))
		lines = append(lines, l)
	}
	require.NoError(t, rows.Err())
	return lines
}

func TestApplyCreditKeepsALineForEachStep(t *testing.T) {
	t.Parallel()
	b := setupLedger(t, 2)
	ann, bob := b.runners[0], b.runners[1]
	const record = "record-1"

	first := b.credited(record, 1, ann, 700)
	require.Equal(t, userdb.Applied{Changed: true, Standing: first}, b.apply(t, first))
	require.Equal(t, userdb.Applied{Standing: first}, b.apply(t, first), "a repetition changes nothing")

	b.apply(t, b.credited(record, 2, ann, 650))
	b.apply(t, b.credited(record, 3, bob, 650))
	dnf := b.credited(record, 4, bob, 0)
	dnf.Reason = "did not finish"
	b.apply(t, dnf)
	last := b.rejected(record, 5, "no participant with bib 12")
	b.apply(t, last)
	require.Equal(t, userdb.Applied{Standing: last}, b.apply(t, b.credited(record, 3, bob, 650)), "an overtaken revision changes nothing")

	require.Equal(t, []ledgerLine{
		{ann, "credit", "", 1, 700},
		{ann, "reversal", "corrected by revision 2", 2, -700},
		{ann, "credit", "", 2, 650},
		{ann, "reversal", "corrected by revision 3", 3, -650},
		{bob, "credit", "", 3, 650},
		{bob, "reversal", "did not finish", 4, -650},
		{bob, "credit", "did not finish", 4, 0},
	}, b.lines(t, record))
	require.Equal(t, map[string]int64{ann: 0, bob: 0}, b.totals(t))

	credits, err := b.store.Credits(t.Context(), []string{record, "no such record"})
	require.NoError(t, err)
	require.Equal(t, map[string]race.Credit{record: last}, credits)
}

func TestApplyCreditOfARemovedRecordTakesThePointsBack(t *testing.T) {
	t.Parallel()
	b := setupLedger(t, 1)
	runner := b.runners[0]
	b.apply(t, b.credited("record-1", 1, runner, 700))
	removed := b.credited("record-1", 2, "", 0)
	removed.Reason = "record removed"
	b.apply(t, removed)
	require.Equal(t, []ledgerLine{
		{runner, "credit", "", 1, 700},
		{runner, "reversal", "record removed", 2, -700},
	}, b.lines(t, "record-1"))
	require.Equal(t, map[string]int64{runner: 0}, b.totals(t))
}

func TestApplyCreditFailsWholeWhenTheRunnerHasNoAccount(t *testing.T) {
	t.Parallel()
	b := setupLedger(t, 1)
	b.apply(t, b.credited("record-1", 1, b.runners[0], 700))
	_, err := b.store.ApplyCredit(t.Context(), b.credited("record-1", 2, "nobody", 600))
	require.ErrorContains(t, err, "runner nobody has no account")
	_, err = b.store.ApplyCredit(t.Context(), b.credited("record-2", 1, "nobody", 600))
	require.ErrorContains(t, err, "runner nobody has no account")

	require.Equal(t, map[string]int64{b.runners[0]: 700}, b.totals(t))
	credits, err := b.store.Credits(t.Context(), []string{"record-1", "record-2"})
	require.NoError(t, err)
	require.Len(t, credits, 1)
	require.Equal(t, 1, credits["record-1"].Revision)
}

func TestApplyCreditRefusesWhatIsNoOutcome(t *testing.T) {
	t.Parallel()
	store := userdb.NewLedger(nil, time.Now) // never reached
	for name, c := range map[string]race.Credit{
		"pending":               {Revision: 1, Status: race.Pending},
		"rejected with runner":  {Revision: 1, Status: race.Rejected, UserID: "u"},
		"points without runner": {Revision: 1, Status: race.Credited, Points: 1},
		"revision zero":         {Status: race.Rejected},
	} {
		_, err := store.ApplyCredit(t.Context(), c)
		require.Error(t, err, name)
	}
}

// history makes the revisions of one record: corrected times, bibs moving from
// runner to runner, rejections, removals.
func (b *ledgerBundle) history(random *rand.Rand, recordID string) []race.Credit {
	credits := make([]race.Credit, 0, 8)
	for revision := 1; revision <= 1+random.IntN(7); revision++ {
		runner := b.runners[random.IntN(len(b.runners))]
		switch random.IntN(6) {
		case 0:
			credits = append(credits, b.rejected(recordID, revision, "no participant with bib 1"))
		case 1:
			removed := b.credited(recordID, revision, "", 0)
			removed.Reason = "record removed"
			credits = append(credits, removed)
		case 2:
			credits = append(credits, b.credited(recordID, revision, runner, 0))
		default:
			credits = append(credits, b.credited(recordID, revision, runner, random.Int64N(1000)))
		}
	}
	return credits
}

// TestLedgerEndsTheSameInWhateverOrder delivers every revision of many records
// several times, in random order, from 16 goroutines, of which some give up in
// the middle of their transaction, and holds the outcome against the highest
// revisions.
func TestLedgerEndsTheSameInWhateverOrder(t *testing.T) {
	t.Parallel()
	const records, copies, goroutines = 60, 3, 16
	b := setupLedger(t, 7)
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))

	want := map[string]int64{}
	for _, runner := range b.runners {
		want[runner] = 0
	}
	var deliveries []race.Credit
	last := map[string]race.Credit{}
	for i := range records {
		history := b.history(random, fmt.Sprintf("record-%d", i))
		for range copies {
			deliveries = append(deliveries, history...)
		}
		final := history[len(history)-1]
		last[final.RecordID] = final
		if final.UserID != "" {
			want[final.UserID] += final.Points
		}
	}
	random.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })

	b.deliverWithInterruptions(t, deliveries, goroutines)

	require.Equal(t, want, b.totals(t))
	for recordID, final := range last {
		require.Equal(t, userdb.Applied{Standing: final}, b.apply(t, final), recordID)
		requireChain(t, b.lines(t, recordID))
	}
}

// deliverWithInterruptions applies the credits from several goroutines. Each is
// first given a random moment only, which kills the connection wherever it is by
// then; whoever is cut off delivers again, as Temporal would.
func (b *ledgerBundle) deliverWithInterruptions(t *testing.T, deliveries []race.Credit, goroutines int) {
	t.Helper()
	var interrupted sync.Map
	queue := make(chan race.Credit, len(deliveries))
	for _, c := range deliveries {
		queue <- c
	}
	close(queue)
	group, ctx := errgroup.WithContext(t.Context())
	for range goroutines {
		group.Go(func() error {
			for c := range queue {
				cut, cancel := context.WithTimeout(ctx, time.Duration(rand.Int64N(int64(12*time.Millisecond))))
				_, err := b.store.ApplyCredit(cut, c)
				cancel()
				if err == nil {
					continue
				}
				interrupted.Store(c.WorkflowID, true)
				if _, err := b.store.ApplyCredit(ctx, c); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	count := 0
	interrupted.Range(func(any, any) bool { count++; return true })
	require.NotZero(t, count, "no delivery was interrupted, so nothing was tested")
}

// requireChain checks that a record's lines tell one story: each reversal takes
// back exactly the credit before it, and no two credits stand at once.
func requireChain(t *testing.T, lines []ledgerLine) {
	t.Helper()
	var standing ledgerLine
	for _, l := range lines {
		if l.Entry == "reversal" {
			require.Equal(t, standing.Runner, l.Runner)
			require.Equal(t, -standing.Points, l.Points)
			require.Greater(t, l.Revision, standing.Revision)
			standing = ledgerLine{}
			continue
		}
		require.Zero(t, standing.Points, "a credit stands on top of another")
		standing = l
	}
}

// TestSameOutcome: a revision that changes nothing that points depend on is noted,
// without lines that cancel each other out.
func TestSameOutcome(t *testing.T) {
	t.Parallel()
	b := setupLedger(t, 2)
	record := uuid.NewString()
	first := b.credited(record, 1, b.runners[0], 700)
	first.Fingerprint = "020102030405060708090a0b0c0d0e0f"
	b.apply(t, first)
	second := b.credited(record, 2, b.runners[0], 700)
	second.Fingerprint = first.Fingerprint
	require.True(t, b.apply(t, second).Changed)
	require.False(t, b.apply(t, second).Changed)
	lines := func() (n int) {
		require.NoError(t, b.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM point WHERE record_id = ?`, record).Scan(&n))
		return n
	}
	require.Equal(t, 1, lines())
	credit, err := b.store.CreditOf(t.Context(), record)
	require.NoError(t, err)
	require.Equal(t, 2, credit.Revision)
	require.Equal(t, second.WorkflowID, credit.WorkflowID)

	third := b.credited(record, 3, b.runners[0], 700) // from other inputs
	third.Fingerprint = "02ffffff0405060708090a0b0c0d0e0f"
	require.True(t, b.apply(t, third).Changed)
	require.Equal(t, 3, lines())
}
