package racefile

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// interpreter turns the cells of rows into values.
type interpreter struct {
	b         *builder
	births    birthReader
	styles    map[Meaning]timeStyle
	splits    timeStyle
	codes     map[string]race.ResultStatus // numbers in the status column
	turnNames bool
	lastFirst bool // by the header
	diverse   bool // a d in the sex column is divers
	inferred  bool // where the cells end says who stopped
}

func (b *builder) newInterpreter() *interpreter {
	slash, dots := b.dateOrders()
	switch {
	case b.options.DateOrder == "dmy":
		slash, dots = dayFirst, dayFirst
	case b.options.DateOrder == "mdy":
		slash, dots = monthFirst, monthFirst
	case slash == orderUnknown:
		slash = b.statedOrder()
	}
	i := &interpreter{
		b: b, styles: make(map[Meaning]timeStyle), codes: b.statusCodes(),
		births: birthReader{order: slash, dots: dots, raceDate: b.options.RaceDate, epoch1904: b.epoch1904, packed: b.hasPackedDates()},
	}
	workbook := b.file.Container == "xlsx"
	for _, m := range []Meaning{TimeColumn, GunTimeColumn, NetTimeColumn} {
		i.styles[m] = b.cellStyle(func(r *raw) string { return r.cells[m] }, workbook)
	}
	i.splits = timeStyle{workbook: workbook, seconds: i.styles[TimeColumn].seconds, fraction: i.styles[TimeColumn].fraction}
	lastFirst, plain, placed, statused, d, hommes := 0, 0, false, false, 0, 0
	for at := range b.raws {
		r := &b.raws[at]
		switch shape, _ := shapeOf(r.cells[NameColumn]); shape {
		case lastFirstShape:
			lastFirst++
		case plainShape:
			plain++
		case firstLastShape:
		}
		placed = placed || r.cells[PlaceColumn] != ""
		statused = statused || i.words(r) != ""
		switch plainName(r.cells[SexColumn]) {
		case "d":
			d++
		case "h", "homme":
			hommes++
		}
	}
	i.turnNames = lastFirst >= plain
	i.lastFirst = lastNameFirst(b.headerOf(NameColumn))
	i.diverse = d > 0 && hommes == 0 && b.usesLetters("w", "m")
	i.inferred = !placed && !statused && plainName(b.headerOf(TimeColumn)) == "finish"
	return i
}

func (b *builder) usesLetters(letters ...string) bool {
	return slices.ContainsFunc(b.raws, func(r raw) bool { return slices.Contains(letters, plainName(r.cells[SexColumn])) })
}

func (b *builder) cellStyle(cell func(*raw) string, workbook bool) timeStyle {
	style := styleOf(func(yield func(string) bool) {
		for at := range b.raws {
			if !yield(cell(&b.raws[at])) {
				return
			}
		}
	}, workbook)
	switch b.file.Container {
	case "xml":
		style.seconds = true
	case "finishlynx":
		style.fraction = true
	}
	return style
}

// statusCodes says what the numbers of the status column stand for: the same
// ones mean different things to UltraSignup and RACE RESULT.
func (b *builder) statusCodes() map[string]race.ResultStatus {
	ultraSignup := map[string]race.ResultStatus{
		"1": race.Finished, "2": race.DidNotFinish, "3": race.DidNotStart, "4": race.Overtime, "5": race.Disqualified, "6": race.Finished,
	}
	raceResult := map[string]race.ResultStatus{
		"0": race.Finished, "1": unranked, "2": race.Disqualified, "3": race.DidNotFinish, "4": race.DidNotStart, "5": race.DidNotStart,
	}
	switch {
	case strings.HasPrefix(b.file.Format, "ultrasignup"):
		return ultraSignup
	case strings.HasPrefix(b.file.Format, "raceresult"):
		return raceResult
	}
	timed := make(map[string]int)
	for _, r := range b.raws {
		if !noTime(r.cells[TimeColumn]) || !noTime(r.cells[GunTimeColumn]) || !noTime(r.cells[NetTimeColumn]) {
			timed[r.cells[StatusColumn]]++
		}
	}
	switch {
	case timed["0"] > timed["1"]:
		return raceResult
	case timed["1"] > timed["0"] && timed["0"] == 0:
		return ultraSignup
	}
	return nil
}

