-- +goose Up
-- IDs are UUIDv7 in text, so that an operator can read them and newer rows sort after
-- older ones. DATETIME is UTC.

CREATE TABLE user (
    user_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    login_id      VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL, -- lower case; NULL: nobody can log in
    password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,     -- argon2id, PHC string
    user_type     VARCHAR(16) NOT NULL,
    name          VARCHAR(200) NOT NULL,
    phone         VARCHAR(32) NOT NULL,
    birth_date    DATE NULL,
    sex           VARCHAR(1) NOT NULL,                 -- '' is unknown
    total_point   BIGINT NOT NULL,                     -- always the sum of the user's ledger lines
    created_at    DATETIME(6) NOT NULL,
    updated_at    DATETIME(6) NOT NULL,
    erased_at     DATETIME(6) NULL,                    -- personal data is gone, the ledger stays
    PRIMARY KEY (user_id),
    UNIQUE KEY user_login (login_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- One row for each refresh token that has been issued and has not expired. Tokens of
-- one login are a family: using one twice revokes them all.
CREATE TABLE refresh_token (
    token_hash BINARY(32) NOT NULL,
    family_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    issued_at  DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    used_at    DATETIME(6) NULL,
    revoked_at DATETIME(6) NULL,
    PRIMARY KEY (token_hash),
    KEY refresh_token_family (family_id),
    KEY refresh_token_user (user_id),
    KEY refresh_token_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- The outcome of each official record: the revision last applied to the ledger. Its row is
-- the lock for every change of the record's points.
CREATE TABLE credit (
    record_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    revision    INT NOT NULL,
    status      VARCHAR(16) NOT NULL, -- credited, rejected
    user_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    points      BIGINT NOT NULL,
    rule        VARCHAR(16) NOT NULL,
    edition     VARCHAR(16) NOT NULL,
    reason      VARCHAR(500) NOT NULL,
    workflow_id VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    updated_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (record_id),
    KEY credit_by_race (race_id, status),
    KEY credit_progress (race_id, status, revision), -- what a progress bar reads, without the rows
    KEY credit_by_user (user_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- The ledger. Lines are only added, never changed: a correction reverses the old
-- amount and adds the new one.
CREATE TABLE point (
    point_id    BIGINT NOT NULL AUTO_INCREMENT,
    user_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    record_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    revision    INT NOT NULL,
    entry       VARCHAR(8) NOT NULL, -- credit, reversal
    rule        VARCHAR(16) NOT NULL,
    edition     VARCHAR(16) NOT NULL,
    points      BIGINT NOT NULL,     -- negative in a reversal
    reason      VARCHAR(500) NOT NULL,
    workflow_id VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (point_id),
    UNIQUE KEY point_once (record_id, revision, entry),
    KEY point_by_user (user_id, point_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE point, credit, refresh_token, user;
