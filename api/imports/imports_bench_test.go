package imports_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/imports"
)

const manyRows = imports.DefaultMaxRows

func manyResultsCSV() []byte {
	var file bytes.Buffer
	file.WriteString("bib,name,city,sex,age,gun_time,net_time,status,5k,10k,half\n")
	for i := range manyRows {
		fmt.Fprintf(&file, "%d,Runner Number %d,Hopkinton,F,%d,%d:%02d:%02d,2:00:00.4,OK,0:25:12,0:51:07,1:52:44\n",
			i+1, i+1, 18+i%60, 3+i/20_000, i/60%60, i%60)
	}
	return file.Bytes()
}

func manyResultsJSON() []byte {
	file := bytes.NewBufferString("[")
	for i := range manyRows {
		if i > 0 {
			file.WriteByte(',')
		}
		fmt.Fprintf(file, `{"bib":"%d","gun_time":"%d:%02d:%02d","net_time":"2:00:00.4","status":"OK"}`,
			i+1, 3+i/20_000, i/60%60, i%60)
	}
	file.WriteByte(']')
	return file.Bytes()
}

// TestMemoryOfALargeFile reads the largest file allowed, from a reader, and
// looks at what is held when it is read.
func TestMemoryOfALargeFile(t *testing.T) { //nolint:paralleltest // others' garbage would be counted
	file := manyResultsCSV()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	sheet, err := imports.Results(bytes.NewReader(file), "text/csv", 0)
	require.NoError(t, err)
	runtime.GC()
	runtime.ReadMemStats(&after)

	require.Len(t, sheet.Rows, manyRows)
	held := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d rows hold %d KiB", manyRows, held>>10)
	require.Less(t, held, int64(25<<20))
	runtime.KeepAlive(file)
}

func BenchmarkResults(b *testing.B) {
	for name, file := range map[string][]byte{"csv": manyResultsCSV(), "json": manyResultsJSON()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				sheet, err := imports.Results(bytes.NewReader(file), "", 0)
				if err != nil || len(sheet.Rows) != manyRows {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(manyRows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
