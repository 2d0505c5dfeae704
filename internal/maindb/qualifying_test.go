package maindb_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const marathon = race.Distance(42_195_000)

// aWoman is what the accounts of these tests say.
var aWoman = maindb.Account{Sex: race.Female, BirthDate: race.Date{Year: 1990, Month: time.May, Day: 1}}

// demanding is a race whose only pool asks for a marathon within 3:30, or 3:00 for men.
func demanding(capacity int) race.Race {
	r := limited(0)
	r.Entry.BibFrom, r.Entry.BibTo = 0, 0
	r.Entry.Pools = []race.EntryPool{{Key: 1, Name: "Fast", Capacity: capacity, Standard: race.Standard{
		Distance: marathon, Men: race.Time(3 * time.Hour / time.Millisecond), Women: race.Time(210 * time.Minute / time.Millisecond),
		Since: race.Date{Year: 2025, Month: time.January, Day: 1},
	}}}
	return r
}

// officialRace is a marathon of a verified organizer whose results are official.
func (b *entryBundle) officialRace(t *testing.T) race.Race {
	t.Helper()
	r := spring(19)
	r.Distance = marathon
	r = b.created(t, r)
	_, err := b.store.SetVerified(t.Context(), r.OrganizerID, true, maindb.Change{By: newID(), Reason: "known to us"})
	require.NoError(t, err)
	b.exec(t, "UPDATE race SET status = 'official' WHERE race_id = ?", r.ID)
	return r
}

// finished gives a runner a result in a race.
func (b *entryBundle) finished(t *testing.T, r race.Race, userID string, in time.Duration) {
	t.Helper()
	var bibs int
	require.NoError(t, b.db.QueryRowContext(t.Context(), "SELECT COUNT(*) + 1 FROM participant WHERE race_id = ?", r.ID).Scan(&bibs))
	bib := fmt.Sprint(bibs)
	b.exec(t, `INSERT INTO participant (participant_id, race_id, user_id, bib, bib_key, sex, field, status, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, 'F', 'runner', 'entered', NOW(6), NOW(6))`, newID(), r.ID, userID, bib, bib)
	b.exec(t, `INSERT INTO official_record (record_id, race_id, revision, bib, bib_key, held_bib, gun_ms, net_ms, status, removed, created_at, updated_at)
		VALUES (?, ?, 1, ?, ?, ?, ?, ?, 'OK', FALSE, NOW(6), NOW(6))`, newID(), r.ID, bib, bib, bib, in.Milliseconds(), in.Milliseconds())
}

func (b *entryBundle) disqualify(t *testing.T, r race.Race, userID string, disqualified bool) {
	t.Helper()
	status := map[bool]string{true: "DQ", false: "OK"}[disqualified]
	b.exec(t, `UPDATE official_record JOIN participant ON participant.race_id = official_record.race_id AND participant.bib_key = official_record.held_bib
		SET official_record.status = ? WHERE official_record.race_id = ? AND participant.user_id = ?`, status, r.ID, userID)
}

// TestQualifying: only results count that are official, the runner's own, from an
// organizer who is vouched for, over the distance, in time and not too old.
func TestQualifying(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, demanding(100))
	enter := func(user string) (maindb.LineEntry, error) {
		return b.entering.Enter(t.Context(), maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: user})
	}
	for name, c := range map[string]struct {
		in     time.Duration
		change string // of the race, the participant and the record of the result
		enters bool
	}{
		"in time":                  {in: 210 * time.Minute, enters: true},
		"a tenth too slow":         {in: 210*time.Minute + 100*time.Millisecond},
		"not official yet":         {in: 3 * time.Hour, change: "race.status = 'provisional'"},
		"a void race":              {in: 3 * time.Hour, change: "race.status = 'void'"},
		"another distance":         {in: 2 * time.Hour, change: "race.distance_mm = 21097500"},
		"too old":                  {in: 3 * time.Hour, change: "race.race_date = '2024-12-31'"},
		"on the first day":         {in: 3 * time.Hour, change: "race.race_date = '2025-01-01'", enters: true},
		"nobody vouches for it":    {in: 3 * time.Hour, change: "race.organizer_id = 'anybody'"},
		"disqualified":             {in: 3 * time.Hour, change: "official_record.status = 'DQ'"},
		"removed":                  {in: 3 * time.Hour, change: "official_record.removed = TRUE, official_record.held_bib = NULL"},
		"without the ranking time": {in: 3 * time.Hour, change: "official_record.gun_ms = NULL"},
		"faster than anybody":      {in: time.Hour},
		"faster, but confirmed":    {in: time.Hour, change: "official_record.time_confirmed = TRUE", enters: true},
		"in a wheelchair":          {in: 2 * time.Hour, change: "participant.field = 'wheelchair'"},
		"a start list's doing":     {in: 3 * time.Hour, change: "participant.listed = TRUE"},
		"of an entry that is over": {in: 3 * time.Hour, change: "participant.status = 'cancelled'"},
		"ranked by net time":       {in: 4 * time.Hour, change: "race.ranking_basis = 'net', official_record.net_ms = 12600000", enters: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user, r := newID(), b.officialRace(t)
			b.finished(t, r, user, c.in)
			if c.change != "" {
				b.exec(t, `UPDATE race JOIN participant ON participant.race_id = race.race_id JOIN official_record ON official_record.race_id = race.race_id
					SET `+c.change+" WHERE race.race_id = ?", r.ID)
			}
			_, err := enter(user)
			if c.enters {
				require.NoError(t, err)
				return
			}
			var conflict *race.ConflictError
			require.ErrorAs(t, err, &conflict)
			require.Equal(t, "pool", conflict.Field)
			require.Contains(t, conflict.Message, `the pool "Fast" asks for an official result over 42.195 km in 3:30:00 or faster, run on 2025-01-01 or later`)
		})
	}
}

