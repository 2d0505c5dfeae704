-- +goose Up
-- email_problem: bounced or complained, of email; pending-bounced or
-- pending-complained, of an address that was to be confirmed and has been dropped.
-- What a provider reports late counts only if it is about the address as it was
-- confirmed, or asked for, last.
ALTER TABLE user
    MODIFY COLUMN email_problem VARCHAR(32) NOT NULL DEFAULT '',
    ADD COLUMN email_problem_at   DATETIME(6) NULL,
    ADD COLUMN email_confirmed_at DATETIME(6) NULL,
    ADD COLUMN email_pending_at   DATETIME(6) NULL;

-- +goose Down
ALTER TABLE user DROP COLUMN email_pending_at, DROP COLUMN email_confirmed_at, DROP COLUMN email_problem_at;
