package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOutputIsPrefixedAndKept(t *testing.T) {
	t.Parallel()
	var out output
	logs := t.TempDir()
	w, err := newLineWriter(NewConsole(&out), SQS, logs)
	require.NoError(t, err)
	for _, piece := range []string{"one\ntw", "o\r\n", "", "three"} {
		_, err := w.Write([]byte(piece))
		require.NoError(t, err)
	}
	require.Equal(t, "sqs      | one\nsqs      | two\n", out.String())
	require.Equal(t, "\n    one\n    two\n    three", w.lastLines())
	require.NoError(t, w.Close())
	require.Equal(t, "sqs      | one\nsqs      | two\nsqs      | three\n", out.String())
	kept, err := os.ReadFile(filepath.Join(logs, "sqs.log"))
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\r\nthree", string(kept))
}

func TestLastLinesAreFew(t *testing.T) {
	t.Parallel()
	w, err := newLineWriter(NewConsole(nil), SQS, t.TempDir())
	require.NoError(t, err)
	require.Equal(t, " (it printed nothing)", w.lastLines())
	for i := range 100 {
		_, err := fmt.Fprintln(w, i)
		require.NoError(t, err)
	}
	require.Equal(t, tailLines, strings.Count(w.lastLines(), "\n"))
	require.True(t, strings.HasSuffix(w.lastLines(), "\n    99"))
	require.NoError(t, w.Close())
}

func TestLargeLogIsSetAside(t *testing.T) {
	t.Parallel()
	logs := t.TempDir()
	path := filepath.Join(logs, "api.log")
	require.NoError(t, os.WriteFile(path, make([]byte, maxLog+1), 0o600))
	w, err := newLineWriter(NewConsole(nil), API, logs)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.FileExists(t, path+".1")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, info.Size())
}
