package userdb_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

func TestStandInID(t *testing.T) {
	t.Parallel()
	raceID := uuid.Must(uuid.NewV7()).String()
	id := userdb.StandInID(raceID, "42")
	require.Equal(t, id, userdb.StandInID(raceID, "42"))
	require.NotEqual(t, id, userdb.StandInID(raceID, "43"))
	require.NotEqual(t, id, userdb.StandInID(uuid.Must(uuid.NewV7()).String(), "42"))
	parsed, err := uuid.Parse(id)
	require.NoError(t, err)
	require.EqualValues(t, 7, parsed.Version())
	require.Equal(t, uuid.RFC4122, parsed.Variant())
	require.Equal(t, raceID[:13], id[:13], "the race's time")
}

func TestEnsureRunners(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	ctx := t.Context()
	owner := b.account(t, "uta@example.org")
	born := race.Date{Year: 1980, Month: time.May, Day: 1}
	standIn := userdb.Runner{UserID: uuid.NewString(), Name: "Ada", Sex: race.Female, BirthDate: born}
	ids := []string{standIn.UserID, owner.UserID, uuid.NewString()}
	mine := userdb.Runner{UserID: owner.UserID, Name: "Uta", Sex: race.Female, BirthDate: owner.BirthDate, Owned: true}

	for range 2 {
		overreach := userdb.Runner{UserID: owner.UserID, Name: "Somebody", Sex: race.Male, BirthDate: born}
		require.NoError(t, b.store.EnsureRunners(ctx, []userdb.Runner{standIn, overreach}))
		got, err := b.store.Runners(ctx, ids)
		require.NoError(t, err)
		require.Equal(t, map[string]userdb.Runner{standIn.UserID: standIn, owner.UserID: mine}, got)
	}

	require.NoError(t, b.store.EnsureRunners(ctx, []userdb.Runner{{UserID: standIn.UserID, Name: "Ada L."}}))
	got, err := b.store.Runners(ctx, ids)
	require.NoError(t, err)
	standIn.Name = "Ada L."
	require.Equal(t, standIn, got[standIn.UserID], "what is left out stays")

	many := make([]userdb.Runner, 2100)
	for i := range many {
		many[i] = userdb.Runner{UserID: uuid.NewString()}
	}
	require.NoError(t, b.store.EnsureRunners(ctx, many))
	require.NoError(t, b.store.EnsureRunners(ctx, nil))
}

func TestLoginsOf(t *testing.T) {
	t.Parallel()
	b := setupAccounts(t)
	uta, _ := b.account(t, "uta@example.org"), b.account(t, "ben@example.org")
	got, err := b.store.LoginsOf(t.Context(), []string{uta.UserID, b.account(t, "").UserID, uuid.NewString()})
	require.NoError(t, err)
	require.Equal(t, []userdb.Account{{UserID: uta.UserID, LoginID: "uta@example.org"}}, got, "of those who were asked for")
}
