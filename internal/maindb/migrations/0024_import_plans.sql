-- +goose Up
-- An import is planned first: status is planned, applied or undone. plan_hash
-- identifies what the plan was made from and what it would do. kept_until says when
-- a plan that nobody applied, or the stored file of one that was, is deleted.
ALTER TABLE race_import
    ADD COLUMN plan_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN kept_until DATETIME(6) NULL,
    ADD KEY race_import_by_end (kept_until);

-- What is kept of an import for a limited time, because it holds personal data:
-- the file as it came, the plan as it was answered, its rows, what it was made from,
-- and what undoing it needs. Each is compressed by gzip and cut into parts that fit
-- into one statement.
CREATE TABLE import_content (
    import_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    content   VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- file, plan, rows, basis, undo
    part      SMALLINT NOT NULL,
    race_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    body      MEDIUMBLOB NOT NULL,
    PRIMARY KEY (import_id, content, part),
    KEY import_content_by_race (race_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- What an organizer says columns mean, for files with the same headers.
CREATE TABLE import_mapping (
    organizer_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    shape        BINARY(32) NOT NULL, -- SHA-256 of the headers
    mapping      JSON NOT NULL,       -- the meaning of each header
    updated_at   DATETIME(6) NOT NULL,
    PRIMARY KEY (organizer_id, shape)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE import_mapping;
DROP TABLE import_content;
ALTER TABLE race_import DROP KEY race_import_by_end, DROP COLUMN kept_until, DROP COLUMN plan_hash;
