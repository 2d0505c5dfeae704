package scoring

import (
	"bytes"
	"embed"
	"encoding/csv"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Ages that the tables cover, in whole years.
const (
	minAge = 5
	maxAge = 100
)

// ageGradePoints returns floor(10 × percent), where percent is 100 × open standard
// ÷ factor ÷ time. The division is on integers, so that a performance on the
// boundary between two points is never off by one: floor(floor(a ÷ b) ÷ c) equals
// floor(a ÷ (b × c)) and cannot overflow.
func ageGradePoints(edition string, p Performance, parts *race.Parts) (int64, error) {
	if !ageGradeSupports(edition, p.DistanceMM) {
		return 0, ErrDistanceNotListed
	}
	columns, covered := roadTables()[tableKey{edition, p.Sex}]
	switch {
	case !covered:
		return 0, ErrSexUnknown
	case p.Age < 0:
		return 0, ErrAgeUnknown
	case p.Age < minAge || p.Age > maxAge:
		return 0, ErrAgeOutOfRange
	}
	standardMS, factor := columns.at(p.DistanceMM, p.Age)
	const perMille, perTenThousand = 1000, 10_000
	parts.Age, parts.OpenStandard, parts.AgeFactor = &p.Age, race.Time(standardMS).String(), float64(factor)/factorUnit
	parts.AgeGradePercent = float64(perTenThousand*standardMS*factorUnit/p.TimeMS/factor) / 100
	return perMille * standardMS * factorUnit / p.TimeMS / factor, nil
}

func ageGradeSupports(edition string, distanceMM int64) bool {
	columns := roadTables()[tableKey{edition, "M"}]
	if len(columns) == 0 {
		return false
	}
	shortest, longest := columns[0].distanceMM, columns[len(columns)-1].distanceMM
	return distanceMM >= shortest-listedWithinMM && distanceMM <= longest+listedWithinMM
}

// roadColumns is one table, the shortest distance first.
type roadColumns []roadColumn

// at returns the open standard in milliseconds and the age factor in units of
// 1/factorUnit for a distance that the tables cover: a listed distance uses its own
// column, any other is interpolated.
func (c roadColumns) at(distanceMM int64, age int) (standardMS, factor int64) {
	next := sort.Search(len(c), func(i int) bool {
		return c[i].distanceMM+listedWithinMM >= distanceMM
	})
	next = min(next, len(c)-1)
	if next == 0 || sameDistance(distanceMM, c[next].distanceMM) {
		return c[next].standardMS, c[next].factor(age)
	}
	return interpolate(c[next-1], c[next], distanceMM, age)
}

// interpolate reads between two columns on the logarithm of the distance,
// where u is 0 at the shorter and 1 at the longer one.
//
// The factor is linear in u. The tables of 2025 are made that way themselves:
// the columns between 5 km, 10 km, half marathon and marathon follow from those
// four (the tables' own README, "improved interpolation scheme").
//
// The standard is a power of the distance, that is its logarithm is linear in
// u. Left out one by one, the columns from 6 km to 30 km come back from their
// neighbours within 0.5 %; with the standard itself linear in u the error is
// 4.4 %, and 8 % next to the mile and the ultra distances.
//
// Both are rounded to their units, so that all further arithmetic is on integers
// and the last bits of a machine's logarithm make no difference.
func interpolate(short, long roadColumn, distanceMM int64, age int) (standardMS, factor int64) {
	u := math.Log(float64(distanceMM)/float64(short.distanceMM)) /
		math.Log(float64(long.distanceMM)/float64(short.distanceMM))
	ratio := float64(long.standardMS) / float64(short.standardMS)
	standardMS = int64(math.Round(float64(short.standardMS) * math.Pow(ratio, u)))
	from, to := short.factor(age), long.factor(age)
	factor = from + int64(math.Round(float64(to-from)*u))
	return standardMS, factor
}

// fixedPoint reads a decimal as an integer count of 10^-digits, exactly:
// fixedPoint("0.7220", 6) is 722000. Digits beyond must be zeros.
func fixedPoint(s string, digits int) (int64, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > digits {
		if strings.Trim(fraction[digits:], "0") != "" {
			return 0, fmt.Errorf("%q has more than %d decimals", s, digits)
		}
		fraction = fraction[:digits]
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read decimal %q: %w", s, err)
	}
	return n, nil
}

// Sources: the age-grade files are Alan Jones's road tables
// (github.com/AlanLyttonJones/Age-Grade-Tables, CC0), one factor per age and
// column; world_athletics.csv holds the coefficients of the World Athletics
// scoring tables of 2022 and 2025.
//
//go:embed data/*.csv
var data embed.FS

// readTable returns the header and the rows of an embedded file. The files are part
// of the program: one that cannot be read is a broken build, and the tests read all
// of them.
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

// factorUnit represents an age factor of 1. The tables print four decimals; two
// more distinguish interpolated factors of distances a metre apart.
const factorUnit = 1_000_000

// roadColumn is one distance of an age-grade table.
type roadColumn struct {
	distanceMM int64
	standardMS int64
	factors    [maxAge - minAge + 1]int64 // by age from minAge, in 1/factorUnit
}

type tableKey struct{ edition, sex string }

func (c roadColumn) factor(age int) int64 { return c.factors[age-minAge] }

var roadTables = sync.OnceValue(readRoadTables)

// readRoadTables joins the open standards with the factors. The two agree by
// the label of the column, and the standards give the columns' order.
func readRoadTables() map[tableKey]roadColumns {
	_, rows := readTable("age_grade_open_standards.csv")
	tables := make(map[tableKey]roadColumns)
	labels := make(map[tableKey][]string)
	for _, row := range rows {
		key := tableKey{row[0], row[1]}
		labels[key] = append(labels[key], row[2])
		tables[key] = append(tables[key], roadColumn{
			distanceMM: mustFixedPoint(row[3], 6),
			standardMS: mustFixedPoint(row[4], 3),
		})
	}
	for key, columns := range tables {
		readFactors(key, labels[key], columns)
	}
	return tables
}

func readFactors(key tableKey, labels []string, columns roadColumns) {
	name := fmt.Sprintf("age_grade_factors_%s_%s.csv", key.edition, key.sex)
	header, rows := readTable(name)
	if len(header) != len(labels)+1 || len(rows) != maxAge-minAge+1 {
		panic(fmt.Sprintf("scoring: embedded table %s has %d columns and %d ages", name, len(header)-1, len(rows)))
	}
	for c, label := range labels {
		if header[c+1] != label {
			panic(fmt.Sprintf("scoring: embedded table %s has %q where the standards have %q", name, header[c+1], label))
		}
		for age, row := range rows {
			columns[c].factors[age] = mustFixedPoint(row[c+1], 6)
		}
	}
}
