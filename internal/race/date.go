package race

import (
	"errors"
	"time"
)

// Date is a civil date, without a time or time zone. The zero value means no date.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// firstYear is the first year that a DATE column is guaranteed to hold.
const firstYear = 1000

// ParseDate reads YYYY-MM-DD, in the years from 1000 to 9999.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < firstYear {
		return Date{}, errors.New(`must be a date as YYYY-MM-DD, for example "2004-04-19"`)
	}
	return DateOf(t), nil
}

// DateOf returns the date that t shows in its own zone.
func DateOf(t time.Time) Date {
	year, month, day := t.Date()
	return Date{Year: year, Month: month, Day: day}
}

// Midnight returns the start of d in UTC, the form in which stores keep it.
func (d Date) Midnight() time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
}

// IsZero reports whether d is the zero value, no date.
func (d Date) IsZero() bool { return d == Date{} }

// String writes YYYY-MM-DD, and the empty string for no date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Midnight().Format(time.DateOnly)
}

// Before reports whether d is earlier than other.
func (d Date) Before(other Date) bool { return d.Midnight().Before(other.Midnight()) }

// AgeOn returns the age in whole years, on the day of the race, of somebody born on
// d. Somebody born on 29 February turns a year older on 1 March of common years.
// The age is UnknownAge if d is zero or after the day.
func (d Date) AgeOn(day Date) int {
	if d.IsZero() || day.Before(d) {
		return UnknownAge
	}
	age := day.Year - d.Year
	if day.Month < d.Month || (day.Month == d.Month && day.Day < d.Day) {
		age--
	}
	return age
}

// YearsUntil returns how many whole years lie between d and another day, negative
// when that one is earlier.
func (d Date) YearsUntil(day Date) int {
	if day.Before(d) {
		return -day.AgeOn(d)
	}
	return d.AgeOn(day)
}
