-- +goose Up
-- Workflows of offers that are to look at their offer again: it has ended without the
-- runner's answer, or its deadline has moved.
CREATE TABLE offer_wake (
    race_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    pool       SMALLINT NOT NULL,
    seq        BIGINT NOT NULL,
    offer_no   INT NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id, pool, seq, offer_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Places that runners offer to somebody else. The place stays theirs until both have
-- confirmed the other's name.
CREATE TABLE entry_transfer (
    transfer_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- who gives the place
    entry_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- of the giver: another entry of theirs is not offered
    runner_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,     -- who has accepted it
    giver_hash  VARBINARY(32) NOT NULL DEFAULT '',                       -- of the giver's name, as the runner has confirmed it
    code_hash   BINARY(32) NOT NULL,                                     -- of the code that the giver hands on
    state       VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    by_hand     BOOLEAN NOT NULL,                                        -- by the organizer, whatever the deadline and the line
    reason      VARCHAR(500) NOT NULL DEFAULT '',
    offered_at  DATETIME(6) NOT NULL,
    expires_at  DATETIME(6) NOT NULL,
    changed_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (transfer_id),
    UNIQUE KEY entry_transfer_code (race_id, code_hash),
    KEY entry_transfer_giver (race_id, user_id, offered_at),
    KEY entry_transfer_user (user_id),
    KEY entry_transfer_runner (runner_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE entry_transfer, offer_wake;
