-- +goose Up
-- One row for every change by anybody, written in the transaction of the change.
-- The programs may add rows, and neither change nor delete them, so a row has no
-- personal values: IDs and fields that are not personal.
CREATE TABLE change_log (
    change_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- UUIDv7
    changed_at   DATETIME(6) NOT NULL,
    actor_kind   VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    actor_id     VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- empty for the system
    account_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- answerable: the actor, or who made the key
    action       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    subject_kind VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    subject_id   VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    about_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- the account that it concerns, unless it is the actor's
    -- JSON as text: the hash is of these bytes, and a JSON column may write them anew.
    state_before MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    state_after  MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    text_hash    BINARY(32) NULL, -- of the row in change_text, with its salt
    request_id   VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    workflow_id  VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    hash         BINARY(32) NOT NULL, -- of all columns above
    PRIMARY KEY (change_id),
    KEY change_by_race (race_id, change_id),
    KEY change_by_actor (actor_id, change_id),
    KEY change_by_account (account_id, change_id),
    KEY change_about (about_id, change_id),
    KEY change_by_subject (subject_id, change_id),
    KEY change_by_action (action, change_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- What people wrote about a change. It may name somebody, so it can be erased; the
-- random salt keeps the hash in change_log from giving it away by guessing.
CREATE TABLE change_text (
    change_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    salt         BINARY(16) NOT NULL,
    reason       VARCHAR(500) NOT NULL,
    private_note VARCHAR(2000) NOT NULL,
    PRIMARY KEY (change_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE change_text;
DROP TABLE change_log;
