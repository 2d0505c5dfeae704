package racefile

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/xuri/excelize/v2"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// workbook writes sheets of cells.
func workbook(t testing.TB, sheets []string, rows map[string][][]any, change func(*excelize.File)) []byte {
	t.Helper()
	book := excelize.NewFile()
	for i, name := range sheets {
		if i == 0 {
			require.NoError(t, book.SetSheetName("Sheet1", name))
		} else {
			_, err := book.NewSheet(name)
			require.NoError(t, err)
		}
		if change != nil { // what a stream has written cannot be changed
			for r, cells := range rows[name] {
				require.NoError(t, book.SetSheetRow(name, fmt.Sprint("A", r+1), &cells))
			}
			continue
		}
		stream, err := book.NewStreamWriter(name)
		require.NoError(t, err)
		for r, cells := range rows[name] {
			require.NoError(t, stream.SetRow(fmt.Sprint("A", r+1), cells))
		}
		require.NoError(t, stream.Flush())
	}
	if change != nil {
		change(book)
	}
	var data bytes.Buffer
	require.NoError(t, book.Write(&data))
	require.NoError(t, book.Close())
	return data.Bytes()
}

func readAll(t *testing.T, name string, data []byte) *File {
	t.Helper()
	f, err := Read(name, bytes.NewReader(data), Options{RaceDate: race.Date{Year: 2026, Month: 10, Day: 11}})
	require.NoError(t, err)
	return f
}

func briefs(f *File) []string {
	rows := make([]string, len(f.Rows))
	for i, row := range f.Rows {
		rows[i] = brief(row)
	}
	return rows
}

func TestWorkbooks(t *testing.T) {
	t.Parallel()
	header := []any{"Startnr", "Name", "Geburtstag", "Brutto", "Netto", "10 km"}
	t.Run("numbers and text, and sheets that name races", func(t *testing.T) {
		t.Parallel()
		f := readAll(t, "", workbook(t, []string{"Info", "Marathon", "10 km"}, map[string][][]any{
			"Info": {{"Quill"}},
			"Marathon": {
				{"Marathon 2026"},
				{},
				header,
				{7.0, "Elk, Ann", 35438, 0.125, "2:59:59", 0.025},
				{"0119", "Bo Elk", "12.03.1990", 1.0854629629629629, nil, nil},
			},
			"10 km": {header, {8, "Cy Elk", time.Date(1990, 2, 3, 0, 0, 0, 0, time.UTC), 0.5 / 24, "DNF", nil}},
		}, nil))
		require.Equal(t, []string{
			"7|Ann Elk|1997-01-08|3:00:00|2:59:59|OK|Marathon|10 km=0:36:00", "0119|Bo Elk|1990-03-12|26:03:04|OK|Marathon",
			"8|Cy Elk|1990-02-03|0:30:00|DNF|10 km",
		}, briefs(f))
		require.Equal(t, []string{"Marathon", "10 km"}, f.Events)
	})
	t.Run("a number among fractions of a day", func(t *testing.T) {
		t.Parallel()
		f := readAll(t, "", workbook(t, []string{"Sheet1"}, map[string][][]any{
			"Sheet1": {{"Bib", "Name", "Time"}, {1, "Ann Elk", 0.125}, {2, "Bo Elk", 10872}},
		}, nil))
		require.Equal(t, []string{"1|Ann Elk|3:00:00|OK"}, briefs(f), "the typing error does not make times of seconds")
		require.Len(t, f.Errors, 1)
		require.Equal(t, "time", f.Errors[0].Field)
	})
	t.Run("dates since 1904", func(t *testing.T) {
		t.Parallel()
		yes := true
		f := readAll(t, "", workbook(t, []string{"Sheet1"}, map[string][][]any{"Sheet1": {{"Bib", "Name", "DOB"}, {1, "Ann", 33976}}},
			func(book *excelize.File) {
				require.NoError(t, book.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &yes}))
			}))
		require.Equal(t, "1997-01-08", f.Rows[0].BirthDate.String())
	})
	t.Run("a cell in the last column", func(t *testing.T) {
		t.Parallel()
		data := workbook(t, []string{"Sheet1"}, map[string][][]any{"Sheet1": {{"Bib", "Name"}, {1, "Ann"}}},
			func(book *excelize.File) { require.NoError(t, book.SetCellValue("Sheet1", "XFD3", "x")) })
		_, err := Read("", bytes.NewReader(data), Options{})
		require.ErrorContains(t, err, "more than 500 columns")
	})
}

