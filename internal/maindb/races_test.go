package maindb_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func spring(day int) race.Race {
	maxAge := 39
	return race.Race{
		ID: newID(), OrganizerID: organizer.By, Name: "Frühlingslauf", City: "Köln",
		Date: race.Date{Year: 2026, Month: time.April, Day: day}, Distance: 21_097_500,
		Ranking:   race.Ranking{Basis: race.Gun, DivisionsBasis: race.Net, Ties: race.TiesShare},
		Divisions: []race.Division{{Name: "Open", Sex: race.Female, MaxAge: &maxAge, Field: race.Runner}},
		Scoring:   "agegrade-2025", Capacity: 100,
	}
}

// created makes a race through the store and returns it as it is kept.
func (b *testBundle) created(t *testing.T, r race.Race) race.Race {
	t.Helper()
	kept, err := b.store.CreateRace(t.Context(), r)
	require.NoError(t, err)
	return kept
}

var noBirths = births(nil)

func TestCreateRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := spring(19)
	got := b.created(t, want)
	want.Status, want.CreatedAt = race.Scheduled, b.clock.Now()
	require.Equal(t, want, got)

	again := want
	again.Name = "another body under the same ID"
	require.Equal(t, want, b.created(t, again), "the race that an earlier call made")

	_, err := b.store.Race(t.Context(), newID())
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestListRacesNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	older, middle, newer := b.created(t, spring(1)), b.created(t, spring(5)), b.created(t, spring(5))
	foreign := spring(9)
	foreign.OrganizerID = newID()
	foreign = b.created(t, foreign)

	var got []string
	after := maindb.RacePosition{}
	for {
		page, err := b.store.ListRaces(t.Context(), "", after, 1)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		got = append(got, page[0].ID)
		after = maindb.RacePosition{Date: page[0].Date, ID: page[0].ID}
	}
	require.Equal(t, []string{foreign.ID, newer.ID, middle.ID, older.ID}, got)

	own, err := b.store.ListRaces(t.Context(), organizer.By, maindb.RacePosition{Date: newer.Date, ID: newer.ID}, 10)
	require.NoError(t, err)
	require.Equal(t, []race.Race{middle, older}, own)
}

func TestFindRaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second, third := spring(1), spring(5), spring(9)
	second.Name, second.City = "100% Half_Marathon", "Busan"
	third.City = "부산"
	for _, r := range []race.Race{first, second, third} {
		b.created(t, r)
	}
	find := func(search maindb.RaceSearch) (dates []string) {
		t.Helper()
		after := maindb.RacePosition{}
		for { // in pages of one
			found, err := b.store.FindRaces(t.Context(), search, after, 1)
			require.NoError(t, err)
			if len(found) == 0 {
				return dates
			}
			dates = append(dates, found[0].Date.String())
			after = maindb.RacePosition{Date: found[0].Date, ID: found[0].ID}
		}
	}
	require.Equal(t, []string{"2026-04-09", "2026-04-05", "2026-04-01"}, find(maindb.RaceSearch{}))
	require.Equal(t, []string{"2026-04-01", "2026-04-05", "2026-04-09"}, find(maindb.RaceSearch{Oldest: true}))
	require.Equal(t, []string{"2026-04-05", "2026-04-09"}, find(maindb.RaceSearch{From: second.Date, Oldest: true}))
	require.Equal(t, []string{"2026-04-05", "2026-04-01"}, find(maindb.RaceSearch{To: second.Date}))
	require.Equal(t, []string{"2026-04-09", "2026-04-01"}, find(maindb.RaceSearch{Text: "FRUHLINGS"}), "whatever its case and accents")
	require.Equal(t, []string{"2026-04-09"}, find(maindb.RaceSearch{Text: "부산"}))
	require.Equal(t, []string{"2026-04-05"}, find(maindb.RaceSearch{Text: "0% half_"}), "what a pattern would match is text")
	require.Empty(t, find(maindb.RaceSearch{Text: `\`}))
	require.Empty(t, find(maindb.RaceSearch{Text: "' OR 1=1 --"}))
}

func TestUpdateRaceWithoutRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	updated, revised, err := b.store.UpdateRace(t.Context(), r.ID, func(r *race.Race) error {
		r.Name, r.Distance, r.Divisions[0].Name = "Herbstlauf", 10_000_000, "Women"
		return nil
	}, noBirths)
	require.NoError(t, err)
	require.Zero(t, revised)
	require.Equal(t, "Women", updated.Divisions[0].Name)
	kept, err := b.store.Race(t.Context(), r.ID)
	require.NoError(t, err)
	require.Equal(t, updated, kept)

	refused := errors.New("refused")
	_, _, err = b.store.UpdateRace(t.Context(), r.ID, func(r *race.Race) error { r.Name = "x"; return refused }, noBirths)
	require.ErrorIs(t, err, refused)
	_, _, err = b.store.UpdateRace(t.Context(), newID(), func(*race.Race) error { return nil }, noBirths)
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestUpdateRaceRevisesRecords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	record := b.post(t, r.ID, finish("7", 5000))
	b.outbox(t)

	edits := []struct {
		reason  string
		edit    func(*race.Race)
		revised int
	}{
		{"", func(r *race.Race) { r.Name, r.City = "New name", "" }, 0},
		{"", func(r *race.Race) { r.Divisions, r.Ranking.Ties = nil, race.TiesNet }, 0},
		{"race settings changed: scoring, points", func(r *race.Race) { r.Scoring, r.Points = "fixed", 50 }, 1},
		{"race settings changed: points", func(r *race.Race) { r.Points = 60 }, 1},
		{"race settings changed: ranking.basis", func(r *race.Race) { r.Ranking.Basis = race.Net }, 1},
		{"race settings changed: distance_m", func(r *race.Race) { r.Distance++ }, 1},
		{"race settings changed: date", func(r *race.Race) { r.Date.Day++ }, 1},
	}
	revision := 1
	for _, e := range edits {
		_, revised, err := b.store.UpdateRace(t.Context(), r.ID, func(r *race.Race) error { e.edit(r); return nil }, noBirths)
		require.NoError(t, err)
		require.Equal(t, e.revised, revised, e.reason)
		if revised == 0 {
			continue
		}
		revision++
		require.Equal(t, []string{sentAs(record.ID, revision)}, b.outbox(t))
		revisions, err := b.store.Revisions(t.Context(), record.ID)
		require.NoError(t, err)
		require.Contains(t, reasons(revisions), e.reason)
	}

	_, revised, err := b.store.UpdateRace(t.Context(), r.ID, func(*race.Race) error { return nil }, noBirths)
	require.NoError(t, err)
	require.Zero(t, revised, "nothing changed")
}

func reasons(revisions []race.Revision) []string {
	var out []string
	for _, r := range revisions {
		out = append(out, r.Reason)
	}
	return out
}

func TestUpdateOfficialRaceKeepsPointsAndPlaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	_, err := b.db.ExecContext(t.Context(), "UPDATE race SET status = 'official' WHERE race_id = ?", r.ID)
	require.NoError(t, err)
	for field, edit := range map[string]func(*race.Race){
		"date":                    func(r *race.Race) { r.Date.Day++ },
		"distance_m":              func(r *race.Race) { r.Distance++ },
		"scoring":                 func(r *race.Race) { r.Scoring = "wa-2025" },
		"points":                  func(r *race.Race) { r.Points++ },
		"ranking.basis":           func(r *race.Race) { r.Ranking.Basis = race.Net },
		"ranking.divisions_basis": func(r *race.Race) { r.Ranking.DivisionsBasis = race.Gun },
		"ranking.ties":            func(r *race.Race) { r.Ranking.Ties = race.TiesNet },
		"divisions":               func(r *race.Race) { r.Divisions = nil },
	} {
		_, _, err := b.store.UpdateRace(t.Context(), r.ID, func(r *race.Race) error { edit(r); return nil }, noBirths)
		var conflict *race.ConflictError
		require.ErrorAs(t, err, &conflict, field)
		require.Equal(t, field, conflict.Field)
	}
	_, _, err = b.store.UpdateRace(t.Context(), r.ID, func(r *race.Race) error { r.Name = "New name"; return nil }, noBirths)
	require.NoError(t, err)
}

func TestDeleteRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.created(t, spring(19))
	_, err := b.store.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: r.ID, UserID: newID()})
	require.NoError(t, err)
	require.NoError(t, b.store.DeleteRace(t.Context(), r.ID))
	_, err = b.store.Race(t.Context(), r.ID)
	require.ErrorIs(t, err, race.ErrNotFound)
	list, err := b.store.ListParticipants(t.Context(), r.ID, "", 10)
	require.NoError(t, err)
	require.Empty(t, list)
	require.ErrorIs(t, b.store.DeleteRace(t.Context(), r.ID), race.ErrNotFound)

	kept := b.created(t, spring(20))
	b.post(t, kept.ID, finish("1", 5000))
	var conflict *race.ConflictError
	require.ErrorAs(t, b.store.DeleteRace(t.Context(), kept.ID), &conflict)
}
