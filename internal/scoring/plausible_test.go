package scoring_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

const km = race.Distance(1_000_000)

// implausible judges one gun time in a race that ranks by it.
func implausible(t *testing.T, d race.Distance, field race.Field, sex race.Sex, elapsed string) string {
	t.Helper()
	millis, err := race.ParseTime(elapsed)
	require.NoError(t, err)
	return scoring.Implausible(
		race.Race{Distance: d, Ranking: race.Ranking{Basis: race.Gun}},
		&race.Participant{Field: field, Sex: sex}, race.Result{Gun: millis, Status: race.Finished},
	)
}

func TestPerformancesThatHappenedArePlausible(t *testing.T) {
	t.Parallel()
	for _, performance := range []struct {
		d       race.Distance
		field   race.Field
		sex     race.Sex
		elapsed string
	}{
		{marathon, race.Runner, race.Male, "2:00:35"},
		{marathon, race.Runner, race.Male, "1:59:40"}, // with pacers and lasers
		{marathon, race.Runner, race.Female, "2:09:56"},
		{half, race.Runner, race.Male, "56:42"},
		{half, race.Runner, race.Female, "1:02:52"},
		{10 * km, race.Runner, race.Male, "26:24"},
		{10 * km, race.Runner, race.Female, "28:46"},
		{5 * km, race.Runner, race.Male, "12:49"},
		{5 * km, race.Runner, race.Female, "13:54"},
		{mile, race.Runner, race.Male, "3:43.13"},
		{mile, race.Runner, race.Female, "4:07.64"},
		{15 * km, race.Runner, race.Male, "39:47"},
		{16_093_440, race.Runner, race.Male, "43:40"},
		{25 * km, race.Runner, race.Male, "1:11:18"},
		{30 * km, race.Runner, race.Male, "1:26:45"},
		{50 * km, race.Runner, race.Male, "2:38:43"},
		{50 * km, race.Runner, race.Female, "2:59:54"},
		{100 * km, race.Runner, race.Male, "6:05:35"},
		{100 * km, race.Runner, race.Female, "6:33:11"},
		{160_934_400, race.Runner, race.Male, "10:51:39"},
		{160_934_400, race.Runner, race.Female, "12:37:04"},
		{177_410_000, race.Runner, race.Male, "12:00:00"},
		{319_614_000, race.Runner, race.Male, "24:00:00"},
		{278_622_000, race.Runner, race.Female, "24:00:00"},
		{485_099_000, race.Runner, race.Male, "48:00:00"},
		{1000 * km, race.Runner, race.Male, "130:13:42"},
		{1_500_000, race.Runner, race.Male, "3:26.00"},
		{800_000, race.Runner, race.Male, "1:40.91"},
		{400_000, race.Runner, race.Male, "0:43.03"},
		{100_000, race.Runner, race.Male, "0:09.58"},
		{4_500_000, race.Runner, race.Male, "11:55"},
		{7_400_000, race.Runner, race.Female, "22:40"}, // between two standards

		{marathon, race.Wheelchair, race.Male, "1:17:47"},
		{marathon, race.Wheelchair, race.Male, "1:15:33"},
		{marathon, race.Wheelchair, race.Female, "1:34:16"},
		{marathon, race.Wheelchair, race.Female, "1:28:17"},
		{10 * km, race.Wheelchair, race.Male, "17:58"},
		{5 * km, race.Wheelchair, race.Male, "9:05"},
		{1_500_000, race.Wheelchair, race.Male, "2:41.0"},
		{10 * km, race.Wheelchair, race.Female, "20:57"},
		{marathon, race.Handcycle, race.Male, "58:36"},
		{marathon, race.Handcycle, race.Female, "1:09:00"},
		{25 * km, race.Handcycle, race.Male, "32:20"},

		{marathon, race.Runner, race.Female, "16:00:00"}, // with a stroller, without a limit
		{5 * km, race.Runner, "", "2:40:00"},
		{2 * km, race.Runner, race.Male, "1:58:00"}, // a vertical kilometre
		{10 * km, race.Runner, race.Male, "5:00:00"},
		{171 * km, race.Runner, race.Male, "46:30:00"},
		{330 * km, race.Runner, race.Female, "150:00:00"},
		{300 * km, race.Runner, race.Male, "152:30:00"},
		{160_934_400, race.Runner, race.Male, "60:00:00"},
		{724 * km, race.Runner, race.Male, "116:00:00"},
		{21 * km, race.Wheelchair, race.Male, "6:00:00"},
	} {
		require.Empty(t, implausible(t, performance.d, performance.field, performance.sex, performance.elapsed), performance)
	}
}

