-- name: TotalsSlice :one
-- The end of a slice of accounts.
SELECT user_id FROM user WHERE user_id > sqlc.arg(after) ORDER BY user_id LIMIT 1 OFFSET ?;

-- name: UnequalTotals :many
-- One statement, so that totals and lines are consistent.
SELECT u.user_id, u.total_point, CAST(COALESCE(SUM(p.points), 0) AS SIGNED) AS sum_of_lines
FROM user u
LEFT JOIN point p ON p.user_id = u.user_id
WHERE u.user_id > sqlc.arg(after) AND u.user_id <= sqlc.arg(up_to)
GROUP BY u.user_id, u.total_point
HAVING u.total_point <> COALESCE(SUM(p.points), 0)
ORDER BY u.user_id;

-- name: CreditsSlice :one
-- The end of a slice of credits.
SELECT record_id FROM credit WHERE record_id > sqlc.arg(after) ORDER BY record_id LIMIT 1 OFFSET ?;

-- name: UnequalCredits :many
-- One statement, so that credits and lines are consistent.
SELECT both_sides.record_id, both_sides.user_id, CAST(SUM(both_sides.points) AS SIGNED) AS excess
FROM (
    SELECT p.record_id, p.user_id, p.points FROM point p
    WHERE p.record_id > sqlc.arg(after) AND p.record_id <= sqlc.arg(up_to)
    UNION ALL
    SELECT c.record_id, c.user_id, -c.points AS points FROM credit c
    WHERE c.record_id > sqlc.arg(after) AND c.record_id <= sqlc.arg(up_to) AND c.user_id IS NOT NULL
) AS both_sides
GROUP BY both_sides.record_id, both_sides.user_id
HAVING SUM(both_sides.points) <> 0
ORDER BY both_sides.record_id, both_sides.user_id;

-- name: UnequalCreditOf :one
-- Whether the lines of any record contradict its credit for this user.
SELECT EXISTS (
    SELECT both_sides.record_id
    FROM (
        SELECT p.record_id, p.points FROM point p WHERE p.user_id = sqlc.arg(user_id)
        UNION ALL
        SELECT c.record_id, -c.points AS points FROM credit c WHERE c.user_id = sqlc.arg(credited_user_id)
    ) AS both_sides
    GROUP BY both_sides.record_id
    HAVING SUM(both_sides.points) <> 0
);
