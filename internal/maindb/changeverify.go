package maindb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Anchor is a seal that somebody keeps outside of the database, as POSITION:HASH with the
// hash in hexadecimal. The zero value is the beginning of the chain.
type Anchor struct {
	Position int64
	Hash     [sha256.Size]byte
}

// ErrBadAnchor is returned by ParseAnchor.
var ErrBadAnchor = errors.New("an anchor is POSITION:HASH with 64 hexadecimal digits")

// ParseAnchor reads what String writes.
func ParseAnchor(text string) (Anchor, error) {
	position, hash, _ := strings.Cut(text, ":")
	var a Anchor
	var err error
	if a.Position, err = strconv.ParseInt(position, 10, 64); err != nil || a.Position < 1 || len(hash) != 2*len(a.Hash) {
		return Anchor{}, ErrBadAnchor
	}
	if _, err := hex.Decode(a.Hash[:], []byte(hash)); err != nil {
		return Anchor{}, ErrBadAnchor
	}
	return a, nil
}

// String returns the anchor as ParseAnchor reads it; the zero value, as it is of an empty
// log, is empty.
func (a Anchor) String() string {
	if a.Position == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%x", a.Position, a.Hash)
}

// What can be wrong with the change log.
const (
	ChangeRemoved   = "removed"
	ChangeAltered   = "altered"
	ChangeInserted  = "inserted"  // a row that nobody handed over for sealing
	ChangeReordered = "reordered" // or a seal that was rewritten
)

// Tampering is one thing that is wrong with the change log.
type Tampering struct {
	What     string // ChangeRemoved and so on
	Position int64  // 0: the change has none
	ChangeID string // empty when it is not known any more
	Detail   string
}

// Verified is what VerifyChanges has found.
type Verified struct {
	Checked int64 // sealed changes
	Erased  int64 // of them, those whose text has been erased
	Waiting int64 // changes that are not sealed yet
	Wrong   int64 // how often report was called
	Last    Anchor
}

// VerifyChanges walks the chain from the seal behind an anchor to the last one, and
// recomputes the hash of each change, of its text unless that was erased, and of each
// seal. It calls report for whatever is wrong, in the order of positions. A change that
// has not been handed over for sealing is reported too. It reads a part of the log at a
// time, so a log of any length fits into memory, and changes may arrive meanwhile.
//
// Whoever may write all tables can rewrite the whole chain, or cut off its end, so that
// it fits. Only an anchor that was kept elsewhere shows that.
func (s *Store) VerifyChanges(ctx context.Context, from Anchor, report func(Tampering)) (v Verified, err error) {
	found := func(t Tampering) {
		v.Wrong++
		report(t)
	}
	chain, err := s.queries.ChangeChain(ctx) // before the seals: they may grow meanwhile
	if err != nil {
		return v, fmt.Errorf("read the end of the change log: %w", err)
	}
	v.Last = from
	if from.Position > 0 {
		var hash []byte
		err := s.db.QueryRowContext(ctx, "SELECT hash FROM change_seal WHERE position = ?", from.Position).Scan(&hash)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			found(Tampering{What: ChangeRemoved, Position: from.Position, Detail: "the seal of the anchor is gone"})
		case err != nil:
			return v, fmt.Errorf("read the seal of the anchor: %w", err)
		case !bytes.Equal(hash, from.Hash[:]):
			found(Tampering{What: ChangeAltered, Position: from.Position, Detail: "the seal is not the anchor's: something before it, or the seal itself, was rewritten"})
		}
	}
	for {
		n, err := s.verifySeals(ctx, &v, found)
		if err != nil {
			return v, err
		}
		if n < chunk {
			break
		}
	}
	switch {
	case v.Last.Position < chain.Position:
		found(Tampering{What: ChangeRemoved, Position: chain.Position, Detail: fmt.Sprintf("the chain ends at %d and went on to %d", v.Last.Position, chain.Position)})
	case v.Last.Position == chain.Position && !bytes.Equal(v.Last.Hash[:], chain.Hash):
		found(Tampering{What: ChangeAltered, Position: chain.Position, Detail: "the last seal is not the one that the chain ends with"})
	}
	err = s.verifyUnsealed(ctx, &v, found)
	return v, err
}

