-- +goose Up
-- One computation of the places, never changed. The body is a CSV of all rows without
-- names: SELECT UNCOMPRESS(body) shows it.
CREATE TABLE standings (
    race_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version     INT NOT NULL,
    status      VARCHAR(16) NOT NULL, -- provisional, official
    computed_at DATETIME(6) NOT NULL, -- when its inputs were read
    inputs_hash BINARY(32) NOT NULL,
    ruleset     JSON NOT NULL,        -- as used
    reason      VARCHAR(500) NOT NULL,
    entries     INT NOT NULL,
    body        LONGBLOB NOT NULL,
    PRIMARY KEY (race_id, version)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- What the last recompute of a race read, so that the sweep can see whether anything has
-- changed since. Revisions only grow, and so do their sums.
CREATE TABLE standings_mark (
    race_id          CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    record_revisions BIGINT NOT NULL, -- of all records of the race together
    credit_revisions BIGINT NOT NULL, -- of all its credits
    race_changed_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- The organizer's request to make standings official: there is none, its protest window is
-- open, or it has been carried out.
CREATE TABLE publication (
    race_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    requested_by CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    requested_at DATETIME(6) NOT NULL,
    ends_at      DATETIME(6) NOT NULL, -- of the protest window
    published_at DATETIME(6) NULL,
    PRIMARY KEY (race_id),
    KEY publication_open (published_at, race_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE publication, standings_mark, standings;
