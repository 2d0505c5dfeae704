package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// APIKey is an API key, without its secret.
type APIKey struct {
	ID          string
	Prefix      string // how its secret begins
	Name        string
	Scope       auth.Scope
	RaceID      string // empty: good for all races that its creator works on
	CreatedBy   string // user ID
	CreatorType auth.UserType
	CreatedAt   time.Time
	ExpiresAt   time.Time // zero: never
	LastUsedAt  time.Time // zero: never; may be a minute behind
	RevokedAt   time.Time // zero: it was not revoked
}

// usable reports whether the key was neither revoked nor has expired.
func (k APIKey) usable(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// maxKeys bounds how many usable keys a race, or an account for all of its races,
// has at a time.
const maxKeys = 50

// AddKey adds an API key with the hash of its secret. A key that already has the ID,
// made by the same account, gets the secret instead, as long as nobody has used it:
// the answer with the earlier secret may have been lost. notify tells the owner of the
// account; when it fails, there is no key. It is called under the lock that revoking all
// keys of the account takes: when it finds that the session of the caller has ended, the
// revocation cannot have missed this key. Errors: race.ErrNotFound when there is no such
// race, *race.ConflictError when there are too many keys, or the key is in use.
func (s *Store) AddKey(ctx context.Context, k APIKey, secretHash string, notify func(context.Context) error) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now()
		if err := holdAccount(ctx, q, k.CreatedBy); err != nil {
			return err
		}
		if k.RaceID != "" {
			if r, err := lockRace(ctx, q, k.RaceID); err != nil {
				return err
			} else if r.OrganizerID != k.CreatedBy { // it was handed over a moment ago
				return race.ErrNotFound
			}
		}
		known, err := q.APIKey(ctx, k.ID)
		if err == nil {
			return replaceSecret(ctx, q, k, known, secretHash)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read key %s: %w", k.ID, err)
		}
		if err := checkRoom(ctx, q, k, now); err != nil {
			return err
		}
		err = q.InsertAPIKey(ctx, gen.InsertAPIKeyParams{
			KeyID: k.ID, SecretHash: secretHash, Prefix: k.Prefix, Name: k.Name, Scope: string(k.Scope), RaceID: nullString(k.RaceID),
			CreatedBy: k.CreatedBy, CreatorType: string(k.CreatorType), CreatedAt: k.CreatedAt,
			ExpiresAt: sql.NullTime{Time: k.ExpiresAt, Valid: !k.ExpiresAt.IsZero()},
		})
		if err != nil {
			return fmt.Errorf("add key %s: %w", k.ID, err)
		}
		if err := notify(ctx); err != nil {
			return fmt.Errorf("notify of key %s: %w", k.ID, err)
		}
		created := ofKey(k, "key.created")
		after := map[string]any{"prefix": k.Prefix, "scope": k.Scope}
		if !k.ExpiresAt.IsZero() {
			after["expires_at"] = k.ExpiresAt
		}
		created.After = after
		return writeChanges(ctx, tx, now, created)
	})
}

func replaceSecret(ctx context.Context, q *gen.Queries, k APIKey, known gen.ApiKey, secretHash string) error {
	if known.CreatedBy != k.CreatedBy || known.RaceID.String != k.RaceID {
		return race.ErrNotFound
	}
	replaced, err := q.ReplaceSecret(ctx, secretHash, k.Prefix, k.ID)
	if err != nil {
		return fmt.Errorf("replace the secret of key %s: %w", k.ID, err)
	}
	if replaced == 0 {
		return &race.ConflictError{Message: "the key was made by an earlier attempt and is in use, or revoked: make another one with a new Idempotency-Key"}
	}
	return nil
}

func checkRoom(ctx context.Context, q *gen.Queries, k APIKey, now time.Time) error {
	rows, err := q.KeysOfAccount(ctx, k.CreatedBy)
	if k.RaceID != "" {
		rows, err = q.KeysOfRace(ctx, nullString(k.RaceID))
	}
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	usable := 0
	for _, row := range rows {
		if keyOf(row).usable(now) {
			usable++
		}
	}
	if usable >= maxKeys {
		return &race.ConflictError{Message: fmt.Sprintf("there are already %d keys: revoke one first", usable)}
	}
	return nil
}

// ofKey is a change of a key. The name is not in it: a person wrote it.
func ofKey(k APIKey, action string) race.Change {
	return race.Change{Action: action, RaceID: k.RaceID, Subject: race.Subject{Kind: "key", ID: k.ID}}
}

// RaceKeys returns the keys of a race, the newest first.
func (s *Store) RaceKeys(ctx context.Context, raceID string) ([]APIKey, error) {
	rows, err := s.queries.KeysOfRace(ctx, nullString(raceID))
	if err != nil {
		return nil, fmt.Errorf("list the keys of race %s: %w", raceID, err)
	}
	return keysOf(rows), nil
}

// AccountKeys returns the keys that an account made for all of its races, the newest
// first.
func (s *Store) AccountKeys(ctx context.Context, userID string) ([]APIKey, error) {
	rows, err := s.queries.KeysOfAccount(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("list the keys of user %s: %w", userID, err)
	}
	return keysOf(rows), nil
}

