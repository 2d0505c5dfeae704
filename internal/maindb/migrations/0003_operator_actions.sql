-- +goose Up
-- The actions of operators. A row is written before the action, with the state before it,
-- and completed afterwards. An action without an end was interrupted and may have taken
-- effect.
CREATE TABLE operator_action (
    action_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    operator_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    action       VARCHAR(32) NOT NULL,
    target       VARCHAR(100) NOT NULL, -- ID of a record, user or message; empty for several
    reason       VARCHAR(500) NOT NULL,
    state_before JSON NOT NULL,
    state_after  JSON NOT NULL,         -- null until it is over
    started_at   DATETIME(6) NOT NULL,
    finished_at  DATETIME(6) NULL,
    PRIMARY KEY (action_id),
    KEY operator_action_by_target (target, action_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE operator_action;
