package racefile

import (
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// ExportFormat is a format in which results are exported. Read takes each back.
type ExportFormat string

// The formats of exports. CSV and XLSX hold everything that a result has; the others
// are what a site takes as an upload, and hold one field of a race and what the site
// has a place for: RunSignup both times, splits, team and division; Athlinks the
// same with the time that ranks; UltraSignup that time and the status; IOF XML that
// time, splits, team and division, but no age and no sex but M and F.
const (
	ExportCSV         ExportFormat = "csv"
	ExportXLSX        ExportFormat = "xlsx"
	ExportRunSignup   ExportFormat = "runsignup"
	ExportUltraSignup ExportFormat = "ultrasignup"
	ExportAthlinks    ExportFormat = "athlinks"
	ExportIOF         ExportFormat = "iof"
)

// exportedFormat is how our own exports as CSV and XLSX are known when they are read.
const exportedFormat = "mrmrthon_results"

// WholeRace reports whether a file of the format holds all fields of a race.
func (f ExportFormat) WholeRace() bool { return f == ExportCSV || f == ExportXLSX }

// ContentType returns the media type of a file of the format.
func (f ExportFormat) ContentType() string {
	switch f {
	case ExportXLSX:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case ExportIOF:
		return "application/xml"
	case ExportCSV, ExportRunSignup, ExportUltraSignup, ExportAthlinks:
	}
	return "text/csv; charset=utf-8"
}

// Extension returns the end of the name of a file of the format.
func (f ExportFormat) Extension() string {
	switch f {
	case ExportXLSX:
		return ".xlsx"
	case ExportIOF:
		return ".xml"
	case ExportCSV, ExportRunSignup, ExportUltraSignup, ExportAthlinks:
	}
	return ".csv"
}

// Listing is what is exported.
type Listing struct {
	Race     string
	Date     race.Date
	Ranking  race.Ranking
	Points   []race.TimingPoint // whose splits the rows have
	Official bool
	At       time.Time // when the standings were computed
	Rows     []ExportedRow
}

// ExportedRow is a result with its places. A place of zero is none.
type ExportedRow struct {
	Place, SexPlace, DivisionPlace int

	Name     string
	Sex      race.Sex
	Age      int // or race.UnknownAge
	Field    race.Field
	Division string
	Team     string
	Result   race.Result
	Splits   race.Splits
}

// Export writes a listing in a format.
func Export(w io.Writer, format ExportFormat, list Listing) error {
	list.Rows = oneOfEachBib(list.Rows)
	switch format {
	case ExportXLSX:
		return list.writeWorkbook(w)
	case ExportIOF:
		return list.writeIOF(w)
	case ExportCSV:
		if _, err := io.WriteString(w, "\uFEFF"); err != nil { // without it Excel reads names in the system's own encoding
			return err
		}
		return list.writeCSV(w, list.columns(wholeColumns))
	case ExportRunSignup:
		return list.writeCSV(w, list.columns(runSignupColumns))
	case ExportUltraSignup:
		return list.writeCSV(w, ultraSignupColumns(list.Ranking))
	case ExportAthlinks:
		return list.writeCSV(w, list.columns(athlinksColumns(list.Ranking)))
	}
	return fmt.Errorf("%q is not a format of exports", format)
}

// oneOfEachBib leaves out the results that wait for a bib which another one holds:
// a reader could not tell which of the two is right. Those with a place come first.
func oneOfEachBib(rows []ExportedRow) []ExportedRow {
	seen := make(map[string]bool, len(rows))
	return slices.DeleteFunc(slices.Clone(rows), func(r ExportedRow) bool {
		key := race.BibKey(r.Result.Bib)
		twice := seen[key]
		seen[key] = true
		return twice
	})
}

// exportColumn is a column of a table.
type exportColumn struct {
	header string
	cell   func(*ExportedRow) string
}

func positive(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// partsOfName splits a name before its last word. What a reader puts together again
// is the same, wherever the family name begins.
func partsOfName(name string) (first, last string) {
	if i := strings.LastIndex(name, " "); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}

var (
	exportPlace     = func(r *ExportedRow) string { return positive(r.Place) }
	exportBib       = func(r *ExportedRow) string { return r.Result.Bib }
	exportFirstName = func(r *ExportedRow) string { first, _ := partsOfName(r.Name); return first }
	exportLastName  = func(r *ExportedRow) string { _, last := partsOfName(r.Name); return last }
	exportSex       = func(r *ExportedRow) string { return string(r.Sex) }
	exportDivision  = func(r *ExportedRow) string { return r.Division }
	exportTeam      = func(r *ExportedRow) string { return r.Team }
	exportGun       = func(r *ExportedRow) string { return r.Result.Gun.String() }
	exportNet       = func(r *ExportedRow) string { return r.Result.Net.String() }
)

func exportAge(r *ExportedRow) string {
	if r.Age == race.UnknownAge {
		return ""
	}
	return strconv.Itoa(r.Age)
}

// placeOrStatus is the place, or the status of somebody who has none because of it.
func placeOrStatus(r *ExportedRow) string {
	switch r.Result.Status {
	case race.Finished:
		return positive(r.Place)
	case race.Overtime:
		return "OTL"
	case race.DidNotFinish, race.DidNotStart, race.Disqualified:
	}
	return string(r.Result.Status)
}

// rankingOrOther is the time that ranks, or the other one where that was not taken.
func rankingOrOther(ranking race.Ranking) func(*ExportedRow) race.Time {
	return func(r *ExportedRow) race.Time {
		for _, t := range []race.Time{ranking.RankingTime(r.Result), r.Result.Gun, r.Result.Net} {
			if t != 0 {
				return t
			}
		}
		return 0
	}
}

var wholeColumns = []exportColumn{
	{"place", exportPlace},
	{"sex_place", func(r *ExportedRow) string { return positive(r.SexPlace) }},
	{"division", exportDivision},
	{"division_place", func(r *ExportedRow) string { return positive(r.DivisionPlace) }},
	{"bib", exportBib},
	{"first_name", exportFirstName},
	{"last_name", exportLastName},
	{"sex", exportSex},
	{"age", exportAge},
	{"field", func(r *ExportedRow) string { return string(r.Field) }},
	{"team_name", exportTeam},
	{"status", func(r *ExportedRow) string { return string(r.Result.Status) }},
	{"gun_time", exportGun},
	{"net_time", exportNet},
	{"sequence", func(r *ExportedRow) string { return positive(r.Result.Sequence) }},
}

var runSignupColumns = []exportColumn{
	{"Place", placeOrStatus},
	{"Bib", exportBib},
	{"First Name", exportFirstName},
	{"Last Name", exportLastName},
	{"Gender", exportSex},
	{"Age", exportAge},
	{"Chip Time", exportNet},
	{"Clock Time", exportGun},
	{"Division", exportDivision},
	{"Division Place", func(r *ExportedRow) string { return positive(r.DivisionPlace) }},
	{"Team Name", exportTeam},
}

func athlinksColumns(ranking race.Ranking) []exportColumn {
	finish := rankingOrOther(ranking)
	return []exportColumn{
		{"Rank", placeOrStatus},
		{"Bib", exportBib},
		{"First Name", exportFirstName},
		{"Last Name", exportLastName},
		{"Age", exportAge},
		{"Gender", func(r *ExportedRow) string {
			return map[race.Sex]string{race.Male: "Male", race.Female: "Female", race.NonBinary: "Non-Binary"}[r.Sex]
		}},
		{"Class/Bracket", exportDivision},
		{"Sponsor", exportTeam},
		{"Finish Time", func(r *ExportedRow) string { return finish(r).String() }},
	}
}

// ultraSignupColumns are named exactly as that site's guide says, and so are the
// numbers of statuses.
func ultraSignupColumns(ranking race.Ranking) []exportColumn {
	finish := rankingOrOther(ranking)
	return []exportColumn{
		{"place", exportPlace},
		{"time", func(r *ExportedRow) string {
			text := finish(r).String()
			if len(text) > 1 && text[1] == ':' { // hh:mm:ss
				text = "0" + text
			}
			return text
		}},
		{"first", exportFirstName},
		{"last", exportLastName},
		{"age", func(r *ExportedRow) string { return strconv.Itoa(max(r.Age, 0)) }}, // required: 0 is unknown
		{"gender", exportSex},
		{"bib", exportBib},
		{"status", func(r *ExportedRow) string {
			return map[race.ResultStatus]string{
				race.Finished: "1", race.DidNotFinish: "2", race.DidNotStart: "3", race.Overtime: "4", race.Disqualified: "5",
			}[r.Result.Status]
		}},
	}
}

// columns adds a column for each timing point.
func (l *Listing) columns(columns []exportColumn) []exportColumn {
	columns = slices.Clone(columns)
	for _, p := range l.Points {
		columns = append(columns, exportColumn{splitHeader(p.Name), func(r *ExportedRow) string { return r.Splits[p.Key].String() }})
	}
	return columns
}

// splitHeader is the name of a timing point where that alone is read as one, as
// 10 km or Half.
func splitHeader(name string) string {
	_, known := findAlias(name)
	read, isSplit := splitOf(name, columnContent{}, nil)
	if !known && isSplit && read == name {
		return name
	}
	return "Split - " + name + " - Cumulative"
}

func (l *Listing) writeCSV(w io.Writer, columns []exportColumn) error {
	table := csv.NewWriter(w)
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = SpreadsheetText(c.header)
	}
	if err := table.Write(cells); err != nil {
		return err
	}
	for at := range l.Rows {
		for i, c := range columns {
			cells[i] = SpreadsheetText(c.cell(&l.Rows[at]))
		}
		if err := table.Write(cells); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}

// SpreadsheetText keeps a spreadsheet from running what somebody entered as a
// formula. As OWASP advises, a cell that begins with one of the characters that
// start a formula gets an apostrophe in front; spreadsheets may skip white space and
// read full-width characters as plain ones. Read takes the apostrophe off.
// https://owasp.org/www-community/attacks/CSV_Injection
func SpreadsheetText(cell string) string {
	if startsFormula(cell) {
		return "'" + cell
	}
	return cell
}

func startsFormula(cell string) bool {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(cell, " \u00a0\u3000"))
	return strings.ContainsRune("=+-@\t\r\n＝＋－＠", first)
}

// writeWorkbook writes every cell as text, which a spreadsheet never runs.
func (l *Listing) writeWorkbook(w io.Writer) (err error) {
	const sheet = "Results"
	book := excelize.NewFile()
	defer func() { err = errors.Join(err, book.Close()) }()
	if err := book.SetSheetName("Sheet1", sheet); err != nil {
		return err
	}
	stream, err := book.NewStreamWriter(sheet)
	if err != nil {
		return err
	}
	columns := l.columns(wholeColumns)
	cells := make([]any, len(columns))
	for i, c := range columns {
		cells[i] = c.header
	}
	if err := stream.SetRow("A1", cells); err != nil {
		return err
	}
	for at := range l.Rows {
		for i, c := range columns {
			if cells[i] = nil; c.cell(&l.Rows[at]) != "" {
				cells[i] = c.cell(&l.Rows[at])
			}
		}
		if err := stream.SetRow("A"+strconv.Itoa(at+2), cells); err != nil {
			return err
		}
	}
	if err := stream.Flush(); err != nil {
		return err
	}
	return book.Write(w)
}

// IOF XML 3.0

type iofExport struct {
	XMLName    xml.Name `xml:"http://www.orienteering.org/datastandard/3.0 ResultList"`
	Version    string   `xml:"iofVersion,attr"`
	CreateTime string   `xml:"createTime,attr"`
	Creator    string   `xml:"creator,attr"`
	Status     string   `xml:"status,attr"`
	Event      struct {
		Name      string
		StartTime struct{ Date string }
	}
	Classes []iofExportClass `xml:"ClassResult"`
}

type iofExportClass struct {
	Name    string            `xml:"Class>Name"`
	Results []iofExportResult `xml:"PersonResult"`
}

type iofExportResult struct {
	Person struct {
		Sex    string `xml:"sex,attr,omitempty"`
		Family string `xml:"Name>Family"`
		Given  string `xml:"Name>Given"`
	}
	Team   *iofExportTeam   `xml:"Organisation"`
	Bib    string           `xml:"Result>BibNumber"`
	Time   string           `xml:"Result>Time,omitempty"`
	Place  string           `xml:"Result>Position,omitempty"`
	Status string           `xml:"Result>Status"`
	Splits []iofExportSplit `xml:"Result>SplitTime"`
}

type iofExportTeam struct{ Name string }

type iofExportSplit struct {
	ControlCode string
	Time        string
}

// iofStatuses are the words of the schema.
var iofStatuses = map[race.ResultStatus]string{
	race.Finished: "OK", race.DidNotFinish: "DidNotFinish", race.DidNotStart: "DidNotStart", race.Disqualified: "Disqualified",
	race.Overtime: "OverTime",
}

// writeIOF writes a class for every division. The schema knows no sex but M and F,
// and no age.
func (l *Listing) writeIOF(w io.Writer) error {
	file := iofExport{Version: "3.0", CreateTime: l.At.UTC().Format(time.RFC3339), Creator: "Mrmrthon", Status: "Snapshot"}
	if l.Official {
		file.Status = "Complete"
	}
	file.Event.Name, file.Event.StartTime.Date = l.Race, l.Date.String()
	finish, classes := rankingOrOther(l.Ranking), map[string]int{}
	for i := range l.Rows {
		row := &l.Rows[i]
		class, known := classes[row.Division]
		if !known {
			class = len(file.Classes)
			classes[row.Division] = class
			file.Classes = append(file.Classes, iofExportClass{Name: row.Division})
		}
		var result iofExportResult
		if row.Sex == race.Male || row.Sex == race.Female {
			result.Person.Sex = string(row.Sex)
		}
		result.Person.Given, result.Person.Family = partsOfName(row.Name)
		result.Bib, result.Status = row.Result.Bib, iofStatuses[row.Result.Status]
		if row.Team != "" {
			result.Team = &iofExportTeam{row.Team}
		}
		result.Time, result.Place = seconds(finish(row)), positive(row.Place)
		if row.Division != "" {
			result.Place = positive(row.DivisionPlace)
		}
		for _, p := range l.Points {
			if t := row.Splits[p.Key]; t != 0 {
				result.Splits = append(result.Splits, iofExportSplit{p.Name, seconds(t)})
			}
		}
		file.Classes[class].Results = append(file.Classes[class].Results, result)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", " ")
	return encoder.Encode(file)
}

// seconds writes a time as the schema wants it; empty for none.
func seconds(t race.Time) string {
	if t == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(t)/1000, 'f', -1, 64)
}