// words returns the cell of a row that holds a word of status, if any.
func (i *interpreter) words(r *raw) string {
	for _, m := range []Meaning{StatusColumn, PlaceColumn, TimeColumn, GunTimeColumn, NetTimeColumn} {
		if status, _, known := statusWord(r.cells[m]); known && status != race.Finished {
			return r.cells[m]
		}
	}
	return ""
}

// row interprets one row. It is an entry without errors, or has errors, or is to
// be skipped.
func (i *interpreter) row(r *raw) (row Row, wrong []RowError, skip string) {
	row = Row{Sheet: r.sheet, Row: r.row, Age: race.UnknownAge}
	add := func(field, value, message string) {
		if slices.ContainsFunc(wrong, func(e RowError) bool { return e.Field == field || e.Field == "" }) {
			return
		}
		wrong = append(wrong, RowError{Sheet: r.sheet, Row: r.row, Field: field, Message: message, Value: shorten(value), Bib: row.Bib})
	}
	row.Bib = parseBib(r.cells[BibColumn])
	i.name(r, &row)
	if r.tooMany {
		add("", "", "the row has more cells than the header: a cell with the delimiter in it must be written between quotes")
		return row, wrong, ""
	}
	if status, _, known := statusWord(r.cells[StatusColumn]); known && status == noEntry {
		return row, nil, "no entry"
	}
	if row.Bib == "" {
		add("bib", r.cells[BibColumn], "is missing: the row needs the number that the runner wears")
	} else if err := race.CheckBib(row.Bib); err != nil {
		add("bib", row.Bib, err.Error())
	}
	i.person(r, &row, add)
	if i.b.file.Kind == Results {
		i.result(r, &row, add)
	}
	return row, wrong, ""
}

func (i *interpreter) name(r *raw, row *Row) {
	first, last := r.cells[FirstNameColumn], r.cells[LastNameColumn]
	if middle := r.cells[MiddleNameColumn]; middle != "" {
		first = strings.TrimSpace(first + " " + middle)
	}
	switch {
	case last != "" || first != "" && r.cells[NameColumn] == "":
		row.FirstName, row.LastName = first, last
		row.Name = strings.TrimSpace(first + " " + last)
	default:
		row.Name, row.FirstName, row.LastName = partName(r.cells[NameColumn], i.turnNames, i.lastFirst)
	}
	if isNobody(row.Name) {
		row.Name, row.FirstName, row.LastName = "", "", ""
	}
}

// says returns what a cell says: nothing when it is only a mark for nothing.
func says(cell string) string {
	switch strings.ToLower(cell) {
	case "-", "–", "—", "n/a", "nan", "null", "#n/a":
		return ""
	}
	return cell
}

func (i *interpreter) person(r *raw, row *Row, add func(field, value, message string)) {
	row.Team, row.Event = says(r.cells[TeamColumn]), says(r.cells[EventColumn])
	row.Division = says(r.cells[DivisionColumn])
	row.LoginID, row.Sequence, row.Place = r.cells[LoginIDColumn], r.cells[SequenceColumn], r.cells[PlaceColumn]
	if row.Division == "" && r.group != "" && !i.has(DivisionColumn) {
		row.Division = r.group
	}
	i.sex(r, row, add)
	if cell := says(r.cells[FieldColumn]); cell != "" {
		field, err := race.ParseField(cell)
		if err != nil {
			add("field", cell, err.Error())
		}
		row.Field = field
	} else {
		row.Field = fieldOfDivision(row.Division)
	}
	if cell := says(r.cells[AgeColumn]); cell != "" {
		age, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimRight(cell, "세 "), ",", "."), 64)
		switch {
		case err != nil || age < 0 || age > race.MaxAge:
			add("age", cell, "must be an age in whole years, from 0 to 120")
		case age >= 1: // 0 is written for an unknown age
			row.Age = int(age)
		}
	}
	i.birth(r, row, add)
}

