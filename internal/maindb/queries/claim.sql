-- name: InvitationsOfRace :many
SELECT claim_id, bib_key, login_hash, state FROM claim WHERE race_id = ? AND kind = 'invitation';

-- name: RefuseClaims :exec
-- Whether an invitation waits or was declined makes no difference to what is left of
-- it, so that its organizer does not learn that somebody has the login.
UPDATE claim
SET state = 'refused', user_id = NULL, reason = sqlc.arg(reason), decided_by = sqlc.arg(decided_by), changed_at = sqlc.arg(changed_at)
WHERE claim_id IN (sqlc.slice(claim_ids)) AND state IN ('invited', 'declined');

-- name: DeleteClaimsOfRace :exec
DELETE FROM claim WHERE race_id = ?;

-- name: Claim :one
SELECT * FROM claim WHERE claim_id = ?;

-- name: InsertClaim :exec
INSERT INTO claim (claim_id, race_id, bib, bib_key, kind, state, user_id, birth_date_matches, contested, reason, created_at, changed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?);

-- name: SetClaim :exec
UPDATE claim
SET state = ?, user_id = ?, former_user_id = ?, replaced_entry = ?, contested = ?, reason = ?, decided_by = ?, changed_at = ?
WHERE claim_id = ?;

-- name: ClaimsOfUserInRace :many
SELECT * FROM claim WHERE user_id = ? AND race_id = ? ORDER BY claim_id;

-- name: ClaimsAbout :many
-- The claims of an account, the invitations to its login, and the claims of others
-- to results that it has. The newest first.
SELECT sqlc.embed(c), r.name AS race_name, r.race_date
FROM claim AS c
JOIN race AS r ON r.race_id = c.race_id
WHERE c.claim_id IN (
    SELECT own.claim_id FROM claim AS own WHERE own.user_id = sqlc.arg(user_id)
    UNION SELECT inv.claim_id FROM claim AS inv WHERE inv.login_hash = sqlc.arg(login_hash) AND inv.user_id IS NULL
    UNION SELECT other.claim_id
    FROM participant AS p
    JOIN claim AS other ON other.race_id = p.race_id AND other.bib_key = p.bib_key
    WHERE p.user_id = sqlc.arg(holder_id) AND (other.contested = TRUE OR other.state = 'requested')
) AND c.claim_id < sqlc.arg(before)
ORDER BY c.claim_id DESC
LIMIT ?;

-- name: ClaimsOfRace :many
-- A declined invitation is found like one that waits, since its organizer sees no
-- difference.
SELECT * FROM claim
WHERE race_id = sqlc.arg(race_id) AND claim_id < sqlc.arg(before)
  AND IF(state = 'declined', 'invited', state) LIKE sqlc.arg(state)
ORDER BY claim_id DESC
LIMIT ?;

-- name: SealInvitationsTo :exec
-- What is left of a login, when its holder leaves, is a hash of its hash and the race:
-- no account finds the invitation by it, but a start list that names the login again
-- does not invite it again, as with a login that nobody has.
UPDATE IGNORE claim SET login_hash = SHA2(CONCAT(race_id, login_hash), 256) WHERE login_hash = ? AND user_id IS NULL;

-- name: SealDeclinedInvitationsOf :exec
-- Likewise for those that the leaver has declined, which look as if they waited.
UPDATE IGNORE claim
SET state = 'invited', user_id = NULL, decided_by = NULL, changed_at = created_at, login_hash = SHA2(CONCAT(race_id, login_hash), 256)
WHERE user_id = ? AND state = 'declined' AND login_hash IS NOT NULL;

-- name: DeleteInvitationsTo :exec
-- Those that have been sealed before.
DELETE FROM claim WHERE login_hash = ? AND user_id IS NULL;

-- name: ForgetLoginOfClaims :exec
UPDATE claim SET login_hash = NULL WHERE user_id = ?;

-- name: ClaimedResults :many
SELECT bib_key, former_user_id, user_id FROM claim WHERE race_id = ? AND state = 'accepted';
