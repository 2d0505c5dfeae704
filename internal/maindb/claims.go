package maindb

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Claim is how the result of a bib and an account are to meet, or met.
type Claim struct {
	ID               string
	RaceID           string
	Bib              string
	Kind             race.ClaimKind
	State            race.ClaimState
	UserID           string // whose account it is for; empty: nobody has answered the invitation
	BirthDateMatches *bool  // what the runner said against the start list; nil: not compared
	Contested        bool   // somebody else had the result when it was asked for
	Reason           string // why it was refused
	CreatedAt        time.Time
	ChangedAt        time.Time

	RaceName string    // only in ClaimsAbout
	RaceDate race.Date // only in ClaimsAbout
}

// ClaimRequest is a runner's wish to have the result of a bib.
type ClaimRequest struct {
	ID               string // of the future claim
	RaceID           string
	Bib              string
	UserID           string
	Kind             race.ClaimKind // race.ByCode: the code was right; race.ByBirth
	BirthDateMatches *bool
}

// OpenClaim asks for the result of a bib. With a code it is the runner's at once,
// unless another account has it: then, and without a code, the organizer decides. A
// repeated call returns the claim that the runner already has for the bib. It returns
// the claim and how many records were revised. Errors: race.ErrNotFound for the race,
// *race.InvalidError for a bib that nobody has, *race.ConflictError when the runner
// has another bib of the race, also one that a start list gave them after they had
// claimed this one, or has asked for another one, and race.ErrLeft.
func (s *Store) OpenClaim(ctx context.Context, in ClaimRequest, standIn StandIn) (claim Claim, revised int, err error) {
	revised, err = s.underRace(ctx, in.RaceID, standIn, func(c *claiming) error {
		if err := holdAccount(ctx, c.q, in.UserID); err != nil {
			return err
		}
		entry, err := c.entryOfBib(ctx, race.BibKey(in.Bib))
		if err != nil {
			return err
		}
		row, err := c.openClaimOf(ctx, in, entry)
		if err != nil {
			return err
		}
		if row.State == string(race.Accepted) {
			claim = claimOf(row)
			return c.stillHas(ctx, in.UserID, row.BibKey)
		}
		if row.State == string(race.Requested) && in.Kind != race.ByCode {
			claim = claimOf(row)
			return nil
		}
		claim, err = c.accept(ctx, row, entry, in.Kind == race.ByCode, in.UserID)
		return err
	})
	return claim, revised, err
}

// stillHas returns a *race.ConflictError, which names the bib that a runner has now,
// when it is no longer the one that they claimed: a start list has given them another
// one since.
func (c *claiming) stillHas(ctx context.Context, userID, bibKey string) error {
	own, err := c.q.ParticipantOf(ctx, c.race.ID, userID)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("look for an entry of user %s: %w", userID, err)
	case err != nil || !own.BibKey.Valid:
		return &race.ConflictError{Field: "bib", Message: "you have claimed this bib and no longer have it: withdraw that claim first"}
	case own.BibKey.String != bibKey:
		return &race.ConflictError{Field: "bib", Message: "you have bib " + own.Bib.String + " in this race"}
	}
	return nil
}

