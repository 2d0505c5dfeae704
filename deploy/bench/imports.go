package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// imports measures how fast rows are accepted durably, against inserting the same rows
// directly into the same tables, and the memory that a large file takes. The worker is
// stopped, so that it does not compete; between the imports the records are credited
// without Temporal.
func (b *bench) imports(ctx context.Context) {
	b.instead(ctx, "consumer", nil, func() {
		b.importPeak(ctx)
		rows := b.size.Import
		b.say("import of %d rows", rows)
		raceID, file := b.race(ctx, rows), results(rows)
		b.quiet(ctx)
		began := time.Now()
		b.upload(ctx, resultsPath(raceID), rows, file)
		accepted := perSecond(rows, time.Since(began))
		b.awaitCredits(ctx, raceID, rows)
		direct := perSecond(rows, b.insertDirectly(ctx, rows))
		b.report.add("import", fmt.Sprintf("rows of a file of %s accepted", thousands(rows)), "/s", accepted, target{atLeast: 10_000})
		b.report.add("import", "the same rows inserted directly, 1,000 a statement", "/s", direct, target{})
		b.report.ratio("import", "accepted to inserted directly", accepted, direct, target{})
	})
}

// importPeak measures the peak memory of a freshly started API during an import.
func (b *bench) importPeak(ctx context.Context) {
	b.say("memory of an import of %d rows", b.size.Memory)
	raceID, file := b.race(ctx, b.size.Memory), results(b.size.Memory)
	check(errors.Join(b.stack.StopPart(stack.API), b.stack.StartPart(ctx, stack.API)))
	b.quiet(ctx)
	b.upload(ctx, resultsPath(raceID), b.size.Memory, file)
	memory := must(must(b.process(stack.API)).NewStatus())
	b.report.add("import", fmt.Sprintf("API's peak memory, a file of %s", thousands(b.size.Memory)), "MiB", float64(memory.VmHWM)/(1<<20), target{atMost: 200})
	b.awaitCredits(ctx, raceID, b.size.Memory)
}

// plans measures the time from dropping a file of results until its plan is there with
// all consequences, and from applying it until the last place is shown, against
// reading the same rows and inserting them directly.
func (b *bench) plans(ctx context.Context) {
	rows := b.size.Import
	b.say("plan of %d rows", rows)
	raceID, file := b.race(ctx, rows), results(rows)
	path := "/v1/races/" + raceID + "/imports"
	b.quiet(ctx)
	var plan struct {
		ImportID string `json:"import_id"`
		Hash     string `json:"hash"`
	}
	began := time.Now()
	check(b.organizer.Call(ctx, apiclient.Request{Method: http.MethodPost, Path: path, ContentType: "text/csv", Body: file}, &plan))
	planned := time.Since(began)
	check(b.organizer.JSON(ctx, http.MethodPost, path+"/"+plan.ImportID+"/apply", map[string]string{"hash": plan.Hash}, nil))
	b.awaitStandings(ctx, raceID, rows)
	placed := time.Since(began)
	began = time.Now()
	must(csv.NewReader(bytes.NewReader(file)).ReadAll())
	read := time.Since(began)
	bare := (read + b.insertDirectly(ctx, rows)).Seconds()
	what := thousands(rows) + " rows"
	b.report.add("plan", what+" dropped to their plan, with all consequences", "s", planned.Seconds(), target{atMost: 2})
	b.report.add("plan", what+" dropped to the last place", "s", placed.Seconds(), target{})
	b.report.add("plan", "the same rows read and inserted directly", "s", bare, target{})
	b.report.ratio("plan", "planned to read and inserted", planned.Seconds(), bare, target{})
	b.report.ratio("plan", "last place to read and inserted", placed.Seconds(), bare, target{})
}

// insertDirectly writes rows into tables like those of an import, in one transaction as
// an import does, on an idle stack. They are filled once before: the tables of an import
// have had rows too, and the first growth of a table's file is slow.
func (b *bench) insertDirectly(ctx context.Context, rows int) (took time.Duration) {
	for _, table := range []string{"official_record", "official_record_revision", "outbox"} {
		must(b.mainDB.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS bench_"+table+" LIKE "+table))
	}
	const (
		record   = "record_id, race_id, revision, bib, bib_key, held_bib, gun_ms, net_ms, status, finish_sequence, removed, created_at, updated_at"
		revision = "record_id, revision, bib, gun_ms, net_ms, status, finish_sequence, removed, reason, changed_by, changed_at"
	)
	for range 2 {
		raceID, ids, now := uuid.NewString(), newIDs(rows), time.Now()
		b.quiet(ctx)
		began := time.Now()
		check(b.inTx(ctx, func(tx *sql.Tx) error {
			return errors.Join(
				insertAll(ctx, tx, "bench_official_record", record, rows, func(n int) []any {
					bib := fmt.Sprint(n)
					return []any{ids[n], raceID, 1, bib, bib, bib, 9_000_000, 8_990_000, "OK", nil, false, now, now}
				}),
				insertAll(ctx, tx, "bench_official_record_revision", revision, rows, func(n int) []any {
					return []any{ids[n], 1, fmt.Sprint(n), 9_000_000, 8_990_000, "OK", nil, false, "results file imported", raceID, now}
				}),
				insertAll(ctx, tx, "bench_outbox", "race_id, record_id, revision, created_at", rows, func(n int) []any {
					return []any{raceID, ids[n], 1, now}
				}))
		}))
		took = time.Since(began)
	}
	return took
}
