package maindb

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// writeChanges adds entries to the change log, in the transaction of what they tell
// about. An entry without an ID gets one; one without a time or an actor gets the
// time now and the actor of the context.
func writeChanges(ctx context.Context, tx *sql.Tx, now time.Time, changes ...race.Change) error {
	for part := range slices.Chunk(changes, chunk) {
		logged, texts := make([]loggedChange, len(part)), []changeText(nil)
		for i, c := range part {
			if c.ID == "" {
				c.ID = uuid.Must(uuid.NewV7()).String()
			}
			if c.At.IsZero() {
				c.At = now
			}
			if c.Actor.Kind == "" {
				c.Actor = race.ActorFrom(ctx)
			}
			var text changeText
			var err error
			if logged[i], text, err = logOf(c); err != nil {
				return err
			}
			if logged[i].TextHash != nil {
				texts = append(texts, text)
			}
		}
		if err := insertChanges(ctx, tx, logged, texts); err != nil {
			return err
		}
	}
	return nil
}

func insertChanges(ctx context.Context, tx *sql.Tx, logged []loggedChange, texts []changeText) error {
	const into = `INSERT INTO change_log (change_id, changed_at, actor_kind, actor_id, account_id, action, race_id,
    subject_kind, subject_id, about_id, state_before, state_after, text_hash, request_id, workflow_id, hash) VALUES `
	unsealed := make([]gen.ChangeUnsealed, 0, len(logged))
	err := insertRows(ctx, tx, into, logged, func(args []any, c loggedChange) []any {
		hash := c.hash()
		unsealed = append(unsealed, gen.ChangeUnsealed{ChangeID: c.ID, Hash: hash[:]})
		return append(args, c.ID, c.At, string(c.ActorKind), c.ActorID, nullString(c.AccountID), c.Action, nullString(c.RaceID),
			c.SubjectKind, c.SubjectID, nullString(c.AboutID), string(c.Before), string(c.After), c.TextHash, c.RequestID, c.WorkflowID, hash[:])
	})
	if err != nil {
		return err
	}
	const intoUnsealed = `INSERT INTO change_unsealed (change_id, hash) VALUES `
	err = insertRows(ctx, tx, intoUnsealed, unsealed, func(args []any, c gen.ChangeUnsealed) []any {
		return append(args, c.ChangeID, c.Hash)
	})
	if err != nil {
		return err
	}
	const intoTexts = `INSERT INTO change_text (change_id, salt, reason, private_note) VALUES `
	return insertRows(ctx, tx, intoTexts, texts, func(args []any, t changeText) []any {
		return append(args, t.changeID, t.salt, t.reason, t.note)
	})
}

// loggedChange is a row of change_log. Its JSON is what the hash is of: the order
// and the names of the fields must never change.
type loggedChange struct {
	ID          string          `json:"change_id"`
	At          time.Time       `json:"changed_at"`
	ActorKind   race.ActorKind  `json:"actor_kind"`
	ActorID     string          `json:"actor_id"`
	AccountID   string          `json:"account_id"`
	Action      string          `json:"action"`
	RaceID      string          `json:"race_id"`
	SubjectKind string          `json:"subject_kind"`
	SubjectID   string          `json:"subject_id"`
	AboutID     string          `json:"about_id"`
	Before      json.RawMessage `json:"state_before"`
	After       json.RawMessage `json:"state_after"`
	TextHash    []byte          `json:"text_hash"`
	RequestID   string          `json:"request_id"`
	WorkflowID  string          `json:"workflow_id"`
}

func (c loggedChange) hash() [sha256.Size]byte {
	row, err := json.Marshal(c)
	if err != nil {
		panic(err) // logOf has encoded the only fields that could fail
	}
	return sha256.Sum256(row)
}

// changeText is a row of change_text.
type changeText struct {
	changeID     string
	salt         []byte
	reason, note string
}

func (t changeText) hash() []byte {
	text, err := json.Marshal([]string{t.reason, t.note})
	if err != nil {
		panic(err) // strings always encode
	}
	sum := sha256.Sum256(slices.Concat(t.salt, text))
	return sum[:]
}

func logOf(c race.Change) (loggedChange, changeText, error) {
	before, err := json.Marshal(c.Before)
	if err != nil {
		return loggedChange{}, changeText{}, fmt.Errorf("encode the state before %s: %w", c.Action, err)
	}
	after, err := json.Marshal(c.After)
	if err != nil {
		return loggedChange{}, changeText{}, fmt.Errorf("encode the state after %s: %w", c.Action, err)
	}
	logged := loggedChange{
		ID: c.ID, At: c.At.UTC().Truncate(time.Microsecond), ActorKind: c.Actor.Kind, ActorID: c.Actor.ID, AccountID: c.Actor.AccountID,
		Action: c.Action, RaceID: c.RaceID, SubjectKind: c.Subject.Kind, SubjectID: c.Subject.ID, AboutID: c.AboutID,
		Before: before, After: after, RequestID: c.Actor.RequestID, WorkflowID: c.Actor.WorkflowID,
	}
	text := changeText{changeID: c.ID, reason: c.Reason, note: c.PrivateNote}
	if c.Reason != "" || c.PrivateNote != "" {
		text.salt = make([]byte, 16)
		if _, err := rand.Read(text.salt); err != nil {
			return loggedChange{}, changeText{}, fmt.Errorf("make a salt: %w", err)
		}
		logged.TextHash = text.hash()
	}
	return logged, text, nil
}

