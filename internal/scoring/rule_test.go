package scoring_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

func TestRuleNameAndEdition(t *testing.T) {
	t.Parallel()
	for rule, want := range map[scoring.Rule][2]string{
		scoring.AgeGrade2020:       {"agegrade", "2020"},
		scoring.AgeGrade2025:       {"agegrade", "2025"},
		scoring.WorldAthletics2022: {"wa", "2022"},
		scoring.WorldAthletics2025: {"wa", "2025"},
		scoring.Fixed:              {"fixed", "1"},
	} {
		require.Equal(t, want, [2]string{rule.Name(), rule.Edition()})

		parsed, err := scoring.ParseRule(string(rule))
		require.NoError(t, err)
		require.Equal(t, rule, parsed)

		joined, err := scoring.RuleOf(want[0], want[1])
		require.NoError(t, err)
		require.Equal(t, rule, joined)
	}
}

func TestUnknownRule(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "agegrade", "agegrade-2015", "wa-2017", "Fixed", "fixed-1", " wa-2025"} {
		_, err := scoring.ParseRule(name)
		require.ErrorIs(t, err, scoring.ErrUnknownRule, name)

		_, err = scoring.Points(scoring.Rule(name), scoring.Performance{TimeMS: 1})
		require.ErrorIs(t, err, scoring.ErrUnknownRule, name)

		require.ErrorIs(t, scoring.Supports(scoring.Rule(name), marathon), scoring.ErrUnknownRule, name)
	}
	for _, pair := range [][2]string{{"fixed", ""}, {"fixed", "2"}, {"agegrade", ""}, {"agegrade-2025", ""}, {"", "2025"}} {
		_, err := scoring.RuleOf(pair[0], pair[1])
		require.ErrorIs(t, err, scoring.ErrUnknownRule, pair)
	}
}

func TestOfferedRules(t *testing.T) {
	t.Parallel()
	require.Equal(t, []scoring.Rule{"agegrade-2025", "wa-2025", "wa-2022", "fixed"}, scoring.Offered())
	require.Equal(t, scoring.Default, scoring.Offered()[0])
}
