package standings_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHiddenNamesAndAges: everywhere that the public reads, also in versions from
// before; nobody's place changes.
func TestHiddenNamesAndAges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.creditAll(t)
	b.recompute(t)
	require.Equal(t, []any{"Ada Alm", "Bea Bok"}, b.get(t, "/standings?sex=F").items(t, "name"))
	b.ofUser(t, "UPDATE user SET hide_name = TRUE, hide_age = TRUE WHERE user_id = '"+b.users["2"]+"'")
	b.clock.Advance(time.Minute)

	for _, path := range []string{"/standings?sex=F", "/standings?sex=F&version=1"} {
		shown := b.get(t, path)
		require.Equal(t, []any{"Ada Alm", "B. B."}, shown.items(t, "name"), path)
		require.Equal(t, []any{30., nil}, shown.items(t, "age"), path)
		require.Equal(t, []any{1., 2.}, shown.items(t, "place"), path)
	}
	require.Empty(t, b.get(t, "/standings?q=bok").items(t, "bib"), "a search does not give it away")
	require.Equal(t, []any{nil}, b.get(t, "/standings?bib=2").items(t, "parts"), "nor does what the points were computed from")
	for _, path := range []string{"/standings.csv", "/standings/compare?from=1&to=1"} {
		require.NotContains(t, b.get(t, path).raw, "Bea Bok", path)
	}

	b.ofUser(t, "UPDATE user SET birth_date = '2015-01-01' WHERE user_id = '"+b.users["1"]+"'")
	b.clock.Advance(time.Minute)
	require.Equal(t, []any{"A. A.", "B. B."}, b.get(t, "/standings?sex=F").items(t, "name"), "a minor by default")
	b.ofUser(t, "UPDATE user SET hide_name = FALSE WHERE user_id = '"+b.users["1"]+"'")
	b.clock.Advance(time.Minute)
	require.Equal(t, []any{"Ada Alm", "B. B."}, b.get(t, "/standings?sex=F").items(t, "name"), "unless decided otherwise")
}
