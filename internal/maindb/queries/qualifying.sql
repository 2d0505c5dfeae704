-- name: ResultsOfRunners :many
-- Official results that are runners' own, from races of organizers whom operators vouch
-- for. The order of the tables is forced: for many IDs the optimizer would read all
-- races of the distance instead.
SELECT STRAIGHT_JOIN participant.user_id, participant.sex, race.ranking_basis, race.divisions_basis, race.ties,
    official_record.gun_ms, official_record.net_ms, official_record.time_confirmed
FROM participant FORCE INDEX (participant_by_user)
JOIN race ON race.race_id = participant.race_id
JOIN organizer ON organizer.organizer_id = race.organizer_id
JOIN official_record ON official_record.race_id = participant.race_id AND official_record.held_bib = participant.bib_key
WHERE participant.user_id IN (sqlc.slice(user_ids)) AND participant.status = 'entered' AND participant.listed = FALSE AND participant.field = 'runner'
  AND race.status = 'official' AND race.distance_mm = ? AND race.race_date >= ? AND organizer.verified = TRUE
  AND official_record.status = 'OK' AND official_record.removed = FALSE;

-- name: AdmittedLogins :many
SELECT login_hash FROM entry_admission WHERE race_id = ? AND pool = ? AND login_hash IN (sqlc.slice(login_hashes));

-- name: AdmissionOf :one
SELECT * FROM entry_admission WHERE race_id = ? AND pool = ? AND login_hash = ?;

-- name: InsertAdmission :exec
INSERT INTO entry_admission (race_id, admission_id, pool, login_hash, reason, admitted_by, admitted_at) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: Admission :one
SELECT * FROM entry_admission WHERE race_id = ? AND admission_id = ?;

-- name: AdmissionsAfter :many
SELECT * FROM entry_admission WHERE race_id = ? AND admission_id > ? ORDER BY admission_id LIMIT ?;

-- name: DeleteAdmission :exec
DELETE FROM entry_admission WHERE race_id = ? AND admission_id = ?;

-- name: DeleteAdmissionsOfLogin :exec
-- Of an account that is deleted: its login can become somebody else's.
DELETE FROM entry_admission WHERE login_hash = ?;

-- name: DeleteAdmissionsOfRace :exec
DELETE FROM entry_admission WHERE race_id = ?;
