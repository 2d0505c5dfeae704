-- +goose Up
-- The rows of old versions are thinned out; what a version is (number, status,
-- time, hash, rules, reason) is kept for ever. body_kind says what body holds:
--   rows        all rows, as SELECT UNCOMPRESS(body) shows them
--   base        the same; differences refer to it, so that it stays as it is
--   difference  the rows whose entries differ from those of version body_base,
--               and those that version body_base has beside them
--   dropped     nothing: the rows are gone
-- Programs that do not know these columns write rows, and cannot read the last two.
ALTER TABLE standings
    ADD COLUMN body_kind VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'rows',
    ADD COLUMN body_base INT NULL;

-- +goose Down
ALTER TABLE standings DROP COLUMN body_base, DROP COLUMN body_kind;
