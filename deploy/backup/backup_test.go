package backup_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/deploy/backup"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// bundle is a server with both databases as the programs have them, and a place.
type bundle struct {
	backup.Server
	*testing.T
	db    *sql.DB
	dir   string
	place backup.Place
	log   *slog.Logger
}

func setup(t *testing.T) *bundle {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{
		Dir: t.TempDir(), Parts: []stack.Part{stack.MariaDB}, Throwaway: true, DatabaseOptions: stack.BinaryLog(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	owner := s.Owners()
	accounts := func(database string) mysql.Accounts {
		return mysql.Accounts{mysql.API: database + "_api", mysql.Worker: database + "_worker"}
	}
	config := func(prefix string) mysql.Config {
		return mysql.Config{
			Addr: owner[prefix+"_ADDR"], Name: owner[prefix+"_NAME"], User: owner[prefix+"_USER"], Password: owner[prefix+"_PASSWORD"], MaxConns: 2,
		}
	}
	_, err = maindb.Migrate(t.Context(), config("MAIN_DB"), accounts("main"))
	require.NoError(t, err)
	_, err = userdb.Migrate(t.Context(), config("USER_DB"), accounts("user"))
	require.NoError(t, err)
	b := &bundle{Server: s.BackupServer(), T: t, dir: t.TempDir(), log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	b.db, err = mysql.Open(mysql.Config{Addr: b.Addr, User: b.User, Password: b.Password, MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.db.Close()) })
	b.place, err = backup.OpenPlace(t.Context(), b.dir)
	require.NoError(t, err)
	return b
}

func (b *bundle) exec(statement string, args ...any) {
	b.Helper()
	_, err := b.db.ExecContext(b.Context(), statement, args...)
	require.NoError(b, err, statement)
}

func (b *bundle) count(query string, args ...any) (n int) {
	b.Helper()
	require.NoError(b, b.db.QueryRowContext(b.Context(), query, args...).Scan(&n), query)
	return n
}

// user adds a runner's account to user_db.
func (b *bundle) user(login string) (id string) {
	b.Helper()
	id = uuid.NewString()
	b.exec(`INSERT INTO user_db.user (user_id, login_id, user_type, name, phone, sex, total_point, created_at, updated_at)
		VALUES (?, ?, 'runner', 'Zoë', '', 'F', 7, NOW(), NOW())`, id, login)
	return id
}

// record is an unofficial one: a row of main_db that depends on no other.
func (b *bundle) record(title string) {
	b.Helper()
	b.exec(`INSERT INTO main_db.unofficial_record (unofficial_record_id, user_id, record_date, distance_mm, time_ms, title, note, created_at, updated_at)
		VALUES (?, ?, '2026-04-20', 10000000, 2400000, ?, '', NOW(6), NOW(6))`, uuid.NewString(), uuid.NewString(), title)
}

func (b *bundle) records() int {
	b.Helper()
	return b.count("SELECT COUNT(*) FROM main_db.unofficial_record")
}

func (b *bundle) back(plan backup.Plan) backup.Done {
	b.Helper()
	done, err := b.BackUp(b.Context(), b.place, plan, b.log)
	require.NoError(b, err)
	return done
}

func (b *bundle) restore(options backup.RestoreOptions) ([]backup.Restored, backup.Accounts, error) {
	b.Helper()
	return backup.Restore(b.Context(), []backup.Server{b.Server}, b.place, options, b.log)
}

// nextSecond waits until the server's clock shows another second, to which a moment
// can be restored, and returns it.
func (b *bundle) nextSecond() (at time.Time) {
	b.Helper()
	b.exec("DO SLEEP(1.01 - MICROSECOND(NOW(6)) / 1000000)")
	require.NoError(b, b.db.QueryRowContext(b.Context(), "SELECT UTC_TIMESTAMP()").Scan(&at))
	return at
}

const logsOnly = 24 * time.Hour

func TestRestoreToAMoment(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.record("in the dump, with a semicolon; and 'quotes' — ü")
	before := b.user("before@example.org")
	first := b.back(backup.Plan{})
	require.True(t, first.Dumped)
	b.record("in a log")
	migration, err := mysql.Open(mysql.Config{Addr: b.Addr, Name: "main_db", User: b.User, Password: b.Password, MaxConns: 1})
	require.NoError(t, err)
	for _, statement := range []string{"CREATE TABLE later (n INT PRIMARY KEY)", "GRANT SELECT ON later TO main_api", "INSERT INTO later VALUES (1)"} {
		_, err := migration.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	require.NoError(t, migration.Close())
	copied := b.back(backup.Plan{DumpEvery: logsOnly})
	require.False(t, copied.Dumped)
	b.record("in the next log")
	at := b.nextSecond()
	b.record("after the moment")
	b.user("after@example.org")
	_, _, err = b.restore(backup.RestoreOptions{At: at})
	require.ErrorContains(t, err, "the backups end at")
	require.Equal(t, 4, b.records(), "nothing was changed")
	b.back(backup.Plan{DumpEvery: logsOnly})

	restored, _, err := b.restore(backup.RestoreOptions{Databases: []string{"main_db"}, At: at})
	require.NoError(t, err)
	require.Len(t, restored, 1)
	require.Equal(t, 3, restored[0].Logs)
	require.Equal(t, 3, b.records())
	require.Equal(t, 1, b.count("SELECT COUNT(*) FROM main_db.unofficial_record WHERE title = ?", "in the dump, with a semicolon; and 'quotes' — ü"))
	require.Equal(t, 1, b.count("SELECT COUNT(*) FROM main_db.later"))
	require.Equal(t, 2, b.count("SELECT COUNT(*) FROM user_db.user"), "user_db stays as it is")
	require.Equal(t, 4, b.count("SELECT COUNT(*) FROM "+restored[0].Before+".unofficial_record"), "what was there is kept")
	require.Zero(t, b.count("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name LIKE '%restoring'"))
	require.Zero(t, b.count("SELECT COUNT(*) FROM mysql.tables_priv WHERE db = 'main_db_restoring'"))
	require.Positive(t, b.count("SELECT COUNT(*) FROM mysql.tables_priv WHERE db = 'main_db' AND table_name = 'unofficial_record'"), "the programs keep their rights")

	// The logs of before do not lead to what is there now: the next backup dumps.
	b.record("after the restore")
	next := b.back(backup.Plan{DumpEvery: logsOnly})
	require.True(t, next.Dumped)
	restored, _, err = b.restore(backup.RestoreOptions{})
	require.NoError(t, err)
	require.Len(t, restored, 2)
	require.Equal(t, 4, b.records())
	require.Equal(t, 1, b.count("SELECT COUNT(*) FROM user_db.user WHERE user_id = ?", before))
}

func TestRestoreIsAllOrNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.record("kept")
	b.back(backup.Plan{})
	b.record("in a log")
	b.back(backup.Plan{DumpEvery: logsOnly})
	b.record("not backed up")
	refused := func(want string) {
		t.Helper()
		_, _, err := b.restore(backup.RestoreOptions{})
		require.ErrorContains(t, err, want)
		require.Equal(t, 3, b.records(), "nothing was changed")
		require.Zero(t, b.count("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name LIKE '%restoring' OR schema_name LIKE '%before%'"))
	}

	// A program that is connected is not pulled the tables away from under it.
	conn, err := b.db.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "USE user_db")
	require.NoError(t, err)
	refused("programs are connected")
	_, err = conn.ExecContext(t.Context(), "USE information_schema")
	require.NoError(t, err)
	require.NoError(t, conn.Close())

	names, err := b.place.List(t.Context(), "")
	require.NoError(t, err)
	for _, damage := range []struct{ ending, want string }{{"user_db.sql.gz", "is damaged"}, {".gz", "is damaged"}} {
		for _, name := range names {
			if !strings.HasSuffix(name, damage.ending) || strings.Contains(name, "main_db") {
				continue
			}
			file := filepath.Join(b.dir, filepath.FromSlash(name))
			whole, err := os.ReadFile(file)
			require.NoError(t, err)
			flipped := append([]byte{}, whole...)
			flipped[len(flipped)/2] ^= 1
			require.NoError(t, os.WriteFile(file, flipped, 0o600)) //nolint:gosec // the test's own folder
			refused(damage.want)
			require.NoError(t, os.WriteFile(file, whole, 0o600)) //nolint:gosec // the test's own folder
		}
	}
	for _, name := range names { // as when a program was killed while it stored a backup
		if path.Base(name) == "manifest.json" {
			require.NoError(t, os.Rename(filepath.Join(b.dir, name), filepath.Join(b.dir, name+".new")))
		}
	}
	refused("there is no backup of it")
}

func TestOldBackupsAreDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 3 {
		b.record("one more")
		b.back(backup.Plan{})
	}
	at := b.nextSecond()
	b.record("the last")
	done := b.back(backup.Plan{DumpEvery: logsOnly, Keep: time.Millisecond})
	require.Positive(t, done.Deleted)
	names, err := b.place.List(t.Context(), "")
	require.NoError(t, err)
	manifests := 0
	for _, name := range names {
		if path.Base(name) == "manifest.json" {
			manifests++
		}
	}
	require.Equal(t, 1, manifests, "the newest dump stays, however old")
	_, _, err = b.restore(backup.RestoreOptions{At: at})
	require.NoError(t, err)
	require.Equal(t, 3, b.records())
	_, _, err = b.restore(backup.RestoreOptions{At: at.Add(-time.Hour)})
	require.ErrorContains(t, err, "no backup from before")
}

