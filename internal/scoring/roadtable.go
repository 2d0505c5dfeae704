package scoring

import (
	"fmt"
	"sync"
)

// factorUnit is what an age factor of 1 is kept as. The tables print four
// decimals; two more keep interpolated factors apart from metre to metre.
const factorUnit = 1_000_000

// roadColumn is one distance of an age-grade table.
type roadColumn struct {
	distanceMM int64
	standardMS int64
	factors    [maxAge - minAge + 1]int64 // by age from minAge, in 1/factorUnit
}

// roadColumns is one table, the shortest distance first.
type roadColumns []roadColumn

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
