-- +goose Up
-- tokens_ended_at ends every access token of the account issued before it, also
-- those of sessions that have no row below.
ALTER TABLE user
    ADD COLUMN suspended_at    DATETIME(6) NULL,
    ADD COLUMN suspended_by    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN suspend_reason  VARCHAR(500) NOT NULL DEFAULT '',
    ADD COLUMN tokens_ended_at DATETIME(6) NULL;

-- One login on one device. A session of kind token is a family of refresh tokens,
-- whose family_id is its session_id; one of kind browser is a cookie with the
-- secret of which this holds the hash.
CREATE TABLE session (
    session_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id      CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind         VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- token, browser
    secret_hash  BINARY(32) NULL,       -- of kind browser
    device       VARCHAR(64) NOT NULL,  -- "Firefox on Linux"; '' is unknown
    created_at   DATETIME(6) NOT NULL,
    last_used_at DATETIME(6) NOT NULL,
    expires_at   DATETIME(6) NOT NULL,
    ended_at     DATETIME(6) NULL,
    PRIMARY KEY (session_id),
    KEY session_by_user (user_id, session_id),
    KEY session_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

INSERT INTO session (session_id, user_id, kind, device, created_at, last_used_at, expires_at, ended_at)
SELECT family_id, user_id, 'token', '', MIN(issued_at), MAX(issued_at), MAX(expires_at), MAX(revoked_at)
FROM refresh_token
GROUP BY family_id, user_id;

-- +goose Down
DROP TABLE session;
ALTER TABLE user DROP COLUMN tokens_ended_at, DROP COLUMN suspend_reason, DROP COLUMN suspended_by, DROP COLUMN suspended_at;
