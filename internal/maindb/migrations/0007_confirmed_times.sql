-- +goose Up
-- Somebody has confirmed the record's implausible times. Another time resets it.
ALTER TABLE official_record
    ADD COLUMN time_confirmed BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE official_record_revision
    ADD COLUMN time_confirmed BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE official_record_revision DROP COLUMN time_confirmed;
ALTER TABLE official_record DROP COLUMN time_confirmed;