// TestWorkbookBomb: a workbook that unpacks to far more than it is costs no more
// memory than the limit.
func TestWorkbookBomb(t *testing.T) {
	t.Parallel()
	var data bytes.Buffer
	archive := zip.NewWriter(&data)
	for _, name := range []string{"[Content_Types].xml", "xl/workbook.xml", "xl/sharedStrings.xml"} {
		part, err := archive.Create(name)
		require.NoError(t, err)
		_, err = io.Copy(part, io.LimitReader(zeros{}, 4<<20))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	_, err := Read("", bytes.NewReader(data.Bytes()), Options{MaxBytes: 4 << 16})
	require.True(t, isFileError(err), "%v", err)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestIOF(t *testing.T) {
	t.Parallel()
	t.Run("prefix, Windows-1252, sex of the class, several lines", func(t *testing.T) {
		t.Parallel()
		f := readAll(t, "x.csv", []byte("<?xml version=\"1.0\" encoding=\"windows-1252\"?>\n<i:ResultList xmlns:i=\"http://www.orienteering.org/datastandard/3.0\">\n"+
			"<i:Event><i:Name>E</i:Name></i:Event><i:ClassResult>\n<i:Class sex=\"F\"><i:Name>D21</i:Name></i:Class>\n<i:PersonResult>\n <i:Person><i:Name><i:Family>\xC5s</i:Family>"+
			"<i:Given>Ann</i:Given></i:Name></i:Person>\n <i:Result><i:BibNumber>7</i:BibNumber><i:Time>3600.5</i:Time><i:Status>NotCompeting</i:Status></i:Result>\n</i:PersonResult>\n"+
			"<i:PersonResult><i:Result><i:BibNumber>8</i:BibNumber><i:Status>Cancelled</i:Status></i:Result></i:PersonResult></i:ClassResult></i:ResultList>"))
		require.Equal(t, []string{"7|Ann Ås|F|1:00:00.5|OK|D21"}, briefs(f))
		require.Equal(t, 5, f.Rows[0].Row)
		require.True(t, f.Rows[0].Unranked)
		require.Equal(t, "windows-1252", f.Encoding)
		require.Equal(t, []Skipped{{Row: 9, Why: "no entry"}}, f.Skipped)
	})
	t.Run("start list in UTF-16", func(t *testing.T) {
		t.Parallel()
		text := `<?xml version="1.0" encoding="UTF-16"?><StartList xmlns="http://www.orienteering.org/datastandard/3.0"><ClassStart><Class><Name>Women</Name></Class>` +
			`<PersonStart><Person><Name><Family>Elk</Family><Given>Ann</Given></Name><BirthDate>1990-01-02</BirthDate></Person><Start><BibNumber>7</BibNumber></Start></PersonStart></ClassStart></StartList>`
		var data bytes.Buffer
		data.Write([]byte{0xFF, 0xFE})
		for _, b := range []byte(text) {
			data.Write([]byte{b, 0})
		}
		f := readAll(t, "", data.Bytes())
		require.Equal(t, StartList, f.Kind)
		require.Equal(t, []string{"7|Ann Elk|F|1990-01-02|Women"}, briefs(f))
	})
}

// largest is the 50,000 rows of the largest road races.
func largest(write func(cells ...any)) {
	write("Place", "Bib", "First Name", "Last Name", "Sex", "Age", "City", "Division", "Gun Time", "Chip Time", "10K", "Half")
	for i := range DefaultMaxRows {
		gun := race.Time(9_000_000 + i*200)
		write(i+1, i+1, "Ann", fmt.Sprint("Elk", i), "F", 20+i%60, "Quill", "F 30-34", gun.String(), (gun - 5000).String(), "0:45:10", "1:40:00")
	}
}

func benchmark(b *testing.B, data []byte) {
	b.Helper()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	peak := uint64(0)
	for b.Loop() {
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		done, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-done:
					return
				case <-time.After(5 * time.Millisecond):
					var now runtime.MemStats
					runtime.ReadMemStats(&now)
					peak = max(peak, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
				}
			}
		}()
		f, err := Read("", bytes.NewReader(data), Options{})
		close(done)
		<-stopped
		require.NoError(b, err)
		require.Len(b, f.Rows, DefaultMaxRows)
	}
	b.ReportMetric(float64(peak)/(1<<20), "peak-MB")
}

func BenchmarkCSV(b *testing.B) {
	var text strings.Builder
	largest(func(cells ...any) {
		for i, cell := range cells {
			if i > 0 {
				text.WriteByte(',')
			}
			fmt.Fprint(&text, cell)
		}
		text.WriteString("\r\n")
	})
	benchmark(b, []byte(text.String()))
}

func BenchmarkWorkbook(b *testing.B) {
	var rows [][]any
	largest(func(cells ...any) { rows = append(rows, cells) })
	benchmark(b, workbook(b, []string{"Results"}, map[string][][]any{"Results": rows}, nil))
}

// TestSheetsThatRepeatRows: a sheet for everybody and one for each sex say the same.
func TestSheetsThatRepeatRows(t *testing.T) {
	t.Parallel()
	data := workbook(t, []string{"Overall", "Women"}, map[string][][]any{
		"Overall": {{"Bib", "Name", "Time"}, {7, "Ann Elk", "1:00:00"}, {8, "Bo Elk", "1:01:00"}, {9, "Cy Elk", "1:02:00"}},
		"Women":   {{"Bib", "Name", "Time"}, {7, "Ann Elk", "1:00:00"}, {9, "Cy Elk", "1:02:01"}},
	}, nil)
	f, err := Read("", bytes.NewReader(data), Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"7|Ann Elk|1:00:00|OK|Overall", "8|Bo Elk|1:01:00|OK|Overall"}, []string{brief(f.Rows[0]), brief(f.Rows[1])})
	require.Len(t, f.Errors, 2, "the times of bib 9 differ")
}
