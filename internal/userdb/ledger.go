package userdb

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// The two kinds of ledger line.
const (
	entryCredit   = "credit"
	entryReversal = "reversal"
)

// Applied is the outcome of ApplyCredit.
type Applied struct {
	// Changed reports whether this call changed the ledger. It is false when the
	// revision, or a newer one, had already been applied.
	Changed bool
	// Standing is what the ledger now holds for the record. Its revision is newer
	// than the applied one if that is superseded. After a restore of main_db it may
	// have the same revision but other inputs: compare the fingerprints.
	Standing race.Credit
}

// ApplyCredit applies the outcome of a record's revision to the ledger: it reverses
// what an older revision earned, adds what c earns, and changes the runners' totals
// by the difference, in one transaction. A revision that is not newer than the one
// last applied changes nothing, so any number of repetitions, in any order, leads
// to the same ledger. It fails when the runner has no account.
func (s *Ledger) ApplyCredit(ctx context.Context, c race.Credit) (Applied, error) {
	if err := checkCredit(c); err != nil {
		return Applied{}, fmt.Errorf("apply credit of record %s revision %d: %w", c.RecordID, c.Revision, err)
	}
	applied, err := s.applyFirst(ctx, c)
	if mysql.IsDuplicate(err) {
		applied, err = s.applyNext(ctx, c)
	}
	if err != nil {
		return Applied{}, fmt.Errorf("apply credit of record %s revision %d: %w", c.RecordID, c.Revision, err)
	}
	return applied, nil
}

func checkCredit(c race.Credit) error {
	switch {
	case c.Status != race.Credited && c.Status != race.Rejected && c.Status != race.Reversed:
		return fmt.Errorf("status %q is not an outcome", c.Status)
	case c.Status != race.Credited && c.UserID != "":
		return fmt.Errorf("a %s credit has no runner", c.Status)
	case c.UserID == "" && c.Points != 0:
		return errors.New("points without a runner")
	case c.Revision < 1:
		return errors.New("revisions start at 1")
	}
	return nil
}

// applyFirst applies a record's first credit. It assumes that there is none yet,
// which saves a read and holds for everything but corrections and repetitions;
// otherwise the error is a duplicate key. Its transaction is then rolled back and
// applyNext starts with an exclusive lock on the row: with the shared lock that a
// failed insert leaves behind, two of them would deadlock.
func (s *Ledger) applyFirst(ctx context.Context, c race.Credit) (Applied, error) {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		now, queries := s.now(), s.queries.WithTx(tx)
		err := queries.InsertCredit(ctx, gen.InsertCreditParams{
			RecordID: c.RecordID, RaceID: c.RaceID, Revision: number(c.Revision),
			Status: string(c.Status), UserID: optional(c.UserID), Points: c.Points, Parts: partsColumn(c.Parts),
			Rule: c.Rule, Edition: c.Edition, Reason: c.Reason, WorkflowID: c.WorkflowID, UpdatedAt: now,
			Fingerprint: fingerprintColumn(c.Fingerprint),
		})
		if err != nil {
			return err
		}
		return move(ctx, queries, race.Credit{}, c, now)
	})
	return Applied{Changed: true, Standing: c}, err
}

// applyNext applies a credit to a record that has one.
func (s *Ledger) applyNext(ctx context.Context, c race.Credit) (applied Applied, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		now, queries := s.now(), s.queries.WithTx(tx)
		row, err := queries.LockCredit(ctx, c.RecordID)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("the ledger has lines of revision %d but no credit: restore the row in credit", c.Revision)
		}
		if err != nil {
			return err
		}
		old := creditOf(row)
		if old.Revision >= c.Revision {
			applied = Applied{Standing: old}
			return nil
		}
		applied = Applied{Changed: true, Standing: c}
		err = queries.UpdateCredit(ctx, gen.UpdateCreditParams{
			Revision: number(c.Revision), Status: string(c.Status), UserID: optional(c.UserID), Points: c.Points, Parts: partsColumn(c.Parts),
			Rule: c.Rule, Edition: c.Edition, Reason: c.Reason, WorkflowID: c.WorkflowID, UpdatedAt: now, RecordID: c.RecordID,
			Fingerprint: fingerprintColumn(c.Fingerprint),
		})
		if err != nil || old.SameOutcome(c) { // as for a revision that adds splits: no lines that cancel each other out
			return err
		}
		return move(ctx, queries, old, c, now)
	})
	return applied, err
}

