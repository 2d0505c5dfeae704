package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// RaceFor returns a race and the role that an account has in it, empty when it has
// none; or race.ErrNotFound.
func (s *Store) RaceFor(ctx context.Context, raceID, userID string) (race.Race, race.Role, error) {
	row, err := s.queries.RaceWithRole(ctx, userID, raceID)
	r, err := foundRace(raceID, row.Race, err)
	return r, roleIn(r, userID, row.Role), err
}

func roleIn(r race.Race, userID string, staff sql.NullString) race.Role {
	if r.OrganizerID == userID {
		return race.Owner
	}
	return race.Role(staff.String)
}

// OwnRace is a race that somebody owns or works on.
type OwnRace struct {
	Race race.Race
	Role race.Role
}

// RacesOf returns up to limit races that an account owns or works on, the newest
// first, older than the one with the ID before; an empty before means the newest.
func (s *Store) RacesOf(ctx context.Context, userID, before string, limit int) ([]OwnRace, error) {
	if before == "" {
		before = lastID
	}
	rows, err := s.queries.RacesOfStaff(ctx, gen.RacesOfStaffParams{UserID: userID, BeforeID: before, Limit: count32(limit)})
	if err != nil {
		return nil, fmt.Errorf("list the races that user %s works on: %w", userID, err)
	}
	found := make([]OwnRace, len(rows))
	for i, row := range rows {
		r, err := raceOf(row.Race)
		if err != nil {
			return nil, err
		}
		found[i] = OwnRace{Race: r, Role: roleIn(r, userID, row.Role)}
	}
	return found, nil
}

// StaffMember is somebody who works on a race, besides its owner.
type StaffMember struct {
	UserID  string
	Role    race.Role
	AddedAt time.Time
}

// Staff returns who works on a race, besides its owner.
func (s *Store) Staff(ctx context.Context, raceID string) ([]StaffMember, error) {
	rows, err := s.queries.StaffOfRace(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("list the staff of race %s: %w", raceID, err)
	}
	members := make([]StaffMember, len(rows))
	for i, row := range rows {
		members[i] = StaffMember{UserID: row.UserID, Role: race.Role(row.Role), AddedAt: row.AddedAt}
	}
	return members, nil
}

// Invitation asks somebody to work on a race, or, with the role owner, to take it
// over.
type Invitation struct {
	ID        string
	RaceID    string
	RaceName  string    // set by InvitationsFor
	RaceDate  race.Date // likewise
	Role      race.Role
	Invited   Invited
	Reason    string
	By        string // user ID
	At        time.Time
	ExpiresAt time.Time
	Declined  bool // which nobody of the race may learn
}

// Invited is who an invitation is for: whoever has a login, by its keyed hash in
// hexadecimal, or an account.
type Invited struct {
	LoginHash string
	UserID    string
}

func (i Invited) is(other Invited) bool {
	return i.UserID != "" && i.UserID == other.UserID || i.LoginHash != "" && i.LoginHash == other.LoginHash
}

// maxInvitations bounds how many invitations of a race are open at a time, so that
// nobody can use them to write to everybody.
const maxInvitations = 100

// Invite adds an invitation. It replaces an open one for the same person, and an
// offer of the race replaces an open one to anybody. An invitation that already has
// the ID is left unchanged. Errors: race.ErrNotFound, *race.ConflictError when too
// many are open.
func (s *Store) Invite(ctx context.Context, i Invitation) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now()
		if _, err := lockRace(ctx, q, i.RaceID); err != nil {
			return err
		}
		open, err := q.StaffInvitationsOfRace(ctx, i.RaceID, now)
		if err != nil {
			return fmt.Errorf("list the invitations of race %s: %w", i.RaceID, err)
		}
		kept := 0
		for _, row := range open {
			other := invitationOf(row)
			sealed := Invited{LoginHash: sealedLogin(i.RaceID, i.Invited.LoginHash)}
			replaced := other.Invited.is(i.Invited) || other.Invited.is(sealed) || other.Role == race.Owner && i.Role == race.Owner
			switch {
			case other.ID == i.ID:
				return nil
			case !replaced:
				kept++
			default:
				if err := s.endInvitation(ctx, tx, other, "staff.invitation_replaced"); err != nil {
					return err
				}
			}
		}
		if kept >= maxInvitations {
			return &race.ConflictError{Message: fmt.Sprintf("%d invitations of this race are open: withdraw one first", kept)}
		}
		err = q.InsertStaffInvitation(ctx, gen.InsertStaffInvitationParams{
			InvitationID: i.ID, RaceID: i.RaceID, Role: string(i.Role), LoginHash: nullString(i.Invited.LoginHash), UserID: nullString(i.Invited.UserID),
			Reason: i.Reason, InvitedBy: i.By, InvitedAt: i.At, ExpiresAt: i.ExpiresAt,
		})
		if err != nil {
			return fmt.Errorf("add invitation %s: %w", i.ID, err)
		}
		invited := ofInvitation(i, "staff.invited")
		invited.Reason, invited.After = i.Reason, map[string]any{"role": i.Role, "expires_at": i.ExpiresAt}
		return writeChanges(ctx, tx, now, invited)
	})
}

