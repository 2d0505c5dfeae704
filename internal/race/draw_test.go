package race_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// TestDrawOrder: by values that sha256sum and openssl computed.
func TestDrawOrder(t *testing.T) {
	t.Parallel()
	const seed = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	require.Equal(t, "6c86c6aac5fb24bcf5d9939cb7d7d5645ce39418f449e03b262dd4fa14b4b92b", race.DrawCommitment(seed))
	order, list := race.DrawOrder(seed, []string{"CCCCCCCCCCCC", "AAAAAAAAAAAA", "DDDDDDDDDDDD", "BBBBBBBBBBBB"})
	require.Equal(t, "96200d3b79321a514cdd7e71dd8745770394bb28121401083bc3abcfcc5f5eaf", list)
	require.Equal(t, []string{"CCCCCCCCCCCC", "AAAAAAAAAAAA", "BBBBBBBBBBBB", "DDDDDDDDDDDD"}, order)
	more, _ := race.DrawOrder(seed, append(order, "EEEEEEEEEEEE"))
	require.Len(t, more, 5)
	none, _ := race.DrawOrder(seed, nil)
	require.Empty(t, none)
}
