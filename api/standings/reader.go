package standings

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Reader reads standings for the pages, and publishes them: the same cached versions, in the same order
// and with the same names as the API's calls answer.
type Reader struct {
	comparison
	credits    *userdb.Store
	own        results
	publishing publishing
}

// Latest is the latest version of a race, as of at most a quarter of a second ago.
type Latest struct {
	maindb.StandingsHead             // Version 0: there is none
	ProtestUntil         time.Time   // zero: no protest window is open
	Race                 race.Status // where the race stands
}

// Forget has this process read accounts again, whose name has changed.
func (r *Reader) Forget(userIDs ...string) { r.names.forget(userIDs...) }

// Latest returns the latest version of a race, or race.ErrNotFound if there is no
// such race.
func (r *Reader) Latest(ctx context.Context, raceID string) (Latest, error) {
	if uuid.Validate(raceID) != nil {
		return Latest{}, race.ErrNotFound
	}
	latest, err := r.board.latest(ctx, raceID)
	return Latest{StandingsHead: latest.StandingsHead, ProtestUntil: latest.protestUntil, Race: latest.race}, err
}

// Version is a version in memory. What it refers to must not be changed.
type Version struct {
	maindb.StandingsHead
	Rows   []standings.Row
	loaded *loaded
}

// Version returns a version with its rows, race.ErrNotFound, or an error that is
// both a problem (410) and a *maindb.NotKeptError when the rows were dropped.
func (r *Reader) Version(ctx context.Context, raceID string, version int) (Version, error) {
	loaded, err := r.board.load(ctx, raceID, version)
	if err != nil {
		return Version{}, err
	}
	return Version{StandingsHead: loaded.StandingsHead, Rows: loaded.rows, loaded: loaded}, nil
}

// Select returns the indexes of the rows that a query selects by field, sex,
// division and bib, in the order in which they are listed.
func (v Version) Select(q Query) []int { return v.loaded.view(q.filter()) }

// Names are the names of runners by user ID, as anyone may read them: initials where
// they hide the name, empty for an account that was erased.
type Names map[string]string

// ShowsAge reports whether the public may read the age of a runner, and what the
// points were computed from, which says it.
func (r *Reader) ShowsAge(ctx context.Context, v Version, row *standings.Row) (bool, error) {
	known, err := r.namesOf(ctx, v.loaded.raceID, []*standings.Row{row})
	return !known[row.UserID].noAge, err
}

// Names returns the names of the runners of some rows of a version by user ID.
func (r *Reader) Names(ctx context.Context, v Version, rows []*standings.Row) (Names, error) {
	known, err := r.namesOf(ctx, v.loaded.raceID, rows)
	if err != nil {
		return nil, err
	}
	found := make(Names, len(known))
	for id, n := range known {
		found[id] = n.plain
	}
	return found, nil
}

// Search returns the positions in a selection of the runners whose name contains q
// or whose bib it is, at most limit.
func (r *Reader) Search(ctx context.Context, v Version, selected []int, q string, limit int) ([]int, error) {
	picked, err := r.search(ctx, selection{version: v.loaded}, Query{RaceID: v.loaded.raceID, Q: q}, selected, 0, limit)
	if err != nil {
		return nil, err
	}
	var positions []int
	for _, row := range picked.rows {
		positions = append(positions, slices.IndexFunc(selected, func(i int) bool { return &v.Rows[i] == row }))
	}
	return positions, nil
}

// Parts returns what the points of a row were computed from, nil when that was not
// kept or the points are not credited yet.
func (r *Reader) Parts(ctx context.Context, row *standings.Row) (*race.Parts, error) {
	credits, err := r.credits.Credits(ctx, []string{row.RecordID})
	if err != nil {
		return nil, err
	}
	return partsOf(row, credits[row.RecordID]), nil
}

// partsOf returns the parts of a credit if it is the one that the row shows.
func partsOf(row *standings.Row, credit race.Credit) *race.Parts {
	if !row.Credited || credit.Revision != row.Revision || credit.Points != row.Points {
		return nil
	}
	return credit.Parts
}

