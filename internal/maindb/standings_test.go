package maindb_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// version makes the next version of a race's standings out of its inputs.
func version(t testing.TB, in maindb.StandingsInputs, at time.Time) maindb.NewStandings {
	t.Helper()
	rules := maindb.RulesetOf(in.Race)
	hash, err := standings.Hash(rules.Rules, in.Entries)
	require.NoError(t, err)
	return maindb.NewStandings{
		RaceID: in.Race.ID, Version: in.Latest.Version + 1, Status: race.Provisional, ComputedAt: at, InputsHash: hash,
		Rules: rules, Rows: standings.Rank(rules.Rules, in.Entries), Mark: in.Mark,
	}
}

func TestStandingsInputs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	userID := b.addEntrant(t, raceID, "42", 35, race.Entered)
	b.addEntrant(t, raceID, "43", nil, race.Cancelled)
	ran := b.addRecord(t, raceID, "0042", 3, true)
	waits := b.addRecord(t, raceID, "42", 1, false)
	nobody := b.addRecord(t, raceID, "43", 1, true)
	removed := b.addRecord(t, raceID, "44", 2, false)
	b.exec(t, "UPDATE official_record SET removed = TRUE WHERE record_id = ?", removed)

	in, err := b.store.StandingsInputs(t.Context(), raceID)
	require.NoError(t, err)
	require.Zero(t, in.Latest)
	require.Zero(t, in.Publication)
	require.Equal(t, raceID, in.Race.ID)
	require.EqualValues(t, 7, in.Mark.RecordRevisions)
	result := func(bib string) race.Result {
		return race.Result{Bib: bib, Gun: 10_200_000, Net: 10_190_000, Status: race.Finished}
	}
	require.ElementsMatch(t, []standings.Entry{
		{RecordID: ran, Revision: 3, UserID: userID, Sex: race.Female, Age: 35, Field: race.Runner, Result: result("0042")},
		{RecordID: waits, Revision: 1, Age: race.UnknownAge, Field: race.Runner, Result: result("42")},
		{RecordID: nobody, Revision: 1, Age: race.UnknownAge, Field: race.Runner, Result: result("43")},
	}, in.Entries)

	_, err = b.store.StandingsInputs(t.Context(), "none")
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestStandingsAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	for i := range 5 {
		bib := fmt.Sprint(i + 1)
		b.addEntrant(t, raceID, bib, []any{nil, 20, 30, 40, 50}[i], race.Entered)
		b.addRecord(t, raceID, bib, 1, true)
	}
	in, err := b.store.StandingsInputs(t.Context(), raceID)
	require.NoError(t, err)
	forty := 40
	in.Race.Divisions = []race.Division{{Name: `Masters, "40+"`, MinAge: &forty}}
	in.Entries[0].Credited, in.Entries[0].Points = true, 0
	in.Entries[1].Credited, in.Entries[1].Points = true, 765
	in.Entries[2].Implausible = "implausible net time 0:02:10: faster"
	added := version(t, in, b.clock.Now())
	added.Reason = "bib 3: jury"
	require.NoError(t, b.store.AddStandings(t.Context(), added))

	head, rows, err := b.store.Standings(t.Context(), raceID, 1)
	require.NoError(t, err)
	require.Equal(t, added.Rows, rows)
	require.Equal(t, 1, head.Version)
	require.Equal(t, race.Provisional, head.Status)
	require.Equal(t, added.InputsHash, head.InputsHash)
	require.Equal(t, "bib 3: jury", head.Reason)
	require.Equal(t, 5, head.Entries)
	require.Equal(t, b.clock.Now(), head.ComputedAt)
	require.JSONEq(t, `{"edition":1,"ranking":{"basis":"net","divisions_basis":"net","ties":"share"},
		"divisions":[{"name":"Masters, \"40+\"","min_age":40}],"scoring":"agegrade-2025"}`, string(head.Ruleset))

	latest, err := b.store.LatestStandings(t.Context(), raceID)
	require.NoError(t, err)
	require.Equal(t, head, latest)
	var table string
	require.NoError(t, b.db.QueryRowContext(t.Context(),
		"SELECT UNCOMPRESS(body) FROM standings WHERE race_id = ?", raceID).Scan(&table))
	require.Contains(t, table, "place,sex_place,division,")

	_, _, err = b.store.Standings(t.Context(), raceID, 2)
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestVersionsAreListedAndNeverWrittenTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	b.addRecord(t, raceID, "1", 1, true)
	for range 3 {
		in, err := b.store.StandingsInputs(t.Context(), raceID)
		require.NoError(t, err)
		next := version(t, in, b.clock.Now())
		require.NoError(t, b.store.AddStandings(t.Context(), next))
		require.ErrorIs(t, b.store.AddStandings(t.Context(), next), maindb.ErrOvertaken)
	}
	versions := func(before, limit int) (numbers []int) {
		heads, err := b.store.StandingsBefore(t.Context(), raceID, before, limit)
		require.NoError(t, err)
		for _, head := range heads {
			numbers = append(numbers, head.Version)
		}
		return numbers
	}
	require.Equal(t, []int{3, 2}, versions(0, 2))
	require.Equal(t, []int{1}, versions(2, 2))
}

