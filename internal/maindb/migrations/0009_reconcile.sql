-- +goose Up
-- For the sweep of standings, which reads the races that changed since a time from these
-- indexes alone, in pages.
ALTER TABLE official_record ADD KEY official_record_race_changes (updated_at, race_id);
ALTER TABLE race ADD KEY race_changes (updated_at, race_id, status);

-- Where the next run of a check continues that cannot cover everything in one audit.
CREATE TABLE audit_position (
    check_name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    changed_at DATETIME(6) NOT NULL, -- of the record last looked at
    record_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (check_name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE audit_position;
ALTER TABLE race DROP KEY race_changes;
ALTER TABLE official_record DROP KEY official_record_race_changes;
