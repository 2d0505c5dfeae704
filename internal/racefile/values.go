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

// Times

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
	errSixty    = errors.New("minutes and seconds behind an hour, and seconds behind minutes, must be below 60")
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
	dotted := false
	cells(func(cell string) bool {
		if dottedTime.MatchString(cell) {
			dotted = true
		}
		if m := dottedPair.FindStringSubmatch(cell); len(m) > 2 && len(m[2]) < 5 {
			style.fraction = style.fraction || len(m[2]) != 2 || m[2] >= "60"
		}
		// A number of seconds that cannot be H:MM:SS without its colons.
		if n, err := strconv.Atoi(cell); err == nil && n >= maxDays && (n%100 >= 60 || n/100%100 >= 60) {
			style.seconds = true
		}
		return true
	})
	style.fraction = style.fraction && !dotted
	return style
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

// Status

// outcome is a status word: one of the statuses, or one of these.
const (
	unranked = race.ResultStatus("unranked") // finished outside of the ranking
	noEntry  = race.ResultStatus("no entry")
)

var statusWords = map[race.ResultStatus]string{
	race.Finished: `ok finished finisher finishers regular regulaer regolare arrive arrivee arrivees 완주 classified classe classifie
		classificato ranked finalizado finalizada llegado arrivato inwertung`,
	race.DidNotFinish: `dnf didnotfinish sportingwithdrawal dropped dropout retired ret pul pulled abandon abandonne abandonnee aband ab abd
		aufgegeben aufgabe 기권 중도포기 포기 ritirato ritirata rit retirado retirada abandono abandona dnp notfinished nichtimziel`,
	race.DidNotStart: `dns didnotstart notstarted notstart noshow nonpartant nonpartante np nichtangetreten nichtgestartet ngest 미출발
		불참 미참가 nonpartito nonpartita nopresentado nopresentada nosepresento nosalio nosale absent absente`,
	race.Disqualified: `dq dsq disq disqualified disqualifie disqualifiee disqualifiziert disqu 실격 missingpunch mp squalificato squalificata
		sq descalificado descalificada desc dqf`,
	race.Overtime: `otl overtime overtimelimit overthetimelimit horsdelai horsdelais hd 제한시간초과 시간초과 fuoritempomassimo fuoritempo ftm
		fueradecontrol fueradetiempo zeituberschreitung zeitlimit uberzeit unofficialfinish`,
	unranked: `ausserkonkurrenz außerkonkurrenz notcompeting horsconcours ak`,
	noEntry:  `cancelled canceled didnotenter moved movedup inactive removed`,
}

var statuses = func() map[string]race.ResultStatus {
	found := make(map[string]race.ResultStatus)
	for status, words := range statusWords {
		for word := range strings.FieldsSeq(words) {
			found[word] = status
		}
	}
	return found
}()

// statusWord reads a word of status. Words that mean different things to
// different programs come with the reason for doubt.
func statusWord(cell string) (status race.ResultStatus, undecided string, known bool) {
	if cell == "" || len(cell) > 60 || cell[0] >= '0' && cell[0] <= '9' {
		return "", "", false
	}
	plain := plainName(cell)
	status, known = statuses[plain]
	switch {
	case !known:
	case plain == "dnp":
		undecided = "DNP covers pulled, over the time limit and not placed"
	case status == unranked:
		undecided = "outside of the ranking: finished, and not ranked"
	}
	return status, undecided, known
}

// remarkStatus reads a status from a remark, which may go on behind it.
func remarkStatus(cell string) (status race.ResultStatus, undecided string, known bool) {
	if status, undecided, known = statusWord(cell); known {
		return status, undecided, true
	}
	first, _, _ := strings.Cut(strings.NewReplacer(",", " ", ";", " ", ":", " ", "(", " ", "-", " ").Replace(cell), " ")
	switch first {
	case "DNF", "DNS", "DQ", "DSQ", "OTL", "실격", "기권", "미출발", "불참":
		return statusWord(first)
	}
	return "", "", false
}

// Sex

