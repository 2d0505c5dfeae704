package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/program"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
	"github.com/mrmrthon/mrmrthon/worker/bridge"
)

const insertEntry = `INSERT INTO participant (participant_id, race_id, user_id, bib, bib_key, sex, age, field,
	status, created_at, updated_at)
	VALUES (?, ?, ?, ?, ?, 'F', 35, 'runner', 'entered', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))`

// TestStoppingInABurst stops a worker again and again while credits come in, one
// of them held up by a lock. Whatever a worker had in hand the next one finishes,
// and every credit is there once and whole.
func TestStoppingInABurst(t *testing.T) {
	t.Parallel()
	mainDB, mainCfg := mysqltest.New(t, maindb.Migrations())
	userDB, userCfg := mysqltest.New(t, userdb.Migrations())
	queueCfg, server := queues(t), temporalServer(t)
	cfg := Config{
		Config: program.Config{
			MainDB: mysqltest.Account(t, mainCfg, maindb.Grants(), mysql.Worker), UserDB: mysqltest.Account(t, userCfg, userdb.Grants(), mysql.Worker), Queue: queueCfg,
			Temporal: temporal.Config{Address: server.FrontendHostPort(), Namespace: "default"},
		},
		Addr: "127.0.0.1:0", AuditInterval: time.Hour, SweepInterval: time.Hour,
		Bridge: bridge.Config{
			Receivers: 2, Starts: 4, Wait: time.Second, Visibility: 5 * time.Second,
			RetryAfter: 10 * time.Millisecond, MaxRetryAfter: time.Second,
		},
		Audit: activities.AuditConfig{Grace: time.Hour, LookBack: time.Hour}, // it must not be what mends
	}
	const records, points = 300, 7
	raceID := uuid.NewString()
	exec(t, mainDB.ExecContext, insertRace, raceID)
	messages, runners := make([]queue.Message, records), make([]string, records)
	for i := range records {
		bib, recordID := fmt.Sprint(i+1), uuid.NewString()
		runners[i] = uuid.NewString()
		exec(t, userDB.ExecContext, insertRunner, runners[i])
		exec(t, mainDB.ExecContext, insertEntry, uuid.NewString(), raceID, runners[i], bib, bib)
		exec(t, mainDB.ExecContext, insertRecord, recordID, raceID, bib, bib, bib)
		messages[i] = queue.Message{RaceID: raceID, RecordID: recordID, Revision: 1}
	}
	credited := func() int { return count(t, userDB.QueryRowContext, "SELECT COUNT(*) FROM credit") }

	held, err := userDB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = held.Rollback() }()
	require.Equal(t, 0, count(t, held.QueryRowContext, "SELECT total_point FROM user WHERE user_id = ? FOR UPDATE", runners[0]))
	client, err := queue.New(t.Context(), queueCfg)
	require.NoError(t, err)
	require.Empty(t, client.Send(t.Context(), messages))
	for _, enough := range []int{1, records / 3, 2 * records / 3} {
		_, stop := start(t, cfg)
		soon(t, "the burst is under way", func() bool { return credited() >= enough })
		stop()
		require.Zero(t, count(t, userDB.QueryRowContext, halfDone), "a total that is not the sum of its lines")
	}
	require.Less(t, credited(), records, "one is held up")
	require.NoError(t, held.Rollback())

	_, stop := start(t, cfg)
	soon(t, "the last worker finishes what the others began", func() bool { return credited() == records })
	stop()
	require.Equal(t, records, count(t, userDB.QueryRowContext, "SELECT COUNT(*) FROM user WHERE total_point = ?", points))
	require.Equal(t, records, count(t, userDB.QueryRowContext, "SELECT COUNT(*) FROM point WHERE points = ?", points))
	require.Zero(t, count(t, userDB.QueryRowContext, halfDone))
	depth, err := client.Depth(t.Context())
	require.NoError(t, err)
	require.Equal(t, queue.Depth{}, depth)
}

// halfDone counts the runners whose credit, lines and total do not agree.
const halfDone = `SELECT COUNT(*) FROM user u
	LEFT JOIN (SELECT user_id, SUM(points) AS points FROM point GROUP BY user_id) p USING (user_id)
	LEFT JOIN (SELECT user_id, SUM(points) AS points FROM credit GROUP BY user_id) c USING (user_id)
	WHERE u.total_point <> COALESCE(p.points, 0) OR u.total_point <> COALESCE(c.points, 0)`