func ofInvitation(i Invitation, action string) race.Change {
	return race.Change{Action: action, RaceID: i.RaceID, Subject: race.Subject{Kind: "invitation", ID: i.ID}}
}

// endInvitation deletes an invitation that is not accepted.
func (s *Store) endInvitation(ctx context.Context, tx *sql.Tx, i Invitation, action string) error {
	if err := s.queries.WithTx(tx).DeleteStaffInvitation(ctx, i.ID); err != nil {
		return fmt.Errorf("delete invitation %s: %w", i.ID, err)
	}
	ended := ofInvitation(i, action)
	ended.Before = map[string]race.Role{"role": i.Role}
	return writeChanges(ctx, tx, s.now(), ended)
}

// Invitations returns the open invitations of a race.
func (s *Store) Invitations(ctx context.Context, raceID string) ([]Invitation, error) {
	rows, err := s.queries.StaffInvitationsOfRace(ctx, raceID, s.now())
	if err != nil {
		return nil, fmt.Errorf("list the invitations of race %s: %w", raceID, err)
	}
	open := make([]Invitation, len(rows))
	for i, row := range rows {
		open[i] = invitationOf(row)
	}
	return open, nil
}

// InvitationsFor returns the open invitations for somebody.
func (s *Store) InvitationsFor(ctx context.Context, who Invited) ([]Invitation, error) {
	rows, err := s.queries.StaffInvitationsFor(ctx, nullString(who.LoginHash), nullString(who.UserID), s.now())
	if err != nil {
		return nil, fmt.Errorf("list the invitations for user %s: %w", who.UserID, err)
	}
	open := make([]Invitation, len(rows))
	for i, row := range rows {
		open[i] = invitationOf(row.StaffInvitation)
		open[i].RaceName, open[i].RaceDate = row.Name, race.DateOf(row.RaceDate)
	}
	return open, nil
}

func invitationOf(row gen.StaffInvitation) Invitation {
	return Invitation{
		ID: row.InvitationID, RaceID: row.RaceID, Role: race.Role(row.Role), Invited: Invited{LoginHash: row.LoginHash.String, UserID: row.UserID.String},
		Reason: row.Reason, By: row.InvitedBy, At: row.InvitedAt, ExpiresAt: row.ExpiresAt, Declined: row.DeclinedAt.Valid,
	}
}

// withInvitation calls fn with an open invitation in a transaction that holds its
// race. It returns race.ErrNotFound when there is none that wanted reports
// true for.
func (s *Store) withInvitation(ctx context.Context, id string, wanted func(Invitation) bool, fn func(*sql.Tx, race.Race, Invitation) error) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		row, err := s.queries.StaffInvitation(ctx, id) // outside of the transaction, which then sees what others commit before it has the lock
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read invitation %s: %w", id, err)
		}
		r, err := lockRace(ctx, q, row.RaceID)
		if err != nil {
			return err
		}
		open, err := q.StaffInvitationsOfRace(ctx, row.RaceID, s.now())
		if err != nil {
			return fmt.Errorf("list the invitations of race %s: %w", row.RaceID, err)
		}
		for _, row := range open {
			if i := invitationOf(row); i.ID == id && wanted(i) {
				return fn(tx, r, i)
			}
		}
		return race.ErrNotFound
	})
}

