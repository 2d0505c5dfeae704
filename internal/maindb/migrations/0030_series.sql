-- +goose Up
-- A series of races of one organizer, ranked by points. ties is a JSON list,
-- divisions has the form of a race's.
CREATE TABLE series (
    series_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    organizer_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name         VARCHAR(200) NOT NULL,
    best         INT NOT NULL, -- how many races of a runner count; 0: all
    min_races    INT NOT NULL,
    ties         TEXT NOT NULL,
    ages_on      DATE NULL,    -- NULL: the day of the last race
    divisions    MEDIUMTEXT NOT NULL,
    created_at   DATETIME(6) NOT NULL,
    updated_at   DATETIME(6) NOT NULL,
    PRIMARY KEY (series_id),
    KEY series_by_organizer (organizer_id, series_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

CREATE TABLE series_race (
    series_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    multiplier INT NOT NULL, -- in thousandths
    PRIMARY KEY (series_id, race_id),
    KEY series_race_by_race (race_id),
    CONSTRAINT series_race_of_series FOREIGN KEY (series_id) REFERENCES series (series_id) ON DELETE CASCADE,
    CONSTRAINT series_race_of_race FOREIGN KEY (race_id) REFERENCES race (race_id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- The versions of a series' standings. rules and sources are JSON: how it was
-- ranked, and from which version of each race's standings. body is the rows as JSON,
-- compressed by gzip; it is empty in those older versions that do not keep their rows.
CREATE TABLE series_standings (
    series_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version     INT NOT NULL,
    computed_at DATETIME(6) NOT NULL,
    inputs_hash BINARY(32) NOT NULL,
    rules       MEDIUMTEXT NOT NULL,
    sources     MEDIUMTEXT NOT NULL,
    reason      VARCHAR(500) NOT NULL,
    entries     INT NOT NULL,
    body        LONGBLOB NOT NULL,
    PRIMARY KEY (series_id, version),
    CONSTRAINT series_standings_of_series FOREIGN KEY (series_id) REFERENCES series (series_id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- What the last recompute of a series read: SHA-256 of its settings, and of which
-- version each of its races had. The sweep finds by it the series that are behind.
CREATE TABLE series_mark (
    series_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    mark      BINARY(32) NOT NULL,
    PRIMARY KEY (series_id),
    CONSTRAINT series_mark_of_series FOREIGN KEY (series_id) REFERENCES series (series_id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE series_mark;
DROP TABLE series_standings;
DROP TABLE series_race;
DROP TABLE series;