// AddChange adds an entry to the change log that belongs to a change outside of
// main_db. An entry that is already there is left unchanged. race.KeysRevoked also
// revokes the API keys of the account that it is about.
func (s *Store) AddChange(ctx context.Context, c race.Change) error {
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		if err := writeChanges(ctx, tx, s.now(), c); err != nil || c.Action != race.KeysRevoked {
			return err
		}
		return s.revokeAllKeys(race.WithActor(ctx, c.Actor), tx, c.Subject.ID)
	})
	if mysql.IsDuplicate(err) {
		return nil
	}
	return err
}

// eraseChangeTexts erases what somebody who leaves wrote as reasons and notes. The
// entries stay, and their hashes stay right.
func eraseChangeTexts(ctx context.Context, q *gen.Queries, userID string) error {
	if err := q.EraseChangeTexts(ctx, nullString(userID)); err != nil {
		return fmt.Errorf("erase the reasons that user %s wrote: %w", userID, err)
	}
	return nil
}

// ChangeFilter selects entries of the change log. The zero value selects all.
type ChangeFilter struct {
	RaceID  string
	Account string // by or about that account
	Actor   string // the actor's ID, or the ID of the account that is answerable
	Subject string // ID
	Action  string // all actions that begin with it
	Since   time.Time
}

