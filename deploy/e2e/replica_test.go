package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// TestReplica has public reads answered by a second MariaDB that replicates the first.
// Its replication is stopped and started again, it is killed, and it hangs: readers
// notice nothing, and nobody misses their own changes.
func TestReplica(t *testing.T) {
	t.Parallel()
	port, giveBack, err := stack.DrawPort(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = giveBack() })
	s := ownSystem(t, "replica", func(opts *stack.Options) {
		opts.DatabaseOptions = stack.BinaryLog()
		maps.Copy(opts.Env[stack.API], map[string]string{
			"MAIN_DB_READER_ADDR": fmt.Sprintf("127.0.0.1:%d", port), "MAIN_DB_READER_MAX_LAG": "3s",
		})
	})
	b := startBoston(t, s, 30)
	b.importAll(t)
	b.check(t)
	r := startReplica(t, s, port)
	r.usable(t, 1)

	path := "/v1/races/" + b.raceID
	poll := startPoll(t, s, path, path+"/standings", path+"/standings/versions", "/v1/races", "/v1/leaderboard?season=2004", "/en/races/"+b.raceID)
	r.exec(t, "UPDATE main_db.race SET city = 'of the replica' WHERE race_id = ?", b.raceID)
	eventually(t, patience, func() error { // once the import is no longer a change of just now
		if city := s.anonymous().city(t, path); city != "of the replica" {
			return fmt.Errorf("city %q", city)
		}
		return nil
	})
	require.NotEqual(t, "of the replica", b.organizer.city(t, path), "who has a token does not")

	b.organizer.call(t, http.MethodPatch, path, inJSON(t, map[string]any{"city": "changed"})).into(t, http.StatusOK, new(map[string]any))
	require.Equal(t, "changed", s.anonymous().city(t, path), "what this process changed is read where it was changed")
	other := b.organizer.createRace(t, marathon("Another"))
	s.anonymous().call(t, http.MethodGet, "/v1/races/"+other, payload{}).into(t, http.StatusOK, new(map[string]any))

	r.exec(t, "STOP SLAVE")
	r.usable(t, 0)
	_, err = s.mainDB.ExecContext(t.Context(), "UPDATE race SET city = 'behind its back' WHERE race_id = ?", b.raceID)
	require.NoError(t, err)
	eventually(t, patience, func() error {
		if city := s.anonymous().city(t, path); city != "behind its back" {
			return fmt.Errorf("city %q", city)
		}
		return nil
	})
	r.exec(t, "START SLAVE")
	r.usable(t, 1)

	require.NoError(t, r.Kill(stack.MariaDB))
	r.usable(t, 0)
	require.Equal(t, "behind its back", s.anonymous().city(t, path))
	require.NoError(t, r.StartPart(t.Context(), stack.MariaDB))
	r.usable(t, 1)

	pid, err := r.PID(stack.MariaDB)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	r.usable(t, 0)
	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	r.usable(t, 1)
	poll.end(t)
}

// replica is a second database server, which replicates that of the system.
type replica struct {
	*stack.Stack
	of *system
}

func startReplica(t *testing.T, s *system, port int) *replica {
	t.Helper()
	dir := filepath.Join(bench.dir, "replicating")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	secrets, err := os.ReadFile(filepath.Join(s.dir, "secrets.json")) // its accounts are the same
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secrets.json"), secrets, 0o600)) //nolint:gosec // a folder of the test
	second, err := stack.Start(t.Context(), stack.Options{
		Dir: dir, Parts: []stack.Part{stack.MariaDB}, Ports: stack.Ports{MariaDB: port}, Throwaway: true, DatabaseOptions: []string{"--server-id=2", "--relay-log-recovery=1"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, second.Stop()) })
	r := &replica{second, s}
	from := s.BackupServer()
	r.exec(t, fmt.Sprintf(`CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = %s, MASTER_USER = '%s', MASTER_PASSWORD = '%s',
		MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1`, from.Addr[len("127.0.0.1:"):], from.User, from.Password))
	r.exec(t, "START SLAVE")
	return r
}

func (r *replica) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	db, err := open(r.RootDSN(""))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}

var usableMetric = regexp.MustCompile(`(?m)^mrmrthon_reader_usable (\d)$`)

// usable waits until the API uses the replica, or does not.
func (r *replica) usable(t *testing.T, want int) {
	t.Helper()
	began := time.Now()
	eventually(t, patience, func() error {
		text := string(r.of.anonymous().call(t, http.MethodGet, "/metrics", payload{}).body)
		if found := usableMetric.FindStringSubmatch(text); len(found) < 2 || found[1] != fmt.Sprint(want) {
			return fmt.Errorf("usable: %v, not %d; replication: %s", found, want, r.status(t))
		}
		return nil
	})
	t.Logf("usable %d after %s", want, time.Since(began).Round(10*time.Millisecond))
}

// status says why replication stands, if it does.
func (r *replica) status(t *testing.T) (status string) {
	t.Helper()
	db, err := open(r.RootDSN(""))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // it may hang, on purpose
	defer cancel()
	rows, err := db.QueryContext(ctx, "SHOW SLAVE STATUS")
	if err != nil {
		return err.Error()
	}
	defer func() { _ = rows.Close() }()
	columns, _ := rows.Columns()
	for rows.Next() {
		cells := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		_ = rows.Scan(into...)
		for i, name := range columns {
			if name == "Last_SQL_Error" || name == "Last_IO_Error" || name == "Seconds_Behind_Master" {
				status += name + "=" + cells[i].String + " "
			}
		}
	}
	return status + fmt.Sprint(rows.Err())
}

func (c *caller) city(t *testing.T, path string) string {
	t.Helper()
	var race struct {
		City string `json:"city"`
	}
	c.call(t, http.MethodGet, path, payload{}).into(t, http.StatusOK, &race)
	return race.City
}

// poll reads pages again and again, as a crowd does.
type poll struct {
	stop    context.CancelFunc
	polling sync.WaitGroup
	read    atomic.Int64
	longest atomic.Int64
	wrong   sync.Map // statuses other than 200, with a path
}

func startPoll(t *testing.T, s *system, paths ...string) *poll {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	p := &poll{stop: stop}
	for _, path := range paths {
		p.polling.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.APIURL()+path, http.NoBody)
				if err != nil {
					p.wrong.Store(err.Error(), path)
					return
				}
				res, err := http.DefaultClient.Do(req)
				switch {
				case ctx.Err() != nil:
					return
				case err != nil:
					p.wrong.Store(err.Error(), path)
				default:
					if res.StatusCode != http.StatusOK {
						p.wrong.Store(res.Status, path)
					}
					_ = res.Body.Close()
				}
				took := time.Since(began)
				for old := p.longest.Load(); int64(took) > old; old = p.longest.Load() {
					if p.longest.CompareAndSwap(old, int64(took)) {
						break
					}
				}
				p.read.Add(1)
				select {
				case <-ctx.Done():
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
	}
	return p
}

func (p *poll) end(t *testing.T) {
	t.Helper()
	p.stop()
	p.polling.Wait()
	p.wrong.Range(func(what, path any) bool { t.Errorf("%v: %v", path, what); return true })
	t.Logf("%d reads, the longest took %s", p.read.Load(), time.Duration(p.longest.Load()).Round(time.Millisecond))
}