// openClaimOf returns the open claim that a runner has for a bib, or adds one.
func (c *claiming) openClaimOf(ctx context.Context, in ClaimRequest, entry gen.Participant) (gen.Claim, error) {
	earlier, err := c.q.ClaimsOfUserInRace(ctx, nullString(in.UserID), in.RaceID)
	if err != nil {
		return gen.Claim{}, fmt.Errorf("read the claims of user %s: %w", in.UserID, err)
	}
	for _, row := range earlier {
		open := row.State == string(race.Requested) || row.State == string(race.Accepted)
		switch {
		case row.ClaimID == in.ID || open && row.BibKey == entry.BibKey.String:
			return row, nil
		case open && entry.UserID != in.UserID:
			return gen.Claim{}, &race.ConflictError{Field: "bib", Message: "you have already claimed bib " + row.Bib + " of this race: withdraw that claim first"}
		}
	}
	if entry.UserID == in.UserID && !entry.Listed {
		return gen.Claim{}, &race.ConflictError{Field: "bib", Message: "this bib is yours already"}
	}
	matches := sql.NullBool{}
	if in.BirthDateMatches != nil {
		matches = sql.NullBool{Bool: *in.BirthDateMatches, Valid: true}
	}
	now := c.now()
	add := gen.InsertClaimParams{
		ClaimID: in.ID, RaceID: in.RaceID, Bib: entry.Bib.String, BibKey: entry.BibKey.String, Kind: string(in.Kind), State: "",
		UserID: nullString(in.UserID), BirthDateMatches: matches, CreatedAt: now, ChangedAt: now,
	}
	if err := c.q.InsertClaim(ctx, add); err != nil {
		return gen.Claim{}, fmt.Errorf("add claim %s: %w", in.ID, err)
	}
	return gen.Claim{
		ClaimID: add.ClaimID, RaceID: add.RaceID, Bib: add.Bib, BibKey: add.BibKey, Kind: add.Kind, UserID: add.UserID,
		BirthDateMatches: matches, CreatedAt: now,
	}, nil
}

// AcceptInvitation gives the result of a claim to the account that is invited, or asks
// the organizer when another account has it. Repeating it changes nothing. loginHash
// is that of the account's login. It returns race.ErrNotFound when the claim is not
// for this account, and a *race.ConflictError when the result cannot be theirs.
func (s *Store) AcceptInvitation(ctx context.Context, claimID, userID, loginHash string, standIn StandIn) (claim Claim, revised int, err error) {
	return s.answer(ctx, claimID, userID, loginHash, standIn, func(c *claiming, row gen.Claim) (Claim, error) {
		switch race.ClaimState(row.State) {
		case race.Accepted:
			return claimOf(row), c.stillHas(ctx, userID, row.BibKey)
		case race.Requested:
			return claimOf(row), nil
		case race.Refused:
			return Claim{}, &race.ConflictError{Message: "the organizer has withdrawn this invitation"}
		case race.Invited, race.Declined, race.Withdrawn: // the runner may change their mind
		}
		if row.Kind != string(race.Invitation) {
			return Claim{}, &race.ConflictError{Message: "the claim is over: claim the result again"}
		}
		entry, err := c.entryOfBib(ctx, row.BibKey)
		if err != nil {
			return Claim{}, err
		}
		row.UserID = nullString(userID)
		return c.accept(ctx, row, entry, true, userID)
	})
}

// EndClaim declines an invitation or takes a claim back. The result of an accepted
// claim goes back to whom it was from, and an entry of the runner's own that gave way
// to it is there again. Repeating it changes nothing. It returns race.ErrNotFound when the claim is not for this account, and a
// *race.ConflictError when the organizer has refused it.
func (s *Store) EndClaim(ctx context.Context, claimID, userID, loginHash string, account AccountEntry, standIn StandIn) (claim Claim, revised int, err error) {
	return s.answer(ctx, claimID, userID, loginHash, standIn, func(c *claiming, row gen.Claim) (Claim, error) {
		switch race.ClaimState(row.State) {
		case race.Invited:
			row.UserID = nullString(userID)
			return c.set(ctx, row, race.Declined, userID, "")
		case race.Requested:
			return c.set(ctx, row, race.Withdrawn, userID, "")
		case race.Accepted:
			if err := c.giveBack(ctx, row, account, "claim withdrawn by the runner"); err != nil {
				return Claim{}, err
			}
			return c.set(ctx, row, race.Withdrawn, userID, "")
		case race.Refused:
			return Claim{}, &race.ConflictError{Message: "the organizer has refused the claim"}
		case race.Declined, race.Withdrawn: // by an earlier call
		}
		return claimOf(row), nil
	})
}

