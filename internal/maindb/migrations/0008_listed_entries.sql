-- +goose Up
-- The organizer's start list created the entry. FALSE: the runner entered in person, or it
-- was not recorded, and no start list gives the bib to another account.
ALTER TABLE participant
    ADD COLUMN listed BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE participant DROP COLUMN listed;
