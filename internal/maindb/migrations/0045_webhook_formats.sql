-- +goose Up
-- Endpoints that are channels of Slack or Discord. The URL of such a channel is its
-- secret: webhook.url has what may be shown of it, webhook_secret the whole.
ALTER TABLE webhook
    ADD COLUMN format     VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'standard', -- standard, slack, discord
    ADD COLUMN language   VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'en', -- of what a chat is told
    ADD COLUMN rest_until DATETIME(6) NULL; -- it asked to be left alone until then

ALTER TABLE webhook_secret MODIFY COLUMN secret VARBINARY(1000) NOT NULL;

-- +goose Down
ALTER TABLE webhook DROP COLUMN format, DROP COLUMN language, DROP COLUMN rest_until;
