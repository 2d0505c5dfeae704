-- name: InsertDeferral :exec
INSERT INTO entry_deferral (race_id, user_id, entry_id, next_race_id, next_entry_id, deferred_at) VALUES (?, ?, ?, ?, ?, ?);

-- name: DeferralOf :one
SELECT * FROM entry_deferral WHERE race_id = ? AND user_id = ?;

-- name: DeferralTo :one
SELECT * FROM entry_deferral WHERE next_race_id = ? AND user_id = ? AND next_entry_id = ?;

-- name: DeleteDeferralsOfRace :exec
DELETE FROM entry_deferral WHERE race_id = sqlc.arg(race_id) OR next_race_id = sqlc.arg(next_race_id);

-- name: DeferredTo :one
-- Whether somebody who gave up a place of another race for one of this still has it.
SELECT EXISTS (
    SELECT 1 FROM entry_deferral
    JOIN entry ON entry.user_id = entry_deferral.user_id AND entry.race_id = entry_deferral.next_race_id AND entry.entry_id = entry_deferral.next_entry_id
    WHERE entry_deferral.next_race_id = ? AND entry.state = 'entered'
);
