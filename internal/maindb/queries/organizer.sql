-- name: LockOrganizer :one
SELECT verified FROM organizer WHERE organizer_id = ? FOR UPDATE;

-- name: PutOrganizer :exec
INSERT INTO organizer (organizer_id, verified, reason, decided_by, decided_at)
VALUES (?, ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE verified = VALUES(verified), reason = VALUES(reason), decided_by = VALUES(decided_by), decided_at = VALUES(decided_at);

-- name: VerifiedOrganizers :many
SELECT organizer_id FROM organizer WHERE organizer_id IN (sqlc.slice(organizer_ids)) AND verified = TRUE;

-- name: ListedEntriesOfSeason :many
-- The stand-ins of a year's races, in the order of the races.
SELECT p.user_id, p.race_id, p.bib, p.sex, p.age, r.race_date
FROM race AS r
JOIN participant AS p ON p.race_id = r.race_id
WHERE r.race_date >= sqlc.arg(first_day) AND r.race_date <= sqlc.arg(last_day) AND r.status <> 'void'
  AND p.listed = TRUE AND p.status = 'entered' AND p.bib_key IS NOT NULL
ORDER BY r.race_date, r.race_id, p.participant_id;

-- name: LiveRacesOfUser :many
SELECT r.race_id FROM participant AS p JOIN race AS r ON r.race_id = p.race_id
WHERE p.user_id = ? AND r.status <> 'void'
ORDER BY r.race_id;

-- name: UnverifiedOrganizers :many
-- Those with the latest races first.
SELECT r.organizer_id, COUNT(*) AS races
FROM race AS r
LEFT JOIN organizer AS o ON o.organizer_id = r.organizer_id AND o.verified = TRUE
WHERE o.organizer_id IS NULL
GROUP BY r.organizer_id
ORDER BY MAX(r.race_id) DESC
LIMIT ?;
