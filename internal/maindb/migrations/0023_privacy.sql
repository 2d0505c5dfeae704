-- +goose Up
-- The accounts that write here. A writer locks the row of its account, and so does
-- the end of an account: what is written before is erased, and nothing after it.
CREATE TABLE account_mark (
    user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    left_at DATETIME(6) NULL,
    PRIMARY KEY (user_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Whose call an answer is kept for; NULL: nobody's, or a key of an older program.
ALTER TABLE idempotency_key
    ADD COLUMN user_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD KEY idempotency_key_by_user (user_id);

-- ISO 3166, two letters; '' is not stated. It says from which age on a person decides
-- about their own data.
ALTER TABLE race ADD COLUMN country VARCHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE race DROP COLUMN country;
ALTER TABLE idempotency_key DROP KEY idempotency_key_by_user, DROP COLUMN user_id;
DROP TABLE account_mark;
