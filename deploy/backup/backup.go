// Package backup copies databases to a folder or a bucket and restores them to a
// moment: a dump of each database, consistent in itself, and the binary logs from
// then on. It uses the server's own tools (mariadb-dump, mariadb-binlog and
// mariadb, or mysqldump, mysqlbinlog and mysql).
//
// Where backups are kept, each server has a folder for each timeline:
//
//	<server>/<timeline>/dumps/<time>/manifest.json       written last: without it there is no backup
//	<server>/<timeline>/dumps/<time>/main_db.sql.gz
//	<server>/<timeline>/logs/binlog.000007-<time>-<sha256>.gz
//
// The time of a log is the moment until which it is complete.
package backup

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// Plan says what a backup does.
type Plan struct {
	// DumpEvery is the age from which the newest dump is followed by another one; until
	// then a backup copies binary logs only. Zero: always dump.
	DumpEvery time.Duration
	// Keep is how long backups are kept. What is needed to restore to any moment within
	// it stays, and so does the newest dump. Zero: for ever.
	Keep time.Duration
}

// Done says what a backup did and what is there now.
type Done struct {
	Dumped   bool
	Bytes    int64     // stored now
	DumpedAt time.Time // the newest dump
	Until    time.Time // the moment until which the databases can be restored
	Deleted  int       // files older than Plan.Keep
}

