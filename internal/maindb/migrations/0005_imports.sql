-- +goose Up
-- The origin of a revision: hand, file, post, system or undo; empty where it was not
-- recorded. decided means that a person has decided the result, which a file does not
-- override unless it is told to.
ALTER TABLE official_record
    ADD COLUMN decided BOOLEAN NOT NULL DEFAULT FALSE;

ALTER TABLE official_record_revision
    ADD COLUMN origin VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    ADD COLUMN decided BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN import_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL;

-- Results files that changed something. The outcome is the answer to the import: counts
-- and the first rows of each kind.
CREATE TABLE race_import (
    import_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind         VARCHAR(16) NOT NULL,  -- results
    status       VARCHAR(16) NOT NULL,  -- applied, undone
    file_name    VARCHAR(255) NOT NULL, -- empty: unknown
    file_hash    BINARY(32) NOT NULL,   -- SHA-256
    reason       VARCHAR(500) NOT NULL,
    imported_by  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    imported_at  DATETIME(6) NOT NULL,
    outcome      JSON NOT NULL,
    undone_by    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    undone_at    DATETIME(6) NULL,
    undo_reason  VARCHAR(500) NULL,
    PRIMARY KEY (import_id),
    KEY race_import_by_race (race_id, import_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Existing records are marked as decided if the last change by a person did not come from
-- a file, judging by the reason.
UPDATE official_record AS r
JOIN (SELECT record_id, MAX(revision) AS revision FROM official_record_revision
      WHERE revision > 1 AND changed_by <> 'system' GROUP BY record_id) AS last ON last.record_id = r.record_id
JOIN official_record_revision AS v ON v.record_id = last.record_id AND v.revision = last.revision
SET r.decided = TRUE
WHERE v.reason <> 'results file imported';

UPDATE official_record_revision AS v
JOIN official_record AS r ON r.record_id = v.record_id AND r.revision = v.revision
SET v.decided = TRUE
WHERE r.decided;

-- +goose Down
DROP TABLE race_import;
ALTER TABLE official_record_revision DROP COLUMN import_id, DROP COLUMN decided, DROP COLUMN origin;
ALTER TABLE official_record DROP COLUMN decided;
