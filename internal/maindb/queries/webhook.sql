-- name: InsertWebhook :exec
INSERT INTO webhook (webhook_id, race_id, format, language, url, events, created_by, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: WebhooksOfRace :many
SELECT * FROM webhook WHERE race_id = ? ORDER BY webhook_id DESC;

-- name: Webhook :one
SELECT * FROM webhook WHERE webhook_id = ? AND race_id = ?;

-- name: LockWebhook :one
SELECT * FROM webhook WHERE webhook_id = ? FOR UPDATE;

-- name: WebhooksThatAreOn :many
SELECT * FROM webhook WHERE off_reason = '' AND race_id IN (sqlc.slice(race_ids)) ORDER BY webhook_id;

-- name: UpdateWebhook :exec
UPDATE webhook SET url = ?, language = ?, events = ?, off_reason = ?, off_at = ?, failing_since = ?, wake_at = ?, rest_until = ? WHERE webhook_id = ?;

-- name: ReleaseWebhook :exec
-- Who sends to it does so no longer.
UPDATE webhook SET sender = '', sender_until = NULL WHERE webhook_id = ?;

-- name: SwitchOffWebhooks :exec
UPDATE webhook SET off_reason = ?, off_at = ? WHERE race_id = ? AND off_reason = '';

-- name: DeleteWebhook :exec
DELETE FROM webhook WHERE webhook_id = ?;

-- name: DeleteWebhookSecrets :exec
DELETE FROM webhook_secret WHERE webhook_id = ?;

-- name: DeleteWebhookDeliveries :exec
DELETE FROM webhook_delivery WHERE webhook_id = ?;

-- name: WebhookSecretNumbers :many
SELECT secret_no, expires_at FROM webhook_secret WHERE webhook_id = ? ORDER BY secret_no;

-- name: InsertWebhookSecret :exec
INSERT INTO webhook_secret (webhook_id, secret_no, secret) VALUES (?, ?, ?);

-- name: ExpireWebhookSecrets :exec
UPDATE webhook_secret SET expires_at = ? WHERE webhook_id = ? AND expires_at IS NULL;

-- name: DeleteExpiredWebhookSecrets :exec
DELETE FROM webhook_secret WHERE webhook_id = ? AND expires_at <= ?;

-- name: WebhookSecrets :many
SELECT secret FROM webhook_secret WHERE webhook_id = ? AND (expires_at IS NULL OR expires_at > sqlc.arg(at)) ORDER BY secret_no DESC;

-- name: WebhookDeliveries :many
SELECT * FROM webhook_delivery WHERE webhook_id = ? AND delivery_id < ? ORDER BY delivery_id DESC LIMIT ?;

-- name: WebhookDelivery :one
SELECT * FROM webhook_delivery WHERE webhook_id = ? AND delivery_id = ?;

-- name: ReplayWebhookDelivery :exec
UPDATE webhook_delivery SET state = 'waiting', attempts = 0, due_at = ? WHERE delivery_id = ?;

-- name: ReplayWebhookDeliveries :execrows
UPDATE webhook_delivery SET state = 'waiting', attempts = 0, due_at = sqlc.arg(due_at)
WHERE webhook_id = sqlc.arg(webhook_id) AND happened_at >= sqlc.arg(since) AND happened_at < sqlc.arg(up_to);

-- name: WakeWebhook :exec
UPDATE webhook SET wake_at = ? WHERE webhook_id = ?;

-- name: WebhooksToWake :many
SELECT webhook_id, wake_at FROM webhook WHERE wake_at <= sqlc.arg(at) ORDER BY wake_at LIMIT ?;

-- name: WebhookWoken :exec
UPDATE webhook SET wake_at = NULL WHERE webhook_id = ? AND wake_at = ?;

-- name: WakeOverdueWebhooks :exec
UPDATE webhook SET wake_at = sqlc.arg(at)
WHERE off_reason = '' AND wake_at IS NULL AND EXISTS (
    SELECT 1 FROM webhook_delivery AS d WHERE d.webhook_id = webhook.webhook_id AND d.state = 'waiting' AND d.due_at < sqlc.arg(overdue)
);

-- name: DueWebhookDeliveries :many
SELECT delivery_id, due_at FROM webhook_delivery WHERE webhook_id = ? AND state = 'waiting' AND due_at <= ? ORDER BY due_at, delivery_id LIMIT ?;

-- name: NextWebhookDelivery :one
SELECT due_at FROM webhook_delivery WHERE webhook_id = ? AND state = 'waiting' ORDER BY due_at LIMIT 1;

-- name: DeliveriesStillDue :many
SELECT d.*
FROM webhook AS w JOIN webhook_delivery AS d FORCE INDEX (PRIMARY) ON d.webhook_id = w.webhook_id
WHERE w.webhook_id = sqlc.arg(webhook_id) AND w.sender = sqlc.arg(sender) AND w.off_reason = '' AND d.state = 'waiting' AND d.delivery_id IN (sqlc.slice(delivery_ids));

-- name: FinishDeliveries :exec
-- Those that are still due as they were. Of many, MariaDB would rather read all that wait.
UPDATE webhook_delivery FORCE INDEX (PRIMARY)
SET state = sqlc.arg(state), attempts = attempts + 1, attempted_at = sqlc.arg(attempted_at), outcome = sqlc.arg(outcome), due_at = sqlc.arg(next_at)
WHERE delivery_id IN (sqlc.slice(delivery_ids)) AND state = 'waiting' AND due_at = sqlc.arg(was_due_at);

-- name: HoldWebhook :exec
UPDATE webhook SET sender = ?, sender_until = ? WHERE webhook_id = ?;

-- name: LeaveWebhook :exec
UPDATE webhook SET sender = '', sender_until = NULL WHERE webhook_id = ? AND sender = ?;

-- name: WebhookSucceeded :exec
UPDATE webhook SET failing_since = NULL WHERE webhook_id = ? AND failing_since IS NOT NULL;

-- name: WebhookFailed :exec
UPDATE webhook SET failing_since = ?, last_failed_at = ? WHERE webhook_id = ?;

-- name: RestWebhook :exec
UPDATE webhook SET rest_until = ? WHERE webhook_id = ?;

-- name: NameOfRace :one
SELECT name FROM race WHERE race_id = ?;

-- name: WebhookOff :exec
UPDATE webhook SET off_reason = ?, off_at = ? WHERE webhook_id = ?;

-- name: ExpireWebhookDeliveries :execrows
DELETE FROM webhook_delivery WHERE created_at < ? LIMIT 1000;

-- name: FailingWebhooks :many
SELECT w.webhook_id, CAST(COUNT(*) AS SIGNED) AS undelivered
FROM webhook AS w JOIN webhook_delivery AS d ON d.webhook_id = w.webhook_id
WHERE w.off_reason = '' AND w.failing_since IS NOT NULL AND d.state IN ('waiting', 'failed') AND d.attempts > 0
GROUP BY w.webhook_id ORDER BY 2 DESC LIMIT 100;

-- name: OldestDueWebhookDelivery :one
SELECT d.due_at FROM webhook_delivery AS d JOIN webhook AS w ON w.webhook_id = d.webhook_id
WHERE d.state = 'waiting' AND w.off_reason = '' ORDER BY d.due_at LIMIT 1;

-- name: TroubledDeliveries :many
-- Deliveries that have failed at least once, or for good.
SELECT d.*, w.race_id, w.off_reason
FROM webhook_delivery AS d JOIN webhook AS w ON w.webhook_id = d.webhook_id
WHERE d.state = sqlc.arg(state) AND d.attempts > 0 AND d.delivery_id < sqlc.arg(before_id)
ORDER BY d.delivery_id DESC
LIMIT ?;

-- name: DeliveryWithRace :one
SELECT d.*, w.race_id, w.off_reason
FROM webhook_delivery AS d JOIN webhook AS w ON w.webhook_id = d.webhook_id
WHERE d.delivery_id = ?;
