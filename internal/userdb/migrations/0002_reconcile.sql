-- +goose Up
-- Revision numbers are assigned again after a restore of main_db, so a number alone does
-- not identify what a credit was computed from: the fingerprint of its inputs does. NULL in rows that are older than this column.
--
-- orphaned_at is when the audit first missed the record of a credit in main_db.
ALTER TABLE credit
    ADD COLUMN fingerprint BINARY(16) NULL,
    ADD COLUMN orphaned_at DATETIME(6) NULL;

-- +goose Down
ALTER TABLE credit DROP COLUMN orphaned_at, DROP COLUMN fingerprint;
