package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// Reservation is the state of an idempotency key.
type Reservation struct {
	ResourceID  string          // the ID of the resource created under the key
	RequestHash [32]byte        // of the request that used the key first
	Response    *StoredResponse // nil until that request was answered
}

// StoredResponse is an answer that is repeated for repeated requests.
type StoredResponse struct {
	Status int
	Body   []byte
}

// purgeBatch is how many keys PurgeKeys' statement deletes, so that it holds
// few locks at a time.
const purgeBatch = 1000

// ReserveKey ties a key to newID and to the hash of its request, unless an earlier
// request did: then it returns that request's ID, hash and answer. Of concurrent
// requests one wins, and all of them get its ID; only one resource is created
// because creating it under the same ID is idempotent. The answer is erased with the
// account of userID, which is empty for an anonymous caller; race.ErrLeft says that the
// account has been erased.
func (s *Store) ReserveKey(ctx context.Context, keyHash, requestHash [32]byte, newID, userID string) (Reservation, error) {
	for {
		err := s.insertKey(ctx, userID, gen.InsertKeyParams{
			KeyHash: keyHash[:], RequestHash: requestHash[:], ResourceID: newID, UserID: nullString(userID), CreatedAt: s.now(),
		})
		if err == nil {
			return Reservation{ResourceID: newID, RequestHash: requestHash}, nil
		}
		if !mysql.IsDuplicate(err) {
			return Reservation{}, fmt.Errorf("reserve idempotency key: %w", err)
		}
		row, err := s.queries.Key(ctx, keyHash[:])
		if err == nil {
			return reservationOf(row), nil
		}
		if !errors.Is(err, sql.ErrNoRows) { // no rows: purged since the insert; reserve it again
			return Reservation{}, fmt.Errorf("read idempotency key: %w", err)
		}
	}
}

func (s *Store) insertKey(ctx context.Context, userID string, key gen.InsertKeyParams) error {
	if userID == "" {
		return s.queries.InsertKey(ctx, key)
	}
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if err := shareAccount(ctx, q, userID); err != nil {
			return err
		}
		return q.InsertKey(ctx, key)
	})
}

func reservationOf(row gen.KeyRow) Reservation {
	r := Reservation{ResourceID: row.ResourceID, RequestHash: [32]byte(row.RequestHash)}
	if row.ResponseStatus.Valid {
		r.Response = &StoredResponse{Status: int(row.ResponseStatus.Int16), Body: []byte(row.ResponseBody.String)}
	}
	return r
}

// SaveResponse stores the answer to the request that reserved the key. Only the
// first answer is kept; a later one, or one for a key that was purged, is ignored.
func (s *Store) SaveResponse(ctx context.Context, keyHash [32]byte, status int, body []byte) error {
	err := s.queries.SaveKeyResponse(ctx,
		sql.NullInt16{Int16: int16(status), Valid: true}, //nolint:gosec // an HTTP status has three digits
		sql.NullString{String: string(body), Valid: true},
		keyHash[:])
	if err != nil {
		return fmt.Errorf("save answer under idempotency key: %w", err)
	}
	return nil
}

// ReleaseKey deletes a key whose request was refused and created nothing. A key
// that has an answer keeps it.
func (s *Store) ReleaseKey(ctx context.Context, keyHash [32]byte) error {
	if err := s.queries.DeleteKey(ctx, keyHash[:]); err != nil {
		return fmt.Errorf("release idempotency key: %w", err)
	}
	return nil
}

// PurgeKeys deletes the keys reserved longer ago than olderThan and returns how
// many it deleted.
func (s *Store) PurgeKeys(ctx context.Context, olderThan time.Duration) (int64, error) {
	before, total := s.now().Add(-olderThan), int64(0)
	for {
		purged, err := s.queries.PurgeKeys(ctx, before)
		if err != nil {
			return total, fmt.Errorf("purge idempotency keys: %w", err)
		}
		total += purged
		if purged < purgeBatch {
			return total, nil
		}
	}
}
