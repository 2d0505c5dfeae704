-- +goose Up
-- A deadline at a time of the race's clock moves with the race's time zone: due_at follows from it.
ALTER TABLE race_task ADD COLUMN due_clock CHAR(5) CHARACTER SET ascii COLLATE ascii_bin NULL; -- on due_on, as 18:00; NULL: until the end of that day

-- +goose Down
ALTER TABLE race_task DROP COLUMN due_clock;
