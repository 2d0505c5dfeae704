package standings_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
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

// TestNamesFollowTheStartListAtOnce: its corrections and swapped bibs, and undoing them.
func TestNamesFollowTheStartListAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.creditAll(t)
	b.recompute(t)
	shown := func() []any { return b.get(t, "/standings?sex=F").items(t, "name") }
	require.Equal(t, []any{"Ada Alm", "Bea Bok"}, shown())
	require.NoError(t, b.accounts.EnsureRunners(t.Context(), []userdb.Runner{
		{UserID: b.users["1"], Name: "Bea Bok", Replaces: true}, {UserID: b.users["2"], Name: "Ada Alm", Replaces: true},
	}))
	b.clock.Advance(time.Second) // how long readers get the same bytes
	require.Equal(t, []any{"Bea Bok", "Ada Alm"}, shown())
	require.Equal(t, []any{"Ada Alm"}, b.get(t, "/standings?q=alm").items(t, "name"))
}

// TestWhoHidesTheirNameHidesItInVersionsFromBeforeTheirClaim: those name the person of
// the start list.
func TestWhoHidesTheirNameHidesItInVersionsFromBeforeTheirClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.creditAll(t)
	b.recompute(t)
	shown := func() []any { return b.get(t, "/standings?sex=M&version=1").items(t, "name") }
	require.Equal(t, []any{"Cem Can", "=Dan Dow"}, shown())

	account, err := b.accounts.CreateAccount(t.Context(), userdb.Account{UserID: newID(), LoginID: "cem", PasswordHash: "hash", Type: auth.Runner, Name: "Cem Can"})
	require.NoError(t, err)
	claim, _, err := b.main.OpenClaim(t.Context(), maindb.ClaimRequest{
		ID: newID(), RaceID: b.raceID, Bib: "3", UserID: account.UserID, Kind: race.ByCode,
	}, b.accounts.StandIn)
	require.NoError(t, err)
	require.Equal(t, race.Accepted, claim.State)
	b.ofUser(t, "UPDATE user SET hide_name = TRUE, hide_age = TRUE WHERE user_id = '"+account.UserID+"'")
	b.clock.Advance(time.Minute)
	require.Equal(t, []any{"C. C.", "=Dan Dow"}, shown())
	require.Equal(t, []any{nil, 50.}, b.get(t, "/standings?sex=M&version=1").items(t, "age"))
	for _, path := range []string{"/standings.csv?version=1", "/results/export?format=csv&version=1"} {
		require.NotContains(t, b.get(t, path).raw, "Cem", path)
	}
	require.Empty(t, b.get(t, "/standings?q=cem&version=1").items(t, "bib"))
}
