-- +goose Up
-- How teams are ranked, [{name, rule, n, sex, min_per_sex}], and who gets an award,
-- {overall, by_sex, divisions, one_award_only}; NULL is none.
ALTER TABLE race
    ADD COLUMN teams TEXT NULL,
    ADD COLUMN awards TEXT NULL;

ALTER TABLE participant
    ADD COLUMN team VARCHAR(100) NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE participant DROP COLUMN team;
ALTER TABLE race DROP COLUMN awards, DROP COLUMN teams;
