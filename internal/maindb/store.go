// Package maindb keeps races, participants, official and unofficial records and
// the outbox in main_db. It never touches user_db.
package maindb

import (
	"database/sql"
	"sync"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
)

// Store reads and writes main_db. Each method owns its transaction.
type Store struct {
	db      *sql.DB
	queries *gen.Queries
	now     func() time.Time

	// outboxTurn is whose turn it is when this process sends the outbox.
	outboxTurn struct {
		sync.Mutex
		served string // the race served last
	}
}

// New returns a store over db that reads the time from now.
func New(db *sql.DB, now func() time.Time) *Store {
	return &Store{db: db, queries: gen.New(db), now: now}
}
