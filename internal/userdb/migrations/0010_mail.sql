-- +goose Up
-- email is the address that its owner has confirmed; email_pending the one that
-- waits for that. email_problem says why nothing more is sent to email: bounced,
-- complained; '' is no problem.
ALTER TABLE user
    ADD COLUMN email         VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    ADD COLUMN email_pending VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    ADD COLUMN email_problem VARCHAR(16) NOT NULL DEFAULT '',
    ADD COLUMN language      VARCHAR(2) NOT NULL DEFAULT 'en',
    ADD KEY user_email (email);

-- What the owner of a mailbox may do once. value is the new address or login.
CREATE TABLE account_link (
    link_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    purpose    VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- confirm-email, change-login, recover
    value      VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at DATETIME(6) NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    used_at    DATETIME(6) NULL,
    PRIMARY KEY (link_id),
    KEY account_link_by_user (user_id, created_at),
    KEY account_link_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- The tokens of a link: one for each attempt to send its mail, made when the mail
-- is written, so that no database ever holds one.
CREATE TABLE link_token (
    token_hash BINARY(32) NOT NULL,
    link_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (token_hash),
    KEY link_token_by_link (link_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- One mail. It is also the outbox of the workflow mail/<mail_id>: started_at is when
-- that was last started. What is said is written when it is sent, from kind,
-- language, detail and link.
CREATE TABLE mail (
    mail_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event_key   VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- what caused it: a retry sends no second one
    user_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind        VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    language    VARCHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    address     VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    detail      VARCHAR(200) NOT NULL,
    link_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    state       VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- queued, sending, sent, bounced, failed
    attempts    INT NOT NULL,
    provider_id VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at  DATETIME(6) NOT NULL,
    expires_at  DATETIME(6) NOT NULL, -- after it the mail is of no use and not sent
    started_at  DATETIME(6) NULL,
    updated_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (mail_id),
    UNIQUE KEY mail_once (event_key),
    KEY mail_by_user (user_id, mail_id),
    KEY mail_by_state (state, started_at),
    KEY mail_by_age (created_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Requests to recover an account, before anybody has looked whether there is one:
-- known and unknown logins cost the caller the same.
CREATE TABLE recovery_request (
    request_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    login        VARCHAR(190) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- a login or an address
    requested_at DATETIME(6) NOT NULL,
    PRIMARY KEY (request_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE recovery_request, mail, link_token, account_link;
ALTER TABLE user DROP KEY user_email, DROP COLUMN language, DROP COLUMN email_problem, DROP COLUMN email_pending, DROP COLUMN email;
