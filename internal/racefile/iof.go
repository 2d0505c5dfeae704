package racefile

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"golang.org/x/net/html/charset"
)

type iofPerson struct {
	Sex  string `xml:"sex,attr"`
	Name struct {
		Family string
		Given  string
	}
	BirthDate string
}

type iofResult struct {
	BibNumber string
	Time      string
	Position  string
	Status    string
	Splits    []struct {
		ControlCode string
		Time        string
	} `xml:"SplitTime"`
}

type iofEntry struct {
	Person       iofPerson
	Organisation struct{ Name string }
	Results      []iofResult `xml:"Result"`
	Starts       []iofResult `xml:"Start"`
	BibNumber    string
}

type iofClass struct {
	Sex  string `xml:"sex,attr"`
	Name string
}

// readXML reads an IOF XML 3.0 list of results or starts. Entities other than
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
		return &FileError{"this XML is not IOF XML 3.0, the only kind that is read: export CSV or .xlsx"}
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
		case "PersonResult", "PersonStart", "PersonEntry", "TeamMemberResult", "TeamMemberStart":
			row, _ := decoder.InputPos()
			var entry iofEntry
			if err := decoder.DecodeElement(&entry, &element); err != nil {
				return err
			}
			if b.file.Format == "" {
				continue
			}
			if err := b.add(iofRow(row, entry, class)); err != nil {
				return err
			}
		}
	}
}

func iofRow(row int, entry iofEntry, class iofClass) raw {
	result := iofResult{}
	switch {
	case len(entry.Results) > 0:
		result = entry.Results[0]
	case len(entry.Starts) > 0:
		result = entry.Starts[0]
	}
	if result.BibNumber == "" {
		result.BibNumber = entry.BibNumber
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
		BibColumn: clean(result.BibNumber), FirstNameColumn: clean(entry.Person.Name.Given), LastNameColumn: clean(entry.Person.Name.Family),
		SexColumn: sex, ClassSexColumn: classSex, BirthDateColumn: clean(entry.Person.BirthDate), DivisionColumn: clean(class.Name),
		TeamColumn: clean(entry.Organisation.Name), TimeColumn: clean(result.Time), PlaceColumn: clean(result.Position),
		StatusColumn: clean(result.Status),
	}}
	for _, split := range result.Splits {
		if split.Time != "" {
			r.splits = append(r.splits, rawSplit{clean(split.ControlCode), clean(split.Time)})
		}
	}
	return r
}
