package sample

import (
	"bytes"
	"encoding/csv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBoston2004(t *testing.T) {
	t.Parallel()
	r, err := Boston2004(0)
	require.NoError(t, err)
	require.Equal(t, 16_783, r.Rows)
	require.Equal(t, "Boston Marathon 2004", r.Create.Name)
	require.Equal(t, "2004-04-19", r.Create.Date)
	require.Equal(t, 42_195, r.Create.DistanceM)
	require.Equal(t, Ranking{Basis: "gun", Ties: "net"}, r.Create.Ranking)
	require.Len(t, r.Create.Divisions, 10)
	require.Equal(t, Division{Name: "F18-39", Sex: "F", Field: "runner", MinAge: 18, MaxAge: 39}, r.Create.Divisions[0])
	require.Equal(t, Division{Name: "M70+", Sex: "M", Field: "runner", MinAge: 70}, r.Create.Divisions[9])

	startList, err := csv.NewReader(bytes.NewReader(r.StartList)).ReadAll()
	require.NoError(t, err)
	require.Len(t, startList, 16_784)
	require.Equal(t, []string{"bib", "name", "sex", "age", "field"}, startList[0])
	require.Equal(t, []string{"1754", "Bib 1754", "F", "26", "runner"}, startList[1])
	results, err := csv.NewReader(bytes.NewReader(r.Results)).ReadAll()
	require.NoError(t, err)
	require.Len(t, results, 16_784)
	require.Equal(t, []string{"1754", "4:18:54", "4:07:38", "OK"}, results[1])
}

func TestBoston2004TakesTheFirstRows(t *testing.T) {
	t.Parallel()
	r, err := Boston2004(2)
	require.NoError(t, err)
	require.Equal(t, 2, r.Rows)
	require.Equal(t, "bib,gun_time,net_time,status\n1754,4:18:54,4:07:38,OK\n16676,3:55:35,3:53:08,OK\n", string(r.Results))
}
