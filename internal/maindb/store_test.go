package maindb_test

import (
	"database/sql"
	"sync"
	"testing"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
)

// testBundle is what a store test works with: a store over a database of its
// own, and the clock that the store reads.
type testBundle struct {
	store *maindb.Outcomes // also a Store
	db    *sql.DB
	clock *clock
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	db, _ := mysqltest.New(t, maindb.Migrations())
	clock := &clock{now: time.Date(2026, 4, 20, 9, 0, 0, 0, time.UTC)}
	return &testBundle{store: maindb.NewOutcomes(db, clock.Now), db: db, clock: clock}
}

// clock stands still until it is advanced.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}
