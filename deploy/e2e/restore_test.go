package e2e_test

import (
	"database/sql"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/backup"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

var drillRecords = flag.Int("drill.records", 120, "how many records each race of TestRestoreDrill has")

// TestRestoreDrill rehearses a bad day: a race is backed up while it is credited, goes
// on, and then main_db, user_db or both are restored, to different moments. The audit
// finds and repairs every difference, whichever database is behind: each record that
// main_db has is credited once, and what it has lost is reversed, or listed for a
// person to decide. When the organizer sends the results again, all is as it was.
//
//nolint:tparallel // one bad day after the other
func TestRestoreDrill(t *testing.T) {
	t.Parallel()
	s := ownSystem(t, "restore", func(opts *stack.Options) {
		opts.DatabaseOptions = stack.BinaryLog()
		maps.Copy(opts.Env[stack.Worker], map[string]string{"AUDIT_INTERVAL": "24h", "AUDIT_GRACE": "1s", "AUDIT_ORPHAN_GRACE": "0s"})
	})
	place, err := backup.OpenPlace(t.Context(), t.TempDir())
	require.NoError(t, err)
	for _, scenario := range []struct {
		name       string
		main, user moment
	}{
		{"main_db, to before the last results", midway, unrestored},
		{"user_db, to before the last results", unrestored, midway},
		{"main_db to midway, user_db to the dump", midway, dumped},
		{"main_db to the dump, user_db to midway", dumped, midway},
	} {
		d := &drill{place: place}
		if !t.Run(scenario.name, func(t *testing.T) {
			d.operated = operated{boston: startBoston(t, s, *drillRecords), operator: s.anonymous()}
			login, password := s.Operator()
			d.operator.logIn(t, login, password)
			d.race(t)
			d.restore(t, scenario.main, scenario.user)
			d.repair(t)
			d.exactlyOnce(t)
			d.sendAgain(t)
		}) {
			return // what follows would only fail for the same reason
		}
	}
}

// moment is one of those that the drill restores to.
type moment int

const (
	unrestored moment = iota
	dumped
	midway
)

// drill is a race during which the databases are backed up.
type drill struct {
	operated
	place   backup.Place
	moments map[moment]time.Time
}

// race credits the race in three parts, and some corrections with each: a dump is
// taken after the first, and binary logs are copied after the others.
func (d *drill) race(t *testing.T) {
	t.Helper()
	d.moments = map[moment]time.Time{}
	half, most := len(d.rows)/2, len(d.rows)*3/4
	d.results(t, 0, half)
	d.back(t, 0)
	d.moments[dumped] = d.nextSecond(t)
	d.disqualify(t, 0, half, 17)
	d.results(t, half, most)
	d.moments[midway] = d.nextSecond(t)
	d.disqualify(t, 5, half, 17)
	d.results(t, most, len(d.rows))
	removed := d.rows[half+1]
	require.Less(t, d.organizer.remove(t, d.raceID, d.ids[removed.bib], 1, "posted by mistake").status, 300)
	d.credited(t)
	d.back(t, 24*time.Hour)
}

// results imports some of the rows and waits for their credits.
func (d *drill) results(t *testing.T, from, to int) {
	t.Helper()
	got := d.organizer.importResults(t, d.raceID, "", results(d.rows[from:to]))
	require.Equal(t, to-from, got.Added)
	for _, r := range d.organizer.records(t, d.raceID) {
		d.ids[r.Bib] = r.RecordID
	}
	d.credited(t)
}

// disqualify disqualifies up to ten of the rows.
func (d *drill) disqualify(t *testing.T, from, to, step int) {
	t.Helper()
	for i, n := from, 0; i < to && n < 10; i, n = i+step, n+1 {
		if d.rows[i].status == "OK" {
			d.organizer.correct(t, d.raceID, d.ids[d.rows[i].bib], 1, map[string]any{"status": "DQ", "reason": "drill"})
		}
	}
	d.credited(t)
}

// credited waits until no credit is pending. A real race takes its time.
func (d *drill) credited(t *testing.T) {
	t.Helper()
	eventually(t, patience+time.Duration(len(d.rows))*20*time.Millisecond, func() error {
		if p := d.organizer.credits(t, d.raceID); p.Pending > 0 {
			return fmt.Errorf("credits: %+v", p)
		}
		return nil
	})
}

func (d *drill) back(t *testing.T, dumpEvery time.Duration) {
	t.Helper()
	began := time.Now()
	done, err := d.BackupServer().BackUp(t.Context(), d.place, backup.Plan{DumpEvery: dumpEvery}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Equal(t, dumpEvery == 0, done.Dumped)
	t.Logf("backed up %d bytes in %s", done.Bytes, time.Since(began).Round(time.Millisecond))
}

// nextSecond waits for the next second of the database's clock: moments are that fine.
func (d *drill) nextSecond(t *testing.T) (at time.Time) {
	t.Helper()
	_, err := d.mainDB.ExecContext(t.Context(), "DO SLEEP(1.01 - MICROSECOND(NOW(6)) / 1000000)")
	require.NoError(t, err)
	require.NoError(t, d.mainDB.QueryRowContext(t.Context(), "SELECT UTC_TIMESTAMP()").Scan(&at))
	return at
}

// restore restores each database to its moment while the programs are stopped.
func (d *drill) restore(t *testing.T, mainDB, userDB moment) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	wishes := map[string]moment{"main_db": mainDB, "user_db": userDB}
	servers := []backup.Server{d.BackupServer()}
	_, _, err := backup.Restore(t.Context(), servers, d.place, backup.RestoreOptions{}, log)
	require.ErrorIs(t, err, backup.ErrRunning)
	for _, part := range []stack.Part{stack.API, stack.Worker} {
		require.NoError(t, d.StopPart(part))
	}
	for database, to := range wishes {
		if to == unrestored {
			continue
		}
		began := time.Now()
		_, accounts, err := backup.Restore(t.Context(), servers, d.place, backup.RestoreOptions{
			Databases: []string{database}, At: d.moments[to], Running: true, // the test's own connections
		}, log)
		require.NoError(t, err)
		require.Equal(t, backup.Accounts{}, accounts)
		t.Logf("restored %s in %s", database, time.Since(began).Round(time.Millisecond))
	}
	for _, part := range []stack.Part{stack.API, stack.Worker} {
		require.NoError(t, d.StartPart(t.Context(), part))
	}
}

// repair runs audits until they find nothing more to do. More records without a credit
// than AUDIT_MAX_ORPHANS are listed and left for a person to decide, who raises it.
func (d *drill) repair(t *testing.T) {
	t.Helper()
	began, total := time.Now(), map[string]int{}
	eventually(t, 20*time.Minute, func() error {
		found := d.audit(t)
		if orphans := found["orphaned_credit"]; orphans.Found > orphans.Mended && d.env["AUDIT_MAX_ORPHANS"] == "" && orphans.Found > 1000 {
			require.Zero(t, orphans.Mended)
			require.Contains(t, orphans.Examples[0].Detail, "is this the right database?")
			t.Logf("%d orphans are listed for a person to decide", orphans.Found)
			d.env["AUDIT_MAX_ORPHANS"] = "100000"
			require.NoError(t, d.StopPart(stack.Worker))
			require.NoError(t, d.StartPart(t.Context(), stack.Worker))
		}
		left := 0
		for kind, tally := range found {
			if kind != "late_workflow" && kind != "late_outbox" {
				total[kind] += tally.Mended
				left += tally.Found
			}
		}
		if left > 0 {
			return fmt.Errorf("the audit found: %+v", counts(found))
		}
		if p := d.organizer.credits(t, d.raceID); p.Pending > 0 {
			return fmt.Errorf("credits: %+v", p)
		}
		return nil
	})
	t.Logf("repaired after %s: %v", time.Since(began).Round(100*time.Millisecond), total)
}

// exactlyOnce compares the ledger with the records that main_db has now.
func (d *drill) exactlyOnce(t *testing.T) {
	t.Helper()
	require.Zero(t, count(t, d.userDB, `SELECT COUNT(*) FROM main_db.official_record AS r LEFT JOIN credit AS c ON c.record_id = r.record_id
		WHERE r.race_id = ? AND (c.record_id IS NULL OR c.revision <> r.revision)`, d.raceID), "records without their credit")
	require.Zero(t, count(t, d.userDB, `SELECT COUNT(*) FROM (SELECT record_id, SUM(points) AS points FROM point WHERE race_id = ? GROUP BY record_id) AS p
		LEFT JOIN credit AS c ON c.record_id = p.record_id WHERE p.points <> COALESCE(c.points, 0)`, d.raceID), "lines that are not the credit's")
	require.Zero(t, count(t, d.userDB, `SELECT COUNT(*) FROM (SELECT record_id, SUM(points) AS points FROM point WHERE race_id = ? GROUP BY record_id) AS p
		LEFT JOIN main_db.official_record AS r ON r.record_id = p.record_id WHERE r.record_id IS NULL AND p.points <> 0`, d.raceID), "points without a record")
	require.NoError(t, d.balanced(t.Context()))
	byBib := map[string]row{}
	for _, r := range d.rows {
		byBib[bibKey(r.bib)] = r
	}
	seen := 0
	err := scan(t.Context(), d.userDB, func(rows *sql.Rows) error {
		var bib, status string
		var removed bool
		var points int64
		if err := rows.Scan(&bib, &status, &removed, &points); err != nil {
			return err
		}
		seen++
		r := byBib[bibKey(bib)]
		r.status = status
		want := d.book.marathonOutcome(t, r).points
		if removed {
			want = 0
		}
		require.Equal(t, want, points, "bib %s", bib)
		return nil
	}, `SELECT r.bib, r.status, r.removed, c.points FROM main_db.official_record AS r JOIN credit AS c ON c.record_id = r.record_id WHERE r.race_id = ?`, d.raceID)
	require.NoError(t, err)
	require.GreaterOrEqual(t, seen, len(d.rows)/2)
}

// sendAgain has the organizer send all results once more, above every decision: what
// main_db has lost is credited again, once.
func (d *drill) sendAgain(t *testing.T) {
	t.Helper()
	d.organizer.importResults(t, d.raceID, "?override=all&reason="+url.QueryEscape("after the restore"), results(d.rows))
	d.credited(t)
	d.repair(t)
	d.exactlyOnce(t)
	var want int64
	for _, r := range d.rows {
		want += d.book.marathonOutcome(t, r).points
	}
	require.EqualValues(t, want, count(t, d.userDB, "SELECT SUM(points) FROM point WHERE race_id = ?", d.raceID))
}