// Changes returns up to limit entries older than the one with the ID before, the
// newest first; an empty before means the newest.
func (s *Store) Changes(ctx context.Context, filter ChangeFilter, before string, limit int) ([]race.Change, error) {
	statement, args := filter.query(before, limit)
	rows, err := s.db.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("list changes: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err reports what went wrong
	var found []race.Change
	for rows.Next() {
		c, err := scanChange(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list changes: %w", err)
	}
	return found, nil
}

// query names only the columns that are asked for, so that each combination uses
// an index; sqlc has no statements with optional parts.
func (f ChangeFilter) query(before string, limit int) (statement string, args []any) {
	if before == "" {
		before = lastID
	}
	where, args := f.where("c.change_id < ?", before)
	return `SELECT ` + changeColumns + `
FROM change_log c LEFT JOIN change_text t ON t.change_id = c.change_id
WHERE ` + where + ` ORDER BY c.change_id DESC LIMIT ?`, append(args, limit)
}

// LoggedChange is a change with its place in the chain.
type LoggedChange struct {
	race.Change
	Position int64  // 0: it is not sealed yet
	Seal     string // the hash of the chain at the position, in hexadecimal
}

// ChangesFrom returns up to limit entries newer than the one with the ID after, the
// oldest first; an empty after means the first.
func (s *Store) ChangesFrom(ctx context.Context, filter ChangeFilter, after string, limit int) ([]LoggedChange, error) {
	statement, args := filter.queryFrom(after, limit)
	rows, err := s.db.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("read the change log: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err reports what went wrong
	var found []LoggedChange
	for rows.Next() {
		var c LoggedChange
		if c.Change, err = scanChange(rows, &c.Position, &c.Seal); err != nil {
			return nil, err
		}
		c.Seal = strings.ToLower(c.Seal)
		found = append(found, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the change log: %w", err)
	}
	return found, nil
}

func (f ChangeFilter) queryFrom(after string, limit int) (statement string, args []any) {
	where, args := f.where("c.change_id > ?", after)
	return `SELECT COALESCE(s.position, 0), COALESCE(HEX(s.hash), ''), ` + changeColumns + `
FROM change_log c LEFT JOIN change_text t ON t.change_id = c.change_id LEFT JOIN change_seal s ON s.change_id = c.change_id
WHERE ` + where + ` ORDER BY c.change_id LIMIT ?`, append(args, limit)
}

// where returns the conditions of the filter behind a first one.
func (f ChangeFilter) where(first string, value any) (conditions string, args []any) {
	where := []string{first}
	args = []any{value}
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if f.RaceID != "" {
		add("c.race_id = ?", f.RaceID)
	}
	if f.Account != "" {
		add("(c.account_id = ? OR c.about_id = ?)", f.Account, f.Account)
	}
	if f.Actor != "" {
		add("(c.actor_id = ? OR c.account_id = ?)", f.Actor, f.Actor)
	}
	if f.Subject != "" {
		add("c.subject_id = ?", f.Subject)
	}
	if f.Action != "" {
		add("c.action LIKE ?", strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(f.Action)+"%")
	}
	if !f.Since.IsZero() {
		add("c.changed_at >= ?", f.Since.UTC())
	}
	return strings.Join(where, " AND "), args
}

// changeColumns are what scanChange reads, of change_log c and change_text t.
const changeColumns = `c.change_id, c.changed_at, c.actor_kind, c.actor_id, c.account_id, c.action, c.race_id, c.subject_kind,
    c.subject_id, c.about_id, c.state_before, c.state_after, c.request_id, c.workflow_id, c.hash, t.reason, t.private_note`

// scanChange reads a change from a row of changeColumns, behind the columns of first.
func scanChange(rows *sql.Rows, first ...any) (race.Change, error) {
	var (
		c                                          race.Change
		accountID, raceID, aboutID, reason, remark sql.NullString
		before, after, hash                        []byte
	)
	err := rows.Scan(append(first, &c.ID, &c.At, &c.Actor.Kind, &c.Actor.ID, &accountID, &c.Action, &raceID, &c.Subject.Kind, &c.Subject.ID,
		&aboutID, &before, &after, &c.Actor.RequestID, &c.Actor.WorkflowID, &hash, &reason, &remark)...)
	if err != nil {
		return race.Change{}, fmt.Errorf("read a change: %w", err)
	}
	c.Actor.AccountID, c.RaceID, c.AboutID = accountID.String, raceID.String, aboutID.String
	c.Before, c.After = json.RawMessage(before), json.RawMessage(after)
	c.Reason, c.PrivateNote, c.Hash = reason.String, remark.String, hex.EncodeToString(hash)
	return c, nil
}

// differences returns the fields that two JSON objects do not have in common.
func differences(before, after any) (was, is map[string]json.RawMessage, err error) {
	if was, err = fieldsOf(before); err != nil {
		return nil, nil, err
	}
	if is, err = fieldsOf(after); err != nil {
		return nil, nil, err
	}
	for name, value := range was {
		if other, both := is[name]; both && bytes.Equal(value, other) {
			delete(was, name)
			delete(is, name)
		}
	}
	return was, is, nil
}

func fieldsOf(object any) (fields map[string]json.RawMessage, err error) {
	text, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		return nil, fmt.Errorf("encode a state: %w", err)
	}
	return fields, nil
}

// raceState is what the change log shows of a race.
type raceState struct {
	OwnerID   string          `json:"owner_id"`
	Name      string          `json:"name"`
	City      string          `json:"city"`
	Country   string          `json:"country"`
	Date      string          `json:"date"`
	DistanceM float64         `json:"distance_m"`
	Ranking   race.Ranking    `json:"ranking"`
	Divisions []race.Division `json:"divisions"`
	Scoring   string          `json:"scoring"`
	Points    int64           `json:"points"`
	Capacity  int             `json:"capacity"`
	Status    race.Status     `json:"status"`

	TimingPoints []pointState     `json:"timing_points,omitempty"`
	Teams        []race.TeamRule  `json:"teams,omitempty"`
	Awards       *race.AwardRules `json:"awards,omitempty"`

	Entry *race.EntrySettings `json:"entry,omitempty"`
}

type pointState struct {
	Name      string  `json:"name"`
	DistanceM float64 `json:"distance_m"`
}

func stateOf(r race.Race) raceState {
	state := raceState{
		OwnerID: r.OrganizerID, Name: r.Name, City: r.City, Country: r.Country, Date: r.Date.String(), DistanceM: r.Distance.Metres(), Ranking: r.Ranking,
		Divisions: r.Divisions, Scoring: r.Scoring, Points: r.Points, Capacity: r.Capacity, Status: r.Status,
	}
	state.Teams, state.Entry = r.Teams, r.Entry
	if r.Awards != (race.AwardRules{}) {
		state.Awards = &r.Awards
	}
	for _, p := range r.Course.Points {
		state.TimingPoints = append(state.TimingPoints, pointState{p.Name, p.Distance.Metres()})
	}
	return state
}

// recordState is what the change log shows of a record.
type recordState struct {
	Revision      int               `json:"revision"`
	Bib           string            `json:"bib"`
	GunTime       string            `json:"gun_time,omitempty"`
	NetTime       string            `json:"net_time,omitempty"`
	Status        race.ResultStatus `json:"status"`
	Sequence      int               `json:"sequence,omitempty"`
	Removed       bool              `json:"removed,omitempty"`
	TimeConfirmed bool              `json:"time_confirmed,omitempty"`
}

func recordStateOf(r race.Record) recordState {
	return recordState{
		Revision: r.Revision, Bib: r.Result.Bib, GunTime: r.Result.Gun.String(), NetTime: r.Result.Net.String(), Status: r.Result.Status,
		Sequence: r.Result.Sequence, Removed: r.Removed, TimeConfirmed: r.TimeConfirmed,
	}
}

// ofRace is a change of a race itself.
func ofRace(raceID, action string) race.Change {
	return race.Change{Action: action, RaceID: raceID, Subject: race.Subject{Kind: "race", ID: raceID}}
}
