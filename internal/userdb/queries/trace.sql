-- name: CreditRow :one
SELECT * FROM credit WHERE record_id = ?;

-- name: LinesOfRecords :many
SELECT * FROM point WHERE record_id IN (sqlc.slice(record_ids)) ORDER BY point_id;

-- name: CreditSums :many
-- From an index alone; race_id may be '%'.
SELECT race_id, status, COUNT(*) AS credits, CAST(SUM(CRC32(CONCAT(record_id, revision))) AS SIGNED) AS fingerprint
FROM credit WHERE race_id LIKE sqlc.arg(race_id) GROUP BY race_id, status;

-- name: RejectedOfRace :many
-- An empty reason is part of every reason.
SELECT record_id, revision FROM credit
WHERE race_id = sqlc.arg(race_id) AND status = 'rejected' AND LOCATE(sqlc.arg(reason), reason) > 0
ORDER BY record_id;

-- name: SumOfLines :one
SELECT CAST(COALESCE(SUM(points), 0) AS SIGNED) AS total FROM point WHERE user_id = ?;

-- name: SetTotal :exec
UPDATE user SET total_point = ?, updated_at = ? WHERE user_id = ?;