// BackUp backs up the databases of a server to the place.
func (s Server) BackUp(ctx context.Context, place Place, plan Plan, log *slog.Logger) (done Done, err error) {
	e, err := s.connect(ctx)
	if err != nil {
		return Done{}, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	timeline, err := e.timeline(ctx)
	if err != nil {
		return Done{}, err
	}
	now, err := e.now(ctx)
	if err != nil {
		return Done{}, err
	}
	kept, err := readPlace(ctx, place, path.Join(s.Name, timeline)+"/")
	if err != nil {
		return Done{}, err
	}
	if newest := kept.newest(); newest == nil || !e.logs || now.Sub(newest.TakenAt) >= plan.DumpEvery {
		m, stored, err := e.dumpAll(ctx, place, timeline, log)
		if err != nil {
			return Done{}, err
		}
		done.Dumped, done.Bytes = true, stored
		kept.manifests = append(kept.manifests, m)
	}
	done.DumpedAt = kept.newest().TakenAt
	done.Until = done.DumpedAt
	if e.logs {
		stored, until, err := e.copyLogs(ctx, place, timeline, kept)
		if err != nil {
			return Done{}, err
		}
		done.Bytes, done.Until = done.Bytes+stored, until
	}
	if plan.Keep > 0 {
		done.Deleted, err = deleteOld(ctx, place, s.Name, now.Add(-plan.Keep))
	}
	return done, err
}

// All backs up every server once and logs what it did.
func All(ctx context.Context, servers []Server, place Place, plan Plan, log *slog.Logger) error {
	var problems []error
	for _, s := range servers {
		done, err := s.BackUp(ctx, place, plan, log)
		if err != nil {
			problems = append(problems, fmt.Errorf("back up %s: %w", s.Name, err))
			continue
		}
		log.InfoContext(ctx, "backed up", "server", s.Name, "bytes", done.Bytes, "until", done.Until, "deleted", done.Deleted)
	}
	return errors.Join(problems...)
}

// dumpAll dumps each database and writes the manifest when all are stored.
func (e *session) dumpAll(ctx context.Context, place Place, timeline string, log *slog.Logger) (m manifest, stored int64, err error) {
	began, err := e.now(ctx)
	if err != nil {
		return manifest{}, 0, err
	}
	m = manifest{Server: e.Name, Timeline: timeline, BeganAt: began.Truncate(time.Millisecond), Version: e.version}
	under := path.Join(e.Name, timeline, "dumps", began.Format(stampFormat))
	for _, database := range e.Databases {
		d, err := e.dumpOne(ctx, place, under, database)
		if err != nil {
			return manifest{}, 0, fmt.Errorf("dump %s: %w", database, err)
		}
		log.InfoContext(ctx, "database dumped", "database", database, "bytes", d.Bytes, "tables", len(d.Tables))
		m.Dumps, stored = append(m.Dumps, d), stored+d.Bytes
	}
	if m.TakenAt, err = e.now(ctx); err != nil {
		return manifest{}, 0, err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return manifest{}, 0, fmt.Errorf("encode the manifest: %w", err)
	}
	file := filepath.Join(e.folder, "manifest.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return manifest{}, 0, fmt.Errorf("write the manifest: %w", err)
	}
	return m, stored, putFile(ctx, place, under+"/manifest.json", file)
}

var (
	logPosition = regexp.MustCompile(`(?:MASTER|SOURCE)_LOG_FILE='([^']+)', (?:MASTER|SOURCE)_LOG_POS=(\d+)`)
	dumpEnd     = []byte("-- Dump completed")
)

func (e *session) dumpOne(ctx context.Context, place Place, under, database string) (d dump, err error) {
	d = dump{Database: database, File: path.Join(under, database+".sql.gz")}
	if d.Tables, err = e.tables(ctx, database); err != nil {
		return dump{}, err
	}
	if d.Empty, err = e.empty(ctx, database, d.Tables); err != nil {
		return dump{}, err
	}
	args := []string{"--single-transaction", "--hex-blob", "--default-character-set=utf8mb4"}
	switch {
	case !e.isMariaDB:
		args = append(args, "--set-gtid-purged=OFF", "--no-tablespaces")
		if e.logs {
			args = append(args, "--source-data=2")
		}
	case e.logs:
		args = append(args, "--master-data=2")
	}
	file := filepath.Join(e.folder, database+".sql.gz")
	var ends ends
	d.SHA256, d.Bytes, err = compress(file, func(w io.Writer) error {
		return e.command(ctx, nil, io.MultiWriter(w, &ends), e.dump, append(args, database)...)
	})
	if err != nil {
		return dump{}, err
	}
	if !bytes.Contains(ends.last, dumpEnd) {
		return dump{}, fmt.Errorf("%s ended without an error, but its output is not complete", filepath.Base(e.dump))
	}
	if e.logs {
		found := logPosition.FindSubmatch(ends.first)
		if found == nil {
			return dump{}, errors.New("the dump does not say where the binary logs continue from it")
		}
		d.Log = string(found[1])
		if d.Position, err = strconv.ParseInt(string(found[2]), 10, 64); err != nil {
			return dump{}, err
		}
	}
	return d, errors.Join(putFile(ctx, place, d.File, file), os.Remove(file))
}

// copyLogs closes the binary log and stores the complete ones that the place lacks
// and that a dump there needs. It returns the moment until which they are complete.
func (e *session) copyLogs(ctx context.Context, place Place, timeline string, kept inventory) (stored int64, until time.Time, err error) {
	if until, err = e.now(ctx); err != nil {
		return 0, time.Time{}, err
	}
	names, err := e.closedLogs(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	first := kept.firstLog()
	for _, name := range names {
		if logNumber(name) < first || kept.hasLog(name) {
			continue
		}
		if err := e.command(ctx, nil, io.Discard, e.read, "--read-from-remote-server", "--raw", "--result-file="+e.folder+"/", name); err != nil {
			return stored, time.Time{}, err
		}
		raw := filepath.Join(e.folder, name)
		sum, size, err := compress(raw+".gz", func(w io.Writer) error { return copyFrom(w, raw) })
		if err != nil {
			return stored, time.Time{}, err
		}
		target := path.Join(e.Name, timeline, "logs", name+"-"+until.Format(stampFormat)+"-"+sum+".gz")
		if err := putFile(ctx, place, target, raw+".gz"); err != nil {
			return stored, time.Time{}, err
		}
		if err := errors.Join(os.Remove(raw), os.Remove(raw+".gz")); err != nil {
			return stored, time.Time{}, err
		}
		stored += size
	}
	return stored, until, nil
}

// ends keeps the beginning and the end of what is written to it.
type ends struct{ first, last []byte }

func (e *ends) Write(p []byte) (int, error) {
	const beginning, end = 16 << 10, 256
	e.first = append(e.first, p[:min(len(p), beginning-len(e.first))]...)
	e.last = append(e.last, p[max(0, len(p)-end):]...)
	e.last = e.last[max(0, len(e.last)-end):]
	return len(p), nil
}

// compress writes what fill writes into a file, compressed, and returns the file's
// checksum and size.
func compress(file string, fill func(io.Writer) error) (sum string, size int64, err error) {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	hash := sha256.New()
	packed := gzip.NewWriter(io.MultiWriter(out, hash))
	if err := errors.Join(fill(packed), packed.Close()); err != nil {
		return "", 0, err
	}
	info, err := out.Stat()
	if err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(hash.Sum(nil)), info.Size(), nil
}

func copyFrom(w io.Writer, file string) (err error) {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	_, err = io.Copy(w, in)
	return err
}

func putFile(ctx context.Context, place Place, name, file string) (err error) {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return place.Put(ctx, name, in)
}
