-- name: ParticipantOf :one
SELECT * FROM participant WHERE race_id = ? AND user_id = ?;

-- name: EntriesOfUser :many
-- The newest race first.
SELECT sqlc.embed(participant), race.name, race.city, race.race_date, race.distance_mm, race.status AS race_status
FROM participant
JOIN race ON race.race_id = participant.race_id
WHERE participant.user_id = ? AND participant.status = 'entered'
ORDER BY race.race_date DESC, race.race_id DESC
LIMIT ?;

-- name: CountEntered :one
SELECT COUNT(*) FROM participant WHERE race_id = ? AND status = 'entered';

-- name: InsertParticipant :exec
INSERT INTO participant (participant_id, race_id, user_id, bib, bib_key, sex, age, age_stated, own_age, own_age_on, field, team, status, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: EnterAgain :exec
UPDATE participant
SET participant_id = sqlc.arg(new_id), sex = sqlc.arg(sex), age = sqlc.arg(age), age_stated = FALSE, own_age = sqlc.arg(own_age),
    own_age_on = sqlc.arg(own_age_on), listed = FALSE, field = sqlc.arg(field), team = sqlc.arg(team),
    status = 'entered', updated_at = sqlc.arg(updated_at)
WHERE participant_id = sqlc.arg(old_id);

-- name: CancelParticipant :exec
UPDATE participant SET status = 'cancelled', bib = NULL, bib_key = NULL, updated_at = ? WHERE participant_id = ?;

-- name: ParticipantsAfter :many
SELECT * FROM participant WHERE race_id = ? AND participant_id > ? ORDER BY participant_id LIMIT ?;

-- name: ParticipantsOfRace :many
SELECT * FROM participant WHERE race_id = ? ORDER BY participant_id;

-- name: EnteredBibs :many
SELECT bib_key, user_id, sex, field FROM participant WHERE race_id = ? AND status = 'entered' AND bib_key IS NOT NULL;

-- name: DerivedAges :many
SELECT participant_id, bib_key, age, own_age, own_age_on FROM participant WHERE race_id = ? AND age_stated = FALSE;

-- name: EnteredInPerson :many
-- Those who entered or took the result themselves, in contrast to those whom only a
-- start list names.
SELECT user_id FROM participant WHERE race_id = ? AND listed = FALSE AND status = 'entered';

-- name: ParticipantWithBib :one
SELECT * FROM participant WHERE race_id = ? AND bib_key = ?;

-- name: GiveEntry :exec
UPDATE participant SET user_id = ?, listed = ?, updated_at = ? WHERE participant_id = ?;

-- name: ReleaseBibs :exec
UPDATE participant SET bib = NULL, bib_key = NULL WHERE participant_id IN (sqlc.slice(participant_ids));

-- name: DeleteParticipants :exec
DELETE FROM participant WHERE participant_id IN (sqlc.slice(participant_ids));

-- name: DeleteParticipantsOfRace :exec
DELETE FROM participant WHERE race_id = ?;

-- name: SetAges :exec
UPDATE participant SET age = ?, updated_at = ? WHERE participant_id IN (sqlc.slice(participant_ids));

-- name: TeamsOfRace :many
SELECT user_id, team FROM participant WHERE race_id = ? AND status = 'entered' AND team <> '';

-- name: ParticipantsOfUsers :many
SELECT * FROM participant FORCE INDEX (participant_user) WHERE race_id = ? AND user_id IN (sqlc.slice(user_ids));
