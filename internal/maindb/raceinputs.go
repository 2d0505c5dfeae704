package maindb

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// raceInputs is everything of main_db that the places and the points of a race
// depend on, in memory: what a plan starts from, and what it would lead to. Its
// parts are never changed in place, so that two states can share them.
type raceInputs struct {
	race     race.Race
	records  []gen.OfficialRecord // by record ID, removed ones too
	entries  []entry              // by participant ID, cancelled ones too
	entrants map[string]*entry    // who is entered with each bib, by bib key
}

func readInputs(ctx context.Context, q *gen.Queries, r race.Race) (*raceInputs, error) {
	records, err := q.RecordsOfRace(ctx, r.ID)
	if err != nil {
		return nil, fmt.Errorf("read the records of race %s: %w", r.ID, err)
	}
	entries, err := entriesOf(ctx, q, r.ID)
	if err != nil {
		return nil, err
	}
	return newInputs(r, records, entries), nil
}

func entriesOf(ctx context.Context, q *gen.Queries, raceID string) ([]entry, error) {
	rows, err := q.ParticipantsOfRace(ctx, raceID)
	if err != nil {
		return nil, fmt.Errorf("read the entries of race %s: %w", raceID, err)
	}
	entries := make([]entry, len(rows))
	for i, row := range rows {
		entries[i] = entry{Participant: participantOf(row), ageStated: row.AgeStated, listed: row.Listed, bibKey: row.BibKey.String, updatedAt: row.UpdatedAt}
		if row.OwnAgeOn.Valid && row.OwnAge.Valid {
			entries[i].ownAge, entries[i].ownAgeOn = int(row.OwnAge.Int16), race.DateOf(row.OwnAgeOn.Time)
		}
	}
	return entries, nil
}

func newInputs(r race.Race, records []gen.OfficialRecord, entries []entry) *raceInputs {
	in := &raceInputs{race: r, records: records, entries: entries, entrants: make(map[string]*entry, len(entries))}
	for i := range entries {
		if e := &entries[i]; e.bibKey != "" && e.Status == race.Entered {
			in.entrants[e.bibKey] = e
		}
	}
	return in
}

// withEntries returns the state once a start list is written.
func (in *raceInputs) withEntries(plan *startListPlan) *raceInputs {
	byID := make(map[string]entry, len(in.entries))
	for _, e := range in.entries {
		byID[e.ID] = e
	}
	for _, id := range plan.displaced {
		delete(byID, id)
	}
	for _, e := range plan.writes {
		byID[e.ID] = e
	}
	entries := slices.SortedFunc(maps.Values(byID), func(a, b entry) int { return cmp.Compare(a.ID, b.ID) })
	return newInputs(in.race, in.records, entries)
}

// withRevisions returns the state once the revisions are written.
func (in *raceInputs) withRevisions(revisions []revision) *raceInputs {
	after := *in
	after.records = slices.Clone(in.records)
	places := make(map[string]int, len(after.records))
	for i := range after.records {
		places[after.records[i].RecordID] = i
	}
	for _, next := range revisions {
		i, known := places[next.ID]
		if !known {
			i = len(after.records)
			after.records = append(after.records, gen.OfficialRecord{RecordID: next.ID, RaceID: in.race.ID})
		}
		revise(&after.records[i], next)
	}
	return &after
}

// revise updates row to the next revision of its record.
func revise(row *gen.OfficialRecord, next revision) {
	result := next.Result
	row.Revision, row.Bib, row.BibKey = count32(next.Revision), result.Bib, race.BibKey(result.Bib)
	row.HeldBib = sql.NullString{String: row.BibKey, Valid: next.HoldsBib}
	row.GunMs, row.NetMs, row.FinishSequence = nullTime(result.Gun), nullTime(result.Net), nullSequence(result.Sequence)
	row.Status, row.Removed, row.Decided = string(result.Status), next.Removed, next.Decided
	row.TimeConfirmed, row.WaitingSince = next.TimeConfirmed, next.waitingSince
}

