-- name: InsertDeferral :exec
INSERT INTO entry_deferral (race_id, user_id, entry_id, next_race_id, next_entry_id, deferred_at) VALUES (?, ?, ?, ?, ?, ?);

-- name: DeferralOf :one
SELECT * FROM entry_deferral WHERE race_id = ? AND user_id = ?;

-- name: DeferralTo :one
SELECT * FROM entry_deferral WHERE next_race_id = ? AND user_id = ? AND next_entry_id = ?;

-- name: DeleteDeferralsOfRace :exec
DELETE FROM entry_deferral WHERE race_id = sqlc.arg(race_id) OR next_race_id = sqlc.arg(next_race_id);