func (i *interpreter) has(m Meaning) bool {
	return slices.ContainsFunc(i.b.file.Columns, func(c Column) bool { return c.Meaning == m })
}

func (i *interpreter) birth(r *raw, row *Row, add func(field, value, message string)) {
	if cell := r.cells[BirthDateColumn]; cell != "" {
		born, err := i.births.read(cell, row.Age)
		if err != nil {
			add("birth_date", cell, err.Error())
			return
		}
		row.BirthDate, row.BirthYear = born.date, born.year
	}
	if cell := says(r.cells[BirthYearColumn]); cell != "" && row.BirthDate.IsZero() && strings.Trim(cell, "0") != "" {
		if len(cell) == 2 && allDigits(cell) {
			cell = i.births.fullYear(cell, row.Age)
		}
		born, err := i.births.read(cell, row.Age)
		switch {
		case err != nil:
			add("birth_year", cell, `must be a year of birth, for example "1994"`)
		case born.year > i.b.options.RaceDate.Year:
			add("birth_year", cell, "is a birth after the race")
		default:
			row.BirthDate, row.BirthYear = born.date, born.year
		}
	}
}

func (i *interpreter) sex(r *raw, row *Row, add func(field, value, message string)) {
	for _, m := range []Meaning{IdentifiedColumn, SexColumn, ClassSexColumn} {
		cell := says(r.cells[m])
		if cell == "" {
			continue
		}
		sex, known := parseSex(cell)
		switch {
		case isUnstated(cell):
			continue
		case !known && m == SexColumn:
			add("sex", cell, "must be M, F or X")
			return
		case !known:
			continue
		}
		if i.diverse && plainName(cell) == "d" {
			sex = race.NonBinary
		}
		row.Sex = sex
		return
	}
	if row.Sex = sexOfDivision(row.Division); row.Sex == "" {
		row.Sex = cmp.Or(r.groupSex, sexOfDivision(r.group))
	}
}

// result reads the times, the status and the splits of a row.
func (i *interpreter) result(r *raw, row *Row, add func(field, value, message string)) {
	status := race.ResultStatus("")
	note := func(found race.ResultStatus, undecided string) {
		if status == "" || status == race.Finished {
			status = found
			row.Undecided = undecided
		}
	}
	i.stated(r, note, add)
	for _, clock := range []struct {
		meaning Meaning
		time    *race.Time
	}{{GunTimeColumn, &row.Gun}, {NetTimeColumn, &row.Net}, {TimeColumn, &row.Time}} {
		cell := r.cells[clock.meaning]
		if found, undecided, known := i.word(cell); known {
			note(found, undecided)
			continue
		}
		t, err := parseTime(cell, i.styles[clock.meaning])
		if err != nil {
			add(string(clock.meaning), cell, err.Error())
			continue
		}
		*clock.time = t
		if doubt := i.doubt(clock.meaning, cell, t); doubt != "" {
			row.Undecided = doubt
		}
	}
	for _, split := range r.splits {
		if found, undecided, known := i.word(split.cell); known {
			note(found, undecided)
			continue
		}
		t, err := parseTime(split.cell, i.splits)
		if err != nil {
			add("splits", split.cell, err.Error())
			continue
		}
		if t > 0 || plainName(split.name) == "start" && strings.Contains(split.cell, "0") {
			row.Splits = append(row.Splits, Split{Name: split.name, Time: t})
		}
	}
	for _, m := range []Meaning{RemarksColumn, PaceColumn} {
		if found, undecided, known := remarkStatus(r.cells[m]); known && found != race.Finished {
			note(found, undecided)
		}
	}
	i.conclude(r, row, status, add)
}

