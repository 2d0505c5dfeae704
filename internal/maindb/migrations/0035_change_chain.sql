-- +goose Up
-- The change log in one chain. A change is written to change_unsealed in its own
-- transaction; the sealer moves it to change_seal, where it gets the next position.
CREATE TABLE change_unsealed (
    change_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    hash      BINARY(32) NOT NULL, -- as in change_log
    PRIMARY KEY (change_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Positions begin at 1 and have no gaps. The hash is the SHA-256 of the hash at the
-- position before (32 zero bytes at the first), the hash of the change, and the position
-- as 8 bytes, most significant first.
CREATE TABLE change_seal (
    position  BIGINT NOT NULL,
    change_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    hash      BINARY(32) NOT NULL,
    PRIMARY KEY (position),
    UNIQUE KEY change_seal_of (change_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- One row, the last seal. Whoever seals locks it first.
CREATE TABLE change_chain (
    id        TINYINT NOT NULL,
    position  BIGINT NOT NULL,
    hash      BINARY(32) NOT NULL,
    opened_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- The last position that a consumer of the log has taken.
CREATE TABLE change_reader (
    name     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

INSERT INTO change_chain (id, position, hash, opened_at) VALUES (1, 0, UNHEX(REPEAT('00', 32)), UTC_TIMESTAMP(6));

INSERT INTO change_unsealed (change_id, hash) SELECT change_id, hash FROM change_log;

-- +goose Down
DROP TABLE change_reader, change_chain, change_seal, change_unsealed;