// answer calls do with a claim that is for an account, under the lock on its race.
func (s *Store) answer(ctx context.Context, claimID, userID, loginHash string, standIn StandIn, do func(*claiming, gen.Claim) (Claim, error)) (claim Claim, revised int, err error) {
	found, err := s.queries.Claim(ctx, claimID)
	if errors.Is(err, sql.ErrNoRows) {
		return Claim{}, 0, race.ErrNotFound
	}
	if err != nil {
		return Claim{}, 0, fmt.Errorf("read claim %s: %w", claimID, err)
	}
	revised, err = s.underRace(ctx, found.RaceID, standIn, func(c *claiming) error {
		if err := holdAccount(ctx, c.q, userID); err != nil {
			return err
		}
		row, err := c.q.Claim(ctx, claimID)
		if err != nil {
			return fmt.Errorf("read claim %s: %w", claimID, err)
		}
		invited := !row.UserID.Valid && row.LoginHash.Valid && row.LoginHash.String == loginHash
		if row.UserID.String != userID && !invited {
			return race.ErrNotFound
		}
		claim, err = do(c, row)
		return err
	})
	return claim, revised, err
}

// DecideClaim is the organizer's decision about a claim. Approving gives the result to
// the claimant, also when another account has it by a claim, which is refused by that;
// refusing an accepted claim gives the result back. account is asked for
// the runner who loses the result. Repeating it changes nothing. It returns race.ErrNotFound when the race has no such
// claim, and a *race.ConflictError when the claim does not wait for this decision.
func (s *Store) DecideClaim(ctx context.Context, raceID, claimID string, approve bool, change Change, account AccountEntry, standIn StandIn) (claim Claim, revised int, err error) {
	revised, err = s.underRace(ctx, raceID, standIn, func(c *claiming) error {
		row, err := c.heldClaim(ctx, claimID)
		if errors.Is(err, sql.ErrNoRows) || err == nil && row.RaceID != raceID {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read claim %s: %w", claimID, err)
		}
		if approve {
			claim, err = c.approve(ctx, row, change, account)
		} else {
			claim, err = c.refuse(ctx, row, change, account)
		}
		return err
	})
	return claim, revised, err
}

// heldClaim returns a claim while the account that it is for cannot leave. When the
// account has left, only an accepted claim is still there.
func (c *claiming) heldClaim(ctx context.Context, claimID string) (gen.Claim, error) {
	row, err := c.q.Claim(ctx, claimID)
	if err != nil || !row.UserID.Valid {
		return row, err
	}
	if err := holdAccount(ctx, c.q, row.UserID.String); err != nil && !errors.Is(err, race.ErrLeft) {
		return gen.Claim{}, err
	}
	return c.q.Claim(ctx, claimID)
}

func (c *claiming) approve(ctx context.Context, row gen.Claim, change Change, account AccountEntry) (Claim, error) {
	switch race.ClaimState(row.State) {
	case race.Accepted:
		return claimOf(row), nil
	case race.Requested:
	default:
		return Claim{}, &race.ConflictError{Message: "only a claim that the runner has asked for can be approved"}
	}
	entry, err := c.entryOfBib(ctx, row.BibKey)
	if err != nil {
		return Claim{}, err
	}
	taken, _, err := c.takenBy(ctx, entry)
	if err != nil {
		return Claim{}, err
	}
	if !taken {
		return c.accept(ctx, row, entry, true, change.By)
	}
	holding, err := c.q.ClaimsOfUserInRace(ctx, nullString(entry.UserID), row.RaceID)
	if err != nil {
		return Claim{}, fmt.Errorf("read the claims of user %s: %w", entry.UserID, err)
	}
	for _, held := range holding {
		if held.State != string(race.Accepted) {
			continue
		}
		// Back to the stand-in first: an account has at most one entry of a race.
		if err := c.giveBack(ctx, held, account, "result given to another claimant"); err != nil {
			return Claim{}, err
		}
		if _, err := c.set(ctx, held, race.Refused, change.By, "the organizer has given the result to another claimant"); err != nil {
			return Claim{}, err
		}
		if entry, err = c.entryOfBib(ctx, row.BibKey); err != nil {
			return Claim{}, err
		}
		return c.accept(ctx, row, entry, true, change.By)
	}
	return Claim{}, &race.ConflictError{Message: "the bib belongs to a runner who entered in person: give that runner another bib first"}
}

