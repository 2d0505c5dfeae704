package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/deploy/local/sample"
)

// field is who runs in a race of the bench: as many as wanted, of both sexes and
// all ages, the same in every run.

// file is a CSV of so many rows.
type file struct {
	rows int
	csv  []byte
}

// mostRows is what the API takes in one file.
const mostRows = 50_000

// inFiles writes rows 1 to n as the files that the API takes.
func inFiles(n int, csv func(first, last int) []byte) []file {
	var files []file
	for first := 1; first <= n; first += mostRows {
		last := min(first+mostRows-1, n)
		files = append(files, file{last - first + 1, csv(first, last)})
	}
	return files
}

// startList is a CSV of participants by bib.
func startList(first, last int) []byte {
	var csv bytes.Buffer
	csv.WriteString("bib,name,sex,age,field\n")
	for bib := first; bib <= last; bib++ {
		fmt.Fprintf(&csv, "%d,Bib %d,%c,%d,runner\n", bib, bib, "FM"[bib%2], 18+bib%60)
	}
	return csv.Bytes()
}

// finish is when a participant arrives, by both clocks.
type finish struct {
	Bib string `json:"bib"`
	Gun string `json:"gun_time"`
	Net string `json:"net_time"`
}

// finishes are n results between 2:10 and 6:10, in the order of bibs.
func finishes(n int) []finish {
	random := rand.New(rand.NewPCG(42, 195)) //nolint:gosec // the same times in every run
	all := make([]finish, n)
	for i := range all {
		net := 7800 + random.IntN(14_400)
		all[i] = finish{Bib: fmt.Sprint(i + 1), Gun: clock(net + random.IntN(300)), Net: clock(net)}
	}
	return all
}

func clock(seconds int) string {
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

// results is a CSV of the finishes of some bibs.
func results(first, last int) []byte {
	var csv bytes.Buffer
	csv.WriteString("bib,gun_time,net_time,status\n")
	for _, f := range finishes(last)[first-1:] {
		fmt.Fprintf(&csv, "%s,%s,%s,OK\n", f.Bib, f.Gun, f.Net)
	}
	return csv.Bytes()
}

// imported is what the API says of a file.
type imported struct {
	Added  int `json:"added"`
	Errors []struct {
		Row     int    `json:"row"`
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"errors"`
}

// race makes a marathon with n participants and returns its ID.
func (b *bench) race(ctx context.Context, n int) (string, error) {
	if err := b.organizer.fresh(ctx); err != nil {
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
	if err := b.organizer.call(ctx, http.MethodPost, "/v1/races", create, &created); err != nil {
		return "", err
	}
	path := "/v1/races/" + created.RaceID + "/participants/import"
	return created.RaceID, b.upload(ctx, path, inFiles(n, startList))
}

// upload imports files, every row of which has to be new and good.
func (b *bench) upload(ctx context.Context, path string, files []file) error {
	for _, f := range files {
		var answer imported
		text, err := b.organizer.send(ctx, http.MethodPost, path, "text/csv", f.csv)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &answer); err != nil {
			return fmt.Errorf("POST %s: read the answer: %w", path, err)
		}
		if answer.Added != f.rows || len(answer.Errors) > 0 {
			return fmt.Errorf("POST %s: %d of %d rows added, errors %v", path, answer.Added, f.rows, answer.Errors)
		}
	}
	return nil
}

func resultsPath(raceID string) string { return "/v1/races/" + raceID + "/official-records/import" }
