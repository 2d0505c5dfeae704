package backup

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/mysql"
)

// RestoreOptions say what to restore.
type RestoreOptions struct {
	// Databases to restore; the others stay as they are. Empty: all.
	Databases []string
	// At is the moment to restore to: what was committed from this second on is left
	// out. Zero: everything that is kept.
	At time.Time
	// Running allows it while programs are connected to the databases.
	Running bool
	// UndoErasures brings back personal data that was erased after the moment. Without
	// it, whoever is erased in the database that is replaced stays so.
	UndoErasures bool
}

// RestoreSettings are RestoreOptions in the environment of a program.
type RestoreSettings struct {
	Databases    []string `env:"DATABASES" help:"the databases to restore, with commas: main_db, user_db; default: both"`
	At           string   `env:"AT" help:"the moment to restore to, such as 2026-04-20T09:30:00Z; default: everything that is kept"`
	Running      bool     `env:"RUNNING" envDefault:"false" help:"restore although programs are connected to the databases"`
	UndoErasures bool     `env:"UNDO_ERASURES" envDefault:"false" help:"bring back personal data that was erased after the moment"`
}

// Options reads the settings.
func (s RestoreSettings) Options() (RestoreOptions, error) {
	w := RestoreOptions{Databases: s.Databases, Running: s.Running, UndoErasures: s.UndoErasures}
	for _, database := range s.Databases {
		if database != mainDB && database != userDB {
			return RestoreOptions{}, fmt.Errorf("DATABASES: there is no database %q, only %s and %s", database, mainDB, userDB)
		}
	}
	if s.At == "" {
		return w, nil
	}
	var err error
	if w.At, err = time.Parse(time.RFC3339, s.At); err != nil {
		return RestoreOptions{}, fmt.Errorf("AT is %q; write a moment such as 2026-04-20T09:30:00Z or 2026-04-20T11:30:00+02:00", s.At)
	}
	return w, nil
}

// Restored says what became of one database.
type Restored struct {
	Database string
	Dump     time.Time // of the dump that it came from
	Logs     int       // how many binary logs were applied on top of it
	Before   string    // the database with what was there before; empty when nothing was
	Erased   []string  // IDs of the accounts that were erased again
}

// ErrRunning refuses to restore under running programs.
var ErrRunning = errors.New("programs are connected to the database: stop them first")

// Restore restores databases from a place. Everything is fetched, verified and
// loaded beside what is there, on every server, before anything is replaced; then
// each server renames its tables in one statement. What was there stays, in
// databases named main_db_before_<time>. A restore that fails changes nothing.
//
// Afterwards every entrant has an account again; see Accounts. The records and their
// credits are for the audit to compare, as soon as the programs run.
func Restore(ctx context.Context, servers []Server, place Place, options RestoreOptions, log *slog.Logger) ([]Restored, Accounts, error) {
	restored, err := restore(ctx, servers, place, options, log)
	if err != nil {
		return restored, Accounts{}, err
	}
	before := ""
	for _, r := range restored {
		if r.Database == userDB {
			before = r.Before
		}
	}
	accounts, err := complete(ctx, servers, before)
	if err != nil {
		err = fmt.Errorf("the databases are restored, but not all runners have an account: %w; restore again", err)
	}
	return restored, accounts, err
}

func restore(ctx context.Context, servers []Server, place Place, options RestoreOptions, log *slog.Logger) (all []Restored, err error) {
	kept, err := readPlace(ctx, place, "")
	if err != nil {
		return nil, err
	}
	var ready []*restoration
	defer func() {
		for _, r := range ready {
			err = errors.Join(err, r.close())
		}
	}()
	for _, s := range servers {
		if len(options.Databases) > 0 {
			s.Databases = slices.DeleteFunc(slices.Clone(s.Databases), func(d string) bool { return !slices.Contains(options.Databases, d) })
		}
		if len(s.Databases) == 0 {
			continue
		}
		e, err := s.connect(ctx)
		if err != nil {
			return nil, err
		}
		r := &restoration{session: e, options: options, log: log}
		ready = append(ready, r)
		if err := r.prepare(ctx, place, kept); err != nil {
			return nil, errors.Join(err, r.clear(context.WithoutCancel(ctx)))
		}
	}
	if len(ready) == 0 {
		return nil, fmt.Errorf("there is no database called %s", strings.Join(options.Databases, " or "))
	}
	for _, r := range ready {
		if err := r.replace(ctx); err != nil {
			return all, errors.Join(err, r.clear(context.WithoutCancel(ctx)))
		}
		all = append(all, r.done...)
	}
	return all, nil
}

