-- name: InsertPost :exec
INSERT INTO post (post_id, race_id, revision, state, title, body, publish_at, pinned, notify, notify_waiting, comments,
                  created_by, created_at, updated_at, published_at)
VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: Post :one
SELECT * FROM post WHERE post_id = ?;

-- name: LockPost :one
SELECT * FROM post WHERE post_id = ? FOR UPDATE;

-- name: CountPosts :one
SELECT COUNT(*) FROM post WHERE race_id = ?;

-- name: CountMailedPosts :one
-- The posts of a race that have mailed people after a time, those that were removed since
-- among them: so this reads the change log, from an ID on that is older than the time.
SELECT COUNT(*) FROM change_log USE INDEX (change_by_action)
WHERE action = 'post.published' AND change_id >= sqlc.arg(oldest) AND race_id = sqlc.arg(race_id) AND changed_at > sqlc.arg(after)
  AND state_after LIKE '%"notify":true%' AND state_after LIKE '%"first":true%';

-- name: CountPlannedMails :one
-- The posts of a race other than one that are planned between two times and mail people.
SELECT COUNT(*) FROM post
WHERE race_id = sqlc.arg(race_id) AND post_id <> sqlc.arg(post_id) AND notify
  AND state = 'planned' AND publish_at > sqlc.arg(after) AND publish_at < sqlc.arg(before);

-- name: UpdatePost :exec
UPDATE post SET revision = revision + 1, state = ?, title = ?, body = ?, publish_at = ?, pinned = ?, notify = ?, notify_waiting = ?,
    comments = ?, updated_at = ?, published_at = ?
WHERE post_id = ?;

-- name: PublishPlannedPost :execrows
-- Publishes a planned post whose time has come. The time now is the database's.
UPDATE post SET revision = revision + 1, state = 'published', published_at = COALESCE(published_at, sqlc.arg(due_by)), updated_at = sqlc.arg(updated_at)
WHERE post_id = sqlc.arg(post_id) AND state = 'planned' AND publish_at <= sqlc.arg(due_by);

-- name: PublishedPosts :many
-- Pinned posts first, and the newest of each first, after the last one of the page before.
SELECT * FROM post
WHERE race_id = sqlc.arg(race_id) AND state = 'published'
  AND (pinned < sqlc.arg(pinned) OR pinned = sqlc.arg(pinned) AND published_at < sqlc.arg(published_at)
       OR pinned = sqlc.arg(pinned) AND published_at = sqlc.arg(published_at) AND post_id < sqlc.arg(post_id))
ORDER BY pinned DESC, published_at DESC, post_id DESC
LIMIT ?;

-- name: NewestPosts :many
SELECT * FROM post WHERE race_id = ? AND state = 'published' ORDER BY published_at DESC, post_id DESC LIMIT ?;

-- name: PostsOfRace :many
-- Of any state, the newest first; an empty state stands for any.
SELECT * FROM post
WHERE race_id = sqlc.arg(race_id) AND post_id < sqlc.arg(before_id) AND (sqlc.arg(state) = '' OR state = sqlc.arg(state))
ORDER BY post_id DESC
LIMIT ?;

-- name: DeletePost :exec
DELETE FROM post WHERE post_id = ?;

-- name: QueuePost :exec
INSERT INTO post_outbox (post_id, race_id, created_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE created_at = VALUES(created_at);

-- name: PostsToStart :many
SELECT post_id, race_id FROM post_outbox ORDER BY created_at LIMIT ? FOR UPDATE SKIP LOCKED;

-- name: PostStarted :exec
DELETE FROM post_outbox WHERE post_id = ?;

-- name: PlannedPosts :many
-- Those whose workflow is not about to be started, the soonest first. In void races
-- nothing is published any more: their workflows have ended.
SELECT post.race_id, post.post_id FROM post
JOIN race ON race.race_id = post.race_id
LEFT JOIN post_outbox ON post_outbox.post_id = post.post_id
WHERE post.state = 'planned' AND post.updated_at < ? AND post_outbox.post_id IS NULL AND race.status <> 'void'
ORDER BY post.publish_at, post.post_id LIMIT ?;

-- name: DeletePostsOfRace :exec
DELETE FROM post WHERE race_id = ?;

-- name: DeletePostOutboxOfRace :exec
DELETE FROM post_outbox WHERE race_id = ?;

-- name: PostReaders :many
-- Who is entered in a race, by account.
SELECT user_id FROM participant FORCE INDEX (participant_user)
WHERE race_id = sqlc.arg(race_id) AND status = 'entered' AND user_id > sqlc.arg(after)
ORDER BY user_id LIMIT ?;

-- name: PostReadersWaiting :many
-- Who waits for a place in a race, by account.
SELECT user_id FROM entry
WHERE race_id = sqlc.arg(race_id) AND state IN ('waiting', 'offered', 'registered') AND user_id > sqlc.arg(after)
ORDER BY user_id LIMIT ?;
