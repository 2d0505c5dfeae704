-- +goose Up
-- Changes of accounts that are not in main_db's change log yet. A row is written in
-- the transaction of the change and deleted once the log has it.
CREATE TABLE change_outbox (
    change_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    entry     MEDIUMTEXT NOT NULL, -- a JSON object
    PRIMARY KEY (change_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE change_outbox;
