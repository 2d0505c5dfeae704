package spelling_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/spelling"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"limit", "cursor", "bib", "sex", "division"}
	for misspelled, want := range map[string]string{
		"limt": "limit", "Limit": "limit", "curser": "cursor", "divsion": "division", "bibs": "bib",
		"page": "", "x": "", "": "", "offset": "", "six": "sex",
	} {
		require.Equal(t, want, spelling.Nearest(misspelled, known), misspelled)
	}
}
