-- +goose Up
-- A declined invitation stays, so that the race does not learn that anybody has the
-- login, and an accepted one, so that accepting it again has the same answer.
ALTER TABLE staff_invitation
    ADD COLUMN declined_at DATETIME(6) NULL,
    ADD COLUMN accepted_at DATETIME(6) NULL;

-- +goose Down
ALTER TABLE staff_invitation DROP COLUMN accepted_at, DROP COLUMN declined_at;
