package workflows_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/workflows"
)

func TestStartCreditOptionsNameTheRecordAsPeopleDo(t *testing.T) {
	t.Parallel()
	input := workflows.CreditInput{RaceID: "019a-race", RecordID: "019a-record", Revision: 2}
	tests := map[string]struct {
		label workflows.CreditLabel
		want  string
	}{
		"both":           {workflows.CreditLabel{Bib: "101", RaceName: "Park 10K"}, "bib 101 · Park 10K · revision 2"},
		"no race name":   {workflows.CreditLabel{Bib: "101"}, "bib 101 · revision 2"},
		"an old message": {workflows.CreditLabel{}, "record 019a-record · revision 2"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := workflows.StartCreditOptions(input, test.label)
			require.Equal(t, test.want, options.StaticSummary)
			bib, ok := options.TypedSearchAttributes.GetKeyword(workflows.BibKey)
			require.Equal(t, test.label.Bib != "", ok)
			require.Equal(t, test.label.Bib, bib)
		})
	}
}

// TestASummaryIsNeverTooLongForTheServer: it would refuse the start, for ever.
func TestASummaryIsNeverTooLongForTheServer(t *testing.T) {
	t.Parallel()
	for _, character := range []string{"a", "<", "마", "🏃", "\x00", "\""} {
		options := workflows.StartCreditOptions(workflows.CreditInput{RecordID: "019a-record", Revision: 1 << 30},
			workflows.CreditLabel{Bib: strings.Repeat("9", 16), RaceName: strings.Repeat(character, 300)})
		encoded, err := json.Marshal(options.StaticSummary)
		require.NoError(t, err)
		require.Less(t, len(encoded), 400, character)
		require.Contains(t, options.StaticSummary, "…")
	}
}