func (c *claiming) refuse(ctx context.Context, row gen.Claim, change Change, account AccountEntry) (Claim, error) {
	switch race.ClaimState(row.State) {
	case race.Refused:
		return claimOf(row), nil
	case race.Accepted:
		if err := c.giveBack(ctx, row, account, fit("claim refused: "+change.Reason)); err != nil {
			return Claim{}, err
		}
	case race.Withdrawn:
		return Claim{}, &race.ConflictError{Message: "the runner has withdrawn the claim"}
	case race.Invited, race.Requested:
	case race.Declined: // the organizer must not learn who declined, nor that anybody did
		row.State, row.UserID = string(race.Invited), sql.NullString{}
	}
	return c.set(ctx, row, race.Refused, change.By, change.Reason)
}

// accept gives an entry to the account of a claim if mayTake is set and no other
// account has it; else the claim waits for the organizer.
func (c *claiming) accept(ctx context.Context, row gen.Claim, entry gen.Participant, mayTake bool, by string) (Claim, error) {
	taken, standIn, err := c.takenBy(ctx, entry)
	if err != nil {
		return Claim{}, err
	}
	if entry.Listed && entry.UserID == row.UserID.String { // a start list has attached it: see GiveUpListed
		row.FormerUserID = nullString(standIn)
		if err := c.give(ctx, entry, entry.UserID, false, "result claimed by its runner"); err != nil {
			return Claim{}, err
		}
		return c.set(ctx, row, race.Accepted, by, "")
	}
	if row.ReplacedEntry, err = c.ownEntry(ctx, row.UserID.String); err != nil {
		return Claim{}, err
	}
	row.Contested = taken
	if taken || !mayTake {
		row.ReplacedEntry = sql.NullString{}
		return c.set(ctx, row, race.Requested, by, "")
	}
	row.FormerUserID = nullString(entry.UserID)
	if entry.UserID == "" {
		row.FormerUserID = nullString(standIn)
	}
	if err := c.dropOwnEntry(ctx, row.UserID.String); err != nil {
		return Claim{}, err
	}
	if err := c.give(ctx, entry, row.UserID.String, false, "result claimed by its runner"); err != nil {
		return Claim{}, err
	}
	return c.set(ctx, row, race.Accepted, by, "")
}

// giveBack gives the result of an accepted claim to whom it was from: the person whose
// it was before, else the stand-in of the bib. An entry that gave way to the claim is
// there again, with sex and age by the runner's account.
func (c *claiming) giveBack(ctx context.Context, row gen.Claim, account AccountEntry, reason string) error {
	entry, err := c.q.ParticipantOf(ctx, c.race.ID, row.UserID.String)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // nothing of it is left
	}
	if err != nil {
		return fmt.Errorf("read the entry of user %s: %w", row.UserID.String, err)
	}
	if !entry.BibKey.Valid {
		return nil // the runner has cancelled the entry and lost the bib with it
	}
	back, err := c.personBefore(ctx, row, entry)
	if err != nil {
		return err
	}
	if err := c.give(ctx, entry, back, true, reason); err != nil {
		return err
	}
	if !row.ReplacedEntry.Valid {
		return nil
	}
	if err := holdAccount(ctx, c.q, row.UserID.String); errors.Is(err, race.ErrLeft) {
		return nil
	} else if err != nil {
		return err
	}
	own, err := account(ctx, row.UserID.String)
	if err != nil || own.UserID == "" {
		return err
	}
	return c.enterFirst(ctx, c.q, race.Participant{
		ID: row.ReplacedEntry.String, RaceID: c.race.ID, UserID: own.UserID, Sex: own.Sex, Age: own.BirthDate.AgeOn(c.race.Date),
		Field: race.Runner, Status: race.Entered,
	}, nullDate(c.race.Date))
}

