-- +goose Up
-- IDs are UUIDv7 in text, so that an operator can read them and newer rows sort after
-- older ones. Times are milliseconds, distances millimetres, DATETIME is UTC.

CREATE TABLE race (
    race_id         CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    organizer_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name            VARCHAR(200) NOT NULL,
    city            VARCHAR(100) NOT NULL,
    race_date       DATE NOT NULL,
    distance_mm     BIGINT NOT NULL,
    ranking_basis   VARCHAR(3) NOT NULL,
    divisions_basis VARCHAR(3) NOT NULL,
    ties            VARCHAR(8) NOT NULL,
    divisions       JSON NOT NULL,
    scoring         VARCHAR(32) NOT NULL,
    points          BIGINT NOT NULL,
    capacity        INT NOT NULL,
    status          VARCHAR(16) NOT NULL,
    created_at      DATETIME(6) NOT NULL,
    updated_at      DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id),
    KEY race_by_date (race_date, race_id),
    KEY race_by_organizer (organizer_id, race_date, race_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE participant (
    participant_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    bib            VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL, -- as the organizer wrote it
    bib_key        VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL, -- as it is compared
    sex            VARCHAR(1) NOT NULL,  -- '' is unknown
    age            SMALLINT NULL,        -- on race day
    age_stated     BOOLEAN NOT NULL DEFAULT FALSE, -- the organizer gave the age itself: another race day leaves it
    field          VARCHAR(16) NOT NULL,
    status         VARCHAR(16) NOT NULL,
    created_at     DATETIME(6) NOT NULL,
    updated_at     DATETIME(6) NOT NULL,
    PRIMARY KEY (participant_id),
    UNIQUE KEY participant_bib (race_id, bib_key),
    UNIQUE KEY participant_user (race_id, user_id),
    KEY participant_by_race (race_id, participant_id),
    KEY participant_by_user (user_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE official_record (
    record_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id         CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    revision        INT NOT NULL, -- the latest
    bib             VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    bib_key         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- bib_key while this record has the bib; NULL while it waits for another
    -- live record to give it up, and once removed.
    held_bib        VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
    waiting_since   DATETIME(6) NULL, -- set while it waits: who waits longest gets the bib
    gun_ms          BIGINT NULL,
    net_ms          BIGINT NULL,
    status          VARCHAR(8) NOT NULL,
    finish_sequence INT NULL,
    removed         BOOLEAN NOT NULL,
    created_at      DATETIME(6) NOT NULL,
    updated_at      DATETIME(6) NOT NULL,
    PRIMARY KEY (record_id),
    UNIQUE KEY official_record_held_bib (race_id, held_bib),
    KEY official_record_by_race (race_id, record_id),
    KEY official_record_by_revision (race_id, revision),
    KEY official_record_by_bib (race_id, bib_key),
    KEY official_record_by_change (updated_at, record_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE official_record_revision (
    record_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    revision        INT NOT NULL,
    bib             VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    gun_ms          BIGINT NULL,
    net_ms          BIGINT NULL,
    status          VARCHAR(8) NOT NULL,
    finish_sequence INT NULL,
    removed         BOOLEAN NOT NULL,
    reason          VARCHAR(500) NOT NULL,
    changed_by      VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    changed_at      DATETIME(6) NOT NULL,
    PRIMARY KEY (record_id, revision)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE outbox (
    outbox_id  BIGINT NOT NULL AUTO_INCREMENT,
    race_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    record_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    revision   INT NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (outbox_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE unofficial_record (
    unofficial_record_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id              CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    record_date          DATE NOT NULL,
    distance_mm          BIGINT NOT NULL,
    time_ms              BIGINT NOT NULL,
    title                VARCHAR(200) NOT NULL,
    note                 VARCHAR(2000) NOT NULL,
    created_at           DATETIME(6) NOT NULL,
    updated_at           DATETIME(6) NOT NULL,
    PRIMARY KEY (unofficial_record_id),
    KEY unofficial_record_by_user (user_id, record_date, unofficial_record_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- The binding of an Idempotency-Key: the ID of the resource, chosen before it is created,
-- and the answer once there is one.
CREATE TABLE idempotency_key (
    key_hash        BINARY(32) NOT NULL, -- of caller, method, path and key
    request_hash    BINARY(32) NOT NULL, -- keyed hash of the body
    resource_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    response_status SMALLINT NULL,
    response_body   MEDIUMBLOB NULL,
    created_at      DATETIME(6) NOT NULL,
    PRIMARY KEY (key_hash),
    KEY idempotency_key_by_age (created_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE idempotency_key, unofficial_record, outbox, official_record_revision, official_record, participant, race;
