package racefile

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html/charset"
)

type iofPerson struct {
	Sex  string `xml:"sex,attr"`
	Name iofName
	// PersonName and the elements of BirthDate are those of version 2.
	PersonName iofName
	BirthDate  struct {
		Text string `xml:",chardata"`
		Date string
	}
}

type iofName struct {
	Family string
	Given  []string
}

type iofResult struct {
	RaceNumber string `xml:"raceNumber,attr"`
	BibNumber  string
	Time       string
	Position   string
	Status     string
	Splits     []struct {
		Status      string `xml:"status,attr"`
		ControlCode string
		Time        string
	} `xml:"SplitTime"`
	// Version 2
	ResultPosition   string
	CompetitorStatus struct {
		Value string `xml:"value,attr"`
	}
}

type iofEntry struct {
	Person       iofPerson
	Organisation struct{ Name string }
	Club         struct{ Name, ShortName string } // version 2
	Results      []iofResult                      `xml:"Result"`
	Starts       []iofResult                      `xml:"Start"`
	BibNumber    string
}

type iofClass struct {
	Sex  string `xml:"sex,attr"`
	Name string
	// ClassShortName stands for all of the class in version 2.
	ClassShortName string
}

// readXML reads an IOF XML list, of version 3 or 2, of results or starts. Entities other than
// those of XML itself are refused: they are how a small file expands to a huge
// one.
func (b *builder) readXML(data []byte, text, start string) error {
	if lower := strings.ToLower(start); strings.HasPrefix(lower, "<!doctype html") || strings.Contains(lower, "<html") || strings.HasPrefix(lower, "<table") {
		return &FileError{"this is a web page, whatever its name says: save it as .xlsx or as CSV"}
	}
	if strings.Contains(asciiLower(text), "<!entity") {
		return &FileError{"the XML declares entities, which are not read"}
	}
	b.file.Container = "xml"
	b.file.LineEnds = lineEnds(text)
	source := io.Reader(strings.NewReader(text))
	decoder := xml.NewDecoder(source)
	decoder.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	if !b.file.BOM && !strings.HasPrefix(b.file.Encoding, "utf-16") {
		// The declaration knows the encoding better than a look at the bytes.
		decoder = xml.NewDecoder(bytes.NewReader(data))
		decoder.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
			b.file.Encoding = strings.ToLower(label)
			return charset.NewReaderLabel(label, input)
		}
	}
	if err := b.readIOF(decoder); err != nil {
		if isFileError(err) {
			return err
		}
		if tooMany, is := errors.AsType[*TooManyRowsError](err); is {
			return tooMany
		}
		return &FileError{"the XML is broken or in an encoding that is not read"}
	}
	if b.file.Format == "" {
		return &FileError{"this XML is not IOF XML, the only kind that is read: export CSV or .xlsx"}
	}
	return nil
}

func (b *builder) readIOF(decoder *xml.Decoder) error {
	var class iofClass
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		element, is := token.(xml.StartElement)
		if !is {
			continue
		}
		switch element.Name.Local {
		case "ResultList":
			b.file.Format, b.file.Kind, b.noKind = "iof_xml_results", Results, true
		case "StartList", "EntryList":
			b.file.Format, b.file.Kind, b.noKind = "iof_xml_startlist", StartList, true
		case "ClassResult", "ClassStart", "Event":
			class = iofClass{}
		case "Class":
			if err := decoder.DecodeElement(&class, &element); err != nil {
				return err
			}
		case "ClassShortName":
			class = iofClass{}
			if err := decoder.DecodeElement(&class.Name, &element); err != nil {
				return err
			}
		case "PersonResult", "PersonStart", "PersonEntry", "TeamMemberResult", "TeamMemberStart":
			row, _ := decoder.InputPos()
			var entry iofEntry
			if err := decoder.DecodeElement(&entry, &element); err != nil {
				return err
			}
			if b.file.Format == "" {
				continue
			}
			for _, r := range iofRows(row, entry, class) {
				if err := b.add(r); err != nil {
					return err
				}
			}
		}
	}
}

// iofRows returns a row for each race of the person.
func iofRows(row int, entry iofEntry, class iofClass) []raw {
	results := slices.Concat(entry.Results, entry.Starts)
	if len(results) < 2 {
		results = append(results, iofResult{}) // an entry has none
		return []raw{iofRow(row, entry, results[0], class)}
	}
	raws := make([]raw, len(results))
	for i, result := range results {
		raws[i] = iofRow(row, entry, result, class)
		raws[i].cells[EventColumn] = "race " + cmp.Or(result.RaceNumber, strconv.Itoa(i+1))
	}
	return raws
}

func iofRow(row int, entry iofEntry, result iofResult, class iofClass) raw {
	result.BibNumber = cmp.Or(result.BibNumber, entry.BibNumber)
	name := entry.Person.Name
	if name.Family == "" && len(name.Given) == 0 {
		name = entry.Person.PersonName
	}
	clean := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	classSex := class.Sex
	if classSex != "" && sexOfDivision(classSex) == "" { // B is both
		classSex = ""
	}
	sex := entry.Person.Sex
	if _, known := parseSex(sex); !known {
		sex = ""
	}
	r := raw{row: row, cells: map[Meaning]string{
		BibColumn: clean(result.BibNumber), FirstNameColumn: clean(strings.Join(name.Given, " ")), LastNameColumn: clean(name.Family),
		SexColumn: sex, ClassSexColumn: classSex, BirthDateColumn: clean(cmp.Or(entry.Person.BirthDate.Date, entry.Person.BirthDate.Text)), DivisionColumn: clean(cmp.Or(class.Name, class.ClassShortName)),
		TeamColumn: clean(cmp.Or(entry.Organisation.Name, entry.Club.Name, entry.Club.ShortName)), TimeColumn: clean(result.Time), PlaceColumn: clean(cmp.Or(result.Position, result.ResultPosition)),
		StatusColumn: clean(cmp.Or(result.Status, result.CompetitorStatus.Value)),
	}}
	for _, split := range result.Splits {
		if split.Time != "" && split.Status != "Additional" { // a control beside the course
			r.splits = append(r.splits, rawSplit{clean(split.ControlCode), clean(split.Time)})
		}
	}
	return r
}
