package maindb_test

import (
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func TestRecordsAreFoundByTheirIDAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.post(t, b.scheduledRace(t), finish("1", 7000))
	posted := b.clock.Now()
	second := b.post(t, b.scheduledRace(t), finish("2", 7000))

	got, err := b.store.RecordByID(t.Context(), second.ID)
	require.NoError(t, err)
	require.Equal(t, second, got)
	_, err = b.store.RecordByID(t.Context(), newID())
	require.ErrorIs(t, err, race.ErrNotFound)

	latest, err := b.store.LatestRevisionsByID(t.Context(), []string{first.ID, second.ID, newID()})
	require.NoError(t, err)
	require.Equal(t, map[string]maindb.LatestRevision{
		first.ID:  {RecordID: first.ID, RaceID: first.RaceID, Revision: 1, ChangedAt: posted.Add(-time.Second)},
		second.ID: {RecordID: second.ID, RaceID: second.RaceID, Revision: 1, ChangedAt: posted},
	}, latest)
}

func TestOutboxOfRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.scheduledRace(t)
	posted := b.clock.Now()
	r := b.post(t, raceID, finish("1", 7000))
	b.post(t, raceID, finish("2", 7000))

	unsent, err := b.store.OutboxOf(t.Context(), []string{r.ID, newID()})
	require.NoError(t, err)
	require.Len(t, unsent, 1)
	require.Positive(t, unsent[0].ID)
	unsent[0].ID = 0
	require.Equal(t, maindb.Unsent{
		OutboxRow: maindb.OutboxRow{RaceID: raceID, RecordID: r.ID, Revision: 1}, CreatedAt: posted,
	}, unsent[0])

	b.outbox(t)
	unsent, err = b.store.OutboxOf(t.Context(), []string{r.ID})
	require.NoError(t, err)
	require.Empty(t, unsent)
}

func TestRevisionSumsChangeWithEveryRevision(t *testing.T) {
	t.Parallel()
	b := setup(t)
	x := b.post(t, b.scheduledRace(t), finish("1", 7000))
	y := b.post(t, x.RaceID, finish("2", 7000))
	other := b.post(t, b.scheduledRace(t), finish("1", 7000))
	later := race.Time(7_100_000)
	x = b.patch(t, x, maindb.RecordPatch{Gun: &later})

	sum := func(records ...race.Record) maindb.RevisionSum {
		s := maindb.RevisionSum{Records: len(records)}
		for _, r := range records {
			s.Fingerprint += int64(crc32.ChecksumIEEE([]byte(fmt.Sprint(r.ID, r.Revision))))
		}
		return s
	}
	all, err := b.store.RevisionSums(t.Context(), "", "", 10)
	require.NoError(t, err)
	require.Equal(t, map[string]maindb.RevisionSum{x.RaceID: sum(x, y), other.RaceID: sum(other)}, all)
	one, err := b.store.RevisionSums(t.Context(), other.RaceID, "", 10)
	require.NoError(t, err)
	require.Equal(t, map[string]maindb.RevisionSum{other.RaceID: sum(other)}, one)
}

func TestStandingsAround(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	b.addRecord(t, raceID, "1", 1, true)
	var computed []time.Time
	for range 4 {
		in, err := b.store.StandingsInputs(t.Context(), raceID)
		require.NoError(t, err)
		computed = append(computed, b.clock.Now())
		require.NoError(t, b.store.AddStandings(t.Context(), version(t, in, b.clock.Now())))
		b.clock.Advance(time.Minute)
	}
	for _, c := range []struct {
		at   time.Time
		want []int
	}{
		{computed[0], []int{1, 2}},
		{computed[1], []int{1, 2}},
		{computed[1].Add(time.Second), []int{2, 3}},
		{b.clock.Now(), []int{4}},
	} {
		heads, err := b.store.StandingsAround(t.Context(), raceID, c.at, 2)
		require.NoError(t, err)
		var versions []int
		for _, head := range heads {
			versions = append(versions, head.Version)
		}
		require.Equal(t, c.want, versions)
	}
}