// WithdrawStaffInvitation deletes an open invitation of a race, or returns
// race.ErrNotFound.
func (s *Store) WithdrawStaffInvitation(ctx context.Context, raceID, invitationID string) error {
	ofRace := func(i Invitation) bool { return i.RaceID == raceID }
	return s.withInvitation(ctx, invitationID, ofRace, func(tx *sql.Tx, _ race.Race, i Invitation) error {
		return s.endInvitation(ctx, tx, i, "staff.invitation_withdrawn")
	})
}

// DeclineStaffInvitation hides an open invitation from who, whom it is for. The race
// still sees it as open until it expires: otherwise it would learn that somebody has
// the login. Repeating it changes nothing. It returns race.ErrNotFound.
func (s *Store) DeclineStaffInvitation(ctx context.Context, invitationID string, who Invited) error {
	return s.withInvitation(ctx, invitationID, who.invitedBy, func(tx *sql.Tx, _ race.Race, i Invitation) error {
		if i.Declined {
			return nil
		}
		if err := s.queries.WithTx(tx).DeclineStaffInvitation(ctx, sql.NullTime{Time: s.now(), Valid: true}, i.ID); err != nil {
			return fmt.Errorf("decline invitation %s: %w", i.ID, err)
		}
		declined := ofInvitation(i, "staff.invitation_declined")
		declined.RaceID = "" // the race does not learn whose account it was
		declined.Before = map[string]string{"role": string(i.Role), "race_id": i.RaceID}
		return writeChanges(ctx, tx, s.now(), declined)
	})
}

// invitedBy reports whether an invitation is for i.
func (i Invited) invitedBy(invitation Invitation) bool { return i.is(invitation.Invited) }

// AcceptStaffInvitation gives who, an account, the role of an open invitation, and the
// race if that is the role owner. mayOwn says whether the account may own races.
// Repeating it changes nothing, as long as the account has a role in the race.
// Errors: race.ErrNotFound, *race.ConflictError for an account that owns the race,
// or may not, and race.ErrLeft.
func (s *Store) AcceptStaffInvitation(ctx context.Context, invitationID string, who Invited, mayOwn bool) (accepted Invitation, err error) {
	wanted := func(i Invitation) bool { return who.invitedBy(i) && !i.Declined }
	err = s.withInvitation(ctx, invitationID, wanted, func(tx *sql.Tx, r race.Race, i Invitation) error {
		accepted = i
		if err := holdAccount(ctx, s.queries.WithTx(tx), who.UserID); err != nil {
			return err
		}
		if r.OrganizerID == who.UserID {
			return &race.ConflictError{Message: "you own this race"}
		}
		if i.Role == race.Owner && !mayOwn {
			return &race.ConflictError{Message: "only an organizer can own a race"}
		}
		err := s.queries.WithTx(tx).AcceptStaffInvitation(ctx, sql.NullTime{Time: s.now(), Valid: true}, nullString(who.UserID), i.ID)
		if err != nil {
			return fmt.Errorf("accept invitation %s: %w", i.ID, err)
		}
		if i.Role == race.Owner {
			return s.giveRace(ctx, tx, r, who.UserID, i.Reason)
		}
		return s.setRole(ctx, tx, r.ID, who.UserID, i.Role)
	})
	if errors.Is(err, race.ErrNotFound) {
		return s.acceptedBefore(ctx, invitationID, who.UserID)
	}
	return accepted, err
}