func (c *claiming) personBefore(ctx context.Context, row gen.Claim, entry gen.Participant) (string, error) {
	standIn, err := c.standIn(ctx, c.race.ID, entry.BibKey.String)
	if err != nil {
		return "", err
	}
	before := cmp.Or(row.FormerUserID.String, standIn)
	if entry.BibKey.String != row.BibKey { // the runner has another bib by now
		before = standIn
	}
	for _, userID := range []string{before, standIn} {
		if _, err = c.q.ParticipantOf(ctx, c.race.ID, userID); errors.Is(err, sql.ErrNoRows) {
			return userID, nil
		}
		if err != nil {
			return "", fmt.Errorf("look for an entry of user %s: %w", userID, err)
		}
	}
	return "", &race.ConflictError{Message: "the person whose result it was has another entry by now: correct the start list first"}
}

// set writes a claim with its new state.
func (c *claiming) set(ctx context.Context, row gen.Claim, state race.ClaimState, by, reason string) (Claim, error) {
	before, now := row.State, c.now()
	row.State, row.Reason, row.ChangedAt = string(state), fit(reason), now
	err := c.q.SetClaim(ctx, gen.SetClaimParams{
		State: row.State, UserID: row.UserID, FormerUserID: row.FormerUserID, ReplacedEntry: row.ReplacedEntry,
		Contested: row.Contested, Reason: row.Reason, DecidedBy: nullString(by), ChangedAt: now, ClaimID: row.ClaimID,
	})
	if err != nil {
		return Claim{}, fmt.Errorf("write claim %s: %w", row.ClaimID, err)
	}
	states := func(state string) map[string]string { return map[string]string{"state": state, "bib": row.Bib} }
	change := race.Change{
		Action: "claim." + row.State, RaceID: row.RaceID, Subject: race.Subject{Kind: "claim", ID: row.ClaimID},
		After: states(row.State), Reason: reason,
	}
	if before != "" {
		change.Before = states(before)
	}
	if state == race.Declined { // whoever reads the race's log would learn that the login exists
		change.RaceID = ""
	}
	if row.UserID.String != by {
		change.AboutID = row.UserID.String
	}
	return claimOf(row), writeChanges(ctx, c.tx, now, change)
}

// DropInvitations takes the invitations that wait for a login from every account when
// its holder leaves. To the organizer they look as before, and inviting the login again
// has the same effect as with one that nobody has: otherwise they would learn that
// somebody had it.
func (s *Store) DropInvitations(ctx context.Context, loginHash string) error {
	if loginHash == "" {
		return nil
	}
	for _, seal := range []func(context.Context, sql.NullString) error{
		s.queries.SealInvitationsTo, s.queries.DeleteInvitationsTo, s.queries.SealStaffInvitations,
	} {
		if err := seal(ctx, nullString(loginHash)); err != nil {
			return fmt.Errorf("drop invitations: %w", err)
		}
	}
	if err := s.queries.DeleteAdmissionsOfLogin(ctx, loginHash); err != nil {
		return fmt.Errorf("drop admissions: %w", err)
	}
	return nil
}

// sealedLogin is what is left of the hash of a login in an invitation once its holder
// has left; empty for none.
func sealedLogin(raceID, loginHash string) string {
	if loginHash == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(raceID + loginHash))
	return hex.EncodeToString(sum[:])
}
