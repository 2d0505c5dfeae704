package scoring

import (
	"sync"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// event is one row of the World Athletics tables: a performance of t whole
// seconds has numerator × (cutoff − t)² ÷ divisor points, rounded down.
type event struct {
	edition    string
	sex        string
	distanceMM int64
	numerator  int64
	divisor    int64
	cutoffS    int64
}

// The one place where the printed table of 2025 and its formula disagree:
// women, 10 km, 33:20 is printed as 1069, the formula gives 1070 exactly.
const (
	exceptionEdition    = "2025"
	exceptionSex        = "F"
	exceptionDistanceMM = 10_000_000
	exceptionS          = 33*60 + 20
	exceptionPoints     = 1069
)

var events = sync.OnceValue(readEvents)

func readEvents() []event {
	_, rows := readTable("world_athletics.csv")
	out := make([]event, len(rows))
	for i, row := range rows {
		divisor := int64(1)
		for range mustFixedPoint(row[5], 0) {
			divisor *= 10
		}
		out[i] = event{
			edition:    row[0],
			sex:        row[1],
			distanceMM: mustFixedPoint(row[3], 6),
			numerator:  mustFixedPoint(row[4], 0),
			divisor:    divisor,
			cutoffS:    mustFixedPoint(row[6], 0),
		}
	}
	return out
}

func worldAthleticsPoints(edition string, p Performance, parts *race.Parts) (int64, error) {
	if !worldAthleticsSupports(edition, p.DistanceMM) {
		return 0, ErrDistanceNotListed
	}
	for _, e := range events() {
		if e.edition == edition && e.sex == p.Sex && sameDistance(p.DistanceMM, e.distanceMM) {
			parts.Numerator, parts.Divisor, parts.Cutoff = e.numerator, e.divisor, race.Time(e.cutoffS*1000).String()
			return e.points(p.TimeMS), nil
		}
	}
	return 0, ErrSexUnknown
}

func worldAthleticsSupports(edition string, distanceMM int64) bool {
	for _, e := range events() {
		if e.edition == edition && sameDistance(distanceMM, e.distanceMM) {
			return true
		}
	}
	return false
}

// points scores a time of ms milliseconds. Results of road races are in whole
// seconds, a started second counting as a full one.
func (e event) points(ms int64) int64 {
	t := (ms-1)/1000 + 1
	if t >= e.cutoffS {
		return 0
	}
	if e.edition == exceptionEdition && e.sex == exceptionSex &&
		e.distanceMM == exceptionDistanceMM && t == exceptionS {
		return exceptionPoints
	}
	return e.numerator * (e.cutoffS - t) * (e.cutoffS - t) / e.divisor
}
