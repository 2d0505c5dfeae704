-- +goose Up
-- Endpoints that a race's owner is told changes at, by Standard Webhooks.
CREATE TABLE webhook (
    webhook_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    url            VARCHAR(1000) NOT NULL,
    events         VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- event types, with a comma
    created_by     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at     DATETIME(6) NOT NULL,
    off_reason     VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '', -- why it is switched off; empty: it is on
    off_at         DATETIME(6) NULL,
    failing_since  DATETIME(6) NULL, -- the first failure since the last success
    last_failed_at DATETIME(6) NULL,
    wake_at        DATETIME(6) NULL, -- its workflow is to be woken: the outbox of that signal
    PRIMARY KEY (webhook_id),
    KEY webhook_of_race (race_id),
    KEY webhook_to_wake (wake_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- The keys that sign. Only the worker reads them; an API process that is broken into
-- cannot. A message is signed with each that has not expired.
CREATE TABLE webhook_secret (
    webhook_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    secret_no  INT NOT NULL,
    secret     VARBINARY(64) NOT NULL,
    expires_at DATETIME(6) NULL, -- of an earlier one: the end of the overlap after a rotation
    PRIMARY KEY (webhook_id, secret_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- An event on its way to an endpoint, and the log of it for 30 days.
CREATE TABLE webhook_delivery (
    delivery_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- the webhook-id of every attempt
    webhook_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    position     BIGINT NOT NULL, -- of the event's first change in the change log
    type         VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    happened_at  DATETIME(6) NOT NULL,
    data         TEXT NOT NULL, -- JSON: IDs alone
    state        VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- waiting, delivered, failed
    attempts     INT NOT NULL, -- since it was created or last replayed
    due_at       DATETIME(6) NOT NULL, -- of the next attempt, while it waits
    attempted_at DATETIME(6) NULL, -- the last time
    outcome      VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '', -- of the last attempt: the HTTP status, or why there was none
    created_at   DATETIME(6) NOT NULL,
    PRIMARY KEY (delivery_id),
    UNIQUE KEY webhook_delivery_once (webhook_id, position, type),
    KEY webhook_delivery_due (webhook_id, state, due_at),
    KEY webhook_delivery_waits (state, due_at),
    KEY webhook_delivery_listed (webhook_id, delivery_id),
    KEY webhook_delivery_age (created_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

INSERT INTO change_reader (name, position)
SELECT 'webhooks', position + (SELECT COUNT(*) FROM change_unsealed) FROM change_chain;

-- +goose Down
DELETE FROM change_reader WHERE name = 'webhooks';
DROP TABLE webhook_delivery, webhook_secret, webhook;
