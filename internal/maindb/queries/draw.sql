-- name: InsertDraw :exec
INSERT INTO draw (race_id, seed, created_at) VALUES (?, ?, ?);

-- name: DrawOf :one
SELECT * FROM draw WHERE race_id = ?;

-- name: EndDraw :exec
UPDATE draw SET drawn_at = ?, list_hash = ? WHERE race_id = ?;

-- name: DrawNumbers :many
SELECT * FROM draw_number WHERE race_id = ? ORDER BY number;

-- name: DrawNumbersAfter :many
SELECT * FROM draw_number WHERE race_id = ? AND number > ? ORDER BY number LIMIT ?;

-- name: DrawNumbersOfUsers :many
SELECT user_id, number, place FROM draw_number WHERE race_id = ? AND user_id IN (sqlc.slice(user_ids));

-- name: EntriesInDraw :many
-- Everybody who has a number of the draw with their entry as it is now.
SELECT entry.* FROM draw_number
JOIN entry FORCE INDEX (entry_user) ON entry.user_id = draw_number.user_id AND entry.race_id = draw_number.race_id
WHERE draw_number.race_id = ?;

-- name: ApplyDraw :execrows
-- The registered of a pool get their state, and a number in the order of the draw.
UPDATE entry JOIN draw_number ON draw_number.race_id = entry.race_id AND draw_number.user_id = entry.user_id
SET entry.seq = sqlc.arg(before_first) + draw_number.place, entry.state = draw_number.result, entry.changed_at = sqlc.arg(changed_at)
WHERE entry.race_id = sqlc.arg(race_id) AND entry.pool = sqlc.arg(pool) AND entry.state = 'registered';

-- name: QueueDraw :exec
INSERT INTO draw_outbox (race_id, created_at) VALUES (?, ?) ON DUPLICATE KEY UPDATE created_at = VALUES(created_at);

-- name: QueueOpenDraw :exec
-- Nothing is drawn in a race with results: those who are registered are to hear so.
INSERT INTO draw_outbox (race_id, created_at)
SELECT draw.race_id, sqlc.arg(created_at) FROM draw WHERE draw.race_id = sqlc.arg(race_id) AND draw.drawn_at IS NULL
ON DUPLICATE KEY UPDATE created_at = VALUES(created_at);

-- name: DropRegistered :execrows
UPDATE entry SET state = 'not_drawn', changed_at = sqlc.arg(changed_at) WHERE race_id = ? AND pool = ? AND state = 'registered';

-- name: DrawsToStart :many
SELECT race_id FROM draw_outbox ORDER BY created_at LIMIT ? FOR UPDATE SKIP LOCKED;

-- name: DrawStarted :exec
DELETE FROM draw_outbox WHERE race_id = ?;

-- name: OpenDraws :many
-- Draws of races to come that have not been drawn and whose workflow is not about to be
-- started.
SELECT draw.race_id FROM draw JOIN race ON race.race_id = draw.race_id
LEFT JOIN draw_outbox ON draw_outbox.race_id = draw.race_id
WHERE draw.drawn_at IS NULL AND draw.created_at < ? AND race.status = 'scheduled' AND draw_outbox.race_id IS NULL
ORDER BY draw.race_id LIMIT ?;

-- name: DeleteDrawOfRace :exec
DELETE FROM draw WHERE race_id = ?;

-- name: DeleteDrawNumbersOfRace :exec
DELETE FROM draw_number WHERE race_id = ?;

-- name: DeleteDrawOutboxOfRace :exec
DELETE FROM draw_outbox WHERE race_id = ?;
