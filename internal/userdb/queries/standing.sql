-- name: CreditsOfWholeRace :many
SELECT record_id, revision, status, user_id, points, updated_at FROM credit WHERE race_id = ?;
