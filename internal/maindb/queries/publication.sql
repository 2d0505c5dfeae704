-- name: Publication :one
SELECT * FROM publication WHERE race_id = ?;

-- name: InsertPublication :exec
INSERT INTO publication (race_id, requested_by, requested_at, ends_at) VALUES (?, ?, ?, ?);

-- name: DeletePublication :exec
DELETE FROM publication WHERE race_id = ? AND published_at IS NULL;

-- name: FulfilPublication :execrows
UPDATE publication SET published_at = sqlc.arg(published_at)
WHERE race_id = sqlc.arg(race_id) AND ends_at = sqlc.arg(ends_at) AND published_at IS NULL;

-- name: MakeRaceOfficial :exec
UPDATE race SET status = 'official', updated_at = ? WHERE race_id = ?;
