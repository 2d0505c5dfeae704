package race_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestLine(t *testing.T) {
	t.Parallel()
	const persian, flag, family = "علی\u200Cرضا", "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F", "👩\u200D👧"
	for written, line := range map[string]string{
		"  Ann ": "Ann", "\u200FAnn\u200E": "Ann", "\uFEFFAnn": "Ann", "An\u00ADn\u200B": "Ann", " \u2060 Ann": "Ann", "\u200B": "",
		persian: persian, flag: flag, family: family, "홍길동": "홍길동", "\u0601٤": "\u0601٤",
		"\u202BAnn\u202C": "Ann", "A\u202Enn": "Ann", "\u2067Ann\u2069": "Ann", "❤\uFE0F": "❤\uFE0F",
		"\u200D": "", "\u3164": "", "\uFE0F\u2800 \U000E0067": "",
	} {
		got, err := race.Line(written)
		require.NoError(t, err, "%+q", written)
		require.Equal(t, line, got, "%+q", written)
	}
	for written, wrong := range map[string]string{
		"a\nb": "control characters", "a\x00b": "control characters", "a\u0085b": "control characters", "a\u2028b": "control characters", "\xff": "UTF-8",
		"a\u2063b": "U+2063", "a\uFFF9b": "U+FFF9",
	} {
		_, err := race.Line(written)
		require.ErrorContains(t, err, wrong, "%+q", written)
	}
	for _, written := range []string{"FC Seoul", "FC\u200B \u200F Seoul\u200E", "\u202BFC  Seoul\u202C ", "\uFEFFFC\u00A0Seoul"} {
		require.Equal(t, "FC Seoul", race.Visible(written), "%+q", written)
	}
	for _, r := range "\u202A\u202B\u202C\u202D\u202E\u2066\u2067\u2068\u2069" {
		require.Error(t, race.CheckDirection("a"+string(r)))
		require.Equal(t, "ab", strings.Map(race.DropOverride, "a"+string(r)+"b"))
		require.Equal(t, "– ab", string(race.WithoutOverrides([]byte("– a"+string(r)+"b"+string(r)))))
	}
	for _, kept := range []string{"", "– “Ann” … \u200E 홍길동", "a\xE2", "\xE2\x80"} {
		require.Equal(t, kept, string(race.WithoutOverrides([]byte(kept))))
	}
	require.NoError(t, race.CheckDirection("a\u200Fb\n\u200E"))
	require.Equal(t, "Ann", race.Within("A\u202Enn"))
	require.Equal(t, "마라톤 é", race.Within("마라톤 é"))
	require.Equal(t, "אבי\u200E", race.Within("אבי"))
	require.Equal(t, "علی\u200E", race.Within("علی"))
}
