-- name: CreditsOfWholeRace :many
SELECT record_id, revision, status, user_id, points, updated_at, fingerprint FROM credit WHERE race_id = ?;
