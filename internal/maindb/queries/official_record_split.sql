-- name: SplitsOfRecord :many
SELECT revision, times FROM official_record_split WHERE race_id = ? AND record_id = ? ORDER BY revision;

-- name: SplitsOfRace :many
-- What counts of each record is its last row.
SELECT record_id, revision, times FROM official_record_split WHERE race_id = ? ORDER BY record_id, revision;

-- name: SplitsMark :one
-- Splits are only ever added, each for a higher revision, so that two equal marks
-- are of the same state. Read from the index alone.
SELECT COUNT(*) AS written, CAST(COALESCE(SUM(revision), 0) AS SIGNED) AS revisions
FROM official_record_split WHERE race_id = ?;
