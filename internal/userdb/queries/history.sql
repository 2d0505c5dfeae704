-- name: CreditRow :one
SELECT * FROM credit WHERE record_id = ?;

-- name: LinesOfRecords :many
SELECT * FROM point WHERE record_id IN (sqlc.slice(record_ids)) ORDER BY point_id;

-- name: CreditSums :many
-- Reads only an index; race_id may be '%'. Credits that were reversed because their record
-- is missing do not count.
SELECT race_id, CAST(SUM(status = 'credited') AS SIGNED) AS credited, CAST(SUM(status = 'rejected') AS SIGNED) AS rejected,
    CAST(SUM(CASE WHEN status = 'reversed' THEN 0 ELSE CRC32(CONCAT(record_id, revision)) END) AS SIGNED) AS fingerprint
FROM credit WHERE race_id LIKE sqlc.arg(race_id) AND race_id > sqlc.arg(after)
GROUP BY race_id ORDER BY race_id LIMIT ?;

-- name: RejectedOfRace :many
-- An empty reason matches every reason.
SELECT record_id, revision FROM credit
WHERE race_id = sqlc.arg(race_id) AND status = 'rejected' AND LOCATE(sqlc.arg(reason), reason) > 0
ORDER BY record_id;

-- name: LockTotal :one
-- The worker may read no more of an account.
SELECT total_point FROM user WHERE user_id = ? FOR UPDATE;

-- name: TotalAndLines :one
-- One statement, so that total and lines are consistent.
SELECT u.total_point, CAST((SELECT COALESCE(SUM(p.points), 0) FROM point AS p WHERE p.user_id = u.user_id) AS SIGNED) AS sum_of_lines
FROM user AS u WHERE u.user_id = ?;

-- name: SumOfLines :one
SELECT CAST(COALESCE(SUM(points), 0) AS SIGNED) AS total FROM point WHERE user_id = ?;

-- name: SetTotal :exec
UPDATE user SET total_point = ?, updated_at = ? WHERE user_id = ?;