// restoration is the restore of one server's databases.
type restoration struct {
	*session
	options RestoreOptions
	log     *slog.Logger
	done    []Restored
}

// loading is the name of a database while it is loaded.
func loading(database string) string { return database + "_restoring" }

func (r *restoration) prepare(ctx context.Context, place Place, kept inventory) error {
	if err := r.checkUnused(ctx); err != nil {
		return err
	}
	for _, database := range r.Databases {
		s, err := choose(kept, database, r.options.At)
		if err != nil {
			return fmt.Errorf("restore %s: %w", database, err)
		}
		began := time.Now()
		if err := r.load(ctx, place, s); err != nil {
			return fmt.Errorf("restore %s: %w; nothing was changed", database, err)
		}
		r.log.InfoContext(ctx, "database loaded beside the old one", "database", database,
			"dump", s.taken, "binary_logs", len(s.logs), "duration", time.Since(began).Round(time.Millisecond))
		r.done = append(r.done, Restored{Database: database, Dump: s.taken, Logs: len(s.logs)})
	}
	return nil
}

// checkUnused refuses while others are connected to the databases.
func (r *restoration) checkUnused(ctx context.Context) error {
	if r.options.Running {
		return nil
	}
	for _, database := range r.Databases {
		users, err := r.strings(ctx, "SELECT DISTINCT user FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()", database)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return fmt.Errorf("%w (%s is used by %s)", ErrRunning, database, strings.Join(users, ", "))
		}
	}
	return nil
}

// load fetches and verifies the files and loads them into a database of its own.
func (r *restoration) load(ctx context.Context, place Place, s source) error {
	file := filepath.Join(r.folder, "dump.sql")
	if err := fetch(ctx, place, s.File, s.SHA256, file); err != nil {
		return err
	}
	var logs []string
	for _, k := range s.logs {
		raw := filepath.Join(r.folder, k.log)
		if err := fetch(ctx, place, k.name, k.sha256, raw); err != nil {
			return err
		}
		logs = append(logs, raw)
	}
	target := loading(s.Database)
	for _, statement := range []string{
		"DROP DATABASE IF EXISTS " + target,
		"CREATE DATABASE " + target + " CHARACTER SET utf8mb4 COLLATE " + mysql.Collation,
	} {
		if _, err := r.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make a database to load into: %w", err)
		}
	}
	if err := r.loadDump(ctx, file, target); err != nil {
		return err
	}
	if len(logs) > 0 {
		if err := r.applyLogs(ctx, s, logs, target); err != nil {
			return err
		}
	}
	there, err := r.tables(ctx, target)
	if err != nil {
		return err
	}
	for _, table := range s.Tables {
		if !slices.Contains(there, table) {
			return fmt.Errorf("table %s is missing after loading", table)
		}
	}
	return r.revokeLeftOver(ctx, target)
}

func (r *restoration) loadDump(ctx context.Context, file, target string) (err error) {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close(), os.Remove(file)) }()
	return r.command(ctx, in, io.Discard, r.client, "--default-character-set=utf8mb4", target)
}

