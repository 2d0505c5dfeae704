package racefile

import (
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// FuzzRead: whatever the bytes, Read answers with rows that a race can hold or
// says what is wrong, and does not panic. The samples are the seeds.
func FuzzRead(f *testing.F) {
	for _, format := range sampleFormats(f) {
		s, data := readSample(f, format)
		f.Add(s.File, data)
	}
	f.Add("", []byte("Bib,Time\n1,\"2:10:00\n"))
	f.Add("x.lif", []byte("\n1"))
	f.Add("x.evt", []byte(" \n"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		file, err := Read(name, bytes.NewReader(data), Options{MaxRows: 2000, MaxBytes: 1 << 20})
		if err != nil {
			_, tooMany := errors.AsType[*TooManyRowsError](err)
			require.True(t, isFileError(err) || tooMany, "%v", err)
			return
		}
		require.NotEmpty(t, file.Format)
		for _, row := range file.Rows {
			require.NotEmpty(t, row.Bib)
			require.Positive(t, row.Row)
			require.True(t, utf8.ValidString(row.Name))
			require.GreaterOrEqual(t, row.Gun, row.Gun*0)
			require.Equal(t, file.Kind == Results, row.Status != "")
		}
	})
}

// FuzzTime: a time that is read is within a record's limits, and reads the same
// when written out.
func FuzzTime(f *testing.F) {
	for _, cell := range []string{"2:10:22", "183:20", `2h31'07.40"`, "1j 02:10:00", "0.1049", "2.59.00", "05시간01분02초", "2:10:11 PM", "PT2H"} {
		f.Add(cell)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		read, err := parseTime(cell, timeStyle{})
		if err != nil || read == 0 {
			return
		}
		require.Positive(t, read)
		again, err := parseTime(read.String(), timeStyle{})
		require.NoError(t, err)
		require.Equal(t, read, again)
	})
}
