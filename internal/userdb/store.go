// Package userdb keeps accounts, their refresh tokens and the point ledger in
// user_db. It never touches main_db.
package userdb

import (
	"database/sql"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/userdb/gen"
)

// Store reads and writes user_db. Each method owns its transaction.
type Store struct {
	db      *sql.DB
	queries *gen.Queries
	now     func() time.Time
}

// New returns a store over db that reads the time from now.
func New(db *sql.DB, now func() time.Time) *Store {
	return &Store{db: db, queries: gen.New(db), now: now}
}
