package racefile

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// noTime reports whether a cell says that no time was taken. Zero is one of
// these: nobody finishes in zero.
func noTime(cell string) bool {
	switch strings.ToLower(cell) {
	case "", "nan", "n/a", "na", "none", "null":
		return true
	}
	return strings.Trim(cell, "-–—−0:., ") == ""
}

var (
	colonTime  = regexp.MustCompile(`^(?:(\d+):)?(\d+):(\d{1,2})(?:[.,](\d+))?$`)
	dottedTime = regexp.MustCompile(`^(\d+)\.(\d{2})\.(\d{2})(?:[.,](\d+))?$`)
	dottedPair = regexp.MustCompile(`^(\d+)\.(\d+)$`)
	letterTime = regexp.MustCompile(`(?i)^(?:pt?)?(?:(\d+)\s*(?:jours?|days?|tage?|giorni|giorno|dias?|días?|[jdtg]|일)\s*)?` +
		`(?:(\d+)\s*(?:hours?|std|ore|[hu:]|시간)\s*)?` +
		`(?:(\d+)\s*(?:min|mn|m|'|’|′|:|분)\s*)?` +
		`(?:(\d{1,2})(?:[.,](\d+))?\s*(?:sec|sek|s|''|’’|′′|"|”|″|초)?)?$`)
	hourMinute = regexp.MustCompile(`(?i)^(\d+)\s*h\s*(\d{1,2})$`) // 30h05
	dayTime    = regexp.MustCompile(`(?i)^(\d+)\s*(?:jours?|days?|tage?|[jdtg]|일)\.?\s*,?\s*(\d+):(\d{2}):(\d{2})(?:[.,](\d+))?$`)
	clockHalf  = regexp.MustCompile(`(?i)^(\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)\s*([ap])\.?m\.?$`)
	excelDay   = regexp.MustCompile(`^(1899-12-3[01]|1900-01-\d\d|1904-01-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)Z?$`)
	gapForm    = regexp.MustCompile(`(?i)^\+|^-\s*\d|\blaps?$`)
	markForm   = regexp.MustCompile(`^(.*[\d"'a-z초분])\s*[*#†!]+$`)
)

var (
	errTime     = errors.New(`must be a time as H:MM:SS[.f] or MM:SS[.f], for example "2:10:22" or "45:10.4"`)
	errSixty    = errors.New("minutes and seconds after an hour, and seconds after minutes, must be below 60")
	errGap      = errors.New("is a gap to another time: the time itself is needed")
	errTimeUnit = errors.New("is a number without a unit: write the time as H:MM:SS")
	errTimeLong = errors.New("must be below 1000 hours")
)

// timeStyle is what a column as a whole says about its times.
type timeStyle struct {
	workbook bool // small numbers are fractions of a day
	seconds  bool // numbers are seconds
	fraction bool // 46.51 is seconds with a fraction, not minutes and seconds
}

// parseTime reads one time; zero means that none was taken.
func parseTime(cell string, style timeStyle) (race.Time, error) {
	cell = strings.TrimSpace(cell)
	if t, err := race.ParseTime(cell); err == nil { // nearly all of them
		return t, nil
	}
	if noTime(cell) {
		return 0, nil
	}
	if m := markForm.FindStringSubmatch(cell); m != nil {
		cell = strings.TrimSpace(m[1])
	}
	if gapForm.MatchString(cell) {
		return 0, errGap
	}
	if m := clockHalf.FindStringSubmatch(cell); m != nil {
		return halfDay(m[1], strings.EqualFold(m[2], "p"))
	}
	if m := excelDay.FindStringSubmatch(cell); m != nil {
		return sinceExcelDay(m[1], m[2])
	}
	if m := colonTime.FindStringSubmatch(cell); m != nil {
		return clockTime("", m[1], m[2], m[3], m[4])
	}
	if m := dottedTime.FindStringSubmatch(cell); m != nil {
		return clockTime("", m[1], m[2], m[3], m[4])
	}
	if m := dayTime.FindStringSubmatch(cell); m != nil {
		return clockTime(m[1], m[2], m[3], m[4], m[5])
	}
	if numberForm.MatchString(cell) || isExponent(cell) {
		return numberTime(cell, style)
	}
	if m := hourMinute.FindStringSubmatch(cell); m != nil {
		return clockTime("", m[1], m[2], "", "")
	}
	if m := letterTime.FindStringSubmatch(cell); m != nil {
		return clockTime(m[1], m[2], m[3], m[4], m[5])
	}
	return 0, errTime
}

func isExponent(cell string) bool {
	return strings.ContainsAny(cell, "eE") && cell[0] >= '0' && cell[0] <= '9' && parsesAsFloat(cell)
}

func parsesAsFloat(cell string) bool {
	_, err := strconv.ParseFloat(cell, 64)
	return err == nil
}