// RevokeKey ends a key for good: one of a race, or, with an empty raceID, one that
// the account made for all of its races. A key that has ended is left as it is. It
// returns race.ErrNotFound.
func (s *Store) RevokeKey(ctx context.Context, raceID, userID, keyID string) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		row, err := s.queries.WithTx(tx).APIKey(ctx, keyID)
		if errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("read key %s: %w", keyID, err)
		}
		k := keyOf(row)
		if k.RaceID != raceID || raceID == "" && k.CreatedBy != userID {
			return race.ErrNotFound
		}
		return s.revokeKeys(ctx, tx, []gen.ApiKey{row})
	})
}

// revokeKeys ends those of the keys that have not ended yet.
func (s *Store) revokeKeys(ctx context.Context, tx *sql.Tx, rows []gen.ApiKey) error {
	q, now := s.queries.WithTx(tx), s.now()
	for _, row := range rows {
		k := keyOf(row)
		if !k.RevokedAt.IsZero() {
			continue
		}
		if err := q.RevokeAPIKey(ctx, sql.NullTime{Time: now, Valid: true}, k.ID); err != nil {
			return fmt.Errorf("revoke key %s: %w", k.ID, err)
		}
		revoked := ofKey(k, "key.revoked")
		revoked.Before = map[string]any{"prefix": k.Prefix, "scope": k.Scope}
		if race.ActorFrom(ctx).AccountID != k.CreatedBy {
			revoked.AboutID = k.CreatedBy
		}
		if err := writeChanges(ctx, tx, now, revoked); err != nil {
			return err
		}
	}
	return nil
}

// endKeys ends the keys that an account made for a race in which it has no role any
// more.
func (s *Store) endKeys(ctx context.Context, tx *sql.Tx, raceID, userID string) error {
	rows, err := s.queries.WithTx(tx).UsableKeysOfRaceBy(ctx, nullString(raceID), userID)
	if err != nil {
		return fmt.Errorf("list the keys of race %s: %w", raceID, err)
	}
	return s.revokeKeys(ctx, tx, rows)
}

// revokeAllKeys ends all keys that an account made. One that is being made at the moment
// is ended, or not made: see AddKey.
func (s *Store) revokeAllKeys(ctx context.Context, tx *sql.Tx, userID string) error {
	q := s.queries.WithTx(tx)
	if err := holdAccount(ctx, q, userID); errors.Is(err, race.ErrLeft) {
		return nil // they are deleted
	} else if err != nil {
		return err
	}
	if err := q.DeleteCalendarFeedsOf(ctx, userID); err != nil { // their addresses are keys, too
		return fmt.Errorf("delete the calendar feeds of user %s: %w", userID, err)
	}
	rows, err := q.AllKeysBy(ctx, userID)
	if err != nil {
		return fmt.Errorf("list the keys of user %s: %w", userID, err)
	}
	return s.revokeKeys(ctx, tx, rows)
}

// deleteKeys ends the keys of an account that is closed, and forgets their names.
func (s *Store) deleteKeys(ctx context.Context, tx *sql.Tx, userID string) error {
	q := s.queries.WithTx(tx)
	rows, err := q.AllKeysBy(ctx, userID)
	if err != nil {
		return fmt.Errorf("list the keys of user %s: %w", userID, err)
	}
	if err := s.revokeKeys(ctx, tx, rows); err != nil {
		return err
	}
	for _, row := range rows {
		if err := q.DeleteAPIKey(ctx, row.KeyID); err != nil {
			return fmt.Errorf("delete key %s: %w", row.KeyID, err)
		}
	}
	return nil
}

// usedEvery is how precisely the last use of a key is known.
const usedEvery = time.Minute

// UseKey returns the key whose secret has that hash and notes that it was used. It
// returns race.ErrNotFound when there is none, or it has ended.
func (s *Store) UseKey(ctx context.Context, secretHash string) (APIKey, error) {
	row, err := s.queries.APIKeyBySecret(ctx, secretHash)
	if errors.Is(err, sql.ErrNoRows) {
		return APIKey{}, race.ErrNotFound
	}
	if err != nil {
		return APIKey{}, fmt.Errorf("read a key: %w", err)
	}
	k, now := keyOf(row), s.now()
	if !k.usable(now) {
		return APIKey{}, race.ErrNotFound
	}
	if before := now.Add(-usedEvery); k.LastUsedAt.Before(before) {
		if err := s.queries.UseAPIKey(ctx, sql.NullTime{Time: now, Valid: true}, k.ID, sql.NullTime{Time: before, Valid: true}); err != nil {
			return APIKey{}, fmt.Errorf("note that key %s was used: %w", k.ID, err)
		}
	}
	return k, nil
}

func keysOf(rows []gen.ApiKey) []APIKey {
	keys := make([]APIKey, len(rows))
	for i, row := range rows {
		keys[i] = keyOf(row)
	}
	return keys
}

func keyOf(row gen.ApiKey) APIKey {
	return APIKey{
		ID: row.KeyID, Prefix: row.Prefix, Name: row.Name, Scope: auth.Scope(row.Scope), RaceID: row.RaceID.String, CreatedBy: row.CreatedBy,
		CreatorType: auth.UserType(row.CreatorType), CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt.Time, LastUsedAt: row.LastUsedAt.Time,
		RevokedAt: row.RevokedAt.Time,
	}
}
