package e2e_test

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// row is a line of the sample race: an entry of the start list and its result.
type row struct {
	bib, sex string
	age      int // below zero: unknown
	gun, net string
	status   string
	field    string
	login    string // of the runner's account; the sample has none
}

// bostonRows are the first n rows of the sample race.
func bostonRows(t *testing.T, n int) []row {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "local", "sample", "boston_2004", "results.csv.gz"))
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	reader := csv.NewReader(unzipped)
	header, err := reader.Read()
	require.NoError(t, err)
	require.Equal(t, "bib,sex,age,gun_time,net_time,status,field", strings.Join(header, ","))
	rows := make([]row, n)
	for i := range rows {
		cells, err := reader.Read()
		require.NoError(t, err)
		age, err := strconv.Atoi(cells[2])
		require.NoError(t, err)
		rows[i] = row{
			bib: cells[0], sex: cells[1], age: age, gun: cells[3], net: cells[4], status: cells[5], field: cells[6],
		}
	}
	return rows
}

// marathon is the sample race as an organizer sets it up.
func marathon(name string) map[string]any {
	return map[string]any{
		"name": name, "date": "2004-04-19", "distance_m": 42195, "city": "Boston",
		"ranking": map[string]any{"basis": "gun", "ties": "net"},
		"divisions": []map[string]any{
			{"name": "F18-39", "sex": "F", "min_age": 18, "max_age": 39, "field": "runner"},
			{"name": "M18-39", "sex": "M", "min_age": 18, "max_age": 39, "field": "runner"},
		},
		"scoring": "agegrade-2025",
	}
}

func startList(rows []row) payload {
	var b strings.Builder
	b.WriteString("Bib,Gender,Age,Field,Login\n")
	for _, r := range rows {
		age := ""
		if r.age >= 0 {
			age = strconv.Itoa(r.age)
		}
		fmt.Fprintf(&b, "%s,%s,%s,%s,%s\n", r.bib, r.sex, age, r.field, r.login)
	}
	return inCSV(b.String())
}

func results(rows []row) payload {
	var b strings.Builder
	b.WriteString("\ufeffbib,Clock Time,chip_time,status\r\n") // as a spreadsheet saves it
	for _, r := range rows {
		fmt.Fprintf(&b, "%s,%s,%s,%s\r\n", r.bib, r.gun, r.net, r.status)
	}
	return inCSV(b.String())
}

// millisOf reads H:MM:SS[.f]; no time is 0.
func millisOf(t *testing.T, clock string) int64 {
	t.Helper()
	if clock == "" {
		return 0
	}
	var h, m int64
	var s float64
	_, err := fmt.Sscanf(strings.ReplaceAll(clock, ":", " "), "%d %d %f", &h, &m, &s)
	require.NoError(t, err, clock)
	return (h*60+m)*60_000 + int64(s*1000+0.5)
}
