-- +goose Up
-- What an account has chosen to be told, where that differs from the default. While
-- notices pause, only those are sent that nobody may switch off.
ALTER TABLE user ADD COLUMN notices_paused_until DATETIME(6) NULL;

CREATE TABLE notice_choice (
    user_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind      VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    channel   VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state     VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    chosen_at DATETIME(6) NOT NULL,
    PRIMARY KEY (user_id, kind, channel)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- What signs the links in mails by which notices are switched off without a login. The
-- worker makes a row with the first notice to an account; nothing else names it.
CREATE TABLE unsubscriber (
    user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    link_id BINARY(16) NOT NULL,
    secret  BINARY(32) NOT NULL,
    PRIMARY KEY (user_id),
    UNIQUE KEY unsubscriber_link (link_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE unsubscriber, notice_choice;
ALTER TABLE user DROP COLUMN notices_paused_until;