// TestAdmissionAndOverride: whoever does not qualify enters when the organizer admits
// them, or enters them by hand in words; transfers ask for the standard too.
func TestAdmissionAndOverride(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, demanding(3))
	ctx := t.Context()
	qualified, admitted, lacking := newID(), newID(), newID()
	b.entering.AdmitBy(func(_ context.Context, userIDs []string) (map[string]string, error) {
		hashes := map[string]string{}
		for _, id := range userIDs {
			hashes[id] = "hash of " + id[:20]
		}
		return hashes, nil
	})
	results := b.officialRace(t)
	b.finished(t, results, qualified, 3*time.Hour)
	require.Equal(t, race.Entered, b.enter(t, qualified).Status)

	var invalid *race.InvalidError
	_, err := b.store.Admit(ctx, b.race.ID, newID(), "Nobody", "hash", "why")
	require.ErrorAs(t, err, &invalid)
	hash := "hash of " + admitted[:20]
	first, err := b.store.Admit(ctx, b.race.ID, newID(), "Fast", hash, "national team")
	require.NoError(t, err)
	again, err := b.store.Admit(ctx, b.race.ID, newID(), "Fast", hash, "once more")
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
	entered := b.enter(t, admitted)
	require.Equal(t, []any{race.Entered, race.EnteredByAdmission}, []any{entered.Status, entered.Origin})
	_, err = b.entering.Enter(ctx, maindb.Entry{ID: newID(), RaceID: b.race.ID, UserID: lacking})
	var conflict *race.ConflictError
	require.ErrorAs(t, err, &conflict)
	list, err := b.store.Admissions(ctx, b.race, "", 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "national team", list[0].Reason)
	logged, err := b.store.Changes(ctx, maindb.ChangeFilter{Subject: first.ID}, "", 10)
	require.NoError(t, err)
	require.Empty(t, logged[0].Reason, "it says who they are, and would outlast their account")
	for range 2 {
		require.NoError(t, b.store.EndAdmission(ctx, b.race, first.ID))
	}
	require.Equal(t, race.Entered, b.of(t, admitted).Status, "whoever has entered stays")

	code := []byte("0123456789012345678901234567890!")
	_, err = b.store.OfferTransfer(ctx, maindb.TransferOffer{ID: newID(), RaceID: b.race.ID, GiverID: qualified, CodeHash: code, ByHand: true})
	require.NoError(t, err)
	_, err = b.store.AcceptTransfer(ctx, b.race.ID, code, lacking, aWoman, "Giver")
	require.ErrorContains(t, err, "has no result that meets the standard")

	// The result is disqualified: the entry stays, and the organizer sees it.
	flagged := func() (users []string) {
		found, err := b.store.Entries(ctx, b.race, maindb.EntryFilter{Unqualified: true}, maindb.EntryCursor{}, 10)
		require.NoError(t, err)
		for _, e := range found {
			users = append(users, e.UserID)
		}
		return users
	}
	require.Empty(t, flagged())
	b.disqualify(t, results, qualified, true)
	require.Equal(t, []string{qualified}, flagged())
	require.Equal(t, race.Entered, b.of(t, qualified).Status)

	// By hand, after the runner asked when it did not demand anything.
	b.change(t, func(s *race.EntrySettings) { s.Pools[0].Standard, s.Pools[0].Capacity = race.Standard{}, 2 })
	require.Equal(t, race.Waiting, b.enter(t, lacking).Status)
	b.change(t, func(s *race.EntrySettings) { s.Pools[0].Standard = b.race.Entry.Pools[0].Standard })
	require.Equal(t, []string{qualified, lacking}, flagged())
	_, err = b.store.EnterByHand(ctx, b.race.ID, lacking, "a guest", maindb.Override{Capacity: true})
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, "unqualified", conflict.Field)
	_, err = b.store.EnterByHand(ctx, b.race.ID, lacking, "a guest", maindb.Override{Capacity: true, Standard: true})
	require.NoError(t, err)
	require.Equal(t, []string{qualified}, flagged())
}

// TestChoiceAmongPoolsWithAStandard: who names no pool gets one that demands nothing.
func TestChoiceAmongPoolsWithAStandard(t *testing.T) {
	t.Parallel()
	r := demanding(1)
	r.Entry.Pools = append(r.Entry.Pools, race.EntryPool{Key: 2, Name: "Everybody", Capacity: 5})
	b := setupEntry(t, r)
	require.Equal(t, "Everybody", b.enter(t, newID()).Pool)
}