func TestOnlyOneOfTwoWritersAddsTheVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	b.addRecord(t, raceID, "1", 1, true)
	in, err := b.store.StandingsInputs(t.Context(), raceID)
	require.NoError(t, err)
	outcomes := make([]error, 8)
	var all sync.WaitGroup
	for i := range outcomes {
		all.Go(func() { outcomes[i] = b.store.AddStandings(t.Context(), version(t, in, b.clock.Now())) })
	}
	all.Wait()
	written := 0
	for _, err := range outcomes {
		if err == nil {
			written++
			continue
		}
		require.ErrorIs(t, err, maindb.ErrOvertaken)
	}
	require.Equal(t, 1, written)
}

func TestPublication(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	b.addRecord(t, raceID, "1", 1, true)
	opened, err := b.store.OpenPublication(t.Context(), raceID, "organizer", 30*time.Minute)
	require.NoError(t, err)
	require.True(t, opened.Open())
	require.Equal(t, b.clock.Now().Add(30*time.Minute), opened.EndsAt)
	b.clock.Advance(time.Minute)
	again, err := b.store.OpenPublication(t.Context(), raceID, "organizer", 0)
	require.NoError(t, err)
	require.Equal(t, opened, again)

	require.NoError(t, b.store.CancelPublication(t.Context(), raceID))
	require.NoError(t, b.store.CancelPublication(t.Context(), raceID))
	in, err := b.store.StandingsInputs(t.Context(), raceID)
	require.NoError(t, err)
	cancelled := version(t, in, b.clock.Now())
	cancelled.Status, cancelled.Publishes = race.Official, &opened
	require.ErrorIs(t, b.store.AddStandings(t.Context(), cancelled), maindb.ErrOvertaken)

	due, err := b.store.OpenPublication(t.Context(), raceID, "organizer", 0)
	require.NoError(t, err)
	official := version(t, in, b.clock.Now())
	official.Status, official.Publishes = race.Official, &due
	require.NoError(t, b.store.AddStandings(t.Context(), official))
	logged, err := b.store.Changes(t.Context(), maindb.ChangeFilter{RaceID: raceID, Action: "standings."}, "", 10)
	require.NoError(t, err)
	require.Len(t, logged, 1, "official versions are published, provisional ones are not")
	require.Equal(t, strconv.Itoa(official.Version), logged[0].Subject.ID)
	found, err := b.store.Race(t.Context(), raceID)
	require.NoError(t, err)
	require.Equal(t, race.Official, found.Status)
	published, err := b.store.OpenPublication(t.Context(), raceID, "organizer", time.Hour)
	require.NoError(t, err)
	require.False(t, published.Open())
	require.Equal(t, b.clock.Now(), published.PublishedAt)
	var conflict *race.ConflictError
	require.ErrorAs(t, b.store.CancelPublication(t.Context(), raceID), &conflict)

	marked, current := b.marks(t, raceID)
	require.Equal(t, current, marked)
}

