-- +goose Up
-- API keys. A key is 256 random bits, of which only the hash is kept. They are here
-- and not with the accounts, so that a key and its entry in the change log are one
-- transaction, and so is a race that is handed over and the end of its keys.
CREATE TABLE api_key (
    key_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    secret_hash  CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- SHA-256, in hexadecimal
    prefix       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- how the key begins, to recognize it
    name         VARCHAR(100) NOT NULL,
    scope        VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- read, timing or all
    race_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- NULL: all races that the creator works on
    created_by   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    creator_type VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at   DATETIME(6) NOT NULL,
    expires_at   DATETIME(6) NULL,
    last_used_at DATETIME(6) NULL, -- at most a minute behind
    revoked_at   DATETIME(6) NULL,
    PRIMARY KEY (key_id),
    UNIQUE KEY key_by_secret (secret_hash),
    KEY key_by_race (race_id, key_id),
    KEY key_by_creator (created_by, key_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- What a runner says is wrong with a result, and how the organizer decided.
CREATE TABLE dispute (
    dispute_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id           CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    record_id         CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    revision          INT NOT NULL, -- of the record when it was disputed
    runner_id         CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state             VARCHAR(9) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- open, upheld, rejected or withdrawn
    wrong             VARCHAR(1000) NOT NULL, -- what the runner says; erased when they leave
    right_would_be    VARCHAR(1000) NOT NULL, -- likewise
    opened_at         DATETIME(6) NOT NULL,
    closed_at         DATETIME(6) NULL,
    closed_by         CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    answer            VARCHAR(500) NOT NULL DEFAULT '', -- public
    answered_revision INT NULL, -- the correction that upholds it
    PRIMARY KEY (dispute_id),
    KEY dispute_by_race (race_id, state, dispute_id),
    KEY dispute_by_record (record_id, dispute_id),
    KEY dispute_by_runner (runner_id, dispute_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Whether standings become official although disputes are open.
ALTER TABLE publication ADD COLUMN despite_disputes BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE publication DROP COLUMN despite_disputes;
DROP TABLE dispute;
DROP TABLE api_key;
