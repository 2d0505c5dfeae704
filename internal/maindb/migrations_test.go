package maindb_test

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
)

// TestDecisionsFromBeforeAreKnown migrates a database that was filled before a
// record could be decided.
func TestDecisionsFromBeforeAreKnown(t *testing.T) {
	t.Parallel()
	db, _ := mysqltest.New(t, migrationsBefore(t, "0005"))
	type revision struct{ status, by, reason string }
	want := map[string]bool{}
	record := func(name string, decided bool, revisions ...revision) {
		want[name] = decided
		last := revisions[len(revisions)-1]
		_, err := db.ExecContext(t.Context(), `INSERT INTO official_record
			(record_id, race_id, revision, bib, bib_key, status, removed, created_at, updated_at)
			VALUES (?, 'race', ?, '1', '1', ?, FALSE, NOW(6), NOW(6))`, name, len(revisions), last.status)
		require.NoError(t, err)
		for i, r := range revisions {
			_, err := db.ExecContext(t.Context(), `INSERT INTO official_record_revision
				(record_id, revision, bib, status, removed, reason, changed_by, changed_at)
				VALUES (?, ?, '1', ?, FALSE, ?, ?, NOW(6))`, name, i+1, r.status, r.reason, r.by)
			require.NoError(t, err)
		}
	}
	const file = "results file imported"
	record("posted", false, revision{"OK", "timer", ""})
	record("posted and disqualified", true, revision{"DQ", "jury", "cut the course"})
	record("disqualified without a reason", false, revision{"DQ", "timer", ""})
	record("disqualified by a file", false, revision{"DQ", "timer", file})
	record("disqualified, revised by system", true, revision{"DQ", "jury", "pacing"}, revision{"DQ", "system", "start list corrected"})
	record("disqualified, then imported", false, revision{"DQ", "jury", "pacing"}, revision{"OK", "timer", file})
	record("corrected", true, revision{"OK", "timer", file}, revision{"DNF", "jury", "video"})
	record("corrected, then imported", false, revision{"OK", "timer", file}, revision{"DNF", "jury", "video"}, revision{"OK", "timer", file})

	_, err := mysql.Migrate(t.Context(), db, maindb.Migrations())
	require.NoError(t, err)
	rows, err := db.QueryContext(t.Context(), `SELECT r.record_id, r.decided, v.decided FROM official_record AS r
		JOIN official_record_revision AS v ON v.record_id = r.record_id AND v.revision = r.revision`)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	got := map[string]bool{}
	for rows.Next() {
		var name string
		var decided, lastDecided bool
		require.NoError(t, rows.Scan(&name, &decided, &lastDecided))
		require.Equal(t, decided, lastDecided, name)
		got[strings.TrimSpace(name)] = decided
	}
	require.NoError(t, rows.Err())
	require.Equal(t, want, got)
}

// TestChangesFromBeforeTheChainAreSealedFirst migrates a database with a change log that
// has no chain yet.
func TestChangesFromBeforeTheChainAreSealedFirst(t *testing.T) {
	t.Parallel()
	db, _ := mysqltest.New(t, migrationsBefore(t, "0035"))
	old := []string{newID(), newID(), newID()}
	for i, id := range old {
		_, err := db.ExecContext(t.Context(), `INSERT INTO change_log (change_id, changed_at, actor_kind, actor_id, action, subject_kind, subject_id,
			state_before, state_after, request_id, workflow_id, hash) VALUES (?, NOW(6), 'system', '', 'race.changed', 'race', '', 'null', 'null', '', '', ?)`,
			id, bytes.Repeat([]byte{byte(i)}, 32))
		require.NoError(t, err)
	}
	_, err := mysql.Migrate(t.Context(), db, maindb.Migrations())
	require.NoError(t, err)
	b := &testBundle{store: maindb.NewOutcomes(db, time.Now), db: db}
	recent := someChange(newID())
	require.NoError(t, b.store.AddChange(t.Context(), recent))
	b.sealAll(t)
	var sealed []string
	for _, c := range b.requireChain(t, 4) {
		sealed = append(sealed, c.ID)
	}
	require.Equal(t, append(old, recent.ID), sealed)
}

// migrationsBefore returns the migrations before the one with that number.
func migrationsBefore(t *testing.T, number string) fs.FS {
	before := fstest.MapFS{}
	require.NoError(t, fs.WalkDir(maindb.Migrations(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path >= number {
			return err
		}
		data, err := fs.ReadFile(maindb.Migrations(), path)
		before[path] = &fstest.MapFile{Data: data}
		return err
	}))
	return before
}
