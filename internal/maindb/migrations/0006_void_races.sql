-- +goose Up
-- A race that was a mistake has the status void and says who voided it and why.
ALTER TABLE race
    ADD COLUMN voided_at DATETIME(6) NULL,
    ADD COLUMN voided_by CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN void_reason VARCHAR(500) NULL;

-- +goose Down
ALTER TABLE race DROP COLUMN void_reason, DROP COLUMN voided_by, DROP COLUMN voided_at;
