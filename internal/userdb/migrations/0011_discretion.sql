-- +goose Up
-- What its owner wants shown of an account. NULL is the default: everything of an
-- adult, initials and no age of a minor.
ALTER TABLE user
    ADD COLUMN hide_name BOOLEAN NULL,
    ADD COLUMN hide_age  BOOLEAN NULL;

-- +goose Down
ALTER TABLE user DROP COLUMN hide_age, DROP COLUMN hide_name;
