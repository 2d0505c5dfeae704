package race

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// MaxTimingPoints is the most timing points that a race may have: a backyard ultra
// has one for each of its laps.
const MaxTimingPoints = 100

// TimingPoint is a place on the course, before the finish, at which runners are
// timed.
type TimingPoint struct {
	Key      int      `json:"key"` // what readings refer to; it stays when the point is renamed or moved
	Name     string   `json:"name"`
	Distance Distance `json:"distance_mm"` // from the start
}

// Splits are a runner's readings at timing points, by the key of the point: the
// time since the start, by the clock that ranks the race.
type Splits map[int]Time

// Reading is a reading at a point as a file names it.
type Reading struct {
	Point string
	Time  Time
}

// Course holds the timing points of a race. The zero value has none.
type Course struct {
	Points  []TimingPoint `json:"points"`   // in the order of their distance
	LastKey int           `json:"last_key"` // the highest key that a point of the race ever had
}

// With returns the course with other points. A point keeps the key of the earlier
// one with its name, else of the one at its distance, which was renamed; any other
// point gets a key that no point ever had, so that it starts without readings.
func (c Course) With(points []TimingPoint) Course {
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b TimingPoint) int { return cmp.Compare(a.Distance, b.Distance) })
	taken := map[int]bool{}
	find := func(p *TimingPoint, same func(TimingPoint) bool) {
		if i := slices.IndexFunc(c.Points, same); p.Key == 0 && i >= 0 && !taken[c.Points[i].Key] {
			p.Key, taken[c.Points[i].Key] = c.Points[i].Key, true
		}
	}
	for i := range points {
		points[i].Key = 0
		find(&points[i], func(old TimingPoint) bool { return pointName(old.Name) == pointName(points[i].Name) })
	}
	for i := range points {
		find(&points[i], func(old TimingPoint) bool { return old.Distance == points[i].Distance })
	}
	next := Course{Points: points, LastKey: c.LastKey}
	for i := range points {
		if points[i].Key == 0 {
			next.LastKey++
			points[i].Key = next.LastKey
		}
	}
	return next
}

// CheckTimingPoints returns everything that is wrong with the timing points of a
// race of that length. They must be in the order of their distance.
func CheckTimingPoints(points []TimingPoint, length Distance) []FieldError {
	var wrong []FieldError
	names := map[string]bool{}
	for i, p := range points {
		add := func(message string) {
			wrong = append(wrong, FieldError{Field: "timing_points", Message: strings.TrimPrefix(p.Name+": "+message, ": ")})
		}
		name := pointName(p.Name)
		switch {
		case name == "":
			add("the name must not be empty")
		case name == "finish" || name == "start":
			add("the name must be another one: every race has a start and a finish")
		case names[name]:
			add("the name must differ from those of the other timing points")
		}
		names[name] = true
		switch {
		case length != 0 && p.Distance >= length:
			add("the distance must be below that of the race")
		case i > 0 && p.Distance == points[i-1].Distance:
			add("the distance must differ from those of the other timing points")
		}
	}
	return wrong
}

// FindPoint returns the timing point that a file or a caller calls by that name:
// the one with the name, whatever its case and blanks, else the one at the
// distance that the name states, as 10K, 10 km, 5 mi or Half do.
func FindPoint(points []TimingPoint, name string) (TimingPoint, bool) {
	wanted := pointName(name)
	for _, p := range points {
		if pointName(p.Name) == wanted {
			return p, true
		}
	}
	const tolerance = Distance(5_000) // 5 m: 21.1 km is a half marathon
	if stated, ok := distanceIn(wanted); ok {
		for _, p := range points {
			if d := p.Distance - stated; d <= tolerance && d >= -tolerance {
				return p, true
			}
		}
	}
	return TimingPoint{}, false
}

func pointName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return dropMark(unicode.ToLower(r))
	}, name)
}

// distanceIn reads the distance that the name of a timing point states.
func distanceIn(name string) (Distance, bool) {
	switch name {
	case "half", "halfway", "halfmarathon", "hm":
		return 21_097_500, true
	}
	for _, unit := range []struct {
		name       string
		millimetre float64
	}{{"kilometers", 1e6}, {"kilometres", 1e6}, {"km", 1e6}, {"k", 1e6}, {"miles", 1609344}, {"mile", 1609344}, {"mi", 1609344}, {"m", 1e3}} {
		number, found := strings.CutSuffix(name, unit.name)
		if !found {
			continue
		}
		length, err := strconv.ParseFloat(strings.Replace(number, ",", ".", 1), 64)
		if err != nil || length <= 0 || length > 1e6 {
			return 0, false
		}
		return Distance(math.Round(length * unit.millimetre)), true
	}
	return 0, false
}

// SplitFault is a reading that cannot be right.
type SplitFault struct {
	Point   TimingPoint
	Message string
}

// CheckSplits returns the readings that cannot be right: those later than the
// finish, and of those that are out of order along the course as few as leave the
// others in order. Readings of points that the race no longer has are not looked
// at. A finish of zero is unknown.
func CheckSplits(points []TimingPoint, splits Splits, finish Time) []SplitFault {
	var wrong []SplitFault
	var timed []TimingPoint // those with a reading that is not later than the finish
	for _, p := range points {
		switch reading := splits[p.Key]; {
		case reading == 0:
		case finish != 0 && reading > finish:
			wrong = append(wrong, SplitFault{p, fmt.Sprintf("the reading at %s (%s) is later than the finish (%s)", p.Name, reading, finish)})
		default:
			timed = append(timed, p)
		}
	}
	kept := longestOrdered(timed, splits)
	for i, p := range timed {
		if kept[i] {
			continue
		}
		wrong = append(wrong, SplitFault{p, outOfOrder(timed, kept, i, splits)})
	}
	return wrong
}

