package racefile

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/unicode"
)

var utf8Mark = []byte("\xEF\xBB\xBF")

// decode returns the file as UTF-8 without a byte order mark, and notes the
// encoding. Windows-1252 contains ISO-8859-1 and cannot fail, so it comes last.
func (b *builder) decode(data []byte) (string, error) {
	f := b.file
	var from encoding.Encoding
	switch {
	case bytes.HasPrefix(data, utf8Mark):
		f.Encoding, f.BOM = "utf-8", true
		return strings.ToValidUTF8(string(data[len(utf8Mark):]), "\uFFFD"), nil
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}):
		f.Encoding, f.BOM = "utf-16-le", true
		from = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		f.Encoding, f.BOM = "utf-16-be", true
		from = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case zerosAt(data, 1):
		f.Encoding = "utf-16-le"
		from = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case zerosAt(data, 0):
		f.Encoding = "utf-16-be"
		from = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case utf8.Valid(data):
		f.Encoding = "utf-8"
		return string(data), nil
	case looksKorean(data):
		f.Encoding = "cp949"
		from = korean.EUCKR
	default:
		f.Encoding = "windows-1252"
		from = charmap.Windows1252
	}
	text, err := from.NewDecoder().Bytes(data)
	if err != nil {
		return "", &FileError{"the text is not valid " + f.Encoding}
	}
	return string(text), nil
}

// zerosAt reports whether most bytes at the odd (1) or even (0) places of the
// beginning are NUL, as in UTF-16 text with Latin headers and digits.
func zerosAt(data []byte, parity int) bool {
	zeros, other, pairs := 0, 0, 0
	for i := 0; i+1 < len(data) && i < 4096; i += 2 {
		pairs++
		if data[i+parity] == 0 {
			zeros++
		}
		if data[i+1-parity] == 0 {
			other++
		}
	}
	return pairs > 0 && zeros*3 > pairs && other*20 < pairs
}

// looksKorean reports whether all bytes above ASCII pair up as CP949 does, and
// mostly to the Hangul of KS X 1001. Single accented letters between ASCII pair
// up to rare syllables instead.
func looksKorean(data []byte) bool {
	common, all := 0, 0
	for i := 0; i < len(data); i++ {
		lead := data[i]
		if lead < 0x80 {
			continue
		}
		i++
		if i >= len(data) || lead == 0x80 || lead == 0xFF {
			return false
		}
		trail := data[i]
		letter := trail >= 'A' && trail <= 'Z' || trail >= 'a' && trail <= 'z'
		if !letter && trail < 0x81 || trail == 0xFF {
			return false
		}
		all++
		if lead >= 0xB0 && lead <= 0xC8 && trail >= 0xA1 {
			common++
		}
	}
	return all > 0 && common*10 >= all*6
}

func lineEnds(text string) string {
	switch {
	case strings.Contains(text, "\r\r\n"):
		return "CRCRLF"
	case strings.Contains(text, "\r\n"):
		return "CRLF"
	case strings.Contains(text, "\r") && !strings.Contains(text, "\n"):
		return "CR"
	}
	return "LF"
}

// normalLines ends every line with LF.
func normalLines(text string) string {
	if !strings.Contains(text, "\r") {
		return text
	}
	return strings.NewReplacer("\r\r\n", "\n", "\r\n", "\n", "\r", "\n").Replace(text)
}

// line is one row of a table. Its number counts blank rows and not the line
// breaks inside cells.
type line struct {
	number int
	cells  []string
}

// splitCells reads delimited text, at most maxRows rows of it (0: all). Quotes that are
// not CSV quoting stand for themselves, as in 2h31'07.40" or in a ditto mark.
func splitCells(text string, delimiter byte, maxRows int) []line {
	var (
		lines  []line
		cells  []string
		number = 1
	)
	for pos := 0; pos < len(text); {
		cell, next := nextCell(text, pos, delimiter)
		cells = append(cells, cell)
		pos = next
		if pos < len(text) && text[pos] == delimiter {
			pos++
			if pos < len(text) {
				continue
			}
			cells = append(cells, "")
		}
		lines = append(lines, line{number, trimCells(cells)})
		if maxRows > 0 && len(lines) == maxRows {
			break
		}
		number++
		pos++ // the line end
		cells = nil
	}
	return lines
}