// doubt says what else a time that was read may be; it is empty when there is no doubt.
func (i *interpreter) doubt(meaning Meaning, cell string, t race.Time) string {
	afternoon := clockHalf.FindStringSubmatch(cell)
	switch {
	case i.styles[meaning].seconds && strings.HasPrefix(i.b.file.Format, "generic"):
		return "the number is read as seconds: the file states no unit"
	case i.b.timesOfDay && meaning == TimeColumn && t > 0:
		return "the time may be the time of day"
	case len(afternoon) > 2 && strings.EqualFold(afternoon[2], "p"):
		return cell + " is read as " + t.String() + " since the start: it may be the time of day"
	}
	return ""
}

// word reads a word of status as this program means it.
func (i *interpreter) word(cell string) (race.ResultStatus, string, bool) {
	status, undecided, known := statusWord(cell)
	if !known {
		if strings.HasPrefix(i.b.file.Format, "raceresult") && strings.EqualFold(cell, "n.a.") {
			return race.DidNotStart, "", true
		}
		return "", "", false
	}
	switch plain := plainName(cell); {
	case plain == "ab" && i.b.file.Format == "finishlynx_lif":
		return race.DidNotStart, "", true
	case plain == "np" && strings.HasPrefix(i.b.file.Format, "crossmgr"):
		return race.DidNotFinish, "NP is not placed", true
	}
	return status, undecided, true
}

// stated reads the columns of status and place.
func (i *interpreter) stated(r *raw, note func(race.ResultStatus, string), add func(field, value, message string)) {
	cell := says(r.cells[StatusColumn])
	if found, undecided, known := i.word(cell); known {
		note(found, undecided)
	} else if cell != "" {
		number, isNumber := i.codes[strings.TrimSuffix(cell, ".0")]
		switch {
		case isNumber:
			undecided := ""
			if number == race.Overtime {
				undecided = `4 is "Unofficial Finish": mostly a finish after the cut-off`
			}
			note(number, undecided)
		case allDigits(cell):
			add("status", cell, "is a number whose meaning the file does not show: write OK, DNF, DNS, DQ or OVERTIME")
		default:
			add("status", cell, "must be OK, DNF, DNS, DQ or OVERTIME")
		}
	}
	if found, undecided, known := i.word(r.cells[PlaceColumn]); known {
		note(found, undecided)
	}
}

// conclude settles the status of a row from all that it says.
func (i *interpreter) conclude(r *raw, row *Row, status race.ResultStatus, add func(field, value, message string)) {
	timed := row.Gun != 0 || row.Net != 0 || row.Time != 0
	if status == unranked {
		row.Unranked, status = true, race.Finished
	}
	if status == noEntry {
		status = race.DidNotStart
	}
	if status != "" && status != race.Finished {
		row.Status = status
		return
	}
	row.Status, row.Implied = race.Finished, status == ""
	if timed {
		return
	}
	for _, m := range []Meaning{TimeColumn, GunTimeColumn, NetTimeColumn} {
		if _, err := parseTime(r.cells[m], i.styles[m]); err != nil {
			return // the error is there already
		}
	}
	const missing = "state a time, or DNF, DNS or DQ"
	switch {
	case i.inferred && len(row.Splits) > 0:
		row.Status = race.DidNotFinish
		row.Undecided = fmt.Sprintf("no status column: stopped after %s", row.Splits[len(row.Splits)-1].Name)
	case i.inferred:
		row.Status, row.Undecided = race.DidNotStart, "no status column: no time at all"
	case status == race.Finished:
		add("time", "", "the status says that the runner finished, and there is no time: "+missing)
	case r.cells[TimeColumn]+r.cells[GunTimeColumn]+r.cells[NetTimeColumn] != "":
		add("time", r.cells[TimeColumn]+r.cells[GunTimeColumn], "no time was taken, and the row has no status: "+missing)
	default:
		add("time", "", "no time and no status: "+missing)
	}
}
