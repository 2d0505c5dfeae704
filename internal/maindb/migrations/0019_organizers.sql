-- +goose Up
-- Organizers whom operators vouch for: only their races count for a season. The log
-- of operators' actions says who decided, when and why; here is how it stands. An
-- organizer without a row is not verified.
CREATE TABLE organizer (
    organizer_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    verified     BOOLEAN NOT NULL,
    reason       VARCHAR(500) NOT NULL,
    decided_by   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- operator; NULL: this migration
    decided_at   DATETIME(6) NOT NULL,
    PRIMARY KEY (organizer_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Whoever has races by now stays in the seasons; operators can withdraw it.
INSERT INTO organizer (organizer_id, verified, reason, decided_at)
SELECT DISTINCT organizer_id, TRUE, 'organized races before organizers were verified', UTC_TIMESTAMP(6) FROM race;

-- +goose Down
DROP TABLE organizer;