// move writes the ledger lines that lead from old, the zero value for a first
// credit, to c, and changes the totals. The runners' rows are updated last, because
// the row of a runner with many races is contended, and in the order of their IDs,
// because two corrections that swap two runners would otherwise deadlock.
func move(ctx context.Context, queries *gen.Queries, old, c race.Credit, now time.Time) error {
	difference := map[string]int64{}
	if old.UserID != "" && old.Points != 0 { // reversing zero points would be pointless
		if err := queries.InsertPoint(ctx, reversal(old, c, now)); err != nil {
			return fmt.Errorf("reverse revision %d: %w", old.Revision, err)
		}
		difference[old.UserID] -= old.Points
	}
	if c.UserID != "" { // even for zero points, so that the runner sees the reason
		if err := queries.InsertPoint(ctx, line(c, now)); err != nil {
			return fmt.Errorf("add a ledger line: %w", err)
		}
		difference[c.UserID] += c.Points
	}
	for _, userID := range slices.Sorted(maps.Keys(difference)) {
		matched, err := queries.AddToTotal(ctx, difference[userID], now, userID)
		if err != nil {
			return fmt.Errorf("change the total of runner %s: %w", userID, err)
		}
		if matched == 0 {
			return fmt.Errorf("runner %s has no account", userID)
		}
	}
	return nil
}

// line returns the ledger line of what c earns.
func line(c race.Credit, now time.Time) gen.InsertPointParams {
	return gen.InsertPointParams{
		UserID: c.UserID, RaceID: c.RaceID, RecordID: c.RecordID, Revision: number(c.Revision),
		Entry: entryCredit, Rule: c.Rule, Edition: c.Edition, Points: c.Points, Parts: partsColumn(c.Parts), Reason: c.Reason,
		WorkflowID: c.WorkflowID, CreatedAt: now,
	}
}

// reversal returns the ledger line that takes back what old earned because of c. It
// belongs to the revision that causes it and has the rule of the line that it
// reverses.
func reversal(old, c race.Credit, now time.Time) gen.InsertPointParams {
	reason := c.Reason
	if reason == "" || c.UserID != "" && c.UserID != old.UserID { // the reason concerns another runner, who alone may read it
		reason = fmt.Sprintf("corrected by revision %d", c.Revision)
	}
	return gen.InsertPointParams{
		UserID: old.UserID, RaceID: old.RaceID, RecordID: old.RecordID, Revision: number(c.Revision),
		Entry: entryReversal, Rule: old.Rule, Edition: old.Edition, Points: -old.Points, Reason: reason,
		WorkflowID: c.WorkflowID, CreatedAt: now,
	}
}

func creditOf(row gen.Credit) race.Credit {
	return race.Credit{
		RecordID: row.RecordID, RaceID: row.RaceID, Revision: int(row.Revision), Status: race.CreditStatus(row.Status),
		UserID: row.UserID.String, Points: row.Points, Parts: partsOf(row.Parts), Rule: row.Rule, Edition: row.Edition,
		Reason: row.Reason, WorkflowID: row.WorkflowID, Fingerprint: fingerprintOf(row.Fingerprint),
	}
}

// partsColumn is NULL where there are no parts.
func partsColumn(parts *race.Parts) sql.NullString {
	if parts == nil {
		return sql.NullString{}
	}
	column, err := json.Marshal(parts)
	return sql.NullString{String: string(column), Valid: err == nil} // cannot fail: no number in them is infinite
}

// partsOf is nil also for a form that a later release may have written.
func partsOf(column sql.NullString) *race.Parts {
	parts := &race.Parts{}
	if !column.Valid || json.Unmarshal([]byte(column.String), parts) != nil {
		return nil
	}
	return parts
}

func fingerprintOf(column sql.NullString) race.Fingerprint {
	return race.Fingerprint(hex.EncodeToString([]byte(column.String)))
}

// fingerprintColumn is NULL for an unknown fingerprint.
func fingerprintColumn(f race.Fingerprint) sql.NullString {
	column, err := hex.DecodeString(string(f))
	if err != nil || len(column) != race.FingerprintBytes {
		return sql.NullString{}
	}
	return sql.NullString{String: string(column), Valid: true}
}

// number is a revision, or the size of a page, as SQL takes it.
func number(revision int) int32 {
	return int32(revision) //nolint:gosec // the revisions of a record are few
}

// optional is NULL for the empty string.
func optional(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }
