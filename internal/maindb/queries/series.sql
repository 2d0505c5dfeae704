-- name: Series :one
SELECT * FROM series WHERE series_id = ?;

-- name: LockSeries :one
SELECT * FROM series WHERE series_id = ? FOR UPDATE;

-- name: SeriesAfter :many
SELECT * FROM series WHERE series_id > ? ORDER BY series_id LIMIT ?;

-- name: SeriesOfOrganizerAfter :many
SELECT * FROM series WHERE organizer_id = ? AND series_id > ? ORDER BY series_id LIMIT ?;

-- name: InsertSeries :exec
INSERT INTO series (series_id, organizer_id, name, best, min_races, ties, ages_on, divisions, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: UpdateSeries :exec
UPDATE series SET name = ?, best = ?, min_races = ?, ties = ?, ages_on = ?, divisions = ?, updated_at = ? WHERE series_id = ?;

-- name: DeleteSeries :exec
DELETE FROM series WHERE series_id = ?;

-- name: InsertSeriesRace :exec
INSERT INTO series_race (series_id, race_id, multiplier) VALUES (?, ?, ?);

-- name: DeleteSeriesRaces :exec
DELETE FROM series_race WHERE series_id = ?;

-- name: RacesOfSeriesList :many
-- Only those that still belong to the owner of the series.
SELECT sr.series_id, sr.multiplier, r.race_id, r.name, r.race_date, r.status, r.updated_at
FROM series_race AS sr
JOIN series AS s ON s.series_id = sr.series_id
JOIN race AS r ON r.race_id = sr.race_id AND r.organizer_id = s.organizer_id
WHERE sr.series_id IN (sqlc.slice(series_ids))
ORDER BY r.race_date, r.race_id;

-- name: CountSeriesOf :one
SELECT COUNT(*) FROM series WHERE organizer_id = ?;

-- name: SeriesWithRace :many
SELECT sr.series_id FROM series_race AS sr
JOIN series AS s ON s.series_id = sr.series_id
JOIN race AS r ON r.race_id = sr.race_id AND r.organizer_id = s.organizer_id
WHERE sr.race_id = ?;

-- name: SeriesMarks :many
SELECT series_id, mark FROM series_mark WHERE series_id IN (sqlc.slice(series_ids));

-- name: LatestVersionsOfRaces :many
SELECT race_id, CAST(MAX(version) AS SIGNED) AS version FROM standings WHERE race_id IN (sqlc.slice(race_ids)) GROUP BY race_id;

-- name: SetSeriesMark :exec
INSERT INTO series_mark (series_id, mark) VALUES (?, ?) ON DUPLICATE KEY UPDATE mark = VALUES(mark);

-- name: InsertSeriesStandings :exec
INSERT INTO series_standings (series_id, version, computed_at, inputs_hash, rules, sources, reason, entries, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: DropSeriesRows :exec
UPDATE series_standings SET body = '' WHERE series_id = ? AND version IN (sqlc.slice(versions));

-- name: SeriesStandings :one
SELECT * FROM series_standings WHERE series_id = ? AND version = ?;

-- name: SeriesStandingsBefore :many
SELECT version, computed_at, inputs_hash, rules, sources, reason, entries, CAST(body <> '' AS SIGNED) AS has_rows
FROM series_standings WHERE series_id = ? AND version < ? ORDER BY version DESC LIMIT ?;

-- name: DeleteSeriesOf :exec
DELETE FROM series WHERE organizer_id = ?;
