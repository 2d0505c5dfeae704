-- +goose Up
-- How runners enter by themselves: race.EntrySettings; NULL is entry as it comes, bounded
-- by the capacity alone.
ALTER TABLE race ADD COLUMN entry TEXT NULL;

-- The counters of a pool. Whoever changes an entry of the pool locks its row first, so
-- that sequence numbers have no gaps and no place is given twice.
CREATE TABLE entry_pool (
    race_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    pool     SMALLINT NOT NULL,         -- the pool's key in the settings
    capacity INT NOT NULL,              -- as in the settings; 0 is no bound
    taken    INT NOT NULL DEFAULT 0,    -- entries with the state entered
    offered  INT NOT NULL DEFAULT 0,    -- with the state offered: each holds a place
    waiting  INT NOT NULL DEFAULT 0,
    next_seq BIGINT NOT NULL DEFAULT 1,
    next_bib INT NOT NULL DEFAULT 0,    -- all bibs of the pool's range below it have been dealt
    version  BIGINT NOT NULL DEFAULT 0, -- grows whenever somebody leaves the line
    PRIMARY KEY (race_id, pool)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE entry (
    race_id          CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    pool             SMALLINT NOT NULL,
    seq              BIGINT NOT NULL, -- the order of arrival
    entry_id         CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- of the participant, once entered
    user_id          CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state            VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    standing         BOOLEAN NOT NULL, -- takes a free place without an offer
    offer_no         INT NOT NULL DEFAULT 0,
    offer_expires_at DATETIME(6) NULL,
    sex              VARCHAR(1) NOT NULL,
    own_age          SMALLINT NULL, -- on own_age_on, by the account
    own_age_on       DATE NULL,
    team             VARCHAR(100) NOT NULL,
    reason           VARCHAR(500) NOT NULL DEFAULT '', -- of the organizer who entered or removed them
    received_at      DATETIME(6) NOT NULL,             -- by the clock of the process that answered
    created_at       DATETIME(6) NOT NULL,             -- by the database's clock, like the next
    changed_at       DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id, pool, seq),
    UNIQUE KEY entry_user (user_id, race_id),
    KEY entry_by_state (race_id, pool, state, seq)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Who left the line in front of others, by the version of the pool: those who watch
-- their position count the lower numbers.
CREATE TABLE entry_departure (
    race_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    pool    SMALLINT NOT NULL,
    version BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    PRIMARY KEY (race_id, pool, version, seq)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Offers whose workflow is not known to have been started.
CREATE TABLE offer_outbox (
    race_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    pool       SMALLINT NOT NULL,
    seq        BIGINT NOT NULL,
    offer_no   INT NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id, pool, seq, offer_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE offer_outbox, entry_departure, entry, entry_pool;
ALTER TABLE race DROP COLUMN entry;