// acceptedBefore returns an invitation that an account has accepted, with the role that
// the account has in the race now. It returns race.ErrNotFound when it has none.
func (s *Store) acceptedBefore(ctx context.Context, invitationID, userID string) (Invitation, error) {
	row, err := s.queries.StaffInvitation(ctx, invitationID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (!row.AcceptedAt.Valid || row.UserID.String != userID) {
		return Invitation{}, race.ErrNotFound
	}
	if err != nil {
		return Invitation{}, fmt.Errorf("read invitation %s: %w", invitationID, err)
	}
	accepted := invitationOf(row)
	_, accepted.Role, err = s.RaceFor(ctx, row.RaceID, userID)
	if err == nil && accepted.Role == "" {
		err = race.ErrNotFound
	}
	return accepted, err
}

func (s *Store) setRole(ctx context.Context, tx *sql.Tx, raceID, userID string, role race.Role) error {
	q, now := s.queries.WithTx(tx), s.now()
	entry := race.Change{Action: "staff.added", RaceID: raceID, Subject: race.Subject{Kind: "staff", ID: userID}, After: map[string]race.Role{"role": role}}
	if race.ActorFrom(ctx).AccountID != userID {
		entry.AboutID = userID
	}
	old, err := q.StaffMember(ctx, raceID, userID)
	switch {
	case err == nil && old.Role == string(role):
		return nil
	case err == nil:
		entry.Action, entry.Before = "staff.changed", map[string]string{"role": old.Role}
	case !errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("read the role of user %s in race %s: %w", userID, raceID, err)
	default:
		old.AddedAt = now
	}
	if err := q.SetStaff(ctx, gen.SetStaffParams{RaceID: raceID, UserID: userID, Role: string(role), AddedAt: old.AddedAt}); err != nil {
		return fmt.Errorf("set the role of user %s in race %s: %w", userID, raceID, err)
	}
	return writeChanges(ctx, tx, now, entry)
}

// ChangeRole gives a member of a race's staff another role. It returns
// race.ErrNotFound when there is no such member.
func (s *Store) ChangeRole(ctx context.Context, raceID, userID string, role race.Role) error {
	return s.withMember(ctx, raceID, userID, func(tx *sql.Tx, _ gen.RaceStaff) error { return s.setRole(ctx, tx, raceID, userID, role) })
}

// RemoveStaff takes a member off a race's staff. It returns race.ErrNotFound when
// there is no such member.
func (s *Store) RemoveStaff(ctx context.Context, raceID, userID string) error {
	return s.withMember(ctx, raceID, userID, func(tx *sql.Tx, member gen.RaceStaff) error { return s.removeStaff(ctx, tx, member) })
}

func (s *Store) withMember(ctx context.Context, raceID, userID string, fn func(*sql.Tx, gen.RaceStaff) error) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if _, err := holdRace(ctx, q, raceID); err != nil {
			return err
		}
		member, err := q.StaffMember(ctx, raceID, userID)
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read the role of user %s in race %s: %w", userID, raceID, err)
		}
		return fn(tx, member)
	})
}

func (s *Store) removeStaff(ctx context.Context, tx *sql.Tx, member gen.RaceStaff) error {
	if err := s.queries.WithTx(tx).DeleteStaff(ctx, member.RaceID, member.UserID); err != nil {
		return fmt.Errorf("take user %s off the staff of race %s: %w", member.UserID, member.RaceID, err)
	}
	if err := s.endKeys(ctx, tx, member.RaceID, member.UserID); err != nil {
		return err
	}
	if err := s.leaveTasks(ctx, tx, member.RaceID, member.UserID); err != nil {
		return err
	}
	removed := race.Change{
		Action: "staff.removed", RaceID: member.RaceID, Subject: race.Subject{Kind: "staff", ID: member.UserID}, Before: map[string]string{"role": member.Role},
	}
	if race.ActorFrom(ctx).AccountID != member.UserID {
		removed.AboutID = member.UserID
	}
	return writeChanges(ctx, tx, s.now(), removed)
}

// HandOver makes an account the owner of a race at once, without asking it. handed
// is false when it already is. The former owner has no role from then on. It
// returns race.ErrNotFound when there is no such race.
func (s *Store) HandOver(ctx context.Context, raceID, userID, reason string) (r race.Race, handed bool, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		handed = false
		if r, err = lockRace(ctx, s.queries.WithTx(tx), raceID); err != nil || r.OrganizerID == userID {
			return err
		}
		handed = true
		err := holdAccount(ctx, s.queries.WithTx(tx), userID)
		if errors.Is(err, race.ErrLeft) { // it is not the account of the caller
			return &race.ConflictError{Field: "user_id", Message: "the account has been deleted"}
		}
		if err == nil {
			err = s.giveRace(ctx, tx, r, userID, reason)
		}
		r.OrganizerID = userID
		return err
	})
	return r, handed, err
}

