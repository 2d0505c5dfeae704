-- +goose Up
-- The organizer's start list made the entry for its runner. FALSE: the runner
-- entered, or nobody noted it, and no start list gives the bib to another account.
ALTER TABLE participant
    ADD COLUMN listed BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE participant DROP COLUMN listed;