// clockTime puts the parts of a time together; missing ones are empty.
func clockTime(days, hours, minutes, seconds, fraction string) (race.Time, error) {
	total := 0.0
	for _, part := range []struct {
		digits string
		unit   float64
		capped bool
	}{{days, 86400, false}, {hours, 3600, false}, {minutes, 60, hours != "" || days != ""}, {seconds, 1, true}} {
		if part.digits == "" {
			continue
		}
		n, err := strconv.ParseFloat(part.digits, 64)
		if err != nil {
			return 0, errTime
		}
		if part.capped && n >= 60 {
			return 0, errSixty
		}
		total += n * part.unit
	}
	if fraction != "" {
		n, err := strconv.ParseFloat("0."+fraction, 64)
		if err != nil {
			return 0, errTime
		}
		total += n
	}
	return toTime(total)
}

func toTime(seconds float64) (race.Time, error) {
	if seconds*1000 >= float64(race.MaxTime) {
		return 0, errTimeLong
	}
	return race.Time(math.Round(seconds * 1000)), nil
}

// halfDay reads an elapsed time that a spreadsheet wrote as a time of day.
func halfDay(clock string, afternoon bool) (race.Time, error) {
	m := colonTime.FindStringSubmatch(clock)
	if m == nil {
		return 0, errTime
	}
	if m[1] == "" { // 2:10 AM is hours and minutes
		m[1], m[2], m[3] = m[2], m[3], "0"
	}
	if m[1] == "12" {
		m[1] = "0"
	}
	days := ""
	t, err := clockTime(days, m[1], m[2], m[3], m[4])
	if err == nil && afternoon {
		t += 12 * 3600 * 1000
	}
	return t, err
}

// sinceExcelDay reads a time that a spreadsheet wrote as a date near its day 0.
func sinceExcelDay(date, clock string) (race.Time, error) {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return 0, errTime
	}
	zero := time.Date(1899, 12, 31, 0, 0, 0, 0, time.UTC)
	if day.Year() == 1904 {
		zero = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	m := colonTime.FindStringSubmatch(clock)
	days := max(int(day.Sub(zero).Hours()/24), 0)
	return clockTime(strconv.Itoa(days), m[1], m[2], m[3], m[4])
}

// maxDays is how many days a number in a workbook may be to count as a time.
const maxDays = 10

func numberTime(cell string, style timeStyle) (race.Time, error) {
	n, err := strconv.ParseFloat(strings.ReplaceAll(cell, ",", "."), 64)
	if err != nil {
		return 0, errTime
	}
	_, decimals, _ := strings.Cut(strings.ReplaceAll(cell, ",", "."), ".")
	switch {
	case style.seconds:
		return toTime(n)
	case style.workbook && n < maxDays, n < maxDays && len(decimals) >= 5:
		// Fractions of a day are a few microseconds off.
		return toTime(math.Round(n*86400*1000) / 1000)
	case decimals == "":
		return 0, errTimeUnit
	case !style.fraction && len(decimals) == 2 && decimals < "60" && !strings.Contains(cell, ","):
		m := dottedPair.FindStringSubmatch(cell)
		return clockTime("", "", m[1], m[2], "")
	}
	return toTime(n)
}

// styleOf decides what the numbers in a column of times are.
func styleOf(cells func(yield func(string) bool), workbook bool) timeStyle {
	style := timeStyle{workbook: workbook}
	dotted, colons, days, whole, unlikeClock := false, false, false, 0, 0
	cells(func(cell string) bool {
		dotted = dotted || dottedTime.MatchString(cell)
		colons = colons || strings.Contains(cell, ":") && colonTime.MatchString(cell) && !noTime(cell)
		if m := dottedPair.FindStringSubmatch(cell); len(m) > 2 && len(m[2]) < 5 {
			style.fraction = style.fraction || len(m[2]) != 2 || m[2] >= "60"
		}
		if _, decimals, _ := strings.Cut(cell, "."); len(decimals) >= 5 && isFractionOfDay(cell) { // a workbook saved as text
			style.workbook = true
		}
		days = days || style.workbook && isFractionOfDay(cell)
		if n, err := strconv.Atoi(cell); err == nil && n >= maxDays {
			whole++
			unlikeClock += unlikeClockTime(n)
		}
		return true
	})
	// Two in three numbers of seconds cannot be H:MM:SS without its colons. A few such
	// numbers are typing errors, and so is a number among times with colons or a
	// workbook's fractions of a day.
	style.seconds = !colons && !days && unlikeClock > 0 && unlikeClock*3 >= whole
	style.fraction = style.fraction && !dotted
	return style
}

// unlikeClockTime is 1 for a number that is no H:MM:SS without its colons, else 0.
func unlikeClockTime(n int) int {
	if n%100 >= 60 || n/100%100 >= 60 {
		return 1
	}
	return 0
}

// isFractionOfDay reports whether a cell is a number as a workbook keeps times.
func isFractionOfDay(cell string) bool {
	n, err := strconv.ParseFloat(cell, 64)
	return err == nil && n > 0 && n < maxDays && strings.Contains(cell, ".")
}

func looksLikeTime(cell string, workbook bool) bool {
	if len(cell) > 24 {
		return false
	}
	if numberForm.MatchString(cell) {
		n, err := strconv.ParseFloat(strings.ReplaceAll(cell, ",", "."), 64)
		_, decimals, _ := strings.Cut(cell, ".")
		return err == nil && workbook && n < 5 && len(decimals) >= 5
	}
	_, err := parseTime(cell, timeStyle{})
	return err == nil
}
