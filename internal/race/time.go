package race

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Time is an elapsed race time in milliseconds. Zero means that no time was
// taken: nobody finishes in zero.
type Time int64

// MaxTime is the longest time that a record may hold, exclusive. Multi-day
// races stay below it; a time of day written by mistake with a date does not.
const MaxTime = Time(1000 * 60 * 60 * 1000)

const (
	millisPerSecond = 1000
	millisPerMinute = 60 * millisPerSecond
	millisPerHour   = 60 * millisPerMinute
)

// errTimeNotation is the error of every malformed time. It says what would be
// right, and does not quote the value.
var errTimeNotation = errors.New(`must be a time as H:MM:SS[.f] or MM:SS[.f], for example "2:10:22" or "2:10:22.4"`)

// ParseTime reads the sport's notation, H:MM:SS[.f] or MM:SS[.f], with one to
// three decimals. Minutes and seconds must be below 60; in MM:SS the minutes
// too, so that a time of 90 minutes is written 1:30:00 and never misread. The
// result is above zero and below MaxTime.
func ParseTime(s string) (Time, error) {
	s = strings.TrimSpace(s)
	whole, fraction, hasFraction := strings.Cut(s, ".")
	parts := strings.Split(whole, ":")
	if len(parts) != 2 && len(parts) != 3 {
		return 0, errTimeNotation
	}
	var clock [3]int64 // hours, minutes, seconds
	for i, part := range parts {
		leading := i == 0
		value, err := parseClockPart(part, leading)
		if err != nil {
			return 0, err
		}
		clock[3-len(parts)+i] = value
	}
	millis := int64(0)
	if hasFraction {
		var err error
		if millis, err = parseFraction(fraction); err != nil {
			return 0, err
		}
	}
	if clock[1] > 59 || clock[2] > 59 {
		return 0, errors.New("minutes and seconds must be below 60")
	}
	t := Time(clock[0]*millisPerHour + clock[1]*millisPerMinute + clock[2]*millisPerSecond + millis)
	switch {
	case t == 0:
		return 0, errors.New("must be longer than zero")
	case t >= MaxTime:
		return 0, fmt.Errorf("must be below %d hours", MaxTime/millisPerHour)
	}
	return t, nil
}

// parseClockPart reads one number between colons. The leading one may have one
// to four digits, the others have exactly two.
func parseClockPart(part string, leading bool) (int64, error) {
	if len(part) != 2 && !(leading && len(part) >= 1 && len(part) <= 4) {
		return 0, errTimeNotation
	}
	if !allDigits(part) {
		return 0, errTimeNotation
	}
	return strconv.ParseInt(part, 10, 64)
}

// parseFraction reads one to three decimals of a second as milliseconds.
func parseFraction(digits string) (int64, error) {
	if len(digits) < 1 || len(digits) > 3 || !allDigits(digits) {
		return 0, errTimeNotation
	}
	return strconv.ParseInt((digits + "00")[:3], 10, 64)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// String writes t as H:MM:SS, with as many decimals as it has, and the empty
// string for no time.
func (t Time) String() string {
	if t <= 0 {
		return ""
	}
	s := fmt.Sprintf("%d:%02d:%02d", t/millisPerHour, t/millisPerMinute%60, t/millisPerSecond%60)
	if millis := t % millisPerSecond; millis != 0 {
		s += strings.TrimRight(fmt.Sprintf(".%03d", millis), "0")
	}
	return s
}

// PaceString writes a time per kilometre as M:SS, with a tenth where it has one.
func (t Time) PaceString() string {
	const tenth = Time(100)
	t = (t + tenth/2) / tenth * tenth
	s := fmt.Sprintf("%d:%02d", t/millisPerMinute, t/millisPerSecond%60)
	if t%millisPerSecond != 0 {
		s += fmt.Sprintf(".%d", t%millisPerSecond/tenth)
	}
	return s
}
