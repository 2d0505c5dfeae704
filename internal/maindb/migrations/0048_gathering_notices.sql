-- +goose Up
-- Until gathers_until further changes of the same kind in the race are added to an event,
-- and its workflow starts after that; NULL: it gathers no more. first_at is when the first
-- of its changes happened, and happened_at the last; NULL: the same.
ALTER TABLE notice_event
    ADD COLUMN first_at      DATETIME(6) NULL,
    ADD COLUMN gathers_until DATETIME(6) NULL,
    ADD KEY notice_gathering (gathers_until, race_id);

-- +goose Down
ALTER TABLE notice_event DROP KEY notice_gathering, DROP COLUMN gathers_until, DROP COLUMN first_at;
