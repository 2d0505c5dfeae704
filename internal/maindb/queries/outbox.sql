-- name: RaceInOutboxAfter :one
SELECT o.race_id, r.name
FROM outbox AS o FORCE INDEX (outbox_by_race) LEFT JOIN race AS r ON r.race_id = o.race_id
WHERE o.race_id > ? ORDER BY o.race_id LIMIT 1;

-- name: CountOutbox :many
SELECT race_id, COUNT(*) AS waiting FROM outbox GROUP BY race_id;

-- name: OldestOutbox :one
SELECT created_at FROM outbox ORDER BY outbox_id LIMIT 1;
