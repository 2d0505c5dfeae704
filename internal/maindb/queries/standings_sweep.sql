-- The sweep reads races in pages that begin after a position. The index is forced,
-- because a burst leaves so many rows with one time that the optimizer may prefer to scan
-- the table.

-- name: RacesWithChangedRecords :many
SELECT DISTINCT updated_at, race_id FROM official_record FORCE INDEX (official_record_race_changes)
WHERE updated_at >= sqlc.arg(after_time) AND (updated_at > sqlc.arg(after_time) OR race_id > sqlc.arg(after_race))
ORDER BY updated_at, race_id
LIMIT ?;

-- name: RacesWithChangedSettings :many
SELECT updated_at, race_id FROM race FORCE INDEX (race_changes)
WHERE updated_at >= sqlc.arg(after_time) AND (updated_at > sqlc.arg(after_time) OR race_id > sqlc.arg(after_race))
  AND status <> 'scheduled'
ORDER BY updated_at, race_id
LIMIT ?;

-- name: RacesWithOpenPublication :many
SELECT race_id FROM publication FORCE INDEX (publication_open)
WHERE published_at IS NULL AND race_id > sqlc.arg(after_race)
ORDER BY race_id
LIMIT ?;

-- name: StandingsMarks :many
SELECT c.race_id, c.updated_at AS race_changed_at, m.record_revisions, m.credit_revisions, m.race_changed_at AS marked_changed_at
FROM race AS c LEFT JOIN standings_mark AS m ON m.race_id = c.race_id
WHERE c.race_id IN (sqlc.slice(race_ids));

-- name: RevisionsOfRaces :many
-- Reads only an index.
SELECT race_id, CAST(SUM(revision) AS SIGNED) AS revisions
FROM official_record WHERE race_id IN (sqlc.slice(race_ids)) GROUP BY race_id;
