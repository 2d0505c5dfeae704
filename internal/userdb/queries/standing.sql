-- name: CreditsOfWholeRace :many
SELECT record_id, revision, status, user_id, points FROM credit WHERE race_id = ?;
