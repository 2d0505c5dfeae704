-- name: InsertMail :exec
-- Nothing for an event that has its mail already.
INSERT IGNORE INTO mail (mail_id, event_key, user_id, kind, language, address, detail, link_id, state, attempts, provider_id,
                         created_at, expires_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0, '', ?, ?, ?);

-- name: Mail :one
SELECT * FROM mail WHERE mail_id = ?;

-- name: LockMails :many
SELECT * FROM mail WHERE mail_id IN (sqlc.slice(mail_ids)) ORDER BY mail_id FOR UPDATE;

-- name: UnstartedMails :many
-- Those whose workflow has not been started, or was so long ago that it may be lost.
-- Notices are sent by the workflow of their event, unless an operator has one sent again.
SELECT mail_id, resends FROM mail
WHERE state IN ('queued', 'sending') AND (notice_position IS NULL OR resends > 0) AND (started_at IS NULL OR started_at < sqlc.arg(lost_before))
ORDER BY mail_id
LIMIT ?;

-- name: MailStarted :exec
UPDATE mail SET started_at = ? WHERE mail_id = ?;

-- name: MailSending :exec
UPDATE mail SET state = 'sending', attempts = attempts + 1, fault = '', updated_at = sqlc.arg(updated_at) WHERE mail_id = sqlc.arg(mail_id);

-- name: MailSent :exec
-- What the provider has reported in the meantime stays.
UPDATE mail SET state = IF(state IN ('bounced', 'complained', 'failed'), state, 'sent'), provider_id = sqlc.arg(provider_id), updated_at = sqlc.arg(updated_at)
WHERE mail_id = sqlc.arg(mail_id);

-- name: MailsGivenUp :exec
UPDATE mail SET state = 'failed', reason = sqlc.arg(reason), provider_id = '', updated_at = sqlc.arg(updated_at) WHERE mail_id IN (sqlc.slice(mail_ids)) AND state IN ('queued', 'sending');

-- name: MailDone :exec
UPDATE mail SET state = ?, reason = ?, provider_id = ?, updated_at = ? WHERE mail_id = ?;

-- name: MailMoved :exec
-- Its reader has another address by now.
UPDATE mail SET address = sqlc.arg(address), updated_at = sqlc.arg(updated_at) WHERE mail_id = sqlc.arg(mail_id) AND state IN ('queued', 'sending');

-- name: MailsByID :many
SELECT * FROM mail WHERE mail_id IN (sqlc.slice(mail_ids)) ORDER BY mail_id;

-- name: NoticeAttempted :exec
-- An attempt to send a mail of an event, which does not become sending, and no longer is
-- when a program of the version before left it so.
UPDATE mail SET state = IF(state = 'sending', 'queued', state), attempts = attempts + 1, fault = ?, updated_at = ? WHERE mail_id = ?;

-- name: MailFault :exec
-- Why an attempt failed, of a mail that is tried again.
UPDATE mail SET fault = ? WHERE mail_id = ? AND state = 'sending';

-- name: ResendMail :exec
-- The relay starts it, as it does a new one.
UPDATE mail SET state = 'queued', reason = '', fault = '', resends = resends + 1, resent_at = sqlc.arg(resent_at), started_at = NULL, updated_at = sqlc.arg(updated_at)
WHERE mail_id = sqlc.arg(mail_id);

-- name: LinkOfMail :one
SELECT account_link.* FROM account_link WHERE link_id = ?;

-- name: SwitchAddressOff :exec
-- In every account that has confirmed it, unless that was later.
UPDATE user SET email_problem_at = sqlc.arg(email_problem_at), email_problem = sqlc.arg(email_problem)
WHERE email = sqlc.arg(email) AND email_problem NOT IN ('bounced', 'complained', sqlc.arg(email_problem))
  AND (email_confirmed_at IS NULL OR email_confirmed_at <= sqlc.arg(as_of));

-- name: DropPendingEmail :exec
-- An address that waits to be confirmed, unless it was asked for later. What is wrong
-- with the confirmed one stays.
UPDATE user
SET email_problem_at = IF(email_problem IN ('bounced', 'complained', 'unwanted'), email_problem_at, sqlc.arg(email_problem_at)),
    email_problem = IF(email_problem IN ('bounced', 'complained', 'unwanted'), email_problem, sqlc.arg(email_problem)), email_pending = NULL
WHERE user_id = sqlc.arg(user_id) AND email_pending = sqlc.arg(email_pending)
  AND (email_pending_at IS NULL OR email_pending_at <= sqlc.arg(as_of));

