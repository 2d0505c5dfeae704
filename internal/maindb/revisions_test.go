package maindb

import (
	"database/sql"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// reviseBundle is a store with a race of many records and an empty outbox.
type reviseBundle struct {
	*Store
	raceID string
	bibs   []string
}

func setupRevise(t *testing.T, records int) *reviseBundle {
	t.Helper()
	db, _ := mysqltest.New(t, Migrations())
	b := &reviseBundle{Store: New(db, time.Now), raceID: uuid.NewString()}
	_, err := db.ExecContext(t.Context(), `INSERT INTO race (race_id, organizer_id, name, city, race_date, distance_mm,
		ranking_basis, divisions_basis, ties, divisions, scoring, points, capacity, status, created_at, updated_at)
		VALUES (?, ?, 'Autumn Ten', '', '2026-10-18', 10000000, 'gun', '', 'share', '[]', 'wa-2025', 0, 0,
		'scheduled', NOW(6), NOW(6))`, b.raceID, uuid.NewString())
	require.NoError(t, err)
	results := make([]race.Result, records)
	for i := range results {
		bib := strconv.Itoa(i + 1)
		b.bibs = append(b.bibs, bib)
		results[i] = race.Result{Bib: bib, Gun: race.Time(1_800_000 + i), Status: race.Finished}
	}
	file := ResultsFile{ImportID: uuid.NewString(), RaceID: b.raceID}
	for _, r := range results {
		file.Rows = append(file.Rows, race.ResultRow{Bib: r.Bib, Gun: &r.Gun})
	}
	_, err = b.ImportResults(t.Context(), file, Change{By: "organizer"})
	require.NoError(t, err)
	b.exec(t, "DELETE FROM outbox")
	return b
}

func (b *reviseBundle) exec(t *testing.T, statement string) {
	t.Helper()
	_, err := b.db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

func (b *reviseBundle) revise(t *testing.T, do func(tx *sql.Tx) (int, error)) int {
	t.Helper()
	n := 0
	require.NoError(t, mysql.InTx(t.Context(), b.db, func(tx *sql.Tx) (err error) {
		n, err = do(tx)
		return err
	}))
	return n
}

// count returns how many rows a query that counts finds.
func (b *reviseBundle) count(t *testing.T, query string) int {
	t.Helper()
	n := 0
	require.NoError(t, b.db.QueryRowContext(t.Context(), query).Scan(&n))
	return n
}

// recordsRevisedOnce counts the records whose latest revision is 2, which has the
// result of the first, is the system's, and waits in the outbox.
const recordsRevisedOnce = `SELECT COUNT(*) FROM official_record r
	JOIN official_record_revision one ON one.record_id = r.record_id AND one.revision = 1
	JOIN official_record_revision two ON two.record_id = r.record_id AND two.revision = 2
	JOIN outbox o ON o.record_id = r.record_id AND o.revision = 2 AND o.race_id = r.race_id
	WHERE r.revision = 2 AND two.changed_by = 'system' AND two.reason = 'start list corrected'
	AND two.bib = one.bib AND two.gun_ms = one.gun_ms AND two.net_ms <=> one.net_ms AND two.status = one.status`

func TestReviseBibs(t *testing.T) {
	t.Parallel()
	const records, corrected = 22_000, 20_000
	b := setupRevise(t, records)
	b.exec(t, "UPDATE official_record SET removed = TRUE, held_bib = NULL WHERE bib_key = '7'")
	keys := slices.Concat(b.bibs[:corrected], []string{"7", "8", "nobody's"})
	n := b.revise(t, func(tx *sql.Tx) (int, error) {
		return b.reviseBibs(t.Context(), tx, b.raceID, keys, "start list corrected")
	})
	require.Equal(t, corrected-1, n, "the removed one stays")
	require.Equal(t, n, b.count(t, recordsRevisedOnce))
	require.Equal(t, n, b.count(t, "SELECT COUNT(*) FROM outbox"))
	require.Equal(t, records+n, b.count(t, "SELECT COUNT(*) FROM official_record_revision"))

	n = b.revise(t, func(tx *sql.Tx) (int, error) {
		return b.reviseBibs(t.Context(), tx, b.raceID, nil, "nothing")
	})
	require.Zero(t, n)
}

func TestReviseRace(t *testing.T) {
	t.Parallel()
	b := setupRevise(t, 1500)
	n := b.revise(t, func(tx *sql.Tx) (int, error) {
		return b.reviseRace(t.Context(), tx, b.raceID, "start list corrected")
	})
	require.Equal(t, 1500, n)
	require.Equal(t, n, b.count(t, recordsRevisedOnce))
}
