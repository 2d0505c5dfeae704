-- name: InsertComment :exec
INSERT INTO post_comment (comment_id, post_id, race_id, user_id, by_staff, text, state, created_at) VALUES (?, ?, ?, ?, ?, ?, 'shown', ?);

-- name: Comment :one
SELECT * FROM post_comment WHERE comment_id = ?;

-- name: LockComment :one
SELECT * FROM post_comment WHERE comment_id = ? FOR UPDATE;

-- name: CommentsOfPost :many
-- The first one first, with the age of its author on race day.
SELECT sqlc.embed(post_comment), participant.age
FROM post_comment
LEFT JOIN participant ON participant.race_id = post_comment.race_id AND participant.user_id = post_comment.user_id
WHERE post_comment.post_id = ? AND post_comment.comment_id > ?
ORDER BY post_comment.comment_id
LIMIT ?;

-- name: EditComment :exec
UPDATE post_comment SET text = ?, edited_at = ? WHERE comment_id = ?;

-- name: SetCommentState :exec
UPDATE post_comment SET state = ?, text = ?, hidden_reason = ? WHERE comment_id = ?;

-- name: InsertReport :exec
INSERT INTO comment_report (comment_id, user_id, race_id, reason, created_at) VALUES (?, ?, ?, ?, ?);

-- name: Reported :one
SELECT EXISTS (SELECT 1 FROM comment_report WHERE comment_id = ? AND user_id = ?) AS reported;

-- name: CloseReports :exec
UPDATE comment_report SET closed_at = ? WHERE comment_id = ? AND closed_at IS NULL;

-- name: DeleteClosedReports :exec
-- They were about the text before: whoever made them can report the one that follows.
DELETE FROM comment_report WHERE comment_id = ? AND closed_at IS NOT NULL;

-- name: DeleteReportsOfComment :exec
DELETE FROM comment_report WHERE comment_id = ?;

-- name: ReportedComments :many
-- Comments that somebody has reported and nobody has judged since, the newest first; an
-- empty race stands for all.
SELECT * FROM post_comment
WHERE post_comment.comment_id < sqlc.arg(before_id) AND post_comment.comment_id IN (
    SELECT comment_report.comment_id FROM comment_report
    WHERE comment_report.closed_at IS NULL AND (sqlc.arg(race_id) = '' OR comment_report.race_id = sqlc.arg(race_id)))
ORDER BY post_comment.comment_id DESC
LIMIT ?;

-- name: ReportsOf :many
-- Open ones, and those that were closed by a decision about the comment.
SELECT comment_id, reason, created_at, closed_at FROM comment_report
WHERE comment_id IN (sqlc.slice(comment_ids))
ORDER BY comment_id, created_at;

-- name: CountReportedComments :one
SELECT COUNT(DISTINCT comment_id) FROM comment_report WHERE closed_at IS NULL;

-- name: OldestReport :one
SELECT created_at FROM comment_report WHERE closed_at IS NULL ORDER BY created_at LIMIT 1;

-- name: HiddenComments :many
SELECT * FROM post_comment WHERE race_id = ? AND state = 'hidden' AND comment_id < ? ORDER BY comment_id DESC LIMIT ?;

-- name: DeleteReportsOfPost :exec
DELETE comment_report FROM comment_report JOIN post_comment ON post_comment.comment_id = comment_report.comment_id WHERE post_comment.post_id = ?;

-- name: DeleteCommentsOfPost :exec
DELETE FROM post_comment WHERE post_id = ?;

-- name: DeleteReportsOfRace :exec
DELETE FROM comment_report WHERE race_id = ?;

-- name: DeleteCommentsOfRace :exec
DELETE FROM post_comment WHERE race_id = ?;

-- name: EraseCommentsOf :exec
UPDATE post_comment SET text = '', state = 'erased', hidden_reason = '' WHERE user_id = ?;

-- name: DeleteReportsAbout :exec
DELETE comment_report FROM comment_report JOIN post_comment ON post_comment.comment_id = comment_report.comment_id WHERE post_comment.user_id = ?;

-- name: DeleteReportsBy :exec
DELETE FROM comment_report WHERE user_id = ?;