// applyLogs applies what the logs hold of one database, from the position of its dump
// to the moment. The two servers' tools filter by the database's name at different
// points: MariaDB's before it is rewritten, MySQL's after.
func (r *restoration) applyLogs(ctx context.Context, s source, logs []string, target string) error {
	filter := target
	if r.isMariaDB {
		filter = s.Database
	}
	args := []string{
		"--rewrite-db=" + s.Database + "->" + target, "--database=" + filter,
		"--start-position=" + strconv.FormatInt(s.Position, 10),
	}
	if !r.options.At.IsZero() {
		args = append(args, "--stop-datetime="+r.options.At.UTC().Format(time.DateTime))
	}
	statements, out := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of the reader, when the client refuses what it reads
	read := make(chan error, 1)
	go func() {
		err := r.command(ctx, nil, out, r.read, append(args, logs...)...)
		read <- err
		_ = out.CloseWithError(err)
	}()
	err := r.command(ctx, bufio.NewReaderSize(statements, 1<<20), io.Discard, r.client, "--binary-mode", "--default-character-set=utf8mb4")
	_ = statements.CloseWithError(err)
	if err != nil { // the reader has nobody to write to; that it was stopped says nothing
		cancel()
		_ = <-read //nolint:staticcheck // errcheck wants the blank
		return fmt.Errorf("apply the binary logs: %w", err)
	}
	return <-read
}

// revokeLeftOver revokes the rights that migrations in the logs granted on the
// database under the name that it has only while it is loaded.
func (r *restoration) revokeLeftOver(ctx context.Context, target string) error {
	grants, err := r.strings(ctx, `SELECT CONCAT('REVOKE ALL PRIVILEGES ON ', db, '.', table_name, ' FROM ', QUOTE(user), '@', QUOTE(host))
		FROM mysql.tables_priv WHERE db = ?`, target)
	if err != nil {
		return err
	}
	for _, statement := range grants {
		if _, err := r.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("revoke rights on %s: %w", target, err)
		}
	}
	return nil
}

// fetch copies a file from the place, verifies it and unpacks it.
func fetch(ctx context.Context, place Place, name, sum, file string) (err error) {
	packed, err := os.Create(file + ".gz")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, packed.Close(), os.Remove(packed.Name())) }()
	hash := sha256.New()
	if err := place.Get(ctx, name, io.MultiWriter(packed, hash)); err != nil {
		return err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != sum {
		return fmt.Errorf("%s is damaged: its SHA-256 is %s, not %s", name, got, sum)
	}
	if _, err := packed.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in, err := gzip.NewReader(packed)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in) //nolint:gosec // its checksum is the one that was written down when it was packed
	return errors.Join(err, in.Close(), out.Close())
}

// replace swaps what was loaded for what is there: one statement for all databases of
// the server, which happens as a whole or not at all.
func (r *restoration) replace(ctx context.Context) error {
	if err := r.checkUnused(ctx); err != nil { // loading took a while
		return err
	}
	now, err := r.now(ctx)
	if err != nil {
		return err
	}
	var renames []string
	for i := range r.done {
		d := &r.done[i]
		old, err := r.tables(ctx, d.Database)
		if err != nil {
			return err
		}
		if len(old) > 0 {
			d.Before = fmt.Sprintf("%s_before_%s%03d", d.Database, now.Format("20060102t150405"), now.Nanosecond()/1e6)
			if err := r.eraseAgain(ctx, d); err != nil {
				return err
			}
		}
		restored, err := r.tables(ctx, loading(d.Database))
		if err != nil {
			return err
		}
		statements := []string{"CREATE DATABASE IF NOT EXISTS " + d.Database + " CHARACTER SET utf8mb4 COLLATE " + mysql.Collation}
		if d.Before != "" {
			statements = append(statements, "CREATE DATABASE "+d.Before+" CHARACTER SET utf8mb4 COLLATE "+mysql.Collation)
		}
		for _, statement := range statements {
			if _, err := r.db.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("make room for %s: %w", d.Database, err)
			}
		}
		for _, table := range old {
			renames = append(renames, fmt.Sprintf("%s.%s TO %s.%[2]s", d.Database, table, d.Before))
		}
		for _, table := range restored {
			renames = append(renames, fmt.Sprintf("%s.%s TO %s.%[2]s", loading(d.Database), table, d.Database))
		}
	}
	// A new timeline first: logs that continue from an older dump must not be mixed with
	// those after the change, and a timeline without it does no harm.
	if _, err := r.timeline(ctx); err != nil {
		return err
	}
	if _, err := r.beginTimeline(ctx); err != nil {
		return err
	}
	if _, err := r.db.ExecContext(ctx, "RENAME TABLE "+strings.Join(renames, ", ")); err != nil {
		return fmt.Errorf("replace the old tables by the restored ones: %w; nothing was changed", err)
	}
	return r.clear(ctx)
}