// holders returns the record that holds each bib, by bib key.
func (in *raceInputs) holders() map[string]gen.OfficialRecord {
	held := make(map[string]gen.OfficialRecord, len(in.records))
	for _, row := range in.records {
		if row.HeldBib.Valid {
			held[row.HeldBib.String] = row
		}
	}
	return held
}

// entrant returns who ran a record: nil when nobody is entered with its bib.
func (in *raceInputs) entrant(row *gen.OfficialRecord) *race.Participant {
	if !row.HeldBib.Valid {
		return nil
	}
	if e := in.entrants[row.HeldBib.String]; e != nil {
		return &e.Participant
	}
	return nil
}

// ranked returns what is ranked: the live records with who ran them, unless the race
// is void.
func (in *raceInputs) ranked() []standings.Entry {
	if in.race.Status == race.Void {
		return nil
	}
	entries := make([]standings.Entry, 0, len(in.records))
	for i := range in.records {
		row := &in.records[i]
		if row.Removed {
			continue
		}
		ranked := gen.StandingsEntriesRow{
			RecordID: row.RecordID, Revision: row.Revision, Bib: row.Bib, HeldBib: row.HeldBib, GunMs: row.GunMs, NetMs: row.NetMs,
			Status: row.Status, FinishSequence: row.FinishSequence, TimeConfirmed: row.TimeConfirmed,
		}
		if who := in.entrant(row); who != nil {
			ranked.UserID, ranked.Age, ranked.Team = nullString(who.UserID), nullAge(who.Age), nullString(who.Team)
			ranked.Sex, ranked.Field = sql.NullString{String: string(who.Sex), Valid: true}, nullString(string(who.Field))
		}
		entries = append(entries, standingsEntry(&in.race, &ranked))
	}
	return entries
}

func (in *raceInputs) rules() standings.Rules {
	return RulesetOf(in.race).Rules
}

// facts returns what decides the credit of a record.
func (in *raceInputs) facts(row *gen.OfficialRecord) scoring.Facts {
	return scoring.Facts{Record: recordOf(*row), Race: in.race, Entrant: in.entrant(row)}
}

// hash identifies the state: two states with the same hash have the same places
// and points, and a file does the same to both. Revision numbers are no part of it,
// so that undoing a change leads back to the same hash.
func (in *raceInputs) hash() ([sha256.Size]byte, error) {
	ranked, err := standings.Hash(in.rules(), in.ranked())
	if err != nil {
		return ranked, err
	}
	sum := sha256.New()
	sum.Write(ranked[:])
	r := in.race
	encoder := json.NewEncoder(sum)
	write := func(parts ...any) {
		if err == nil {
			err = encoder.Encode(parts)
		}
	}
	write(r.Status, r.Date, r.Distance, r.Scoring, r.Points, r.Capacity, r.Course)
	for i := range in.records {
		if row := &in.records[i]; !row.Removed || row.Decided {
			write(row.RecordID, row.BibKey, row.Removed, row.Decided, row.TimeConfirmed, row.HeldBib.Valid)
		}
	}
	for i := range in.entries {
		e := &in.entries[i]
		write(e.ID, e.UserID, e.Bib, e.Sex, e.Age, e.ageStated, e.listed, e.Field, e.Team, e.Status)
	}
	if err != nil {
		return ranked, fmt.Errorf("hash the state of race %s: %w", r.ID, err)
	}
	return [sha256.Size]byte(sum.Sum(nil)), nil
}

// EntrantsByBib returns the user IDs of those who are entered with a bib, by bib key.
func (s *Store) EntrantsByBib(ctx context.Context, raceID string) (map[string]string, error) {
	entered, err := enteredBibs(ctx, s.queries, raceID)
	if err != nil {
		return nil, err
	}
	userIDs := make(map[string]string, len(entered))
	for key, e := range entered {
		userIDs[key] = e.UserID
	}
	return userIDs, nil
}