// TestOnlyCommittedCreditsArePublished changes what a version was ranked from
// between its reading and its publication: the settings, which no revision of a
// record shows, the records, and who runs. Each time the version is refused, and
// the one that is published is of what is committed.
func TestOnlyCommittedCreditsArePublished(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(b *testBundle, raceID, recordID string){
		"divisions": func(b *testBundle, raceID, _ string) {
			_, _, err := b.store.UpdateRace(t.Context(), raceID, func(r *race.Race) error {
				r.Divisions = []race.Division{{Name: "everybody"}}
				return nil
			}, nil)
			require.NoError(t, err)
		},
		"a correction": func(b *testBundle, raceID, recordID string) {
			_, _, err := b.store.PatchRecord(t.Context(), raceID, recordID, 1, maindb.RecordPatch{Status: new(race.Disqualified)}, maindb.Change{By: "organizer"})
			require.NoError(t, err)
		},
		"an entrant without a new revision": func(b *testBundle, raceID, _ string) {
			b.exec(t, "UPDATE participant SET age = 41 WHERE race_id = ?", raceID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			raceID := b.addRace(t)
			b.addEntrant(t, raceID, "1", 35, race.Entered)
			recordID := b.addRecord(t, raceID, "1", 1, true)
			due, err := b.store.OpenPublication(t.Context(), raceID, "organizer", 0)
			require.NoError(t, err)
			in, err := b.store.StandingsInputs(t.Context(), raceID)
			require.NoError(t, err)
			stale := version(t, in, b.clock.Now())
			stale.Status, stale.Publishes = race.Official, &due

			b.clock.Advance(time.Second)
			change(b, raceID, recordID)
			require.ErrorIs(t, b.store.AddStandings(t.Context(), stale), maindb.ErrOvertaken)
			found, err := b.store.Race(t.Context(), raceID)
			require.NoError(t, err)
			require.Equal(t, race.Provisional, found.Status, "nothing of a refused publication stays")

			in, err = b.store.StandingsInputs(t.Context(), raceID)
			require.NoError(t, err)
			fresh := version(t, in, b.clock.Now())
			fresh.Status, fresh.Publishes = race.Official, &due
			require.NoError(t, b.store.AddStandings(t.Context(), fresh))
			marked, current := b.marks(t, raceID)
			require.Equal(t, current, marked)
		})
	}
}

// TestAChangeOfSettingsShowsInTheMark is what the sweep relies on when the API
// dies between a change of settings and its wake: no record has a new revision.
func TestAChangeOfSettingsShowsInTheMark(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	b.addRecord(t, raceID, "1", 1, true)
	in, err := b.store.StandingsInputs(t.Context(), raceID)
	require.NoError(t, err)
	b.clock.Advance(time.Second)
	since := b.clock.Now()
	_, revised, err := b.store.UpdateRace(t.Context(), raceID, func(r *race.Race) error {
		r.Divisions = []race.Division{{Name: "everybody"}}
		return nil
	}, nil)
	require.NoError(t, err)
	require.Zero(t, revised)

	// Whether the recompute that read the settings before wrote a version or found
	// nothing new, its mark is that of what it read.
	require.NoError(t, b.store.AddStandings(t.Context(), version(t, in, since)))
	for range 2 {
		marked, current := b.marks(t, raceID)
		require.NotEqual(t, current, marked)
		require.NoError(t, b.store.MarkStandings(t.Context(), raceID, in.Mark))
	}
	require.Equal(t, []string{raceID}, b.racesToSweep(t, since, 10))
	in, err = b.store.StandingsInputs(t.Context(), raceID)
	require.NoError(t, err)
	require.NoError(t, b.store.MarkStandings(t.Context(), raceID, in.Mark))
	marked, current := b.marks(t, raceID)
	require.Equal(t, current, marked)
}

func TestNoPublicationWithoutResults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	b.exec(t, "UPDATE race SET status = 'scheduled' WHERE race_id = ?", raceID)
	var conflict *race.ConflictError
	_, err := b.store.OpenPublication(t.Context(), raceID, "organizer", 0)
	require.ErrorAs(t, err, &conflict)
	_, err = b.store.OpenPublication(t.Context(), "none", "organizer", 0)
	require.ErrorIs(t, err, race.ErrNotFound)
}