// verifySeals checks the next part of the chain behind v.Last and moves it.
func (s *Store) verifySeals(ctx context.Context, v *Verified, found func(Tampering)) (n int, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("verify the change log after position %d: %w", v.Last.Position, err)
		}
	}()
	rows, err := s.db.QueryContext(ctx, `SELECT s.position, s.change_id, s.hash, c.changed_at, c.actor_kind, c.actor_id, c.account_id, c.action,
    c.race_id, c.subject_kind, c.subject_id, c.about_id, c.state_before, c.state_after, c.text_hash, c.request_id, c.workflow_id, c.hash,
    t.salt, t.reason, t.private_note
FROM change_seal s LEFT JOIN change_log c ON c.change_id = s.change_id LEFT JOIN change_text t ON t.change_id = s.change_id
WHERE s.position > ? ORDER BY s.position LIMIT ?`, v.Last.Position, chunk)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c sealedRow
		if err := c.scan(rows); err != nil {
			return n, err
		}
		n++
		v.Checked++
		if next := v.Last.Position + 1; c.position != next {
			found(Tampering{What: ChangeRemoved, Position: next, Detail: fmt.Sprintf("no seals from %d to %d", next, c.position-1)})
		}
		for _, t := range c.problems(v.Last.Hash[:], v.Last.Position) {
			found(t)
		}
		if c.TextHash != nil && c.text.salt == nil {
			v.Erased++
		}
		v.Last.Position = c.position
		copy(v.Last.Hash[:], c.seal)
	}
	return n, rows.Err()
}

// sealedRow is a seal with its change, as they are stored.
type sealedRow struct {
	loggedChange
	position int64
	seal     []byte
	found    bool   // the change is there
	stored   []byte // its hash
	text     changeText
}

func (c *sealedRow) scan(rows *sql.Rows) error {
	var (
		at                                                                sql.NullTime
		kind, actor, account, action, raceID, subjectKind, subject, about sql.NullString
		request, workflow, reason, note                                   sql.NullString
		before, after                                                     []byte
	)
	err := rows.Scan(&c.position, &c.ID, &c.seal, &at, &kind, &actor, &account, &action, &raceID, &subjectKind, &subject, &about,
		&before, &after, &c.TextHash, &request, &workflow, &c.stored, &c.text.salt, &reason, &note)
	if err != nil {
		return err
	}
	c.found = c.stored != nil
	c.At, c.ActorKind, c.ActorID, c.AccountID, c.Action = at.Time.UTC(), race.ActorKind(kind.String), actor.String, account.String, action.String
	c.RaceID, c.SubjectKind, c.SubjectID, c.AboutID = raceID.String, subjectKind.String, subject.String, about.String
	c.Before, c.After, c.RequestID, c.WorkflowID = before, after, request.String, workflow.String
	c.text.reason, c.text.note = reason.String, note.String
	return nil
}

// problems lists what is wrong with a seal and its change, given the seal before.
func (c *sealedRow) problems(prev []byte, prevPosition int64) (all []Tampering) {
	add := func(what, detail string) {
		all = append(all, Tampering{What: what, Position: c.position, ChangeID: c.ID, Detail: detail})
	}
	if !c.found {
		add(ChangeRemoved, "the change is gone; its seal is left")
		return all
	}
	hash, err := c.hashStored()
	if err != nil {
		add(ChangeAltered, "the state before or after is not JSON")
		return all
	}
	switch {
	case !bytes.Equal(hash, c.stored):
		add(ChangeAltered, "the change does not have its hash")
	case prevPosition+1 == c.position && !bytes.Equal(sealHash(prev, hash, c.position), c.seal):
		add(ChangeReordered, "the change or the one before is not what was sealed here: swapped, or rewritten with its hash")
	}
	switch {
	case c.TextHash == nil && c.text.salt != nil:
		add(ChangeInserted, "a text was added to the change")
	case c.TextHash != nil && c.text.salt != nil && !bytes.Equal(c.text.hash(), c.TextHash):
		add(ChangeAltered, "the text is not what was written")
	}
	return all
}