-- name: AddressProblems :many
-- What is wrong with the addresses that accounts have confirmed.
SELECT user_id, email, email_problem FROM user WHERE user_id IN (sqlc.slice(user_ids)) AND email_problem > '';

-- name: OldestWaitingMail :one
SELECT COALESCE(resent_at, created_at) AS since FROM mail USE INDEX (mail_by_state) WHERE state IN ('queued', 'sending') ORDER BY since LIMIT 1;

-- name: CountMails :many
-- Those that were not just sent, of those that are kept.
SELECT state, reason, COUNT(*) AS mails FROM mail USE INDEX (mail_by_outcome)
WHERE state IN ('queued', 'sending', 'bounced', 'complained', 'failed') GROUP BY state, reason;

-- name: CountAddressesOff :many
SELECT email_problem, COUNT(*) AS addresses FROM user WHERE email_problem > '' GROUP BY email_problem;

-- name: InsertLink :exec
INSERT INTO account_link (link_id, user_id, purpose, value, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?);

-- name: InsertLinkToken :exec
INSERT INTO link_token (token_hash, link_id) VALUES (?, ?);

-- name: LinkByToken :one
SELECT account_link.* FROM account_link JOIN link_token ON link_token.link_id = account_link.link_id
WHERE link_token.token_hash = ?;

-- name: UseLink :execrows
UPDATE account_link SET used_at = sqlc.arg(used_at) WHERE link_id = sqlc.arg(link_id) AND used_at IS NULL;

-- name: DropLinks :exec
-- The links of a purpose that have not been used.
UPDATE account_link SET used_at = sqlc.arg(used_at) WHERE user_id = sqlc.arg(user_id) AND purpose = sqlc.arg(purpose) AND used_at IS NULL;

-- name: CountLinks :one
SELECT COUNT(*) FROM account_link WHERE user_id = ? AND purpose = ? AND created_at > ?;

-- name: InsertRecovery :exec
INSERT INTO recovery_request (request_id, login, requested_at) VALUES (?, ?, ?);

-- name: Recoveries :many
SELECT * FROM recovery_request ORDER BY request_id LIMIT ?;

-- name: DeleteRecovery :execrows
DELETE FROM recovery_request WHERE request_id = ?;

-- name: Recoverable :many
-- The accounts that a login or an address leads to, if it has been confirmed.
SELECT user_id FROM user
WHERE user.email IS NOT NULL AND user.suspended_at IS NULL AND (user.login_id = sqlc.arg(login_id) OR user.email = sqlc.arg(email))
ORDER BY user_id
LIMIT 5;

-- name: SetEmailPending :exec
UPDATE user
SET email_pending = sqlc.arg(email_pending), email_pending_at = sqlc.arg(email_pending_at),
    email_problem_at = IF(email_problem LIKE 'pending-%', NULL, email_problem_at),
    email_problem = IF(email_problem LIKE 'pending-%', '', email_problem), updated_at = sqlc.arg(updated_at)
WHERE user_id = sqlc.arg(user_id);

-- name: ConfirmEmail :exec
UPDATE user
SET email = sqlc.arg(email), email_confirmed_at = sqlc.arg(email_confirmed_at), email_pending = NULL, email_problem = '', email_problem_at = NULL,
    updated_at = sqlc.arg(updated_at)
WHERE user_id = sqlc.arg(user_id);

-- name: SetLogin :exec
UPDATE user SET login_id = ?, updated_at = ? WHERE user_id = ?;

-- name: SetPassword :exec
UPDATE user SET password_hash = ?, updated_at = ? WHERE user_id = ?;

-- name: DeleteMails :exec
DELETE FROM mail WHERE user_id = ?;

-- name: DeleteLinkTokens :exec
DELETE FROM link_token WHERE link_id IN (SELECT link_id FROM account_link WHERE account_link.user_id = ?);

-- name: DeleteLinks :exec
DELETE FROM account_link WHERE user_id = ?;

-- name: PurgeMails :execrows
DELETE FROM mail WHERE created_at < ? AND state IN ('sent', 'bounced', 'complained', 'failed') LIMIT 1000;

-- name: PurgeLinkTokens :execrows
DELETE FROM link_token WHERE link_id IN (SELECT link_id FROM account_link WHERE expires_at < ?) LIMIT 1000;

-- name: PurgeLinks :execrows
DELETE FROM account_link WHERE expires_at < ? LIMIT 1000;
