-- +goose Up
-- How an entry came to be when it did not ask for a place in line like the others:
-- race.EntryOrigin. The standard of a pool is not asked of those.
ALTER TABLE entry ADD COLUMN origin VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE entry DROP COLUMN origin;
