-- name: ResultsOfUserBefore :many
-- The live records of a runner's bibs, the newest race first.
SELECT r.record_id, r.race_id, r.revision, r.bib, r.gun_ms, r.net_ms, r.status, r.finish_sequence,
       c.name, c.race_date, c.distance_mm, c.status AS race_status, p.field
FROM participant AS p
JOIN race AS c ON c.race_id = p.race_id
JOIN official_record AS r ON r.race_id = p.race_id AND r.held_bib = p.bib_key
WHERE p.user_id = sqlc.arg(user_id) AND p.status = 'entered' AND r.removed = FALSE
  AND c.race_date <= sqlc.arg(race_date) AND (c.race_date < sqlc.arg(race_date) OR c.race_id < sqlc.arg(race_id))
ORDER BY c.race_date DESC, c.race_id DESC
LIMIT ?;

-- name: RacesOfSeason :many
SELECT race_id FROM race WHERE race_date >= sqlc.arg(first_day) AND race_date <= sqlc.arg(last_day) AND status NOT IN ('scheduled', 'void')
ORDER BY race_date, race_id;

-- name: EntrantsOfRace :many
SELECT user_id, sex, age FROM participant WHERE race_id = ? AND status = 'entered';
