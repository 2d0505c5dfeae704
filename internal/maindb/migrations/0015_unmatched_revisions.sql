-- +goose Up
-- Revisions that a valid message named and main_db does not have: there is no
-- such record, it is of another race, or it has no such revision. They are
-- rejected, and there is nothing to commit the rejection to.
CREATE TABLE unmatched_revision (
    race_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    record_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    revision    INT NOT NULL,
    reason      VARCHAR(500) NOT NULL,
    rejected_at DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id, record_id, revision),
    KEY unmatched_revision_by_record (record_id),
    KEY unmatched_revision_by_age (rejected_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE unmatched_revision;