func TestTimesThatNobodyRanAreImplausible(t *testing.T) {
	t.Parallel()
	const beyond, walk = ": faster than the world best for the distance and field", ": slower than a walk over the distance"
	for _, test := range []struct {
		d       race.Distance
		field   race.Field
		sex     race.Sex
		elapsed string
		reason  string
	}{
		{marathon, race.Runner, race.Male, "2:10", "0:02:10" + beyond + "; 2:10 was read as 2 min 10 s; if it means 2 h 10 min write 2:10:00"},
		{10 * km, race.Runner, race.Male, "3:00", "0:03:00" + beyond + "; 3:00 was read as 3 min 0 s; if it means 3 h 0 min write 3:00:00"},
		{marathon, race.Runner, race.Male, "2:10.5", "0:02:10.5" + beyond},
		{marathon, race.Runner, race.Male, "0:45", "0:00:45" + beyond}, // 45 minutes are not plausible either
		{marathon, race.Runner, race.Male, "1:54:00", "1:54:00" + beyond},
		{marathon, race.Runner, race.Female, "2:03:00", "2:03:00" + beyond},
		{marathon, race.Wheelchair, race.Male, "1:10:00", "1:10:00" + beyond},
		{marathon, race.Handcycle, race.Female, "58:36", "0:58:36" + beyond},
		{marathon, race.Handcycle, race.Male, "50:00", "0:50:00" + beyond},
		{7_400_000, race.Runner, race.Male, "17:00", "0:17:00" + beyond},
		{800_000, race.Runner, race.Male, "1:10", "0:01:10" + beyond + "; 1:10 was read as 1 min 10 s; if it means 1 h 10 min write 1:10:00"},
		{300 * km, race.Runner, race.Male, "20:00:00", "20:00:00" + beyond},
		{5 * km, race.Runner, race.Male, "25:30:00", "25:30:00" + walk + "; if it means 25 min 30 s write 25:30"},
		{5 * km, race.Runner, race.Male, "25:30:45", "25:30:45" + walk + "; if it means 25 min 30 s write 25:30.45"},
		{marathon, race.Runner, race.Male, "23:00:00", "23:00:00" + walk},
	} {
		require.Equal(t, "implausible gun time "+test.reason, implausible(t, test.d, test.field, test.sex, test.elapsed))
	}
}

func TestUnknownRunnersMayBeTheFastest(t *testing.T) {
	t.Parallel()
	require.Empty(t, implausible(t, marathon, race.Runner, "", "2:00:35"))
	require.Empty(t, implausible(t, marathon, race.Runner, race.NonBinary, "2:00:35"))
	r := race.Race{Distance: marathon, Ranking: race.Ranking{Basis: race.Gun}}
	require.Empty(t, scoring.Implausible(r, nil, race.Result{Gun: 3_600_000, Status: race.Finished}), "a handcycle")
	require.Contains(t, scoring.Implausible(r, nil, race.Result{Gun: 130_000, Status: race.Finished}), "2:10:00")
}

func TestOnlyClocksThatRankAreLookedAt(t *testing.T) {
	t.Parallel()
	entrant := &race.Participant{Field: race.Runner, Sex: race.Male}
	result := race.Result{Gun: 9_000_000, Net: 130_000, Status: race.Finished}
	for ranking, want := range map[race.Ranking]bool{
		{Basis: race.Gun, Ties: race.TiesShare}:                           false,
		{Basis: race.Net, Ties: race.TiesShare}:                           true,
		{Basis: race.Gun, Ties: race.TiesNet}:                             true,
		{Basis: race.Gun, DivisionsBasis: race.Net, Ties: race.TiesShare}: true,
		{Basis: race.Gun, DivisionsBasis: race.Gun, Ties: race.TiesShare}: false,
	} {
		reason := scoring.Implausible(race.Race{Distance: marathon, Ranking: ranking}, entrant, result)
		require.Equal(t, want, strings.HasPrefix(reason, "implausible net time"), "%+v: %s", ranking, reason)
	}
	for _, status := range []race.ResultStatus{race.DidNotFinish, race.DidNotStart, race.Disqualified, race.Overtime} {
		result := race.Result{Gun: 130_000, Status: status}
		require.Empty(t, scoring.Implausible(race.Race{Distance: marathon}, entrant, result), "it has no place")
	}
	require.Empty(t, scoring.Implausible(race.Race{Distance: marathon}, entrant, race.Result{Status: race.Finished}), "no time")
}

func TestAConfirmedTimeIsCredited(t *testing.T) {
	t.Parallel()
	facts := finisher()
	facts.Record.Result.Gun = 130_000
	_, err := scoring.Judge(facts)
	var rejection *race.Rejection
	require.ErrorAs(t, err, &rejection)
	require.Contains(t, rejection.Reason, "if it means 2 h 10 min write 2:10:00")

	facts.Record.TimeConfirmed = true
	award, err := scoring.Judge(facts)
	require.NoError(t, err)
	require.Positive(t, award.Points)

	facts.Record.Correct(race.Result{Bib: "34", Gun: 130_000, Net: facts.Record.Result.Net, Status: race.Finished, Sequence: 1})
	require.True(t, facts.Record.TimeConfirmed, "of the same time")
	facts.Record.Correct(race.Result{Bib: "34", Gun: 131_000, Status: race.Finished})
	require.False(t, facts.Record.TimeConfirmed, "another time needs another confirmation")
}
