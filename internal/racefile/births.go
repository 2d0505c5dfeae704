package racefile

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// dateOrder is how a column of dates writes day and month.
type dateOrder int

const (
	orderUnknown dateOrder = iota
	dayFirst
	monthFirst
	yearFirst  // 85.03.02, in Korea
	orderMixed // some values can only be one, some only the other
)

var (
	isoDate   = regexp.MustCompile(`^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\.?$`)
	shortDate = regexp.MustCompile(`^(\d{1,2})([-/.])\s?(\d{1,2})[-/.]\s?(\d{2}|\d{4})$`)
	// residentNumber begins with the date of birth. The rest of it, of which the first
	// digit tells the century, is read no further and never shown.
	residentNumber = regexp.MustCompile(`^(\d{6})-?(\d)[\d*●xX]{0,6}$`)
	shortPacked    = regexp.MustCompile(`^\d{6}$`)
	packedDate     = regexp.MustCompile(`^((?:19|20)\d{2})(\d{2})(\d{2})$`)
	koreanDate     = regexp.MustCompile(`^(\d{4})\s*[년.]\s*(\d{1,2})\s*[월.]\s*(\d{1,2})\s*[일.]?$`)
	yearAlone      = regexp.MustCompile(`^((?:19|20)\d{2})(?:년|\.0)?$`)
	serialDate     = regexp.MustCompile(`^[1-5]\d{4}(?:\.\d+)?$`)
	clockBehind    = regexp.MustCompile(`[ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[APap][Mm])?Z?$`)
)

// birth is a date of birth, or the year alone.
type birth struct {
	date race.Date
	year int
}

// slashed returns the two numbers of a date that may be day and month in either
// order.
func slashed(cell string) (first, second int, dots, found bool) {
	m := shortDate.FindStringSubmatch(clockBehind.ReplaceAllString(cell, ""))
	if m == nil {
		return 0, 0, false, false
	}
	first, _ = strconv.Atoi(m[1])
	second, _ = strconv.Atoi(m[3])
	return first, second, m[2] == ".", true
}

var errDate = errors.New(`must be a date of birth, for example "1994-04-19"`)

// birthReader reads the dates of one column.
type birthReader struct {
	order     dateOrder
	dots      dateOrder // of dates with dots, which are written day first unless one cannot be
	raceDate  race.Date
	epoch1904 bool
	packed    bool // the column has dates as YYMMDD
}

func (r birthReader) read(cell string, age int) (birth, error) {
	cell = clockBehind.ReplaceAllString(strings.TrimSpace(cell), "")
	switch strings.ToLower(cell) {
	case "", "-", "–", "n/a", "na", "nan", "none", "null", "0000-00-00", "00/00/0000", "0":
		return birth{}, nil
	}
	if m := yearAlone.FindStringSubmatch(cell); m != nil {
		year, _ := strconv.Atoi(m[1])
		return birth{year: year}, nil
	}
	for _, form := range []*regexp.Regexp{isoDate, packedDate, koreanDate} {
		if m := form.FindStringSubmatch(cell); m != nil {
			return r.date(m[1], m[2], m[3])
		}
	}
	if r.packed {
		if len(cell) == 5 && allDigits(cell) { // a workbook's number has lost its zero
			cell = "0" + cell
		}
		if m := residentNumber.FindStringSubmatch(cell); m != nil {
			century := "19"
			switch m[2] {
			case "3", "4", "7", "8":
				century = "20"
			case "0", "9":
				century = "18"
			}
			return r.date(century+m[1][:2], m[1][2:4], m[1][4:])
		}
		if shortPacked.MatchString(cell) {
			return r.date(r.fullYear(cell[:2], age), cell[2:4], cell[4:])
		}
	}
	if serialDate.MatchString(cell) {
		return r.serial(cell)
	}
	if m := shortDate.FindStringSubmatch(cell); m != nil {
		return r.short(m, age)
	}
	for _, form := range []string{"2 Jan 2006", "2 January 2006", "Jan 2 2006", "January 2 2006", "2-Jan-2006", "2-Jan-06", "2 Jan 06"} {
		if t, err := time.Parse(form, strings.ReplaceAll(cell, ",", "")); err == nil {
			if t.Year() > r.raceDate.Year {
				t = t.AddDate(-100, 0, 0)
			}
			return r.check(race.DateOf(t))
		}
	}
	return birth{}, errDate
}

func (r birthReader) short(m []string, age int) (birth, error) {
	order := r.order
	if m[2] == "." {
		order = r.dots
	}
	day, month := m[1], m[3]
	first, _ := strconv.Atoi(m[1])
	second, _ := strconv.Atoi(m[3])
	switch {
	case order == yearFirst && len(m[4]) == 2:
		return r.date(r.fullYear(m[1], age), m[3], m[4])
	case order == monthFirst:
		day, month = m[3], m[1]
	case order == orderMixed && second > 12:
		day, month = m[3], m[1]
	case order == orderMixed && first > 12, order == dayFirst, first == second:
	default:
		return birth{}, errDateOrder
	}
	year := m[4]
	if len(year) == 2 {
		year = r.fullYear(year, age)
	}
	return r.date(year, month, day)
}

var errDateOrder = errors.New("does not say which part is the day and which the month, and neither does the rest of the column: state the order of dates, or write dates as YYYY-MM-DD")

// fullYear puts the century before a year of two digits: nobody is born after
// the race, and an age that the file states decides between two centuries.
func (r birthReader) fullYear(year string, age int) string {
	n, _ := strconv.Atoi(year)
	n += 2000
	if n > r.raceDate.Year || age > 0 && r.raceDate.Year-n < age-2 {
		n -= 100
	}
	return strconv.Itoa(n)
}

func (r birthReader) serial(cell string) (birth, error) {
	days, err := strconv.ParseFloat(cell, 64)
	if err != nil {
		return birth{}, errDate
	}
	zero := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	if r.epoch1904 {
		zero = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return r.check(race.DateOf(zero.AddDate(0, 0, int(days))))
}

func (r birthReader) date(year, month, day string) (birth, error) {
	y, _ := strconv.Atoi(year)
	m, _ := strconv.Atoi(month)
	d, _ := strconv.Atoi(day)
	date := race.Date{Year: y, Month: time.Month(m), Day: d}
	if race.DateOf(date.Midnight()) != date {
		return birth{}, errors.New("is a date that does not exist")
	}
	return r.check(date)
}

func (r birthReader) check(date race.Date) (birth, error) {
	if r.raceDate.Before(date) {
		return birth{}, errors.New("is a birth after the race")
	}
	if r.raceDate.Year-date.Year > race.MaxAge {
		return birth{}, errors.New("is a birth too long ago")
	}
	return birth{date: date}, nil
}
