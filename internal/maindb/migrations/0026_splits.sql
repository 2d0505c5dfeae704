-- +goose Up
-- The timing points of a race in the order of the course, {"points": [{key, name,
-- distance_mm}], "last_key"}; NULL is none. Readings refer to the key, which is never
-- used for another point: last_key is the highest one ever used.
ALTER TABLE race
    ADD COLUMN timing_points TEXT NULL;

-- A record's readings at the timing points, {"key": milliseconds}, from the revision
-- on that set them until the next one that does: a revision that leaves them as they
-- are has no row here.
CREATE TABLE official_record_split (
    race_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    record_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    revision  INT NOT NULL,
    times     JSON NOT NULL,
    PRIMARY KEY (race_id, record_id, revision)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE official_record_split;
ALTER TABLE race DROP COLUMN timing_points;
