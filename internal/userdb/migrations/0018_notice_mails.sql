-- +goose Up
-- Mails that tell of a change in main_db: which event it is, NULL for mails about the
-- account itself, which have a workflow of their own. about holds what is said, as JSON:
-- IDs, bibs, times and places, no names of people.
ALTER TABLE mail
    ADD COLUMN notice_position BIGINT NULL,
    ADD COLUMN notice_event    VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN about           TEXT NULL,
    ADD KEY mail_by_notice (notice_position, notice_event, state, attempts);

-- Up to what somebody has been told about a thing, or would have been, had they wanted
-- to know: the next notice says what has changed since.
CREATE TABLE noticed (
    user_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    thing      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- result/<record>, points/<record>
    state      BIGINT NOT NULL, -- the revision of the result, the points
    noticed_at DATETIME(6) NOT NULL,
    PRIMARY KEY (user_id, thing)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE noticed;
ALTER TABLE mail DROP KEY mail_by_notice, DROP COLUMN about, DROP COLUMN notice_event, DROP COLUMN notice_position;
