-- name: ParticipantOf :one
SELECT * FROM participant WHERE race_id = ? AND user_id = ?;

-- name: CountEntered :one
SELECT COUNT(*) FROM participant WHERE race_id = ? AND status = 'entered';

-- name: InsertParticipant :exec
INSERT INTO participant (participant_id, race_id, user_id, bib, bib_key, sex, age, age_stated, field, status, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: EnterAgain :exec
UPDATE participant
SET participant_id = sqlc.arg(new_id), sex = sqlc.arg(sex), age = sqlc.arg(age), age_stated = FALSE, listed = FALSE, field = sqlc.arg(field),
    status = 'entered', updated_at = sqlc.arg(updated_at)
WHERE participant_id = sqlc.arg(old_id);

-- name: CancelParticipant :exec
UPDATE participant SET status = 'cancelled', bib = NULL, bib_key = NULL, updated_at = ? WHERE participant_id = ?;

-- name: ParticipantsAfter :many
SELECT * FROM participant WHERE race_id = ? AND participant_id > ? ORDER BY participant_id LIMIT ?;

-- name: ParticipantsOfRace :many
SELECT * FROM participant WHERE race_id = ? ORDER BY participant_id;

-- name: EnteredBibs :many
SELECT bib_key, user_id, sex, age, field FROM participant WHERE race_id = ? AND status = 'entered' AND bib_key IS NOT NULL;

-- name: UsersWithDerivedAge :many
SELECT participant_id, user_id, age FROM participant WHERE race_id = ? AND age_stated = FALSE;

-- name: ReleaseBibs :exec
UPDATE participant SET bib = NULL, bib_key = NULL WHERE participant_id IN (sqlc.slice(participant_ids));

-- name: DeleteParticipants :exec
DELETE FROM participant WHERE participant_id IN (sqlc.slice(participant_ids));

-- name: DeleteParticipantsOfRace :exec
DELETE FROM participant WHERE race_id = ?;

-- name: SetAges :exec
UPDATE participant SET age = ?, updated_at = ? WHERE participant_id IN (sqlc.slice(participant_ids));
