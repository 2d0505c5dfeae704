-- +goose Up
-- Who asked for, was offered, took or gave back the result of a bib. It holds IDs
-- only: the login that an organizer wrote into a start list is kept as a keyed hash,
-- so that an address book does not become data about people.
CREATE TABLE claim (
    claim_id           CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id            CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    bib                VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    bib_key            VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind               VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- invitation, code, birth_date
    state              VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- invited, requested, accepted, declined, withdrawn, refused
    user_id            CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- whose account it is for; NULL: nobody has answered the invitation
    login_hash         CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, -- of an invitation
    former_user_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- whose result it was before it was accepted
    replaced_entry     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- the runner's own entry without a bib, which gave way
    birth_date_matches BOOLEAN NULL,                -- what the runner said against the start list; NULL: not compared
    contested          BOOLEAN NOT NULL,            -- somebody else had the result when it was asked for
    reason             VARCHAR(500) NOT NULL,       -- why it was refused
    decided_by         CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- user ID of who set the state
    created_at         DATETIME(6) NOT NULL,
    changed_at         DATETIME(6) NOT NULL,
    PRIMARY KEY (claim_id),
    UNIQUE KEY claim_invitation (race_id, bib_key, login_hash),
    KEY claim_by_race (race_id, claim_id),
    KEY claim_by_user (user_id, claim_id),
    KEY claim_by_login (login_hash, claim_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- The age that the runner's own account gave on the day that the race then had.
-- When the race moves, such an age moves by whole years from that day, so that an
-- organizer cannot find a birth date by moving the race. NULL: the entry has its age
-- from the organizer.
ALTER TABLE participant
    ADD COLUMN own_age SMALLINT NULL,
    ADD COLUMN own_age_on DATE NULL;

UPDATE participant AS p
JOIN race AS r ON r.race_id = p.race_id
SET p.own_age = p.age, p.own_age_on = r.race_date
WHERE p.listed = FALSE AND p.age_stated = FALSE AND p.age IS NOT NULL;

-- +goose Down
ALTER TABLE participant DROP COLUMN own_age_on, DROP COLUMN own_age;
DROP TABLE claim;
