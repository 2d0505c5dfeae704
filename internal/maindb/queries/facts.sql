-- name: Facts :many
SELECT r.record_id, r.race_id, r.revision, r.bib, r.held_bib, r.gun_ms, r.net_ms, r.status, r.finish_sequence, r.removed,
       r.decided, r.time_confirmed, r.updated_at,
       c.status AS race_status, c.scoring, c.points, c.distance_mm, c.ranking_basis, c.divisions_basis, c.ties,
       p.participant_id, p.user_id, p.sex, p.age, p.field
FROM official_record AS r
JOIN race AS c ON c.race_id = r.race_id
LEFT JOIN participant AS p ON p.race_id = r.race_id AND p.bib_key = r.bib_key AND p.status = 'entered'
WHERE r.record_id IN (sqlc.slice(record_ids));
