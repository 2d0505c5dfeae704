-- +goose Up
ALTER TABLE entry_pool ADD COLUMN registered INT NOT NULL DEFAULT 0; -- entries with the state registered: they wait for the draw

-- The draw of a race's places. The seed's hash is public from the beginning, the seed
-- only when the places are drawn.
CREATE TABLE draw (
    race_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seed       CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    drawn_at   DATETIME(6) NULL,
    list_hash  CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, -- of all numbers, once they are drawn
    PRIMARY KEY (race_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- The public number of everybody who ever registered for a draw. A number is given once
-- and never taken back, so that nobody gets another one by registering again.
CREATE TABLE draw_number (
    race_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    number     CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    pool       SMALLINT NULL, -- this and the next two are NULL before the draw
    place      INT NULL,      -- in the order of the draw, from 1
    result     VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL, -- the state of the entry after the draw
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id, number),
    UNIQUE KEY draw_number_user (race_id, user_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Draws whose workflow is to be started, or woken because the settings have changed.
CREATE TABLE draw_outbox (
    race_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Runners whom the organizer lets enter a pool that demands a qualifying time.
CREATE TABLE entry_admission (
    race_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    admission_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    pool         SMALLINT NOT NULL,
    login_hash   CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- keyed, like that of an invitation
    reason       VARCHAR(500) NOT NULL,
    admitted_by  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    admitted_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id, admission_id),
    UNIQUE KEY entry_admission_runner (race_id, pool, login_hash),
    KEY entry_admission_login (login_hash)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE entry_admission, draw_outbox, draw_number, draw;
ALTER TABLE entry_pool DROP COLUMN registered;
