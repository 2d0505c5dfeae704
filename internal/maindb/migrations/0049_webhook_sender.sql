-- +goose Up
-- Which step of the worker sends to an endpoint, until it has ended or for so long nothing
-- was noted: no other sends to it meanwhile.
ALTER TABLE webhook
    ADD COLUMN sender       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    ADD COLUMN sender_until DATETIME(6) NULL;

-- +goose Down
ALTER TABLE webhook DROP COLUMN sender, DROP COLUMN sender_until;