var sexWords = func() map[string]race.Sex {
	found := make(map[string]race.Sex)
	for sex, words := range map[race.Sex]string{
		race.Male: `m male males man men mens boy boys h homme hommes masculin maschile maschio uomo uomini mann manner herr herren mannlich hombre
			hombres masculino varon varones 남 남자 남성 남자부 herre herrer messieurs`,
		race.Female: `f w female females woman women womens girl girls lady ladies femme femmes feminin feminine femminile femmina donna donne frau frauen
			damen dame dames weiblich mujer mujeres femenino femenina 여 여자 여성 여자부 dam d`,
		race.NonBinary: `x nb n nonbinary divers diverse enby other offen nonbinaire nonbinario nobinario`,
	} {
		for word := range strings.FieldsSeq(words) {
			found[word] = sex
		}
	}
	return found
}()

// parseSex reads a cell of a sex column. A d is for the column to decide.
func parseSex(cell string) (race.Sex, bool) {
	if len(cell) > 24 {
		return "", false
	}
	sex, known := sexWords[plainName(cell)]
	return sex, known
}

var (
	frenchClass = regexp.MustCompile(`^(?:SE|ES|JU|CA|MI|BE|PO|EA|VE|V[1-5]|M(?:10|\d))([MHF])$`)
	leadingSex  = regexp.MustCompile(`^(?:S|V|MV|FV)?([MFWX])(?:[ _-]?U?\d{2}|V\d{2}|SEN|JUN|HK|MEN|JA|JB|JU|U\d|ST)`)
	loneSex     = regexp.MustCompile(`^([MFWX])[ _/.-]+\S`)
	seniorSex   = regexp.MustCompile(`^[SJVU]([MFWL])$`)
	trailingSex = regexp.MustCompile(`^[A-Z0-9]+_([MFWX])$|^OV[A-Z]+([MF])$`)
	womenClass  = regexp.MustCompile(`(W)OM(?:EN)?$`)
	wordEdges   = regexp.MustCompile(`[^\p{L}\p{N}-]+`)
)

// sexOfDivision reads the sex that a division, a group line or a sheet names.
func sexOfDivision(division string) race.Sex {
	if division == "" {
		return ""
	}
	if sex, known := parseSex(division); known {
		return sex
	}
	found := race.Sex("")
	for _, word := range wordEdges.Split(division, -1) {
		plain := plainName(word)
		if sex, known := sexWords[plain]; known && len(plain) > 1 {
			if found != "" && found != sex {
				return "" // "Men and Women"
			}
			found = sex
		}
	}
	if found != "" {
		return found
	}
	code := strings.ToUpper(strings.TrimSpace(division))
	if first, rest, cut := strings.Cut(code, " "); cut && allDigits(first) { // the place in the group: 1 M40-44
		code = rest
	}
	for _, form := range []*regexp.Regexp{frenchClass, womenClass, seniorSex, leadingSex, loneSex, trailingSex} {
		if m := form.FindStringSubmatch(code); m != nil {
			sex, _ := parseSex(strings.Join(m[1:], ""))
			return sex
		}
	}
	return ""
}

// fieldOfDivision reads the field that a division names.
func fieldOfDivision(division string) race.Field {
	plain := plainName(division)
	switch {
	case strings.Contains(plain, "handcycle"), strings.Contains(plain, "handbike"):
		return race.Handcycle
	case strings.Contains(plain, "pushrim"), strings.Contains(plain, "wheelchair"), strings.Contains(plain, "rollstuhl"),
		strings.Contains(plain, "fauteuil"):
		return race.Wheelchair
	}
	return ""
}

// Bibs

var wholeNumber = regexp.MustCompile(`^(\d+)[.,]0+$`)

// parseBib returns the bib in a cell; empty when there is none.
func parseBib(cell string) string {
	cell = strings.TrimSpace(strings.TrimLeft(cell, "#№"))
	if m := wholeNumber.FindStringSubmatch(cell); m != nil {
		cell = m[1]
	}
	switch strings.ToLower(cell) {
	case "none", "n/a", "na", "nan", "null", "-", "–", "—", "?", "tbd", "tba":
		return ""
	}
	if strings.Trim(cell, "0") == "" {
		return ""
	}
	return cell
}

// Dates

