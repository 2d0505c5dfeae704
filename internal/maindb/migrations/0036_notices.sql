-- +goose Up
-- A change, or several of one kind that followed each other, that people are told about:
-- the outbox of the workflow notice/<position>/<kind>, and what it reads. Rows are
-- written by the consumer "notices" of the change log, from here on.
CREATE TABLE notice_event (
    position     BIGINT NOT NULL, -- of the first of the changes
    kind         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    subjects     MEDIUMTEXT NOT NULL, -- JSON: IDs and times alone
    happened_at  DATETIME(6) NOT NULL,
    started_at   DATETIME(6) NULL, -- when the workflow was last started
    finished_at  DATETIME(6) NULL,
    -- Of kinds that compare standings: which versions. Those of a race follow each
    -- other, so that everybody whose place moved is told once.
    from_version INT NULL,
    to_version   INT NULL,
    PRIMARY KEY (position, kind),
    KEY notice_waiting (finished_at, started_at),
    KEY notice_by_race (race_id, to_version)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

INSERT INTO change_reader (name, position)
SELECT 'notices', position + (SELECT COUNT(*) FROM change_unsealed) FROM change_chain;

-- +goose Down
DELETE FROM change_reader WHERE name = 'notices';
DROP TABLE notice_event;
