package maindb

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// StartListRow is what a start list says about one bib. No two rows of a list have
// the same bib or the same login.
type StartListRow struct {
	Bib       string
	Sex       race.Sex  // empty: not stated
	Age       int       // on race day; race.UnknownAge: not stated
	BirthDate race.Date // zero: not stated
	Field     race.Field
	Team      string // empty: not stated

	ClearSex bool // what the entry has is withdrawn; an age that the runner's own account gave stays
	ClearAge bool
	// ClearTeam takes the entry out of its team.
	ClearTeam bool

	// EntrantID is the user ID of the runner whose login the row names, if that
	// runner entered the race themselves or accepted a result of it. Nobody else's
	// account is ever looked up for a row.
	EntrantID string
	// LoginHash is the keyed hash of the login for the invitation, empty when the row
	// names none, or that of an entrant who owns it. A row with both names an entrant
	// whose login is an address that they have not confirmed: the row is about them
	// only if they have its bib.
	LoginHash string

	StandIn RunnerAccount // the account without a login that is used for the bib
	Erased  bool          // the person of the stand-in has had it erased
}

// RunnerAccount is what an entry copies from a stand-in, which the start list wrote.
type RunnerAccount struct {
	UserID    string
	Sex       race.Sex  // empty: unknown
	BirthDate race.Date // zero: unknown
}

// RowOutcome is the outcome of one row.
type RowOutcome int

// The outcomes of a row. A refused one changes nothing.
const (
	RowUnchanged RowOutcome = iota
	RowAdded
	RowChanged
	RowRefused
)

// PlannedRow is the planned outcome of a row.
type PlannedRow struct {
	Outcome RowOutcome
	UserID  string            // whose entry it is; empty when refused
	Before  map[string]string // the fields of the entry that change, as they are now
	Wrong   []race.FieldError // why it was refused
}

// PlanStartList returns what ImportStartList would do with each row now, and
// changes nothing. It returns race.ErrNotFound.
func (s *Store) PlanStartList(ctx context.Context, raceID string, rows []StartListRow) ([]PlannedRow, error) {
	r, err := s.Race(ctx, raceID)
	if err != nil {
		return nil, err
	}
	plan, err := s.planStartList(ctx, s.queries, r, rows)
	if err != nil {
		return nil, err
	}
	return plan.rows, nil
}

// EnteredInPerson returns the user IDs of those who entered the race themselves or
// accepted a result of it, and have not cancelled.
func (s *Store) EnteredInPerson(ctx context.Context, raceID string) ([]string, error) {
	userIDs, err := s.queries.EnteredInPerson(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("list who entered race %s in person: %w", raceID, err)
	}
	return userIDs, nil
}

// ImportStartList updates the entries of a race from the rows and invites the
// runners whose logins they name, in one transaction, and returns how many
// records it revised so that they are credited again: those of new bibs and of bibs
// whose runner, sex, age or field changed.
//
// planned is what PlanStartList returned for the same rows; every stand-in in it
// must have an account by now. When entries have changed since, so that a row would
// go to somebody else, nothing is written and the error is a *race.ConflictError.
// It is race.ErrNotFound when the race no longer exists.
func (s *Store) ImportStartList(ctx context.Context, raceID string, rows []StartListRow, planned []PlannedRow) (revised int, err error) {
	err = s.inRace(ctx, raceID, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		r, err := lockRace(ctx, q, raceID)
		if err != nil {
			return err
		}
		plan, err := s.planStartList(ctx, q, r, rows)
		if err != nil {
			return err
		}
		sameRunner := func(a, b PlannedRow) bool { return a.UserID == b.UserID }
		if !slices.EqualFunc(plan.rows, planned, sameRunner) {
			return &race.ConflictError{Message: "entries of the race changed at the same time: send the start list again"}
		}
		if err := s.writeStartList(ctx, tx, plan); err != nil {
			return err
		}
		if revised, err = s.reviseBibsOf(ctx, tx, raceID, plan.revises); err != nil {
			return err
		}
		return writeChanges(ctx, tx, s.now(), plan.change())
	})
	return revised, err
}

// change is what the change log says of a start list: how many entries it added and
// changed.
func (p *startListPlan) change() race.Change {
	counts := map[string]int{"added": 0, "changed": 0}
	for _, row := range p.rows {
		switch row.Outcome {
		case RowAdded:
			counts["added"]++
		case RowChanged:
			counts["changed"]++
		case RowUnchanged, RowRefused:
		}
	}
	c := ofRace(p.race.ID, "race.start_list_imported")
	c.After = counts
	return c
}

