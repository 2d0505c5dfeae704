package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
	"github.com/mrmrthon/mrmrthon/deploy/local/sample"
)

// The races of the bench have any number of participants, of both sexes and all ages,
// the same in every run.

// file is a CSV with its number of rows.
type file struct {
	rows int
	csv  []byte
}

// maxRows is what the API accepts in one file.
const maxRows = 50_000

// inFiles writes rows 1 to n as files that the API accepts.
func inFiles(n int, csv func(first, last int) []byte) []file {
	var files []file
	for first := 1; first <= n; first += maxRows {
		last := min(first+maxRows-1, n)
		files = append(files, file{last - first + 1, csv(first, last)})
	}
	return files
}

func startList(first, last int) []byte {
	var csv bytes.Buffer
	csv.WriteString("bib,name,sex,age,field\n")
	for bib := first; bib <= last; bib++ {
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

func results(first, last int) []byte {
	var csv bytes.Buffer
	csv.WriteString("bib,gun_time,net_time,status\n")
	for _, f := range finishes(last)[first-1:] {
		fmt.Fprintf(&csv, "%s,%s,%s,OK\n", f.Bib, f.Gun, f.Net)
	}
	return csv.Bytes()
}

// tokenLife is well below the lifetime of a token.
const tokenLife = 5 * time.Minute

// fresh logs a client in again if its token is old, so that no login happens during a
// measurement.
func fresh(ctx context.Context, c *apiclient.Client) error {
	if time.Since(c.LoggedIn) < tokenLife {
		return nil
	}
	return c.LogIn(ctx)
}

// race creates a marathon with n participants and returns its ID.
func (b *bench) race(ctx context.Context, n int) (string, error) {
	if err := fresh(ctx, b.organizer); err != nil {
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
	path := "/v1/races/" + created.RaceID + "/participants/import"
	return created.RaceID, b.upload(ctx, path, inFiles(n, startList))
}

func resultsPath(raceID string) string { return "/v1/races/" + raceID + "/official-records/import" }

// upload imports files of which every row must be new and valid.
func (b *bench) upload(ctx context.Context, path string, files []file) error {
	for _, f := range files {
		imported, err := b.organizer.ImportCSV(ctx, path, f.csv)
		if err != nil {
			return err
		}
		if imported.Added != f.rows || len(imported.Errors) > 0 {
			return fmt.Errorf("POST %s: %d of %d rows added, errors %v", path, imported.Added, f.rows, imported.Errors)
		}
	}
	return nil
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

// creditedRace creates a race with complete standings. Its records are credited without
// Temporal, which is fastest.
func (b *bench) creditedRace(ctx context.Context, finishers int) (raceID string, err error) {
	err = b.withoutWorker(ctx, func() error {
		return b.with(ctx, "consumer", nil, func() error {
			if raceID, err = b.race(ctx, finishers); err != nil {
				return err
			}
			if err := b.upload(ctx, resultsPath(raceID), inFiles(finishers, results)); err != nil {
				return err
			}
			_, err = b.awaitCredits(ctx, raceID, finishers)
			return err
		})
	})
	if err != nil {
		return "", err
	}
	b.finishers = raceID
	return raceID, b.complete(ctx, raceID, finishers)
}

// finishersRace returns a race with the size's number of finishers and complete
// standings: one of an earlier figure, or a new one.
func (b *bench) finishersRace(ctx context.Context) (string, error) {
	entries := 0
	err := b.mainDB.QueryRowContext(ctx, "SELECT COUNT(*) FROM official_record WHERE race_id = ?", b.finishers).Scan(&entries)
	if err != nil {
		return "", err
	}
	if entries == b.size.Finishers {
		return b.finishers, b.complete(ctx, b.finishers, entries)
	}
	return b.creditedRace(ctx, b.size.Finishers)
}

// complete requests a recompute of a race's standings and waits until everybody has
// points. The sweep would also find credits that bypassed the worker, but later.
func (b *bench) complete(ctx context.Context, raceID string, finishers int) error {
	if err := fresh(ctx, b.operator); err != nil {
		return err
	}
	path := "/v1/ops/races/" + raceID + "/recompute"
	if err := b.operator.JSON(ctx, http.MethodPost, path, map[string]string{"reason": "bench"}, nil); err != nil {
		return err
	}
	return b.awaitStandings(ctx, raceID, finishers)
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
	return b.quiet(ctx)
}

// until polls until done returns true.
func until(ctx context.Context, limit, pause time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %s", limit))
	defer cancel()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// latency measures the time from a POST to the point that everybody can see, and its
// parts: the same without Temporal, and a workflow that does nothing. The rest is
// waiting.
func (b *bench) latency(ctx context.Context) error {
	const figure = "latency"
	r := b.report
	return b.repeat(func() error {
		b.say("%d single records", b.size.Latency)
		answered, shown, err := b.oneByOne(ctx)
		if err != nil {
			return err
		}
		b.say("%d single workflows that do nothing", b.size.Latency)
		serial, err := b.engineSerial(ctx, b.stack.TemporalAddress(), b.size.Latency)
		if err != nil {
			return err
		}
		b.say("%d single records without Temporal", b.size.Latency)
		var alone []float64
		err = b.withoutWorker(ctx, func() error {
			return b.with(ctx, "consumer", nil, func() (err error) {
				_, alone, err = b.oneByOne(ctx)
				return err
			})
		})
		if err != nil {
			return err
		}
		p50, direct, engine := percentile(shown, 0.50), percentile(alone, 0.50), percentile(serial, 0.50)
		r.add(figure, fmt.Sprintf("POST to visible point, %d records one by one: p50", b.size.Latency), "ms", p50, target{atMost: 12})
		r.add(figure, "the same: p99", "ms", percentile(shown, 0.99), target{atMost: 40})
		r.add(figure, "  of it HTTP and commit (POST to answer)", "ms", percentile(answered, 0.50), target{})
		r.add(figure, "part: the same without Temporal, p50", "ms", direct, target{})
		r.add(figure, "part: a workflow that does nothing, start to end, p50", "ms", engine, target{})
		r.ratio(figure, "p50 to the sum of the parts", p50, direct+engine, target{})
		return nil
	})
}

// oneByOne posts records, each after the previous one is credited. It returns the
// milliseconds until each was answered and until its credit was visible.
func (b *bench) oneByOne(ctx context.Context) (answered, shown []float64, err error) {
	raceID, err := b.race(ctx, b.size.Latency)
	if err != nil {
		return nil, nil, err
	}
	if err := b.quiet(ctx); err != nil {
		return nil, nil, err
	}
	path := "/v1/races/" + raceID + "/official-records"
	for _, f := range finishes(b.size.Latency) {
		var record struct {
			RecordID string `json:"record_id"`
			Credit   struct {
				Status string `json:"status"`
			} `json:"credit"`
		}
		sent := time.Now()
		if err := b.organizer.JSON(ctx, http.MethodPost, path, f, &record); err != nil {
			return nil, nil, err
		}
		answered = append(answered, milliseconds(time.Since(sent)))
		// The pauses leave the processors to the stack.
		err := until(ctx, 30*time.Second, time.Millisecond, func() (bool, error) {
			err := b.organizer.Get(ctx, path+"/"+record.RecordID, &record)
			return record.Credit.Status == "credited", err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("wait for the credit of bib %s, which is %s: %w", f.Bib, record.Credit.Status, err)
		}
		shown = append(shown, milliseconds(time.Since(sent)))
	}
	return answered, shown, nil
}