// TestAccountsAfterARestore restores user_db from before a start list and before a
// runner left: every entrant has an account, and who left stays away.
func TestAccountsAfterARestore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	leaver := b.user("leaver@example.org")
	b.back(backup.Plan{})
	newcomer, lost, organizer := b.user("newcomer@example.org"), uuid.NewString(), uuid.NewString()
	b.exec("UPDATE user_db.user SET login_id = NULL, password_hash = NULL, name = '', sex = '', erased_at = NOW() WHERE user_id = ?", leaver)
	raceID := uuid.NewString()
	b.exec(`INSERT INTO main_db.race (race_id, organizer_id, name, city, race_date, distance_mm, ranking_basis, divisions_basis, ties,
			divisions, scoring, points, capacity, status, created_at, updated_at)
		VALUES (?, ?, 'n', 'c', '2026-04-20', 10000000, 'gun', 'gun', 'share', '[]', 'agegrade-2025', 0, 0, 'provisional', NOW(6), NOW(6))`, raceID, organizer)
	for i, id := range []string{leaver, newcomer, lost} {
		b.exec(`INSERT INTO main_db.participant (participant_id, race_id, user_id, bib, bib_key, sex, age, field, status, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, 'F', 40, 'runner', 'entered', NOW(6), NOW(6))`, uuid.NewString(), raceID, id, fmt.Sprint(i), fmt.Sprint(i))
	}
	restored, accounts, err := b.restore(backup.RestoreOptions{Databases: []string{"user_db"}, At: time.Time{}})
	require.NoError(t, err)
	require.Equal(t, []string{leaver}, restored[0].Erased)
	require.Equal(t, 1, b.count("SELECT COUNT(*) FROM user_db.user WHERE user_id = ? AND name = '' AND login_id IS NULL AND erased_at IS NOT NULL", leaver))
	require.Equal(t, backup.Accounts{Kept: 1, StandIns: 1, Organizers: []string{organizer}}, accounts)
	require.Equal(t, 1, b.count("SELECT COUNT(*) FROM user_db.user WHERE user_id = ? AND login_id = 'newcomer@example.org' AND total_point = 0", newcomer))
	require.Equal(t, 1, b.count("SELECT COUNT(*) FROM user_db.user WHERE user_id = ? AND login_id IS NULL", lost))
}

