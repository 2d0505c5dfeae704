package stack

import (
	"database/sql"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// visibilityFile makes a database file with a part of Temporal's schema.
func visibilityFile(t *testing.T) (file string, db *sql.DB) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "temporal.db")
	db, err := sql.Open("sqlite", "file:"+file)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	for _, statement := range []string{
		"PRAGMA journal_mode = WAL",
		`CREATE TABLE executions_visibility (namespace_id CHAR(64), run_id CHAR(64), workflow_id TEXT, status INT,
			history_length BIGINT, start_time TIMESTAMP, close_time TIMESTAMP, search_attributes TEXT,
			Keyword01 TEXT GENERATED ALWAYS AS (JSON_EXTRACT(search_attributes, '$.Keyword01')),
			Keyword02 TEXT GENERATED ALWAYS AS (JSON_EXTRACT(search_attributes, '$.Keyword02')),
			PRIMARY KEY (namespace_id, run_id))`,
		"CREATE INDEX default_idx ON executions_visibility (namespace_id, start_time)",
		"CREATE INDEX by_workflow_id ON executions_visibility (namespace_id, workflow_id)",
		"CREATE INDEX by_history_length ON executions_visibility (namespace_id, history_length)",
		indexDefinition("by_keyword_01", "Keyword01"),
		indexDefinition("by_keyword_02", "Keyword02"),
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	return file, db
}

func TestKeepIndexesKeepsListsAndRegisteredAttributes(t *testing.T) {
	t.Parallel()
	file, db := visibilityFile(t)
	expect := func(names ...string) {
		t.Helper()
		got, err := indexes(t.Context(), db)
		require.NoError(t, err)
		slices.Sort(got)
		require.Equal(t, names, got)
	}
	require.NoError(t, keepIndexes(t.Context(), file, []string{"Keyword01", "Text01"}))
	expect("by_keyword_01", "by_workflow_id", "default_idx")

	require.NoError(t, keepIndexes(t.Context(), file, []string{"Keyword01", "Keyword02"}))
	expect("by_keyword_01", "by_keyword_02", "by_workflow_id", "default_idx")

	require.NoError(t, keepIndexes(t.Context(), file, []string{"Keyword01", "Keyword02"}))
	expect("by_keyword_01", "by_keyword_02", "by_workflow_id", "default_idx")
}

func TestKeepIndexesLeavesAnUnknownSchemaAlone(t *testing.T) {
	t.Parallel()
	file, db := visibilityFile(t)
	_, err := db.ExecContext(t.Context(), "DROP TABLE executions_visibility")
	require.NoError(t, err)
	require.NoError(t, keepIndexes(t.Context(), file, nil))
	require.Error(t, keepIndexes(t.Context(), filepath.Join(t.TempDir(), "missing.db"), nil))
}

func TestOnlyTheTunedServerIsTuned(t *testing.T) {
	t.Parallel()
	require.Empty(t, Untouched.dynamicConfig())
	require.Contains(t, LimitsLifted.dynamicConfig(), "history.rps=1000000")
	require.Subset(t, Tuned.dynamicConfig(), LimitsLifted.dynamicConfig())
	require.Equal(t, Tuned.dynamicConfig(), SettingsAlone.dynamicConfig())
	require.Greater(t, len(Tuned.dynamicConfig()), len(LimitsLifted.dynamicConfig()))
}
