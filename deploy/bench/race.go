package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/mrmrthon/mrmrthon/deploy/local/sample"
	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
)

// The races of the bench have any number of participants up to 50,000, which is what a
// file may hold, of both sexes and all ages, the same in every run.

func startList(n int) []byte {
	var csv bytes.Buffer
	csv.WriteString("bib,name,sex,age,field\n")
	for bib := 1; bib <= n; bib++ {
		fmt.Fprintf(&csv, "%d,Bib %d,%c,%d,runner\n", bib, bib, "FM"[bib%2], 18+bib%60)
	}
	return csv.Bytes()
}

// finish is a result by both clocks.
type finish struct {
	Bib string `json:"bib"`
	Gun string `json:"gun_time"`
	Net string `json:"net_time"`
}

// finishes returns n results between 2:20 and 6:20, in the order of bibs.
func finishes(n int) []finish {
	random := rand.New(rand.NewPCG(42, 195)) //nolint:gosec // the same times in every run
	all := make([]finish, n)
	for i := range all {
		net := 8400 + random.IntN(14_400)
		all[i] = finish{Bib: fmt.Sprint(i + 1), Gun: clock(net + random.IntN(300)), Net: clock(net)}
	}
	return all
}

func clock(seconds int) string {
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

func results(n int) []byte {
	var csv bytes.Buffer
	csv.WriteString("bib,gun_time,net_time,status\n")
	for _, f := range finishes(n) {
		fmt.Fprintf(&csv, "%s,%s,%s,OK\n", f.Bib, f.Gun, f.Net)
	}
	return csv.Bytes()
}

// race creates a marathon with n participants and returns its ID.
func (b *bench) race(ctx context.Context, n int) string {
	check(b.organizer.LogIn(ctx)) // so that it need not during a measurement
	create := must(sample.Boston2004(1)).Create
	create.Name = "Bench " + uuid.NewString()
	var created struct {
		RaceID string `json:"race_id"`
	}
	check(b.organizer.JSON(ctx, http.MethodPost, "/v1/races", create, &created))
	b.upload(ctx, "/v1/races/"+created.RaceID+"/participants/import", n, startList(n))
	return created.RaceID
}

func resultsPath(raceID string) string { return "/v1/races/" + raceID + "/official-records/import" }

// upload imports a file of which every row must be new and valid.
func (b *bench) upload(ctx context.Context, path string, rows int, csv []byte) {
	imported := must(b.organizer.ImportCSV(ctx, path, csv))
	if imported.Added != rows || len(imported.Errors) > 0 {
		check(fmt.Errorf("POST %s: %d of %d rows added, errors %v", path, imported.Added, rows, imported.Errors))
	}
}

// awaitCredits waits until that many records of a race are in the ledger, and returns
// when the last one was committed, by the clock of the process that did.
func (b *bench) awaitCredits(ctx context.Context, raceID string, records int) (last time.Time) {
	// The count reads an index; at this interval it costs nothing.
	const limit, pause = 15 * time.Minute, 200 * time.Millisecond
	until(ctx, limit, pause, thousands(records)+" credits", func() bool {
		count := 0
		check(b.userDB.QueryRowContext(ctx, "SELECT COUNT(*) FROM credit WHERE race_id = ?", raceID).Scan(&count))
		return count >= records
	})
	check(b.userDB.QueryRowContext(ctx, "SELECT MAX(updated_at) FROM credit WHERE race_id = ?", raceID).Scan(&last))
	return last
}

// awaitStandings waits until a recompute has read that many credit revisions.
func (b *bench) awaitStandings(ctx context.Context, raceID string, revisions int) {
	const query = `SELECT COALESCE(SUM(credit_revisions), 0) FROM standings_mark WHERE race_id = ?`
	until(ctx, 3*time.Minute, 200*time.Millisecond, fmt.Sprintf("standings of %d credits", revisions), func() bool {
		read := 0
		check(b.mainDB.QueryRowContext(ctx, query, raceID).Scan(&read))
		return read >= revisions
	})
}

// load is one import whose records have been credited.
type load struct {
	raceID string
	rate   float64                // credits per second, from the request to the last commit
	cpu    map[stack.Part]float64 // seconds for 1,000 records
}

// load imports the results of a new race and waits for their credits.
func (b *bench) load(ctx context.Context, records int) load {
	raceID, file := b.race(ctx, records), results(records)
	b.quiet(ctx)
	before, began := b.cpu(), time.Now()
	b.upload(ctx, resultsPath(raceID), records, file)
	last, cpu := b.awaitCredits(ctx, raceID, records), b.cpu()
	for part := range cpu {
		cpu[part] = (cpu[part] - before[part]) * 1000 / float64(records)
	}
	return load{raceID, perSecond(records, last.Sub(began)), cpu}
}

// finishersRace returns a race with the size's number of finishers and complete
// standings, which it creates the first time. Its records are credited without
// Temporal, which is fastest; the standings would follow by themselves, but later.
func (b *bench) finishersRace(ctx context.Context) string {
	if b.finishers != "" {
		return b.finishers
	}
	b.say("a race of %d finishers", b.size.Finishers)
	var raceID string
	b.instead(ctx, "consumer", nil, func() { raceID = b.load(ctx, b.size.Finishers).raceID })
	check(b.operator.LogIn(ctx))
	check(b.operator.JSON(ctx, http.MethodPost, "/v1/ops/races/"+raceID+"/recompute", map[string]string{"reason": "bench"}, nil))
	b.awaitStandings(ctx, raceID, b.size.Finishers)
	b.quiet(ctx)
	b.finishers = raceID
	return raceID
}

// standings measures the recompute after a correction in a large race: the mean of
// those that follow, one for the correction and one for its credit, or one for both.
func (b *bench) standings(ctx context.Context) {
	raceID := b.finishersRace(ctx)
	b.say("recompute of %d finishers", b.size.Finishers)
	var recordID string
	var revision, credits int
	check(b.mainDB.QueryRowContext(ctx, `SELECT r.record_id, r.revision, k.credit_revisions FROM official_record AS r
	    JOIN standings_mark AS k ON k.race_id = r.race_id WHERE r.race_id = ? AND r.bib_key = '1'`, raceID).Scan(&recordID, &revision, &credits))
	before := b.recomputes(ctx)
	correction := map[string]string{"gun_time": clock(8410 + revision), "net_time": clock(8400 + revision), "reason": "bench"}
	check(b.organizer.JSON(ctx, http.MethodPatch, "/v1/races/"+raceID+"/official-records/"+recordID, correction, nil,
		"If-Match", strconv.Quote(strconv.Itoa(revision))))
	b.awaitStandings(ctx, raceID, credits+1)
	b.quiet(ctx)
	took := map[string]float64{}
	for part, now := range b.recomputes(ctx) {
		took[part] = 1000 * (now.seconds - before[part].seconds) / (now.count - before[part].count)
	}
	const figure = "standings"
	what := fmt.Sprintf("recompute of %s finishers after a correction", thousands(b.size.Finishers))
	b.report.add(figure, what, "ms", took["read"]+took["rank"]+took["write"], target{atMost: 1000})
	b.report.add(figure, "  read", "ms", took["read"], target{})
	b.report.add(figure, "  hash and rank", "ms", took["rank"], target{atMost: 50})
	b.report.add(figure, "  write", "ms", took["write"], target{})
}

// observed is what the worker's histogram of a part of recomputes has counted so far.
type observed struct{ seconds, count float64 }

// recomputes reads from the worker's metrics how long each part of recomputes took.
func (b *bench) recomputes(ctx context.Context) map[string]observed {
	text := must(read(ctx, b.stack.WorkerURL()+"/metrics", ""))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families := must(parser.TextToMetricFamilies(bytes.NewReader(text)))
	parts := map[string]observed{}
	for _, metric := range families["mrmrthon_standings_recompute_seconds"].GetMetric() {
		h := metric.GetHistogram()
		parts[metric.GetLabel()[0].GetValue()] = observed{h.GetSampleSum(), float64(h.GetSampleCount())}
	}
	return parts
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

// inTx runs do in a transaction, past the stores.
func (b *bench) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := b.mainDB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// newIDs returns n IDs in the order of their creation, as ours are.
func newIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = uuid.Must(uuid.NewV7()).String()
	}
	return ids
}
