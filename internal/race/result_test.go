package race_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestParseResultStatus(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]race.ResultStatus{
		"": race.Finished, "ok": race.Finished, " Finished ": race.Finished,
		"dnf": race.DidNotFinish, "Did Not Finish": race.DidNotFinish,
		"DNS": race.DidNotStart, "did not start": race.DidNotStart,
		"dq": race.Disqualified, "DSQ": race.Disqualified, "Disqualified": race.Disqualified,
		"otl": race.Overtime, "OVERTIME": race.Overtime,
	} {
		got, err := race.ParseResultStatus(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	_, err := race.ParseResultStatus("walked")
	require.Error(t, err)
}

func TestResultCheck(t *testing.T) {
	t.Parallel()
	const gun = race.Time(7_822_000)
	for name, c := range map[string]struct {
		result race.Result
		wrong  []string // fields
	}{
		"both times":                  {race.Result{Bib: "1", Gun: gun, Net: gun - 5000}, nil},
		"no time at all":              {race.Result{Bib: "1", Status: race.Finished}, nil},
		"sequence alone":              {race.Result{Bib: "1", Sequence: 3}, nil},
		"net time alone":              {race.Result{Bib: "1", Net: gun}, nil},
		"net a second longer":         {race.Result{Bib: "1", Gun: gun, Net: gun + 1000}, nil},
		"net over a second longer":    {race.Result{Bib: "1", Gun: gun, Net: gun + 1001}, []string{"net_time"}},
		"DNF with a time":             {race.Result{Bib: "1", Gun: gun, Status: race.DidNotFinish}, nil},
		"DNS":                         {race.Result{Bib: "1", Status: race.DidNotStart}, nil},
		"DNS with times":              {race.Result{Bib: "1", Gun: gun, Net: gun, Status: race.DidNotStart}, []string{"gun_time", "net_time"}},
		"no bib":                      {race.Result{Gun: gun}, []string{"bib"}},
		"negative sequence":           {race.Result{Bib: "1", Sequence: -1}, []string{"sequence"}},
		"sequence beyond the store's": {race.Result{Bib: "1", Sequence: race.MaxSequence + 1}, []string{"sequence"}},
		"everything wrong":            {race.Result{Sequence: -1, Gun: gun, Net: 2 * gun}, []string{"bib", "sequence", "net_time"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var fields []string
			for _, w := range c.result.Check() {
				require.NotEmpty(t, w.Message)
				fields = append(fields, w.Field)
			}
			require.Equal(t, c.wrong, fields)
		})
	}
}
