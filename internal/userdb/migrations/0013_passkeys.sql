-- +goose Up
CREATE TABLE passkey (
    passkey_id    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    credential_id VARBINARY(1023) NOT NULL, -- the authenticator's ID, 1,023 bytes at most
    public_key    VARBINARY(4096) NOT NULL, -- COSE
    sign_count    BIGINT NOT NULL,
    flags         INT NOT NULL,             -- of the authenticator data: 8 is backup eligible, 16 is backed up
    aaguid        CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- the kind of authenticator
    name          VARCHAR(100) NOT NULL,
    created_at    DATETIME(6) NOT NULL,
    last_used_at  DATETIME(6) NULL,
    PRIMARY KEY (passkey_id),
    UNIQUE KEY passkey_credential (credential_id),
    KEY passkey_by_user (user_id, passkey_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- A registration or a login by passkey that has begun, until it is finished by
-- whichever API process. user_id is NULL for a login: nobody has said who they are.
CREATE TABLE ceremony (
    ceremony_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id     CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    state       BLOB NOT NULL, -- the challenge, and what the answer to it must be like
    expires_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (ceremony_id),
    KEY ceremony_by_user (user_id),
    KEY ceremony_expiry (expires_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

ALTER TABLE session ADD COLUMN by_passkey BOOLEAN NOT NULL DEFAULT FALSE; -- whether it has shown a passkey

-- +goose Down
ALTER TABLE session DROP COLUMN by_passkey;
DROP TABLE ceremony, passkey;