// nextCell returns the cell that begins at pos, and where it ends.
func nextCell(text string, pos int, delimiter byte) (cell string, end int) {
	if text[pos] == '"' {
		if cell, end, ok := quotedCell(text, pos, delimiter); ok {
			return cleanCell(cell), end
		}
	}
	end = pos
	for end < len(text) && text[end] != delimiter && text[end] != '\n' {
		end++
	}
	return cleanCell(text[pos:end]), end
}

// maxQuotedCell bounds the search for a closing quote, so that a stray opening
// one costs a few kilobytes instead of the rest of the file.
const maxQuotedCell = 16 << 10

// quotedCell reads a cell between quotes. It is not one unless a quote follows
// that has a delimiter or a line end after it.
func quotedCell(text string, pos int, delimiter byte) (cell string, end int, ok bool) {
	limit := min(len(text), pos+maxQuotedCell)
	broken := false
	for i := pos + 1; i < limit; i++ {
		if text[i] == '\n' && broken {
			return "", 0, false
		}
		if text[i] != '"' {
			continue
		}
		switch {
		case i+1 < len(text) && text[i+1] == '"':
			i++
		case i+1 == len(text) || text[i+1] == delimiter || text[i+1] == '\n':
			return strings.ReplaceAll(text[pos+1:i], `""`, `"`), i + 1, true
		default:
			broken = true
		}
	}
	return "", 0, false
}

// cleanCell trims a cell and takes off the apostrophe by which exports keep a
// spreadsheet from running a cell as a formula.
func cleanCell(cell string) string {
	cell = strings.Trim(cell, " \t\r\n\u00A0\uFEFF\u3000\x00")
	if rest, found := strings.CutPrefix(cell, "'"); found && startsFormula(rest) {
		return rest
	}
	return cell
}

// trimCells drops the empty cells at the end.
func trimCells(cells []string) []string {
	for len(cells) > 0 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	return cells
}

// probedRows is how many rows are looked at to find the header.
const probedRows = 60

// readText reads delimited or fixed-width text.
func (b *builder) readText(text string) error {
	text = b.cutPage(text)
	delimiter, best := byte(0), 0
	for _, candidate := range []byte{',', ';', '\t', '|'} {
		_, score := findHeader(splitCells(text, candidate, probedRows), b.options.Mapping)
		if score > best {
			delimiter, best = candidate, score
		}
	}
	if lines, score := b.fixedWidth(text, best); score > best {
		b.file.Container = "fixed"
		return b.readTable("", lines)
	}
	if best == 0 {
		return errNoHeader
	}
	b.file.Container, b.file.Delimiter = "delimited", string(delimiter)
	lines, err := b.split(text, delimiter)
	if err != nil {
		return err
	}
	return b.readTable("", lines)
}

// maxOtherLines is how many lines a file may have beside its data rows.
const maxOtherLines = 50_000

// split reads all rows of delimited text, and refuses it when it has more lines
// than any table of the allowed rows.
func (b *builder) split(text string, delimiter byte) ([]line, error) {
	limit := b.options.MaxRows + maxOtherLines
	lines := splitCells(text, delimiter, limit+1)
	if len(lines) > limit {
		return nil, &TooManyRowsError{Limit: b.options.MaxRows}
	}
	return lines, nil
}

// cutPage drops a web page that a server appended to its export.
func (b *builder) cutPage(text string) string {
	lower := asciiLower(text)
	cut := -1
	for _, mark := range []string{"\n<!doctype", "\n<html"} {
		if at := strings.Index(lower, mark); at >= 0 && (cut < 0 || at < cut) {
			cut = at
		}
	}
	if cut < 0 {
		return text
	}
	b.page = text[cut+1:]
	return text[:cut+1]
}

// asciiLower keeps the length of the text, which strings.ToLower does not.
func asciiLower(text string) string {
	return string(bytes.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, []byte(text)))
}