// hashStored recomputes the hash of a change whose states may not be JSON any more.
func (c *sealedRow) hashStored() ([]byte, error) {
	if !json.Valid(c.Before) || !json.Valid(c.After) {
		return nil, errors.New("not JSON")
	}
	hash := c.hash()
	return hash[:], nil
}

// verifyUnsealed checks the changes that have no position: each waits for one and is
// what was handed over. Both statements read a part at a time, in the order of IDs.
func (s *Store) verifyUnsealed(ctx context.Context, v *Verified, found func(Tampering)) error {
	waiting, err := s.verifyEach(ctx, `SELECT u.change_id, c.change_id IS NULL
FROM change_unsealed u LEFT JOIN change_log c ON c.change_id = u.change_id
WHERE u.change_id > ? ORDER BY u.change_id LIMIT ?`,
		found, Tampering{What: ChangeRemoved, Detail: "the change went before it was sealed"})
	v.Waiting = waiting
	if err != nil {
		return err
	}
	_, err = s.verifyEach(ctx, `SELECT c.change_id, u.change_id IS NULL AND s.change_id IS NULL
FROM change_log c LEFT JOIN change_unsealed u ON u.change_id = c.change_id LEFT JOIN change_seal s ON s.change_id = c.change_id
WHERE c.change_id > ? ORDER BY c.change_id LIMIT ?`,
		found, Tampering{What: ChangeInserted, Detail: "the change has no seal and does not wait for one"})
	return err
}

// verifyEach calls found for each change that a statement returns as wrong, and returns
// how many it read. The statement takes the ID to start behind and a limit.
func (s *Store) verifyEach(ctx context.Context, statement string, found func(Tampering), wrong Tampering) (n int64, err error) {
	const part = 10 * chunk
	id := ""
	for {
		read, err := s.verifyPart(ctx, statement, &id, part, func() {
			wrong.ChangeID = id
			found(wrong)
		})
		n += int64(read)
		if err != nil {
			return n, fmt.Errorf("verify changes without a seal after %q: %w", id, err)
		}
		if read < part {
			return n, nil
		}
	}
}

func (s *Store) verifyPart(ctx context.Context, statement string, id *string, limit int, wrong func()) (n int, err error) {
	rows, err := s.db.QueryContext(ctx, statement, *id, limit)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var isWrong bool
		if err := rows.Scan(id, &isWrong); err != nil {
			return n, err
		}
		n++
		if isWrong {
			wrong()
		}
	}
	return n, rows.Err()
}

// ErrTampered is returned by VerifyLog.
var ErrTampered = errors.New("the change log was tampered with")

// VerifyLog is VerifyChanges for a command: it reads the anchor, unless that is empty, and
// logs the last seal, to be kept as the next anchor. If anything is wrong it logs what,
// offers no anchor, and returns ErrTampered.
func (s *Store) VerifyLog(ctx context.Context, anchor string, log *slog.Logger) error {
	var from Anchor
	if anchor != "" {
		var err error
		if from, err = ParseAnchor(anchor); err != nil {
			return err
		}
	}
	v, err := s.VerifyChanges(ctx, from, func(t Tampering) {
		log.ErrorContext(ctx, "an entry of the change log is not as it was written", "found", t.What, "position", t.Position, "change_id", t.ChangeID, "detail", t.Detail)
	})
	if err != nil {
		return err
	}
	counts := []any{"sealed_changes", v.Checked, "erased_texts", v.Erased, "waiting", v.Waiting, "wrong", v.Wrong, "from", from.Position}
	if v.Wrong > 0 {
		log.ErrorContext(ctx, "verified the change log: it is not whole, so there is no new anchor", counts...)
		return fmt.Errorf("%w: the entries above no longer fit the chain", ErrTampered)
	}
	log.InfoContext(ctx, "verified the change log: it is whole; keep the anchor outside of the database", append(counts, "anchor", v.Last.String())...)
	return nil
}
