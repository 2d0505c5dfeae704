-- name: ResultsOfUserBefore :many
-- The live records of a runner's bibs, the newest race first.
SELECT r.record_id, r.race_id, r.revision, r.bib, r.gun_ms, r.net_ms, r.status, r.finish_sequence,
       c.name, c.race_date, c.distance_mm, c.status AS race_status, c.ranking_basis, p.field
FROM participant AS p
JOIN race AS c ON c.race_id = p.race_id
JOIN official_record AS r ON r.race_id = p.race_id AND r.held_bib = p.bib_key
WHERE p.user_id = sqlc.arg(user_id) AND p.status = 'entered' AND r.removed = FALSE
  AND c.race_date <= sqlc.arg(race_date) AND (c.race_date < sqlc.arg(race_date) OR c.race_id < sqlc.arg(race_id))
ORDER BY c.race_date DESC, c.race_id DESC
LIMIT ?;

-- name: RacesOfSeason :many
-- Of verified organizers; an organizer's own fixed points never count across races.
SELECT r.race_id FROM race AS r
JOIN organizer AS o ON o.organizer_id = r.organizer_id AND o.verified = TRUE
WHERE r.race_date >= sqlc.arg(first_day) AND r.race_date <= sqlc.arg(last_day) AND r.status NOT IN ('scheduled', 'void')
  AND r.scoring <> 'fixed'
ORDER BY r.race_date, r.race_id;

-- name: EntrantsOfRecords :many
-- By the record that holds the bib, so that a result whose points are on the way to
-- another person keeps sex and age.
SELECT r.record_id, p.sex, p.age
FROM participant AS p
JOIN official_record AS r ON r.race_id = p.race_id AND r.held_bib = p.bib_key
WHERE p.race_id = ? AND p.status = 'entered';

-- name: Seasons :many
SELECT DISTINCT CAST(YEAR(r.race_date) AS SIGNED) AS season FROM race AS r
JOIN organizer AS o ON o.organizer_id = r.organizer_id AND o.verified = TRUE
WHERE r.status NOT IN ('scheduled', 'void') AND r.scoring <> 'fixed'
ORDER BY season DESC LIMIT ?;
