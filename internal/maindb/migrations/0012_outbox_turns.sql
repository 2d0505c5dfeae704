-- +goose Up
-- Races take turns in the outbox, a few rows each, so that one race's import does not
-- delay the others. The primary key is part of every index, so
-- that each race's rows are in order.
CREATE INDEX outbox_by_race ON outbox (race_id);

-- +goose Down
DROP INDEX outbox_by_race ON outbox;