func TestMarksChangeWithTheRace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	raceID := b.addRace(t)
	b.addRecord(t, raceID, "1", 2, true)
	marked, current := b.marks(t, raceID)
	require.Zero(t, marked)
	require.EqualValues(t, 2, current.RecordRevisions)

	require.NoError(t, b.store.MarkStandings(t.Context(), raceID, current))
	marked, current = b.marks(t, raceID)
	require.Equal(t, current, marked)
	b.addRecord(t, raceID, "2", 1, true)
	marked, current = b.marks(t, raceID)
	require.NotEqual(t, current, marked)

	b.clock.Advance(time.Hour)
	other, quiet := b.addRace(t), b.addRace(t)
	b.exec(t, "UPDATE race SET updated_at = ? WHERE race_id = ?", b.clock.Now().Add(-2*time.Hour), quiet)
	since := b.clock.Now().Add(-time.Minute)
	require.Equal(t, []string{other}, b.racesToSweep(t, since, 1))
	_, err := b.store.OpenPublication(t.Context(), quiet, "organizer", time.Hour)
	require.NoError(t, err)
	for _, size := range []int{1, 2, 100} {
		require.ElementsMatch(t, []string{other, quiet}, b.racesToSweep(t, since, size))
	}
}

// marks are the standings' marks of a race.
func (b *testBundle) marks(t *testing.T, raceID string) (marked, current maindb.StandingsMark) {
	t.Helper()
	marks, err := b.store.StandingsMarks(t.Context(), []string{raceID, "none"})
	require.NoError(t, err)
	require.Len(t, marks, 1)
	return marks[raceID].Marked, marks[raceID].Current
}

// racesToSweep reads all pages of a sweep.
func (b *testBundle) racesToSweep(t *testing.T, since time.Time, size int) (all []string) {
	t.Helper()
	for position := (maindb.SweepPosition{Since: since}); !position.Done(); {
		races, next, err := b.store.RacesToSweep(t.Context(), position, size)
		require.NoError(t, err)
		all, position = append(all, races...), next
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestTheSweepReadsNoWholeIndex looks at how the server carries out the sweep's
// queries: none reads a whole table or index, which would grow with all races
// that there ever were.
func TestTheSweepReadsNoWholeIndex(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 20 {
		raceID := b.addRace(t)
		for i := range 20 {
			b.addRecord(t, raceID, strconv.Itoa(i), 1, true)
		}
	}
	b.exec(t, "UPDATE race SET updated_at = '2020-01-01'")
	b.exec(t, "UPDATE official_record SET updated_at = '2020-01-01'")
	b.exec(t, `INSERT INTO publication (race_id, requested_by, requested_at, ends_at, published_at)
		SELECT race_id, organizer_id, '2020-01-01', '2020-01-01', '2020-01-01' FROM race`)
	b.exec(t, "ANALYZE TABLE race, official_record, publication")
	since := b.clock.Now()
	for name, query := range map[string]struct {
		statement string
		args      []any
	}{
		"records": {`SELECT DISTINCT updated_at, race_id FROM official_record FORCE INDEX (official_record_race_changes)
			WHERE updated_at >= ? AND (updated_at > ? OR race_id > ?) ORDER BY updated_at, race_id LIMIT ?`, []any{since, since, "", 1000}},
		"settings": {`SELECT updated_at, race_id FROM race FORCE INDEX (race_changes)
			WHERE updated_at >= ? AND (updated_at > ? OR race_id > ?) AND status <> 'scheduled' ORDER BY updated_at, race_id LIMIT ?`, []any{since, since, "", 1000}},
		"publications": {`SELECT race_id FROM publication FORCE INDEX (publication_open)
			WHERE published_at IS NULL AND race_id > ? ORDER BY race_id LIMIT ?`, []any{"", 1000}},
		"sums": {`SELECT race_id, CAST(SUM(revision) AS SIGNED) FROM official_record WHERE race_id IN (?, ?) GROUP BY race_id`, []any{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			access, extra := explain(t, b.db, query.statement, query.args...)
			require.Contains(t, []string{"range", "ref"}, access, extra)
			require.Contains(t, extra, "Using index")
			require.NotContains(t, extra, "filesort")
		})
	}
}

// explain returns how the first table of a statement is read. MariaDB has the
// traditional format alone and does not know the word; MySQL can have another default.
func explain(t *testing.T, db *sql.DB, statement string, args ...any) (access, extra string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN /*!80000 FORMAT=TRADITIONAL */ "+statement, args...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	require.True(t, rows.Next())
	values := make([]sql.NullString, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	require.NoError(t, rows.Scan(into...))
	require.False(t, rows.Next())
	require.NoError(t, rows.Err())
	for i, column := range columns {
		switch column {
		case "type":
			access = values[i].String
		case "Extra":
			extra = values[i].String
		}
	}
	return access, extra
}
