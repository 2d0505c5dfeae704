package racefile

import (
	"archive/zip"
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"
)

const (
	// unpackFactor is how much larger than MaxBytes a workbook may unpack.
	unpackFactor = 4
	// maxColumns bounds a row: a cell in column XFD makes one of 16,384 cells.
	maxColumns = 500
	// maxBlankRows bounds the empty rows between two filled ones.
	maxBlankRows = 10_000
	maxSheets    = 200
)

// readWorkbook reads the sheets that have a header. Cells are taken as stored,
// not as displayed: hh:mm:ss shows 26:03:04 as 02:03:04.
func (b *builder) readWorkbook(data []byte) error {
	b.file.Container = "xlsx"
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return &FileError{"the workbook is damaged"}
	}
	if !slices.ContainsFunc(archive.File, func(f *zip.File) bool { return strings.EqualFold(f.Name, "[Content_Types].xml") }) {
		return &FileError{"this is an archive and no workbook: send the file in it"}
	}
	limit := int64(b.options.MaxBytes) * unpackFactor
	book, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{
		RawCellValue: true, UnzipSizeLimit: limit, UnzipXMLSizeLimit: limit,
	})
	if err != nil {
		return &FileError{"the workbook cannot be read: it is damaged, locked by a password, or unpacks to too much"}
	}
	defer func() { _ = book.Close() }() // the book is in memory
	if props, err := book.GetWorkbookProps(); err == nil && props.Date1904 != nil {
		b.epoch1904 = *props.Date1904
	}
	return b.readSheets(book)
}

func (b *builder) readSheets(book *excelize.File) error {
	sheets := book.GetSheetList()
	if len(sheets) > maxSheets {
		return &FileError{fmt.Sprintf("the workbook has more than %d sheets", maxSheets)}
	}
	type found struct {
		name  string
		lines []line
		score int
	}
	var tables []found
	best := 0
	for _, name := range sheets {
		lines, err := b.sheetLines(book, name)
		if err != nil {
			return err
		}
		_, score := findHeader(lines, b.options.Mapping)
		if strings.HasPrefix(name, "--") { // settings of CrossMgr
			score = 0
		}
		best = max(best, score)
		tables = append(tables, found{name, lines, score})
	}
	if best == 0 {
		return errNoHeader
	}
	used := 0
	for _, t := range tables {
		if t.score > 0 && t.score*2 >= best {
			used++
		}
	}
	for _, t := range tables {
		if t.score == 0 || t.score*2 < best {
			for _, l := range t.lines {
				b.skip(t.name, l.number, "other sheet")
			}
			continue
		}
		first := len(b.raws)
		if err := b.readTable(t.name, t.lines); err != nil {
			return err
		}
		b.nameSheet(t.name, first, used > 1)
	}
	return nil
}

var (
	plainSheet = regexp.MustCompile(`(?i)^(sheet|tabelle|feuil|feuille|hoja|foglio|시트|results?|ergebnis(se)?|data|registration|entries|participants|startlist|start list|export|기록.*|참가.*|명단)\s*\d*$`)
	raceSheet  = regexp.MustCompile(`(?i)\d\s*(k|km|m|mi|miles?)\b|marathon|half|halb|semi|mezza|maratona|풀|하프|ultra`)
)

// nameSheet makes the name of a sheet the division, or the race, of its rows
// when the rows state none themselves.
func (b *builder) nameSheet(name string, first int, several bool) {
	sex := sexOfDivision(name)
	if plainSheet.MatchString(name) || !several && sex == "" && !strings.Contains(strings.Join(b.signs, " "), "CrossMgr") {
		return
	}
	meaning := DivisionColumn
	if sex == "" && raceSheet.MatchString(name) {
		meaning = EventColumn
	}
	for i := first; i < len(b.raws); i++ {
		r := &b.raws[i]
		if r.cells[meaning] == "" && r.group == "" {
			r.cells[meaning] = name
		}
		if r.groupSex == "" {
			r.groupSex = sex
		}
	}
}

func (b *builder) sheetLines(book *excelize.File, name string) ([]line, error) {
	rows, err := book.Rows(name)
	if err != nil {
		return nil, nil // a chart sheet has no rows
	}
	defer func() { _ = rows.Close() }() // nothing was written
	var lines []line
	blank := 0
	for number := 1; rows.Next(); number++ {
		cells, err := rows.Columns()
		if err != nil {
			return nil, &FileError{fmt.Sprintf("row %d of a sheet is damaged", number)}
		}
		for i := range cells {
			cells[i] = cleanCell(cells[i])
		}
		cells = trimCells(cells)
		if len(cells) > maxColumns {
			return nil, &FileError{fmt.Sprintf("a row of the workbook has more than %d columns", maxColumns)}
		}
		if len(cells) == 0 {
			blank++
			if blank > maxBlankRows {
				break
			}
			continue
		}
		for ; blank > 0; blank-- {
			lines = append(lines, line{number: number - blank})
		}
		lines = append(lines, line{number, slices.Clone(cells)})
		if len(lines) > b.options.MaxRows+2*maxBlankRows {
			return nil, &TooManyRowsError{Limit: b.options.MaxRows}
		}
	}
	return lines, nil
}

// XML