// dateOrder is how a column of dates writes day and month.
type dateOrder int

const (
	orderUnknown dateOrder = iota
	dayFirst
	monthFirst
	orderMixed // some values can only be one, some only the other
)

var (
	isoDate     = regexp.MustCompile(`^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\.?$`)
	shortDate   = regexp.MustCompile(`^(\d{1,2})([-/.])\s?(\d{1,2})[-/.]\s?(\d{2}|\d{4})$`)
	packedDate  = regexp.MustCompile(`^((?:19|20)\d{2})(\d{2})(\d{2})$`)
	koreanDate  = regexp.MustCompile(`^(\d{4})\s*[년.]\s*(\d{1,2})\s*[월.]\s*(\d{1,2})\s*[일.]?$`)
	yearAlone   = regexp.MustCompile(`^((?:19|20)\d{2})(?:년|\.0)?$`)
	serialDate  = regexp.MustCompile(`^[1-5]\d{4}(?:\.\d+)?$`)
	clockBehind = regexp.MustCompile(`[ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[APap][Mm])?Z?$`)
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

var errDateOrder = errors.New("does not say which part is the day and which the month, and nor does the rest of the column: " +
	"state the order of dates, or write dates as YYYY-MM-DD")

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

// Names

// suffixes stand behind a comma without being a first name.
func isSuffix(part string) bool {
	switch plainName(part) {
	case "jr", "sr", "ii", "iii", "iv", "v", "dr", "md", "phd", "esq", "prof", "dds", "jnr", "snr":
		return true
	}
	return false
}

func isNobody(name string) bool {
	switch plainName(name) {
	case "", "noname", "unknownparticipant", "unknown", "unknownrunner", "na", "nan", "none", "anonymous", "unbekannt", "inconnu", "noinfo":
		return true
	}
	return false
}

// nameShape is how the words of a whole name are written.
type nameShape int

const (
	plainShape     nameShape = iota
	lastFirstShape           // SKERRIT Dovan
	firstLastShape           // Dovan SKERRIT
)

// shapeOf finds the family name that stands in capitals, and where it ends or begins.
func shapeOf(name string) (nameShape, int) {
	words := strings.Fields(name)
	leading, trailing := 0, 0
	for leading < len(words) && inCapitals(words[leading]) {
		leading++
	}
	for trailing < len(words) && inCapitals(words[len(words)-1-trailing]) {
		trailing++
	}
	switch {
	case len(words) < 2 || leading == len(words):
		return plainShape, 0
	case leading > 0 && trailing == 0 && lettersIn(strings.Join(words[:leading], "")) > 2:
		return lastFirstShape, leading
	case trailing > 0 && leading == 0 && lettersIn(strings.Join(words[len(words)-trailing:], "")) > 2:
		return firstLastShape, len(words) - trailing
	}
	return plainShape, 0
}

func lettersIn(s string) int { return len([]rune(plainName(s))) }

// inCapitals reports whether a word has capitals only. Scripts without case have none.
func inCapitals(word string) bool {
	return strings.ToUpper(word) == word && strings.ToLower(word) != word
}

// partName parts a whole name where it tells its parts apart. turn says that
// family names in capitals come first in this file.
func partName(name string, turn bool) (whole, first, last string) {
	if before, after, cut := strings.Cut(name, ","); cut {
		before, after = strings.TrimSpace(before), strings.TrimSpace(after)
		given, suffix, more := strings.Cut(after, ",")
		switch {
		case before == "" || after == "" || isSuffix(after):
		case more && isSuffix(suffix):
			first, last = strings.TrimSpace(given), before+", "+strings.TrimSpace(suffix)
			return first + " " + last, first, last
		case !more:
			return after + " " + before, after, before
		}
		return name, "", ""
	}
	words := strings.Fields(name)
	switch shape, at := shapeOf(name); {
	case shape == lastFirstShape && turn:
		first, last = strings.Join(words[at:], " "), strings.Join(words[:at], " ")
		return first + " " + last, first, last
	case shape == firstLastShape:
		return name, strings.Join(words[:at], " "), strings.Join(words[at:], " ")
	}
	return name, "", ""
}
