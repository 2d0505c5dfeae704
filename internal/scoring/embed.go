package scoring

import (
	"bytes"
	"embed"
	"encoding/csv"
	"fmt"
)

// Sources: the age-grade files are Alan Jones's road tables
// (github.com/AlanLyttonJones/Age-Grade-Tables, CC0), one factor per age and
// column; world_athletics.csv holds the coefficients of the World Athletics
// scoring tables of 2022 and 2025.
//
//go:embed data/*.csv
var data embed.FS

// readTable returns the header and the rows of an embedded file. The files are
// part of the program: one that cannot be read is a fault of the build, and
// the tests read all of them.
func readTable(name string) (header []string, rows [][]string) {
	file, err := data.ReadFile("data/" + name)
	if err != nil {
		panic(fmt.Sprintf("scoring: open embedded table: %v", err))
	}
	records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil || len(records) < 2 {
		panic(fmt.Sprintf("scoring: embedded table %s: %d records, %v", name, len(records), err))
	}
	return records[0], records[1:]
}

// mustFixedPoint is fixedPoint for cells of embedded tables.
func mustFixedPoint(s string, digits int) int64 {
	n, err := fixedPoint(s, digits)
	if err != nil {
		panic(fmt.Sprintf("scoring: embedded table: %v", err))
	}
	return n
}