//nolint:paralleltest // the SDK's settings are in the environment
func TestBackupsInS3(t *testing.T) {
	b := setup(t)
	store := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(store.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_S3": store.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		t.Setenv(name, value)
	}
	var err error
	b.place, err = backup.OpenPlace(t.Context(), "s3://club/races/2026")
	require.NoError(t, err)
	_, err = b.BackUp(t.Context(), b.place, backup.Plan{}, b.log)
	require.ErrorContains(t, err, "bucket club", "it does not exist")
	request(t, store.URL+"/club")
	b.record("kept")
	b.back(backup.Plan{})
	b.record("in a log")
	b.back(backup.Plan{DumpEvery: logsOnly})
	b.record("lost")
	_, _, err = b.restore(backup.RestoreOptions{})
	require.NoError(t, err)
	require.Equal(t, 2, b.records())
	names, err := b.place.List(t.Context(), "local/")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.NoError(t, b.place.Delete(t.Context(), name))
	}
	_, _, err = b.restore(backup.RestoreOptions{})
	require.ErrorContains(t, err, "there is no backup of it")
}

// request makes a bucket.
func request(t *testing.T, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}

// TestANewServerIsNotWhatWasLost: the schedule of a server that replaces a lost one has
// backed up its empty databases before anybody restores.
func TestANewServerIsNotWhatWasLost(t *testing.T) {
	t.Parallel()
	lost, replacement := setup(t), setup(t)
	lost.user("zoe")
	lost.record("kept")
	lost.back(backup.Plan{})
	replacement.place = lost.place
	replacement.back(backup.Plan{})
	_, _, err := replacement.restore(backup.RestoreOptions{})
	require.ErrorContains(t, err, "nobody had used yet")
	_, rest, _ := strings.Cut(err.Error(), "AT=")
	at, _, _ := strings.Cut(rest, " ")
	options, err := backup.RestoreSettings{At: at}.Options()
	require.NoError(t, err)
	_, _, err = replacement.restore(options)
	require.NoError(t, err)
	require.Equal(t, 1, replacement.records())

	replacement.back(backup.Plan{})
	_, _, err = replacement.restore(backup.RestoreOptions{})
	require.NoError(t, err, "a newer one has what was restored")
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"", "ftp://somewhere"} {
		_, err := backup.OpenPlace(t.Context(), where)
		require.Error(t, err, where)
	}
}

