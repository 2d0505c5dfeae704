package scoring

import (
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// A time is implausible when nobody can have run it that fast, or when it is slower
// than a walk. It is nearly always a mistake: a time written as h:mm and read as
// mm:ss, a time of day, a distance with a wrong digit. Such a record is kept, but
// neither ranked nor credited until somebody confirms its time.

// marginPercent is how far beyond a world best a time is still believed. In the
// twenty years up to 2023 the marathon records fell by 3.5 % (men) and 4.1 %
// (women), and the best twelve hours on record are 3.8 % ahead of the open
// standards, so the tables may grow old before a real performance is held back.
const marginPercent = 5

// Speeds in mm/s that nobody has held over a distance of their field. The open
// standards cover runners from the mile to 200 km; these cover the rest.
const (
	// sprinter is the 100 m and 200 m world records of 9.58 s and 19.19 s. It
	// bounds races shorter than the mile.
	sprinter = 10_440
	// Push-rim wheelchairs: 1:15:33 and 1:28:17 for the Boston marathon, which
	// falls, against 1:17:47 and 1:34:16 on level courses. The bests over 10 km
	// and on the track have the same speed.
	wheelchairMen   = 9_400
	wheelchairWomen = 8_000
	// Handcycles: the best time trials, some 46 and 40 km/h; marathons are
	// slower, 58 minutes at best.
	handcycleMen   = 12_900
	handcycleWomen = 11_200
)

// Slowest times. Walkers with a stroller finish a marathon without a time limit
// in 15 to 16 hours (2.7 km/h), a vertical kilometre takes them two hours for
// two kilometres, and mountain races of 300 km have limits of 150 hours with
// sleep (2 km/h). So up to a marathon an hour and then 2 km/h are allowed, 22
// hours for the marathon, and 1 km/h for what is beyond.
const (
	slowStart        = 3_600_000 // ms
	slowMSPerKM      = 1_800_000 // up to a marathon
	slowMSPerUltraKM = 3_600_000 // beyond it
	marathonMM       = 42_195_000
	mmPerKM          = 1_000_000
)

// ImplausiblePrefix begins every reason that Implausible gives.
const ImplausiblePrefix = "implausible "

// Implausible returns why a time that ranks in the race cannot be right and what to
// write instead, or the empty string when it can be right. A nil entrant, or one of
// unknown sex, is given the widest bounds. The text holds neither sex nor age,
// since it is kept in workflow histories.
func Implausible(r race.Race, entrant *race.Participant, result race.Result) string {
	if result.Status != race.Finished {
		return ""
	}
	field, sex := race.Handcycle, race.Sex("")
	if entrant != nil {
		field, sex = entrant.Field, entrant.Sex
	}
	fastest, slowest := fastestTime(r.Distance, field, sex), slowestTime(r.Distance)
	plausible := func(t race.Time) bool { return t == 0 || t >= fastest && t <= slowest }
	for _, clock := range Clocks(r.Ranking) {
		t := race.Ranking{Basis: clock}.RankingTime(result)
		switch {
		case plausible(t):
			continue
		case t < fastest:
			return tooFast(clock, t, plausible)
		default:
			return tooSlow(clock, t, plausible)
		}
	}
	return ""
}

func tooFast(clock race.Basis, t race.Time, plausible func(race.Time) bool) string {
	reason := fmt.Sprintf("%s%s time %s: faster than the world best for the distance and field", ImplausiblePrefix, clock, t)
	if meant := t * 60; t%1000 == 0 && plausible(meant) {
		minutes, seconds := t/60_000, t/1000%60
		reason += fmt.Sprintf("; %d:%02d was read as %d min %d s; if it means %d h %d min write %s",
			minutes, seconds, minutes, seconds, minutes, seconds, meant)
	}
	return reason
}

func tooSlow(clock race.Basis, t race.Time, plausible func(race.Time) bool) string {
	reason := fmt.Sprintf("%s%s time %s: slower than a walk over the distance", ImplausiblePrefix, clock, t)
	hours, minutes, seconds := t/3_600_000, t/60_000%60, t/1000%60 // which may be minutes, seconds and hundredths
	if meant := hours*60_000 + minutes*1000 + seconds*10; hours < 60 && plausible(meant) {
		reason += fmt.Sprintf("; if it means %d min %d s write %s", hours, minutes, minuteNotation(meant))
	}
	return reason
}

// MayBeImplausible reports whether Implausible could find a result implausible for
// any entrant at all, so that callers who do not know the entrant yet can skip
// looking it up.
func MayBeImplausible(r race.Race, result race.Result) bool {
	for _, field := range []race.Field{race.Runner, race.Wheelchair, race.Handcycle} {
		if Implausible(r, &race.Participant{Field: field, Sex: race.Female}, result) != "" { // the bounds for women are tighter
			return true
		}
	}
	return false
}

// Implausible returns why the record's time is implausible, or the empty string
// when it is plausible or has been confirmed.
func (f Facts) Implausible() string {
	if f.Record.TimeConfirmed {
		return ""
	}
	return Implausible(f.Race, f.Entrant, f.Record.Result)
}

// Clocks returns the clocks that decide a place under a ranking.
func Clocks(r race.Ranking) []race.Basis {
	gun := r.Basis != race.Net || r.DivisionsBasis == race.Gun
	net := r.Basis == race.Net || r.DivisionsBasis == race.Net || r.Ties == race.TiesNet
	switch {
	case gun && net:
		return bothClocks[:]
	case net:
		return bothClocks[1:]
	}
	return bothClocks[:1]
}

var bothClocks = [...]race.Basis{race.Gun, race.Net}

// fastestTime returns the shortest time that is believed.
func fastestTime(d race.Distance, field race.Field, sex race.Sex) race.Time {
	woman := sex == race.Female
	pick := func(women, men int64) race.Time {
		if woman {
			return timeAt(d, women)
		}
		return timeAt(d, men)
	}
	var best race.Time
	switch field {
	case race.Wheelchair:
		best = pick(wheelchairWomen, wheelchairMen)
	case race.Runner:
		best = bestOfRunners(d, woman)
	case race.Handcycle:
		best = pick(handcycleWomen, handcycleMen)
	default: // a field that a later release added
		best = pick(handcycleWomen, handcycleMen)
	}
	return best * (100 - marginPercent) / 100
}

// bestOfRunners returns the open standard of the distance; below the shortest
// one the time of a sprinter, beyond the longest one its pace.
func bestOfRunners(d race.Distance, woman bool) race.Time {
	sex := string(race.Male)
	if woman {
		sex = string(race.Female)
	}
	columns := roadTables()[tableKey{Default.Edition(), sex}]
	shortest, longest := columns[0], columns[len(columns)-1]
	switch {
	case int64(d) < shortest.distanceMM-listedWithinMM:
		return timeAt(d, sprinter)
	case int64(d) > longest.distanceMM+listedWithinMM:
		return race.Time(float64(longest.standardMS) * float64(d) / float64(longest.distanceMM))
	}
	standard, _ := columns.at(int64(d), minAge)
	return race.Time(standard)
}

// slowestTime returns the longest time that is believed.
func slowestTime(d race.Distance) race.Time {
	short := min(int64(d), marathonMM)
	return race.Time(slowStart + short*slowMSPerKM/mmPerKM + (int64(d)-short)*slowMSPerUltraKM/mmPerKM)
}

func timeAt(d race.Distance, mmPerSecond int64) race.Time {
	return race.Time(int64(d) * 1000 / mmPerSecond)
}

// minuteNotation writes a time below an hour as MM:SS[.f].
func minuteNotation(t race.Time) string {
	s := fmt.Sprintf("%d:%02d", t/60_000, t/1000%60)
	if hundredths := t / 10 % 100; hundredths != 0 {
		s += fmt.Sprintf(".%02d", hundredths)
	}
	return s
}
