-- name: InsertTask :exec
INSERT INTO race_task (task_id, race_id, title, note, status, assignee_id, due_at, due_on, remind_days, position, revision, copied_from, created_at, updated_at, told_at, next_at, due_clock)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: TasksOfRace :many
SELECT * FROM race_task WHERE race_id = ? ORDER BY position, task_id;

-- name: LockTasksOfRace :many
SELECT * FROM race_task WHERE race_id = ? ORDER BY position, task_id FOR UPDATE;

-- name: LockTask :one
SELECT * FROM race_task WHERE task_id = ? FOR UPDATE;

-- name: TasksByIDs :many
SELECT * FROM race_task WHERE task_id IN (sqlc.slice(task_ids)) ORDER BY due_at IS NULL, due_at, task_id;

-- name: UpdateTask :exec
UPDATE race_task
SET title = ?, note = ?, status = ?, assignee_id = ?, due_at = ?, due_on = ?, due_clock = ?, remind_days = ?, position = ?, revision = ?, updated_at = ?, told_at = ?, next_at = ?
WHERE task_id = ?;

-- name: SetTaskDue :exec
UPDATE race_task SET due_at = ? WHERE task_id = ?;

-- name: CountTasks :many
SELECT race_id, COUNT(*) AS tasks, COUNT(CASE WHEN status IN ('open', 'in_progress') THEN 1 END) AS unfinished,
    COUNT(CASE WHEN status IN ('open', 'in_progress') AND due_at <= sqlc.arg(now) THEN 1 END) AS overdue
FROM race_task WHERE race_id IN (sqlc.slice(race_ids)) GROUP BY race_id;

-- name: PlaceTask :exec
UPDATE race_task SET position = ? WHERE task_id = ?;

-- name: DeleteTask :exec
DELETE FROM race_task WHERE task_id = ?;

-- name: DeleteTasksOfRace :exec
DELETE FROM race_task WHERE race_id = ?;

-- name: WatchersOfTasks :many
SELECT * FROM race_task_watcher WHERE task_id IN (sqlc.slice(task_ids)) ORDER BY task_id, user_id;

-- name: WatchersOfRace :many
SELECT race_task_watcher.* FROM race_task_watcher JOIN race_task ON race_task.task_id = race_task_watcher.task_id
WHERE race_task.race_id = ? ORDER BY race_task_watcher.task_id, race_task_watcher.user_id;

-- name: InsertTaskWatcher :exec
INSERT INTO race_task_watcher (task_id, user_id) VALUES (?, ?);

-- name: DeleteTaskWatchers :exec
DELETE FROM race_task_watcher WHERE task_id = ?;

-- name: DeleteTaskWatchersOfRace :exec
DELETE race_task_watcher FROM race_task_watcher JOIN race_task ON race_task.task_id = race_task_watcher.task_id WHERE race_task.race_id = ?;

-- name: StopWatchingTasks :exec
DELETE race_task_watcher FROM race_task_watcher JOIN race_task ON race_task.task_id = race_task_watcher.task_id
WHERE race_task.race_id = ? AND race_task_watcher.user_id = ?;

-- name: OpenTasksOf :many
SELECT sqlc.embed(race_task), sqlc.embed(race)
FROM race_task JOIN race ON race.race_id = race_task.race_id
WHERE race_task.assignee_id = ? AND race_task.status IN ('open', 'in_progress') AND race.status <> 'void'
ORDER BY race_task.due_at IS NULL, race_task.due_at, race_task.task_id
LIMIT ?;

-- name: AssignedTasks :many
SELECT * FROM race_task WHERE assignee_id = ? AND race_id = ? ORDER BY task_id FOR UPDATE;

-- name: UnassignTask :exec
UPDATE race_task SET assignee_id = NULL, revision = revision + 1, updated_at = ? WHERE task_id = ?;

-- name: ForgetAssignee :exec
UPDATE race_task SET assignee_id = NULL WHERE assignee_id = ?;

-- name: ForgetWatcher :exec
DELETE FROM race_task_watcher WHERE user_id = ?;

-- name: CopiedTasks :many
SELECT copied_from FROM race_task WHERE race_id = ? AND copied_from IS NOT NULL;

-- name: QueueTask :exec
INSERT INTO task_outbox (task_id, race_id, created_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE created_at = VALUES(created_at);

-- name: TasksToStart :many
SELECT * FROM task_outbox ORDER BY created_at LIMIT ? FOR UPDATE SKIP LOCKED;

-- name: TaskStarted :exec
DELETE FROM task_outbox WHERE task_id = ?;

-- name: TaskTold :exec
UPDATE race_task SET told_at = ?, next_at = ? WHERE task_id = ?;

-- name: LateTasks :many
-- Tasks whose reminder is overdue and whose workflow is not about to be started.
SELECT race_task.task_id, race_task.race_id FROM race_task LEFT JOIN task_outbox ON task_outbox.task_id = race_task.task_id
WHERE race_task.next_at < ? AND task_outbox.task_id IS NULL ORDER BY race_task.next_at LIMIT ?;

-- name: SetCalendarFeed :exec
REPLACE INTO calendar_feed (race_id, user_id, token_hash, created_at) VALUES (?, ?, ?, ?);

-- name: CalendarFeed :one
SELECT created_at FROM calendar_feed WHERE race_id = ? AND user_id = ?;

-- name: CalendarFeedByToken :one
SELECT race_id, user_id FROM calendar_feed WHERE token_hash = ?;

-- name: DeleteCalendarFeed :execrows
DELETE FROM calendar_feed WHERE race_id = ? AND user_id = ?;

-- name: DeleteCalendarFeedsOf :exec
DELETE FROM calendar_feed WHERE user_id = ?;

-- name: DeleteCalendarFeedsOfRace :exec
DELETE FROM calendar_feed WHERE race_id = ?;

-- name: QueueTasksOfRace :exec
INSERT INTO task_outbox (task_id, race_id, created_at)
SELECT race_task.task_id, race_task.race_id, sqlc.arg(created_at) FROM race_task WHERE race_task.race_id = sqlc.arg(race_id) AND race_task.next_at IS NOT NULL
ON DUPLICATE KEY UPDATE created_at = VALUES(created_at);