// TestSchedule: what the alerts look at is there from the start, and a place that
// cannot be written is counted.
func TestSchedule(t *testing.T) {
	t.Parallel()
	b := setup(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	nowhere, err := backup.OpenPlace(t.Context(), filepath.Join(file, "below"))
	require.NoError(t, err)
	for _, place := range []backup.Place{b.place, nowhere} {
		registry := prometheus.NewRegistry()
		s := backup.Schedule{Servers: []backup.Server{b.Server}, Place: place, Plan: backup.Plan{DumpEvery: logsOnly}, Every: 50 * time.Millisecond, Log: b.log}
		s.Register(registry)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.Run(ctx); close(ended) }()
		metric := map[bool]string{true: "mrmrthon_backup_until_timestamp_seconds", false: "mrmrthon_backup_failures_total"}[place == b.place]
		require.Eventually(t, func() bool {
			families, err := registry.Gather()
			for _, f := range families {
				if f.GetName() == metric && err == nil {
					return f.GetMetric()[0].GetGauge().GetValue() > float64(time.Now().Add(-time.Minute).Unix()) || f.GetMetric()[0].GetCounter().GetValue() > 1
				}
			}
			return false
		}, time.Minute, 20*time.Millisecond)
		stop()
		<-ended
	}
}

// TestTheSameFileIsStoredTwiceAtOnce, as by the schedule and `backup now`.
func TestTheSameFileIsStoredTwiceAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	place, err := backup.OpenPlace(t.Context(), dir)
	require.NoError(t, err)
	source := filepath.Join(t.TempDir(), "log")
	content := strings.Repeat("0123456789", 100_000)
	require.NoError(t, os.WriteFile(source, []byte(content), 0o600))
	var stores errgroup.Group
	for range 8 {
		stores.Go(func() error {
			for range 5 {
				file, err := os.Open(source)
				if err != nil {
					return err
				}
				if err := errors.Join(place.Put(t.Context(), "logs/one", file), file.Close()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, stores.Wait())
	stored, err := os.ReadDir(filepath.Join(dir, "logs"))
	require.NoError(t, err)
	require.Len(t, stored, 1)
	got, err := os.ReadFile(filepath.Join(dir, "logs", "one"))
	require.NoError(t, err)
	require.Equal(t, content, string(got))
}