// giveRace makes an account the owner of a race that the transaction has locked.
// Open invitations and the former owner's API keys of the race end, their tasks are
// nobody's, and its webhooks are switched off: they may lead to the former owner.
func (s *Store) giveRace(ctx context.Context, tx *sql.Tx, r race.Race, userID, reason string) error {
	q, now := s.queries.WithTx(tx), s.now()
	if err := q.SetOwner(ctx, userID, now, r.ID); err != nil {
		return fmt.Errorf("set the owner of race %s: %w", r.ID, err)
	}
	if err := q.DeleteStaff(ctx, r.ID, userID); err != nil {
		return fmt.Errorf("take the new owner off the staff of race %s: %w", r.ID, err)
	}
	if err := q.DeleteOpenStaffInvitationsOfRace(ctx, r.ID); err != nil {
		return fmt.Errorf("delete the invitations of race %s: %w", r.ID, err)
	}
	if err := s.endKeys(ctx, tx, r.ID, r.OrganizerID); err != nil {
		return err
	}
	if err := s.leaveTasks(ctx, tx, r.ID, r.OrganizerID); err != nil {
		return err
	}
	if err := q.SwitchOffWebhooks(ctx, offHandedOver, sql.NullTime{Time: now, Valid: true}, r.ID); err != nil {
		return fmt.Errorf("switch off the webhooks of race %s: %w", r.ID, err)
	}
	handed := ofRace(r.ID, "race.handed_over")
	handed.AboutID, handed.Reason = r.OrganizerID, reason
	handed.Before, handed.After = map[string]string{"owner_id": r.OrganizerID}, map[string]string{"owner_id": userID}
	changes := []race.Change{handed}
	if race.ActorFrom(ctx).AccountID != userID { // an operator's doing is listed for both
		handed.Action, handed.AboutID = "race.received", userID
		changes = append(changes, handed)
	}
	return writeChanges(ctx, tx, now, changes...)
}

// LeaveRaces ends what an account that is closed does in races: it leaves every
// staff, its API keys end, its open disputes are withdrawn, and the reasons, notes and
// disputes that it wrote are erased. From then on nothing is written for the account,
// so that no call under way gives it another race or role. It returns a
// *race.ConflictError while the account owns a race that is not void, and then changes
// nothing.
func (s *Store) LeaveRaces(ctx context.Context, userID string) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if err := q.MarkAccount(ctx, userID); err != nil {
			return fmt.Errorf("hold account %s: %w", userID, err)
		}
		owned, err := q.RacesOwnedBy(ctx, userID)
		if err != nil {
			return fmt.Errorf("list the races of user %s: %w", userID, err)
		}
		if len(owned) > 0 {
			return &race.ConflictError{Message: ownedMessage(owned)}
		}
		if err := q.MarkLeft(ctx, sql.NullTime{Time: s.now(), Valid: true}, userID); err != nil {
			return fmt.Errorf("mark account %s as left: %w", userID, err)
		}
		memberships, err := q.RolesOfUser(ctx, userID)
		if err != nil {
			return fmt.Errorf("list the roles of user %s: %w", userID, err)
		}
		for _, member := range memberships {
			if err := s.removeStaff(ctx, tx, member); err != nil {
				return err
			}
		}
		if err := s.eraseDisputes(ctx, tx, userID); err != nil {
			return err
		}
		if err := s.deleteKeys(ctx, tx, userID); err != nil {
			return err
		}
		return eraseChangeTexts(ctx, q, userID)
	})
}

// namedRaces is how many races a refusal to leave names.
const namedRaces = 5

func ownedMessage(owned []gen.RacesOwnedByRow) string {
	message := "hand over your races first (POST /v1/races/{race_id}/hand-over) or void them: "
	for i, r := range owned {
		if i == namedRaces {
			return message + fmt.Sprintf(" and %d more", len(owned)-namedRaces)
		}
		if i > 0 {
			message += ", "
		}
		message += fmt.Sprintf("%s (%s)", r.Name, r.RaceID)
	}
	return message
}

// PurgeInvitations deletes invitations that have expired.
func (s *Store) PurgeInvitations(ctx context.Context) (int64, error) {
	deleted, err := s.queries.PurgeStaffInvitations(ctx, s.now())
	if err != nil {
		return 0, fmt.Errorf("purge invitations: %w", err)
	}
	return deleted, nil
}
