-- +goose Up
-- Who works on a race besides its owner, race.organizer_id.
CREATE TABLE race_staff (
    race_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    user_id  CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    role     VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- editor, timing or viewer
    added_at DATETIME(6) NOT NULL,
    PRIMARY KEY (race_id, user_id),
    KEY staff_by_user (user_id, race_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- Invitations that nobody has answered yet. One to the role owner offers the race
-- itself. It names a login by a keyed hash, so that nobody can read whom a race
-- invited, or else an account.
CREATE TABLE staff_invitation (
    invitation_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    race_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    role          VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    login_hash    CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, -- in hexadecimal
    user_id       CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    reason        VARCHAR(500) NOT NULL,
    invited_by    CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    invited_at    DATETIME(6) NOT NULL,
    expires_at    DATETIME(6) NOT NULL,
    PRIMARY KEY (invitation_id),
    KEY invitation_by_race (race_id, invitation_id),
    KEY invitation_by_login (login_hash, invitation_id),
    KEY invitation_by_user (user_id, invitation_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_general_ci;

-- +goose Down
DROP TABLE staff_invitation;
DROP TABLE race_staff;
