-- name: Race :one
SELECT * FROM race WHERE race_id = ?;

-- name: LockRace :one
SELECT * FROM race WHERE race_id = ? FOR UPDATE;

-- name: InsertRace :exec
INSERT INTO race (race_id, organizer_id, name, city, race_date, distance_mm, ranking_basis, divisions_basis, ties,
                  divisions, scoring, points, capacity, timing_points, teams, awards, entry, country, status, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: UpdateRace :exec
UPDATE race
SET name = ?, city = ?, race_date = ?, distance_mm = ?, ranking_basis = ?, divisions_basis = ?, ties = ?,
    divisions = ?, scoring = ?, points = ?, capacity = ?, timing_points = ?, teams = ?, awards = ?, entry = ?, country = ?, updated_at = ?
WHERE race_id = ?;

-- name: VoidRace :exec
UPDATE race SET status = 'void', voided_at = ?, voided_by = ?, void_reason = ?, updated_at = ? WHERE race_id = ?;

-- name: DeleteRace :exec
DELETE FROM race WHERE race_id = ?;

-- name: RaceHasRecords :one
SELECT EXISTS (SELECT 1 FROM official_record WHERE race_id = ?) AS has_records;

-- The newest first, after the last race of the previous page.

-- name: RacesBefore :many
SELECT * FROM race
WHERE race_date <= sqlc.arg(race_date) AND (race_date < sqlc.arg(race_date) OR race_id < sqlc.arg(race_id))
ORDER BY race_date DESC, race_id DESC
LIMIT ?;

-- name: RacesOfOrganizerBefore :many
SELECT * FROM race
WHERE organizer_id = sqlc.arg(organizer_id) AND race_date <= sqlc.arg(race_date)
  AND (race_date < sqlc.arg(race_date) OR race_id < sqlc.arg(race_id))
ORDER BY race_date DESC, race_id DESC
LIMIT ?;

-- name: FindRacesBefore :many
SELECT * FROM race
WHERE race_date <= sqlc.arg(race_date) AND (race_date < sqlc.arg(race_date) OR race_id < sqlc.arg(race_id))
  AND race_date >= sqlc.arg(from_date) AND (name LIKE sqlc.arg(pattern) OR city LIKE sqlc.arg(pattern))
ORDER BY race_date DESC, race_id DESC
LIMIT ?;

-- name: FindRacesAfter :many
SELECT * FROM race
WHERE race_date >= sqlc.arg(race_date) AND (race_date > sqlc.arg(race_date) OR race_id > sqlc.arg(race_id))
  AND race_date <= sqlc.arg(to_date) AND (name LIKE sqlc.arg(pattern) OR city LIKE sqlc.arg(pattern))
ORDER BY race_date, race_id
LIMIT ?;
