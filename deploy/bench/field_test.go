package main

import (
	"bytes"
	"encoding/csv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFilesHoldEveryRowOnce(t *testing.T) {
	t.Parallel()
	files := inFiles(mostRows+3, startList)
	require.Len(t, files, 2)
	require.Equal(t, mostRows, files[0].rows)
	require.Equal(t, 3, files[1].rows)
	rows, err := csv.NewReader(bytes.NewReader(files[1].csv)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+3)
	require.Equal(t, "50001", rows[1][0])
}

func TestResultsOfABibAreTheSameInEveryFile(t *testing.T) {
	t.Parallel()
	one, err := csv.NewReader(bytes.NewReader(results(7, 9))).ReadAll()
	require.NoError(t, err)
	all, err := csv.NewReader(bytes.NewReader(results(1, 9))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, all[7:], one[1:])
	require.Equal(t, "2:10:07", clock(7807))
}
