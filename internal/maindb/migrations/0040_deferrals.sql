-- +goose Up
-- Entries that their runners moved to the next edition of the race, with the entry there.
CREATE TABLE entry_deferral (
    race_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    entry_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- the one that was given up
    next_race_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    next_entry_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    deferred_at   DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id, user_id),
    KEY entry_deferral_next (next_race_id, user_id),
    KEY entry_deferral_user (user_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE entry_deferral;
