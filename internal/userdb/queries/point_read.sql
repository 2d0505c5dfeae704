-- name: PointLines :many
-- One statement, so that total and lines are consistent. A user without lines is one row
-- whose line is NULL.
SELECT u.total_point, p.point_id, p.race_id, p.record_id, p.revision, p.rule, p.edition, p.points, p.parts, p.reason,
       p.workflow_id, p.created_at
FROM user u
LEFT JOIN point p ON p.user_id = u.user_id AND p.point_id < sqlc.arg(before_point_id)
WHERE u.user_id = sqlc.arg(user_id) AND u.erased_at IS NULL
ORDER BY p.point_id DESC
LIMIT ?;
