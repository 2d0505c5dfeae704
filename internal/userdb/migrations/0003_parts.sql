-- +goose Up
-- What the points were computed from, so that a credit can be explained after race and
-- start list have changed: a JSON object of race.Parts. NULL where there
-- was nothing to compute, and in rows that are older than this column.
ALTER TABLE credit
    ADD COLUMN parts VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin NULL;

ALTER TABLE point
    ADD COLUMN parts VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin NULL;

-- +goose Down
ALTER TABLE point DROP COLUMN parts;
ALTER TABLE credit DROP COLUMN parts;