// Compared is a part of what differs between two versions.
type Compared struct {
	Total, Moved int
	RulesChanged bool
	Items        []Change
}

// Compare returns up to limit of the differences between two versions, from a
// position on, with the reasons if the race is official.
func (r *Reader) Compare(ctx context.Context, found race.Race, from, to, position, limit int) (Compared, error) {
	compared, err := r.board.compare(ctx, found.ID, from, to)
	if err != nil {
		return Compared{}, err
	}
	changes := compared.Changes[min(position, len(compared.Changes)):]
	changes = changes[:min(limit, len(changes))]
	shown := Compared{Total: len(compared.Changes), Moved: compared.moved, RulesChanged: compared.rulesChanged}
	shown.Items, err = r.explain(ctx, found.ID, compared, changes, ReasonsArePublic(found))
	return shown, err
}

// ReasonsArePublic reports whether anyone may read why results were changed: what an
// organizer writes about runners is not public before the race is official.
func ReasonsArePublic(r race.Race) bool { return r.Status == race.Official }

// notKept is the answer to a request for a version whose rows were dropped. Callers
// that can say more find the *maindb.NotKeptError in it.
func notKept(gone *maindb.NotKeptError) error {
	return errors.Join(huma.Error410Gone(gone.Error()), gone)
}

type latestInput struct {
	RaceID      string `path:"race_id"`
	IfNoneMatch string `header:"If-None-Match"`
}

type latestOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Version int    `json:"version" doc:"From 1; 0 while there is none."`
		Status  string `json:"status" enum:"provisional,official,void"`
		Entries int    `json:"entries" doc:"Rows of all fields, with and without a place."`
	}
}

// cacheLatestVersion has a crowd that polls cost the origin one call every two
// seconds for each cache in between.
const cacheLatestVersion = "public, max-age=1, s-maxage=2, stale-while-revalidate=5, stale-if-error=600"

// registerLatest adds the call that a crowd polls.
func (r *Reader) registerLatest(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "get-standings-version", Method: http.MethodGet, Path: "/v1/races/{race_id}/standings/version",
		Summary: "Get the number of the latest version", Tags: []string{tag},
		Description: "A few bytes for any number of readers to poll, best through a cache: read the standings again when the number has changed.",
		Errors:      []int{http.StatusNotModified, http.StatusNotFound},
	}, func(ctx context.Context, in *latestInput) (*latestOutput, error) {
		latest, err := r.Latest(ctx, in.RaceID)
		if err != nil {
			return nil, err
		}
		out := &latestOutput{ETag: fmt.Sprintf(`"%d"`, latest.Version), CacheControl: cacheLatestVersion}
		if Matches(in.IfNoneMatch, out.ETag) {
			return nil, NotModified(out.ETag, out.CacheControl)
		}
		out.Body.Version, out.Body.Status, out.Body.Entries = latest.Version, string(race.Provisional), latest.Entries
		if latest.Status != "" {
			out.Body.Status = string(latest.Status)
		}
		return out, nil
	})
}

// Appearance is a runner in a race, with the age on its day.
type Appearance struct {
	UserID string
	Age    int
}

// Person is what the public may read of a runner.
type Person struct {
	Name     string
	HidesAge bool
}

// People returns what the public may read of runners who appear in several races,
// given by race: whoever is hidden in one of them is hidden.
func (r *Reader) People(ctx context.Context, appearances map[string][]Appearance) (map[string]Person, error) {
	people := map[string]Person{}
	for raceID, list := range appearances {
		rows := make([]*standings.Row, len(list))
		for i, a := range list {
			rows[i] = &standings.Row{Entry: standings.Entry{UserID: a.UserID, Age: a.Age}}
		}
		known, err := r.namesOf(ctx, raceID, rows)
		if err != nil {
			return nil, err
		}
		for id, shown := range known {
			person, met := people[id]
			if !met || shown.plain == shown.hidden {
				person.Name = shown.plain
			}
			person.HidesAge = person.HidesAge || shown.noAge
			people[id] = person
		}
	}
	return people, nil
}
