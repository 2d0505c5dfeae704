-- +goose Up
-- Notices of a race by its staff.
CREATE TABLE post (
    post_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    revision       INT NOT NULL,
    state          VARCHAR(9) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- draft, planned, published or withdrawn
    title          VARCHAR(150) NOT NULL,
    body           MEDIUMTEXT NOT NULL, -- Markdown
    publish_at     DATETIME(6) NULL, -- of a planned post
    pinned         BOOLEAN NOT NULL,
    notify         BOOLEAN NOT NULL, -- mail everyone entered when it is first published
    notify_waiting BOOLEAN NOT NULL, -- likewise those who wait in line
    comments       BOOLEAN NOT NULL, -- whether they are taken and shown
    created_by     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at     DATETIME(6) NOT NULL,
    updated_at     DATETIME(6) NOT NULL,
    published_at   DATETIME(6) NULL, -- for the first time
    PRIMARY KEY (post_id),
    KEY post_by_race (race_id, post_id),
    KEY post_public (race_id, state, pinned, published_at, post_id),
    KEY post_planned (state, publish_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Posts whose workflow is to be started, or woken because their time has changed.
CREATE TABLE post_outbox (
    post_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (post_id),
    KEY post_outbox_race (race_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- What participants say about posts. A row stays when its text is gone.
CREATE TABLE post_comment (
    comment_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    post_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    by_staff      BOOLEAN NOT NULL,
    text          VARCHAR(2000) NOT NULL, -- empty when it was deleted or its author left
    state         VARCHAR(7) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- shown, hidden, deleted or erased
    hidden_reason VARCHAR(500) NOT NULL DEFAULT '', -- public
    created_at    DATETIME(6) NOT NULL,
    edited_at     DATETIME(6) NULL,
    PRIMARY KEY (comment_id),
    KEY comment_by_post (post_id, comment_id),
    KEY comment_by_race (race_id, comment_id),
    KEY comment_by_user (user_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- That somebody thinks a comment should not be there: once for each person and comment.
CREATE TABLE comment_report (
    comment_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- who reports it
    race_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    reason     VARCHAR(500) NOT NULL,
    created_at DATETIME(6) NOT NULL,
    closed_at  DATETIME(6) NULL, -- when the staff hid the comment, or decided to show it
    PRIMARY KEY (comment_id, user_id),
    KEY report_open (closed_at, comment_id),
    KEY report_by_race (race_id, closed_at, comment_id),
    KEY report_by_user (user_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE comment_report, post_comment, post_outbox, post;
