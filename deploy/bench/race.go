package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/mrmrthon/mrmrthon/deploy/local/sample"
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
func (b *bench) race(ctx context.Context, n int) (string, error) {
	if err := b.organizer.LogIn(ctx); err != nil { // so that it need not during a measurement
		return "", err
	}
	like, err := sample.Boston2004(1)
	if err != nil {
		return "", err
	}
	create := like.Create
	create.Name = "Bench " + uuid.NewString()
	var created struct {
		RaceID string `json:"race_id"`
	}
	if err := b.organizer.JSON(ctx, http.MethodPost, "/v1/races", create, &created); err != nil {
		return "", err
	}
	return created.RaceID, b.upload(ctx, "/v1/races/"+created.RaceID+"/participants/import", n, startList(n))
}

func resultsPath(raceID string) string { return "/v1/races/" + raceID + "/official-records/import" }

// upload imports a file of which every row must be new and valid.
func (b *bench) upload(ctx context.Context, path string, rows int, csv []byte) error {
	imported, err := b.organizer.ImportCSV(ctx, path, csv)
	if err == nil && (imported.Added != rows || len(imported.Errors) > 0) {
		err = fmt.Errorf("POST %s: %d of %d rows added, errors %v", path, imported.Added, rows, imported.Errors)
	}
	return err
}

// awaitCredits waits until that many records of a race are in the ledger, and returns
// when the last one was committed, by the clock of the process that did.
func (b *bench) awaitCredits(ctx context.Context, raceID string, records int) (last time.Time, err error) {
	// The count reads an index; at this interval it costs nothing.
	const limit, pause = 15 * time.Minute, 200 * time.Millisecond
	count := 0
	err = until(ctx, limit, pause, func() (bool, error) {
		err := b.userDB.QueryRowContext(ctx, "SELECT COUNT(*) FROM credit WHERE race_id = ?", raceID).Scan(&count)
		return count >= records, err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("wait for %d credits, %d are there: %w", records, count, err)
	}
	err = b.userDB.QueryRowContext(ctx, "SELECT MAX(updated_at) FROM credit WHERE race_id = ?", raceID).Scan(&last)
	return last, err
}

// awaitStandings waits until a recompute has read that many credit revisions.
func (b *bench) awaitStandings(ctx context.Context, raceID string, revisions int) error {
	const query = `SELECT COALESCE(SUM(credit_revisions), 0) FROM standings_mark WHERE race_id = ?`
	read := 0
	err := until(ctx, 3*time.Minute, 200*time.Millisecond, func() (bool, error) {
		err := b.mainDB.QueryRowContext(ctx, query, raceID).Scan(&read)
		return read >= revisions, err
	})
	if err != nil {
		return fmt.Errorf("wait for the standings of %d credits, they include %d: %w", revisions, read, err)
	}
	return nil
}

// finishersRace returns a race with the size's number of finishers and complete
// standings, which it creates the first time. Its records are credited without
// Temporal, which is fastest; the standings would follow by themselves, but later.
func (b *bench) finishersRace(ctx context.Context) (string, error) {
	if b.finishers != "" {
		return b.finishers, nil
	}
	b.say("a race of %d finishers", b.size.Finishers)
	var raceID string
	err := b.instead(ctx, "consumer", nil, func() error {
		l, err := b.load(ctx, b.size.Finishers)
		raceID = l.raceID
		return err
	})
	if err != nil {
		return "", err
	}
	if err := b.operator.LogIn(ctx); err != nil {
		return "", err
	}
	path := "/v1/ops/races/" + raceID + "/recompute"
	if err := b.operator.JSON(ctx, http.MethodPost, path, map[string]string{"reason": "bench"}, nil); err != nil {
		return "", err
	}
	b.finishers = raceID
	return raceID, errors.Join(b.awaitStandings(ctx, raceID, b.size.Finishers), b.quiet(ctx))
}

// standings measures the recompute after a correction in a large race: the mean of
// those that follow, one for the correction and one for its credit, or one for both.
func (b *bench) standings(ctx context.Context) error {
	raceID, err := b.finishersRace(ctx)
	if err != nil {
		return err
	}
	b.say("recompute of %d finishers", b.size.Finishers)
	var recordID string
	var revision, credits int
	err = b.mainDB.QueryRowContext(ctx, `SELECT r.record_id, r.revision, k.credit_revisions FROM official_record AS r
	    JOIN standings_mark AS k ON k.race_id = r.race_id WHERE r.race_id = ? AND r.bib_key = '1'`, raceID).Scan(&recordID, &revision, &credits)
	if err != nil {
		return fmt.Errorf("find a record to correct: %w", err)
	}
	before, err := b.recomputes(ctx)
	if err != nil {
		return err
	}
	correction := map[string]string{"gun_time": clock(8410 + revision), "net_time": clock(8400 + revision), "reason": "bench"}
	err = b.organizer.JSON(ctx, http.MethodPatch, "/v1/races/"+raceID+"/official-records/"+recordID, correction, nil,
		"If-Match", strconv.Quote(strconv.Itoa(revision)))
	if err != nil {
		return err
	}
	if err := errors.Join(b.awaitStandings(ctx, raceID, credits+1), b.quiet(ctx)); err != nil {
		return err
	}
	after, err := b.recomputes(ctx)
	took := map[string]float64{}
	for part, now := range after {
		took[part] = 1000 * (now.seconds - before[part].seconds) / (now.count - before[part].count)
	}
	const figure = "standings"
	what := fmt.Sprintf("recompute of %s finishers after a correction", thousands(b.size.Finishers))
	b.report.add(figure, what, "ms", took["read"]+took["rank"]+took["write"], target{atMost: 1000})
	b.report.add(figure, "  read", "ms", took["read"], target{})
	b.report.add(figure, "  hash and rank", "ms", took["rank"], target{atMost: 50})
	b.report.add(figure, "  write", "ms", took["write"], target{})
	return err
}

// observed is what the worker's histogram of a part of recomputes has counted so far.
type observed struct{ seconds, count float64 }

// recomputes reads from the worker's metrics how long each part of recomputes took.
func (b *bench) recomputes(ctx context.Context) (map[string]observed, error) {
	res, err := get(ctx, keepAlive, b.stack.WorkerURL()+"/metrics", "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(res.Body)
	if err != nil {
		return nil, fmt.Errorf("read the worker's metrics: %w", err)
	}
	parts := map[string]observed{}
	for _, metric := range families["mrmrthon_standings_recompute_seconds"].GetMetric() {
		h := metric.GetHistogram()
		parts[metric.GetLabel()[0].GetValue()] = observed{h.GetSampleSum(), float64(h.GetSampleCount())}
	}
	return parts, nil
}
