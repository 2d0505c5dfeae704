-- +goose Up
-- Which step of the worker sends the mails of an event, until it has ended or for so long
-- nothing was noted: no other sends them meanwhile.
CREATE TABLE notice_sender (
    position     BIGINT NOT NULL,
    kind         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sender       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sender_until DATETIME(6) NOT NULL,
    PRIMARY KEY (position, kind)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE notice_sender;
