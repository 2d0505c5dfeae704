-- +goose Up
-- What has to be done to prepare a race.
CREATE TABLE race_task (
    task_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    title       VARCHAR(200) NOT NULL,
    note        VARCHAR(4000) NOT NULL,
    status      VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- open, in_progress, done, dropped
    assignee_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    due_at      DATETIME(6) NULL, -- when the deadline is over
    due_on      DATE NULL,        -- the deadline, if it is a day of the race's time zone
    remind_days VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- before the deadline, with a comma
    position    INT NOT NULL,     -- among the tasks of its status
    revision    INT NOT NULL,
    copied_from CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- the task of another race
    created_at  DATETIME(6) NOT NULL,
    updated_at  DATETIME(6) NOT NULL,
    told_at     DATETIME(6) NOT NULL, -- reminders until then were given, or came too late to be
    next_at     DATETIME(6) NULL,     -- of the next reminder
    PRIMARY KEY (task_id),
    UNIQUE KEY race_task_copy (race_id, copied_from),
    KEY race_task_board (race_id, position),
    KEY race_task_assignee (assignee_id, race_id),
    KEY race_task_next (next_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Who is told about a task besides its assignee.
CREATE TABLE race_task_watcher (
    task_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (task_id, user_id),
    KEY race_task_watched (user_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Tasks whose workflow is to be started, or woken because they have changed.
CREATE TABLE task_outbox (
    task_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (task_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- The secret address at which somebody who works on a race reads its calendar.
CREATE TABLE calendar_feed (
    race_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    token_hash BINARY(32) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id, user_id),
    UNIQUE KEY calendar_feed_token (token_hash),
    KEY calendar_feed_user (user_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE calendar_feed, task_outbox, race_task_watcher, race_task;
