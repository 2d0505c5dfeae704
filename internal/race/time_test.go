package race_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]race.Time{
		"2:10:22":     7_822_000,
		"02:10:22":    7_822_000,
		"2:10:22.4":   7_822_400,
		"2:10:22.04":  7_822_040,
		"2:10:22.004": 7_822_004,
		"14:35":       875_000,
		"9:59.5":      599_500,
		"0:14:35":     875_000,
		" 2:10:22 ":   7_822_000,
		"120:00:00":   432_000_000,
		"999:59:59":   3_599_999_000,
	} {
		got, err := race.ParseTime(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
}

func TestParseTimeRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "0:00:00", "25:99:00", "2:60:00", "2:10:60", "61:00", "2:1:22", "2:10:2", "2.5", "7822",
		"2:10:22.", "2:10:22.1234", "2:10:22,4", "-2:10:22", "2:10:22.4.1", "1:2:10:22", "2:10:+2",
		"1000:00:00", "99999:00:00", "２:10:22", "2h10m22s", "DNF",
	} {
		_, err := race.ParseTime(in)
		require.Error(t, err, in)
	}
}

func TestTimeString(t *testing.T) {
	t.Parallel()
	for want, in := range map[string]race.Time{
		"":            0,
		"2:10:22":     7_822_000,
		"2:10:22.4":   7_822_400,
		"2:10:22.004": 7_822_004,
		"0:14:35":     875_000,
		"120:00:00":   432_000_000,
	} {
		require.Equal(t, want, in.String())
	}
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"2:10:22", "2:10:22.4", "14:35", "25:99:00", "", "::", "1:00:00.000", "9999:59:59"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := race.ParseTime(in)
		if err != nil {
			require.Zero(t, got)
			return
		}
		require.Positive(t, got)
		require.Less(t, got, race.MaxTime)
		again, err := race.ParseTime(got.String())
		require.NoError(t, err, "what String writes is read back")
		require.Equal(t, got, again)
	})
}
