-- name: NoticesToStart :many
SELECT position, kind, race_id, subjects, first_at, happened_at, from_version, to_version FROM notice_event
WHERE finished_at IS NULL AND gathers_until IS NULL AND (started_at IS NULL OR started_at < sqlc.arg(lost_before))
ORDER BY position, kind
LIMIT ?;

-- name: NoticeStarted :exec
UPDATE notice_event SET started_at = ? WHERE position = ? AND kind = ?;

-- name: NoticeFinished :exec
UPDATE notice_event SET finished_at = sqlc.arg(finished_at) WHERE position = sqlc.arg(position) AND kind = sqlc.arg(kind) AND finished_at IS NULL;

-- name: Notice :one
SELECT position, kind, race_id, subjects, first_at, happened_at, from_version, to_version FROM notice_event WHERE position = ? AND kind = ?;

-- name: GatheringNotices :many
SELECT position, kind, race_id, subjects, first_at, happened_at, from_version, to_version FROM notice_event
WHERE gathers_until IS NOT NULL AND started_at IS NULL AND race_id IN (sqlc.slice(race_ids))
ORDER BY position FOR UPDATE;

-- name: JoinNotice :exec
UPDATE notice_event SET subjects = ?, happened_at = ? WHERE position = ? AND kind = ?;

-- name: CloseNotices :exec
UPDATE notice_event SET gathers_until = NULL WHERE gathers_until <= ?;

-- name: SetNoticeVersions :exec
UPDATE notice_event SET from_version = ?, to_version = ? WHERE position = ? AND kind = ?;

-- name: LastNoticedVersion :one
SELECT CAST(COALESCE(MAX(to_version), 0) AS SIGNED) FROM notice_event WHERE race_id = ?;

-- name: OfficialVersionBefore :one
SELECT version FROM standings WHERE race_id = ? AND status = 'official' AND computed_at <= ? ORDER BY version DESC LIMIT 1;

-- name: NoticeResults :many
SELECT r.record_id, r.revision, r.bib, r.gun_ms, r.net_ms, r.status, r.removed, p.user_id
FROM official_record AS r
JOIN participant AS p ON p.race_id = r.race_id AND p.bib_key = r.held_bib AND p.status = 'entered'
WHERE r.race_id = ? AND r.record_id > ?
ORDER BY r.record_id
LIMIT ?;

-- name: NoticeResultsOf :many
SELECT r.record_id, r.revision, r.bib, r.gun_ms, r.net_ms, r.status, r.removed, p.user_id
FROM official_record AS r
JOIN participant AS p ON p.race_id = r.race_id AND p.bib_key = r.bib_key AND p.status = 'entered'
WHERE r.race_id = sqlc.arg(race_id) AND r.record_id IN (sqlc.slice(record_ids));

-- name: NoticeRevisions :many
SELECT record_id, revision, gun_ms, net_ms, status, removed, changed_at
FROM official_record_revision WHERE record_id IN (sqlc.slice(record_ids)) ORDER BY record_id, revision;

-- name: NoticeEntries :many
SELECT user_id, state, offer_expires_at FROM entry WHERE race_id = sqlc.arg(race_id) AND user_id IN (sqlc.slice(user_ids));

-- name: NoticeStaff :many
SELECT user_id FROM race_staff WHERE race_id = ? AND role IN ('editor', 'timing');

-- name: OpenDisputesOf :many
SELECT dispute_id FROM dispute WHERE state = 'open' AND dispute_id IN (sqlc.slice(dispute_ids));

-- name: WaitingClaimsOf :many
SELECT claim_id FROM claim WHERE state = 'requested' AND claim_id IN (sqlc.slice(claim_ids));

-- name: ExpireNotices :execrows
-- Events that compared standings stay: the next one begins where they ended.
DELETE FROM notice_event WHERE finished_at < ? AND to_version IS NULL LIMIT 1000;

-- name: OldestUnstartedNotice :one
SELECT happened_at FROM notice_event WHERE finished_at IS NULL AND started_at IS NULL AND gathers_until IS NULL ORDER BY position LIMIT 1;

-- name: OpenNotices :many
SELECT position, kind, race_id, happened_at, gathers_until, started_at FROM notice_event
WHERE finished_at IS NULL AND (position > sqlc.arg(after_position) OR (position = sqlc.arg(at_position) AND kind > sqlc.arg(after_kind)))
ORDER BY position, kind
LIMIT ?;
