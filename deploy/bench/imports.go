package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/procfs"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// imports measures how fast rows are accepted durably, against inserting the same rows
// directly into the same tables, and the memory that a large file takes. The worker is
// stopped, so that it does not compete; between the imports the records are credited
// without Temporal.
func (b *bench) imports(ctx context.Context) error {
	return b.instead(ctx, "consumer", nil, func() error {
		if err := b.importPeak(ctx); err != nil {
			return err
		}
		return b.importRows(ctx, b.size.Import)
	})
}

func (b *bench) importRows(ctx context.Context, rows int) error {
	b.say("import of %d rows", rows)
	raceID, err := b.race(ctx, rows)
	if err != nil {
		return err
	}
	file := results(rows)
	if err := b.quiet(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := b.upload(ctx, resultsPath(raceID), rows, file); err != nil {
		return err
	}
	accepted := perSecond(rows, time.Since(began))
	if _, err := b.awaitCredits(ctx, raceID, rows); err != nil {
		return err
	}
	took, err := b.insertDirectly(ctx, rows)
	direct := perSecond(rows, took)
	b.report.add("import", fmt.Sprintf("rows of a file of %s accepted", thousands(rows)), "/s", accepted, target{atLeast: 10_000})
	b.report.add("import", "the same rows inserted directly, 1,000 a statement", "/s", direct, target{})
	b.report.ratio("import", "accepted to inserted directly", accepted, direct, target{})
	return err
}

// plans measures the time from dropping a file of results until its plan is there with
// all consequences, and from applying it until the last place is shown, against
// reading the same rows and inserting them directly.
func (b *bench) plans(ctx context.Context) error {
	rows := b.size.Import
	b.say("plan of %d rows", rows)
	raceID, err := b.race(ctx, rows)
	if err != nil {
		return err
	}
	file, path := results(rows), "/v1/races/"+raceID+"/imports"
	if err := b.quiet(ctx); err != nil {
		return err
	}
	var plan struct {
		ImportID string `json:"import_id"`
		Hash     string `json:"hash"`
	}
	began := time.Now()
	if err := b.organizer.Call(ctx, apiclient.Request{Method: http.MethodPost, Path: path, ContentType: "text/csv", Body: file}, &plan); err != nil {
		return err
	}
	planned := time.Since(began)
	if err := b.organizer.JSON(ctx, http.MethodPost, path+"/"+plan.ImportID+"/apply", map[string]string{"hash": plan.Hash}, nil); err != nil {
		return err
	}
	if err := b.awaitStandings(ctx, raceID, rows); err != nil {
		return err
	}
	placed := time.Since(began)
	began = time.Now()
	if _, err := csv.NewReader(bytes.NewReader(file)).ReadAll(); err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	read := time.Since(began)
	took, err := b.insertDirectly(ctx, rows)
	bare := (read + took).Seconds()
	what := thousands(rows) + " rows"
	b.report.add("plan", what+" dropped to their plan, with all consequences", "s", planned.Seconds(), target{atMost: 2})
	b.report.add("plan", what+" dropped to the last place", "s", placed.Seconds(), target{})
	b.report.add("plan", "the same rows read and inserted directly", "s", bare, target{})
	b.report.ratio("plan", "planned to read and inserted", planned.Seconds(), bare, target{})
	b.report.ratio("plan", "last place to read and inserted", placed.Seconds(), bare, target{})
	return err
}

// importPeak measures the peak memory of a freshly started API during an import.
func (b *bench) importPeak(ctx context.Context) error {
	b.say("memory of an import of %d rows", b.size.Memory)
	raceID, err := b.race(ctx, b.size.Memory)
	if err != nil {
		return err
	}
	file := results(b.size.Memory)
	if err := errors.Join(b.stack.StopPart(stack.API), b.stack.StartPart(ctx, stack.API), b.quiet(ctx)); err != nil {
		return err
	}
	if err := b.upload(ctx, resultsPath(raceID), b.size.Memory, file); err != nil {
		return err
	}
	pid, err := b.stack.PID(stack.API)
	if err != nil {
		return err
	}
	process, err := procfs.NewProc(pid)
	if err != nil {
		return err
	}
	memory, err := process.NewStatus()
	if err != nil {
		return err
	}
	b.report.add("import", fmt.Sprintf("API's peak memory, a file of %s", thousands(b.size.Memory)), "MiB", float64(memory.VmHWM)/(1<<20), target{atMost: 200})
	_, err = b.awaitCredits(ctx, raceID, b.size.Memory)
	return err
}

// insertDirectly writes rows into tables like those of an import, in one transaction as
// an import does, on an idle stack. They are filled once before: the tables of an import
// have had rows too, and the first growth of a table's file is slow.
func (b *bench) insertDirectly(ctx context.Context, rows int) (took time.Duration, err error) {
	for _, table := range []string{"official_record", "official_record_revision", "outbox"} {
		if _, err := b.mainDB.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS bench_"+table+" LIKE "+table); err != nil {
			return 0, fmt.Errorf("create bench_%s: %w", table, err)
		}
	}
	for range 2 {
		raceID, now := uuid.NewString(), time.Now()
		ids := make([]string, rows)
		for i := range ids {
			ids[i] = uuid.Must(uuid.NewV7()).String()
		}
		if err := b.quiet(ctx); err != nil {
			return 0, err
		}
		began := time.Now()
		tx, err := b.mainDB.BeginTx(ctx, nil)
		if err != nil {
			return 0, err
		}
		err = errors.Join(
			insertAll(ctx, tx, "bench_official_record",
				"record_id, race_id, revision, bib, bib_key, held_bib, gun_ms, net_ms, status, finish_sequence, removed, created_at, updated_at", rows,
				func(n int) []any {
					bib := fmt.Sprint(n)
					return []any{ids[n], raceID, 1, bib, bib, bib, 9_000_000, 8_990_000, "OK", nil, false, now, now}
				}),
			insertAll(ctx, tx, "bench_official_record_revision",
				"record_id, revision, bib, gun_ms, net_ms, status, finish_sequence, removed, reason, changed_by, changed_at", rows,
				func(n int) []any {
					return []any{ids[n], 1, fmt.Sprint(n), 9_000_000, 8_990_000, "OK", nil, false, "results file imported", raceID, now}
				}),
			insertAll(ctx, tx, "bench_outbox", "race_id, record_id, revision, created_at", rows,
				func(n int) []any { return []any{raceID, ids[n], 1, now} }),
			tx.Commit())
		if err != nil {
			return 0, fmt.Errorf("insert directly: %w", err)
		}
		took = time.Since(began)
	}
	return took, nil
}

// execer is a transaction or a pool.
type execer interface {
	ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error)
}

// insertAll inserts rows 0 to n-1, 1,000 by a statement.
func insertAll(ctx context.Context, to execer, table, columns string, n int, values func(row int) []any) error {
	row := "(" + strings.Repeat(",?", strings.Count(columns, ",")+1)[1:] + ")"
	for first := 0; first < n; first += 1000 {
		rows := min(1000, n-first)
		var args []any
		for i := first; i < first+rows; i++ {
			args = append(args, values(i)...)
		}
		statement := "INSERT INTO " + table + " (" + columns + ") VALUES " + strings.Repeat(","+row, rows)[1:]
		if _, err := to.ExecContext(ctx, statement, args...); err != nil {
			return fmt.Errorf("insert %d rows into %s: %w", rows, table, err)
		}
	}
	return nil
}
