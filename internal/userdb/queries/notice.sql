-- name: NoticeChoices :many
SELECT kind, channel, state FROM notice_choice WHERE user_id = ?;

-- name: ChooseNotice :exec
INSERT INTO notice_choice (user_id, kind, channel, state, chosen_at) VALUES (?, ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE state = VALUES(state), chosen_at = VALUES(chosen_at);

-- name: NoticesPausedUntil :one
SELECT notices_paused_until FROM user WHERE user_id = ? AND erased_at IS NULL;

-- name: PauseNotices :exec
UPDATE user SET notices_paused_until = ?, updated_at = ? WHERE user_id = ?;

-- name: UnsubscriberByLink :one
SELECT user_id, secret FROM unsubscriber WHERE link_id = ?;

-- name: DeleteNoticeChoices :exec
DELETE FROM notice_choice WHERE user_id = ?;

-- name: DeleteUnsubscriber :exec
DELETE FROM unsubscriber WHERE user_id = ?;

-- name: Unsubscribers :many
SELECT * FROM unsubscriber WHERE user_id IN (sqlc.slice(user_ids));

-- name: Recipients :many
-- What decides whether notices are mailed to accounts that have an address: a row for each
-- of their choices, or one.
SELECT user.user_id, user.email, user.language, user.notices_paused_until, user.email_problem, user.suspended_at, choice.kind, choice.channel, choice.state
FROM user LEFT JOIN notice_choice AS choice ON choice.user_id = user.user_id
WHERE user.user_id IN (sqlc.slice(user_ids)) AND user.email IS NOT NULL AND user.erased_at IS NULL;

-- name: HoldUsers :many
-- Those of the accounts that are not erased, and that cannot be until the transaction ends.
SELECT user_id FROM user WHERE user_id IN (sqlc.slice(user_ids)) AND erased_at IS NULL ORDER BY user_id LOCK IN SHARE MODE;

-- name: Noticed :many
SELECT user_id, thing, state FROM noticed WHERE user_id IN (sqlc.slice(user_ids));

-- name: NoticesToSend :many
-- Of those that an operator has sent again, each has a workflow of its own.
SELECT mail_id FROM mail
WHERE notice_position = ? AND notice_event = ? AND state = 'queued' AND resends = 0
ORDER BY attempts, mail_id
LIMIT ?;

-- name: NoticesLeftSending :many
-- Programs of the version before mark mails so before an attempt, and leave those behind
-- that were under way when they were killed.
SELECT mail_id, updated_at FROM mail
WHERE notice_position = ? AND notice_event = ? AND state = 'sending' AND resends = 0
ORDER BY updated_at, mail_id
LIMIT ?;

-- name: DropNotices :exec
UPDATE mail SET state = 'failed', reason = 'withdrawn', updated_at = sqlc.arg(updated_at)
WHERE notice_position = sqlc.arg(notice_position) AND notice_event = sqlc.arg(notice_event) AND resends = 0
  AND (state = 'queued' OR state = 'sending' AND updated_at <= sqlc.arg(begun_before));

-- name: LockNoticeSender :one
SELECT sender, sender_until FROM notice_sender WHERE position = ? AND kind = ? FOR UPDATE;

-- name: OpenNotices :exec
-- A row that can be locked, for an event whose mails nobody has.
INSERT IGNORE INTO notice_sender (position, kind, sender, sender_until) VALUES (?, ?, ?, ?);

-- name: HoldNotices :exec
UPDATE notice_sender SET sender = ?, sender_until = ? WHERE position = ? AND kind = ?;

-- name: LeaveNotices :exec
DELETE FROM notice_sender WHERE position = ? AND kind = ? AND sender = ?;

-- name: NoticedForUpdate :many
SELECT user_id, thing, state FROM noticed WHERE user_id IN (sqlc.slice(user_ids)) AND thing IN (sqlc.slice(things)) FOR UPDATE;

-- name: DeleteNoticed :exec
DELETE FROM noticed WHERE user_id = ?;
