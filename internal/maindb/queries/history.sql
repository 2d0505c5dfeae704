-- name: RecordByID :one
SELECT * FROM official_record WHERE record_id = ?;

-- name: LatestRevisionsByID :many
SELECT record_id, race_id, revision, updated_at FROM official_record WHERE record_id IN (sqlc.slice(record_ids));

-- name: OutboxRowsOfRecords :many
-- Reads the whole outbox, which is empty except for moments and during outages.
SELECT outbox_id, race_id, record_id, revision, created_at FROM outbox
WHERE record_id IN (sqlc.slice(record_ids)) ORDER BY outbox_id;

-- name: RevisionSums :many
-- Reads only an index; race_id may be '%'.
SELECT race_id, COUNT(*) AS records, CAST(SUM(CRC32(CONCAT(record_id, revision))) AS SIGNED) AS fingerprint
FROM official_record WHERE race_id LIKE sqlc.arg(race_id) AND race_id > sqlc.arg(after)
GROUP BY race_id ORDER BY race_id LIMIT ?;

-- name: StandingsAround :many
-- The last version whose inputs were read before a time, and those after it.
SELECT s.version, s.status, s.computed_at, s.inputs_hash, s.ruleset, s.reason, s.entries, s.body_kind
FROM standings AS s
WHERE s.race_id = sqlc.arg(race_id) AND s.version >= (
    SELECT COALESCE(MAX(b.version), 1) FROM standings AS b
    WHERE b.race_id = sqlc.arg(race_id) AND b.computed_at < sqlc.arg(read_at))
ORDER BY s.version
LIMIT ?;

-- name: RecordsByBib :many
-- The records with a bib, removed ones included, in one race or, with the empty and the
-- last ID as bounds, in all.
SELECT record_id, race_id FROM official_record
WHERE bib_key = sqlc.arg(bib_key) AND race_id >= sqlc.arg(first_race) AND race_id <= sqlc.arg(last_race)
  AND (race_id > sqlc.arg(after_race) OR race_id = sqlc.arg(after_race) AND record_id > sqlc.arg(after_record))
ORDER BY race_id, record_id
LIMIT ?;

-- name: RecordLabels :many
SELECT o.record_id, o.bib, COALESCE(r.name, '') AS race_name
FROM official_record AS o LEFT JOIN race AS r ON r.race_id = o.race_id
WHERE o.record_id IN (sqlc.slice(record_ids));