func (s *Store) planStartList(ctx context.Context, q *gen.Queries, r race.Race, rows []StartListRow) (*startListPlan, error) {
	entries, err := entriesOf(ctx, q, r.ID)
	if err != nil {
		return nil, err
	}
	invited, err := q.InvitationsOfRace(ctx, r.ID)
	if err != nil {
		return nil, fmt.Errorf("read the invitations of race %s: %w", r.ID, err)
	}
	offered, err := q.OfferedPlaces(ctx, r.ID)
	if err != nil {
		return nil, fmt.Errorf("count the offers of race %s: %w", r.ID, err)
	}
	return newStartListPlan(r, entries, int(offered), invited, rows), nil
}

// reviseBibsOf revises the records of bibs, if there are any, so that they are
// credited again.
func (s *Store) reviseBibsOf(ctx context.Context, tx *sql.Tx, raceID string, bibKeys []string) (int, error) {
	if len(bibKeys) == 0 {
		return 0, nil
	}
	recorded, err := s.queries.WithTx(tx).RaceHasRecords(ctx, raceID)
	if err != nil {
		return 0, fmt.Errorf("check race %s for records: %w", raceID, err)
	}
	if !recorded {
		return 0, nil
	}
	reason := "start list corrected"
	if len(bibKeys) == 1 {
		reason += ": bib " + bibKeys[0]
	}
	return s.reviseBibs(ctx, tx, raceID, bibKeys, reason)
}

// writeStartList first frees the bibs that change hands, then writes the entries,
// because otherwise two entries could not swap bibs whatever the order.
func (s *Store) writeStartList(ctx context.Context, tx *sql.Tx, plan *startListPlan) error {
	q := s.queries.WithTx(tx)
	for ids := range slices.Chunk(plan.displaced, chunk) {
		if err := q.DeleteParticipants(ctx, ids); err != nil {
			return fmt.Errorf("delete displaced entries: %w", err)
		}
	}
	for ids := range slices.Chunk(plan.releases, chunk) {
		if err := q.ReleaseBibs(ctx, ids); err != nil {
			return fmt.Errorf("release bibs: %w", err)
		}
	}
	now := s.now()
	for entries := range slices.Chunk(plan.writes, chunk) {
		if err := putEntries(ctx, tx, entries, now); err != nil {
			return fmt.Errorf("write entries: %w", err)
		}
	}
	return s.writeInvitations(ctx, tx, plan, now)
}

// writeInvitations invites the runners whom rows name by their logins and withdraws
// the invitations that the list replaces.
func (s *Store) writeInvitations(ctx context.Context, tx *sql.Tx, plan *startListPlan, now time.Time) error {
	for ids := range slices.Chunk(plan.uninvites, chunk) {
		err := s.queries.WithTx(tx).RefuseClaims(ctx, gen.RefuseClaimsParams{
			Reason: "a later start list invites somebody else", ChangedAt: now, ClaimIds: ids,
		})
		if err != nil {
			return fmt.Errorf("withdraw %d invitations: %w", len(ids), err)
		}
	}
	const into = `INSERT INTO claim
    (claim_id, race_id, bib, bib_key, kind, state, login_hash, contested, reason, created_at, changed_at) VALUES `
	for part := range slices.Chunk(plan.invites, chunk) {
		err := insertRows(ctx, tx, into, part, func(args []any, row StartListRow) []any {
			return append(args, uuid.Must(uuid.NewV7()).String(), plan.race.ID, row.Bib, race.BibKey(row.Bib),
				string(race.Invitation), string(race.Invited), row.LoginHash, false, "", now, now)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// putEntries inserts entries, or updates those whose ID exists.
func putEntries(ctx context.Context, tx *sql.Tx, entries []entry, now time.Time) error {
	const columns = 14
	args := make([]any, 0, columns*len(entries))
	for _, e := range entries {
		args = append(args, e.ID, e.RaceID, e.UserID, nullString(e.Bib), nullString(e.bibKey),
			string(e.Sex), nullAge(e.Age), e.ageStated, e.listed, string(e.Field), e.Team, string(e.Status), now, now)
	}
	row := ",(" + strings.Repeat(",?", columns)[1:] + ")"
	//nolint:gosec // what is concatenated is placeholders alone
	statement := `INSERT INTO participant
		(participant_id, race_id, user_id, bib, bib_key, sex, age, age_stated, listed, field, team, status, created_at, updated_at)
		VALUES ` + strings.Repeat(row, len(entries))[1:] + `
		ON DUPLICATE KEY UPDATE user_id = VALUES(user_id), bib = VALUES(bib), bib_key = VALUES(bib_key),
			sex = VALUES(sex), age = VALUES(age), age_stated = VALUES(age_stated), listed = VALUES(listed), field = VALUES(field),
			team = VALUES(team),
			status = VALUES(status), updated_at = VALUES(updated_at)`
	_, err := tx.ExecContext(ctx, statement, args...)
	return err
}
