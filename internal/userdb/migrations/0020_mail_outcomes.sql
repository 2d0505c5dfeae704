-- +goose Up
-- What operators see of a mail: the race that it is about, why it was not delivered, the
-- error of its last attempt, without addresses, and how often and when they had it sent
-- again. The state complained is new; it takes more than 8 characters.
ALTER TABLE mail
    MODIFY COLUMN state VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- queued, sending, sent, bounced, complained, failed
    ADD COLUMN race_id   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN reason    VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    ADD COLUMN fault     VARCHAR(300) NOT NULL DEFAULT '',
    ADD COLUMN resends   INT NOT NULL DEFAULT 0,
    ADD COLUMN resent_at DATETIME(6) NULL,
    ADD KEY mail_by_outcome (state, reason, mail_id);

UPDATE mail SET race_id = JSON_UNQUOTE(JSON_EXTRACT(about, '$.race_id')) WHERE notice_position IS NOT NULL; -- by its index: accounts' own mails are not read

-- Lists the addresses that are switched off.
ALTER TABLE user ADD KEY user_email_problem (email_problem);

-- +goose Down
ALTER TABLE user DROP KEY user_email_problem;
ALTER TABLE mail DROP KEY mail_by_outcome, DROP COLUMN resent_at, DROP COLUMN resends, DROP COLUMN fault, DROP COLUMN reason, DROP COLUMN race_id;