// clear removes what is left of loading.
func (r *restoration) clear(ctx context.Context) error {
	for _, database := range r.Databases {
		if _, err := r.db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+loading(database)); err != nil {
			return fmt.Errorf("remove what was loaded: %w", err)
		}
	}
	return nil
}

// eraseAgain erases in the loaded accounts whoever has been erased since the moment:
// a restore must not undo that.
func (r *restoration) eraseAgain(ctx context.Context, d *Restored) (err error) {
	target := loading(d.Database)
	loaded, err := r.strings(ctx, "SELECT table_schema FROM information_schema.columns WHERE table_name = 'user' AND column_name = 'erased_at' AND table_schema IN (?, ?)",
		target, d.Database)
	if err != nil || len(loaded) < 2 || r.options.UndoErasures {
		return err // a database without accounts
	}
	const erasedSince = " FROM %[1]s.user AS new JOIN %[2]s.user AS old ON old.user_id = new.user_id WHERE old.erased_at IS NOT NULL AND new.erased_at IS NULL"
	if d.Erased, err = r.strings(ctx, fmt.Sprintf("SELECT new.user_id"+erasedSince, target, d.Database)); err != nil || len(d.Erased) == 0 {
		return err
	}
	columns, err := r.commonColumns(ctx, target, d.Database)
	if err != nil {
		return err
	}
	for i, column := range columns {
		columns[i] = "new." + column + " = old." + column
	}
	of := fmt.Sprintf(" WHERE user_id IN (SELECT user_id FROM %s.user WHERE erased_at IS NOT NULL)", d.Database)
	statements := []string{"UPDATE " + target + ".point SET parts = NULL" + of, "UPDATE " + target + ".credit SET parts = NULL" + of}
	there, err := r.tables(ctx, target)
	if err != nil {
		return err
	}
	for _, table := range []string{"refresh_token", "session"} { // older dumps lack some
		if slices.Contains(there, table) {
			statements = append(statements, "DELETE FROM "+target+"."+table+of)
		}
	}
	statements = append(statements, fmt.Sprintf(`UPDATE %s.user AS new JOIN %s.user AS old ON old.user_id = new.user_id SET %s
		WHERE old.erased_at IS NOT NULL AND new.erased_at IS NULL`, target, d.Database, strings.Join(columns, ", ")))
	for _, statement := range statements {
		if _, err := r.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("erase the accounts that were erased after the backup: %w", err)
		}
	}
	return nil
}

// Report logs what a restore did and what a person must decide.
func Report(ctx context.Context, log *slog.Logger, restored []Restored, accounts Accounts) {
	for _, r := range restored {
		log.InfoContext(ctx, "database restored", "database", r.Database, "dump", r.Dump, "binary_logs", r.Logs, "before", r.Before)
		if len(r.Erased) > 0 {
			log.InfoContext(ctx, "accounts that were erased after the backup were erased again", "users", r.Erased)
		}
	}
	if accounts.Kept > 0 {
		log.InfoContext(ctx, "accounts newer than the backup were kept, because races name them", "users", accounts.Kept)
	}
	if accounts.StandIns > 0 {
		log.WarnContext(ctx, "entrants had no account and got one without a name; import the start lists again to name them", "users", accounts.StandIns)
	}
	if len(accounts.Organizers) > 0 {
		log.WarnContext(ctx, "some organizers of races have no account any more: they must sign up again, and an operator hands their races over", "users", accounts.Organizers)
	}
	if len(restored) > 0 {
		log.InfoContext(ctx, "start the programs: the audit compares the databases and repairs what differs; then take a new backup, and drop the databases named *_before_* once they are not needed")
	}
}