// CheckResultSplits is CheckSplits for a result of a race, with the field as the API
// names it.
func CheckResultSplits(r Race, splits Splits, result Result) []FieldError {
	if result.Status == DidNotStart {
		if len(splits) > 0 {
			return []FieldError{{Field: "splits", Message: "must be empty: a runner who did not start (DNS) has no readings"}}
		}
		return nil
	}
	var wrong []FieldError
	for _, fault := range CheckSplits(r.Course.Points, splits, finishOf(r, result)) {
		wrong = append(wrong, FieldError{Field: "splits", Message: fault.Message})
	}
	return wrong
}

// finishOf returns the finish time that readings are compared with: the ranking
// time, or the other one where that was not taken.
func finishOf(r Race, result Result) Time {
	return cmp.Or(r.Ranking.RankingTime(result), result.Gun, result.Net)
}

// outOfOrder says with which of the readings that are kept the i-th is at odds.
func outOfOrder(timed []TimingPoint, kept []bool, i int, splits Splits) string {
	p, reading := timed[i], splits[timed[i].Key]
	for j, other := range timed {
		if !kept[j] {
			continue
		}
		switch t := splits[other.Key]; {
		case j < i && t > reading:
			return fmt.Sprintf("the reading at %s (%s) is earlier than the one at %s (%s)", p.Name, reading, other.Name, t)
		case j > i && t < reading:
			return fmt.Sprintf("the reading at %s (%s) is later than the one at %s (%s)", p.Name, reading, other.Name, t)
		}
	}
	return fmt.Sprintf("the reading at %s (%s) is out of order", p.Name, reading)
}

// longestOrdered marks the most readings that do not decrease along the course.
func longestOrdered(timed []TimingPoint, splits Splits) []bool {
	length, before := make([]int, len(timed)), make([]int, len(timed))
	best := -1
	for i := range timed {
		length[i], before[i] = 1, -1
		for j := range i {
			if splits[timed[j].Key] <= splits[timed[i].Key] && length[j]+1 > length[i] {
				length[i], before[i] = length[j]+1, j
			}
		}
		if best < 0 || length[i] > length[best] {
			best = i
		}
	}
	kept := make([]bool, len(timed))
	for i := best; i >= 0; i = before[i] {
		kept[i] = true
	}
	return kept
}

// KeepRight returns the readings that may be right, and what is wrong with the
// others: in a file, a faulty reading does not cost the row its finish time.
func (s Splits) KeepRight(r Race, result Result) (Splits, []SplitFault) {
	wrong := CheckSplits(r.Course.Points, s, finishOf(r, result))
	kept := maps.Clone(s)
	for _, fault := range wrong {
		delete(kept, fault.Point.Key)
	}
	return kept, wrong
}

// errNoSuchPoint says what a name that is no timing point's could have been.
func errNoSuchPoint(points []TimingPoint) error {
	if len(points) == 0 {
		return errors.New("must be a timing point of the race, which has none: set its timing_points first")
	}
	names := make([]string, len(points))
	for i, p := range points {
		names[i] = p.Name
	}
	return errors.New("must be a timing point of the race: " + strings.Join(names, ", "))
}

// PointNamed returns the timing point of that name, or what it could have been.
func PointNamed(points []TimingPoint, name string) (TimingPoint, error) {
	p, found := FindPoint(points, name)
	if !found {
		return TimingPoint{}, errNoSuchPoint(points)
	}
	return p, nil
}

// Segment is the way between two readings, the start and the finish included.
type Segment struct {
	Point    TimingPoint // where it ends
	Finish   bool
	Reading  Time   // at its end; zero: missing, and so is everything below
	From     string // the point with the reading before, or "start"
	Distance Distance
	Elapsed  Time
	Pace     Time // per kilometre
}

// Segments returns a runner's way along the course of a race, point by point and,
// where there is a time, to the finish. A missing reading makes the next segment
// longer. Somebody without any reading has none.
func Segments(r Race, splits Splits, result Result) []Segment {
	var segments []Segment
	from, read := Segment{Point: TimingPoint{Name: "start"}}, false
	add := func(s Segment) {
		if s.Reading != 0 {
			s.From, s.Distance, s.Elapsed = from.Point.Name, s.Point.Distance-from.Point.Distance, s.Reading-from.Reading
			if s.Distance > 0 {
				s.Pace = Time(math.Round(float64(s.Elapsed) / s.Distance.Metres() * 1000))
			}
			from = s
		}
		segments = append(segments, s)
	}
	for _, p := range r.Course.Points {
		read = read || splits[p.Key] != 0
		add(Segment{Point: p, Reading: splits[p.Key]})
	}
	if !read {
		return nil
	}
	if finish := finishOf(r, result); finish != 0 {
		add(Segment{Point: TimingPoint{Name: "finish", Distance: r.Distance}, Finish: true, Reading: finish})
	}
	return segments
}
