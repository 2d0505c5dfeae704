-- name: RaceWithRole :one
SELECT sqlc.embed(race), race_staff.role
FROM race LEFT JOIN race_staff ON race_staff.race_id = race.race_id AND race_staff.user_id = sqlc.arg(user_id)
WHERE race.race_id = sqlc.arg(race_id);

-- name: StaffOfRace :many
SELECT * FROM race_staff WHERE race_id = ? ORDER BY added_at, user_id;

-- name: StaffMember :one
SELECT * FROM race_staff WHERE race_id = ? AND user_id = ?;

-- name: RacesOfStaff :many
-- Races that somebody owns or works on, by their ID, after the ID after.
SELECT sqlc.embed(race), race_staff.role
FROM race LEFT JOIN race_staff ON race_staff.race_id = race.race_id AND race_staff.user_id = sqlc.arg(user_id)
WHERE race.race_id IN (SELECT owned.race_id FROM race AS owned WHERE owned.organizer_id = sqlc.arg(user_id)
                       UNION SELECT works.race_id FROM race_staff AS works WHERE works.user_id = sqlc.arg(user_id))
  AND race.race_id < sqlc.arg(before_id)
ORDER BY race.race_id DESC
LIMIT ?;

-- name: SetStaff :exec
REPLACE INTO race_staff (race_id, user_id, role, added_at) VALUES (?, ?, ?, ?);

-- name: DeleteStaff :exec
DELETE FROM race_staff WHERE race_id = ? AND user_id = ?;

-- name: DeleteStaffOfRace :exec
DELETE FROM race_staff WHERE race_id = ?;

-- name: RolesOfUser :many
SELECT * FROM race_staff WHERE user_id = ?;

-- name: SetOwner :exec
UPDATE race SET organizer_id = ?, updated_at = ? WHERE race_id = ?;

-- name: StaffInvitationsOfRace :many
-- Those that were declined are open to the race.
SELECT * FROM staff_invitation WHERE race_id = ? AND expires_at > ? AND accepted_at IS NULL ORDER BY invitation_id;

-- name: StaffInvitation :one
SELECT * FROM staff_invitation WHERE invitation_id = ?;

-- name: StaffInvitationsFor :many
SELECT sqlc.embed(staff_invitation), race.name, race.race_date
FROM staff_invitation JOIN race ON race.race_id = staff_invitation.race_id
WHERE (staff_invitation.login_hash = ? OR staff_invitation.user_id = ?) AND staff_invitation.expires_at > ?
  AND staff_invitation.declined_at IS NULL AND staff_invitation.accepted_at IS NULL
ORDER BY staff_invitation.invitation_id;

-- name: InsertStaffInvitation :exec
INSERT INTO staff_invitation (invitation_id, race_id, role, login_hash, user_id, reason, invited_by, invited_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: DeleteStaffInvitation :exec
DELETE FROM staff_invitation WHERE invitation_id = ?;

-- name: DeclineStaffInvitation :exec
UPDATE staff_invitation SET declined_at = ? WHERE invitation_id = ?;

-- name: AcceptStaffInvitation :exec
UPDATE staff_invitation SET accepted_at = ?, user_id = ?, login_hash = NULL WHERE invitation_id = ?;

-- name: SealStaffInvitations :exec
-- What is left of a login, when its holder leaves, is a hash of its hash and the race:
-- no account finds the invitation by it, but inviting the login again replaces it.
UPDATE staff_invitation SET login_hash = SHA2(CONCAT(race_id, login_hash), 256) WHERE login_hash = ?;

-- name: DeleteAcceptedInvitationsOf :exec
DELETE FROM staff_invitation WHERE user_id = ? AND accepted_at IS NOT NULL;

-- name: DeleteOpenStaffInvitationsOfRace :exec
DELETE FROM staff_invitation WHERE race_id = ? AND accepted_at IS NULL;

-- name: DeleteStaffInvitationsOfRace :exec
DELETE FROM staff_invitation WHERE race_id = ?;

-- name: PurgeStaffInvitations :execrows
DELETE FROM staff_invitation WHERE expires_at <= ? LIMIT 1000;

-- name: RacesOwnedBy :many
-- A void race needs no owner.
SELECT race_id, name FROM race WHERE organizer_id = ? AND status <> 'void' ORDER BY race_date, race_id;
