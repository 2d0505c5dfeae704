package plans_test

import (
	"bytes"
	"fmt"
	"testing"
)

// field is a file of n runners with start list and results.
func field(n int) string {
	var file bytes.Buffer
	file.WriteString("Bib,Name,Sex,Age,Gun Time,Net Time\n")
	for i := range n {
		seconds := 7800 + i/2
		fmt.Fprintf(&file, "%d,Runner%d Sample,%c,%d,%d:%02d:%02d,%d:%02d:%02d\n", i+1, i, "MF"[i%2], 20+i%60,
			seconds/3600, seconds/60%60, seconds%60, (seconds-30)/3600, (seconds-30)/60%60, (seconds-30)%60)
	}
	return file.String()
}

// BenchmarkPlan plans a file of 30,000 rows with all its consequences: into an empty
// race, and one that changes a third of the results of a full one.
func BenchmarkPlan(b *testing.B) {
	const rows = 30_000
	file := field(rows)
	bundle := setup(b)
	b.Run("empty race", func(b *testing.B) {
		for b.Loop() {
			raceID := bundle.race(b, nil)
			bundle.plan(b, raceID, file)
		}
	})
	b.Run("full race", func(b *testing.B) {
		raceID := bundle.race(b, nil)
		bundle.apply(b, raceID, bundle.plan(b, raceID, file))
		changed := bytes.ReplaceAll([]byte(file), []byte(":07,"), []byte(":08,"))
		for b.Loop() {
			bundle.plan(b, raceID, string(changed))
		}
	})
}
