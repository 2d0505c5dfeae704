package standings

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/splits"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// tag groups these calls in the API's description.
const tag = "Standings"

type reading struct {
	selector
	credits *userdb.Store
	splits  *splits.Reader
	log     *slog.Logger
}

type readInput struct {
	Query
	server.Page
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of an earlier answer: 304 if it is still current."`
}

// placing is one row of standings. A missing place, time or age is left out.
type placing struct {
	Place         int            `json:"place,omitempty" doc:"The place in the field; left out for those who did not finish, were disqualified, or have no ranking time or an implausible one."`
	SexPlace      int            `json:"sex_place,omitempty"`
	Division      string         `json:"division,omitempty"`
	DivisionPlace int            `json:"division_place,omitempty"`
	Bib           string         `json:"bib" example:"1234"`
	Name          string         `json:"name" doc:"Empty for a runner whose account was erased."`
	Sex           string         `json:"sex,omitempty" enum:"M,F,X"`
	Age           *int           `json:"age,omitempty" doc:"On race day, in years."`
	GunTime       string         `json:"gun_time,omitempty" doc:"From the starting gun." example:"2:10:22.4"`
	NetTime       string         `json:"net_time,omitempty" doc:"From the runner's own crossing of the start line."`
	Team          string         `json:"team,omitempty" doc:"In a race that ranks teams."`
	Status        string         `json:"status" enum:"OK,DNF,DNS,DQ,OVERTIME"`
	Points        *int64         `json:"points,omitempty" doc:"Once they are credited."`
	Parts         *race.Parts    `json:"parts,omitempty" doc:"What the points were computed from, if it was kept. Only with bib."`
	Splits        []splits.Split `json:"splits,omitempty" doc:"Readings at the timing points and the finish, in the order of the course: those of the record as it is now. Only with bib, and left out when there is no reading."`
	Implausible   string         `json:"implausible,omitempty" doc:"Why the time is not believed. The entry has no place until the organizer corrects or confirms it."`
	RecordID      string         `json:"record_id" format:"uuid"`
}

type page struct {
	Version      int        `json:"version" doc:"From 1; 0 while there is none."`
	Status       string     `json:"status" enum:"provisional,official,void"`
	ComputedAt   *time.Time `json:"computed_at,omitempty" doc:"When the records and credits were read."`
	ProtestUntil *time.Time `json:"protest_until,omitempty" doc:"When the open protest window ends and the standings become official."`
	Items        []placing  `json:"items" nullable:"false"`
	NextCursor   string     `json:"next_cursor,omitempty" doc:"The cursor for the next page of the same version."`

	encoded []byte // the same as JSON, if it has already been encoded
}

type readOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         page
}

func (r reading) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "get-standings", Method: http.MethodGet, Path: "/v1/races/{race_id}/standings",
		Summary: "Read the standings of a race", Tags: []string{tag},
		Description: "Pages stay on the version of the first one. A change appears within two seconds of its credit. " +
			"The rows of old provisional versions are not kept for ever: asking for one of those answers 410 and names the nearest versions that can be read.",
		Errors: []int{http.StatusNotModified, http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity},
	}, r.handle)
}

func (r reading) handle(ctx context.Context, in *readInput) (*readOutput, error) {
	if !server.IsID(in.RaceID) {
		return nil, race.ErrNotFound
	}
	latest, err := r.board.latest(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	version, position, err := at(in.Query, in.Cursor, latest.Version)
	if err != nil {
		return nil, err
	}
	page, cacheControl, err := r.page(ctx, in, version, position, latest.protestUntil)
	if err != nil {
		return nil, err
	}
	if Matches(in.IfNoneMatch, page.tag) {
		return nil, NotModified(page.tag, cacheControl)
	}
	return &readOutput{ETag: page.tag, CacheControl: cacheControl, Body: page.body}, nil
}

// page returns a page and how long it may be cached.
func (r reading) page(ctx context.Context, in *readInput, version, position int, protestUntil time.Time) (answer, string, error) {
	var picked selection
	key, now := pageKey{in.filter(), position, in.Limit, protestUntil}, r.board.now()
	if version > 0 {
		loaded, err := r.board.load(ctx, in.RaceID, version)
		if err != nil {
			return answer{}, "", err
		}
		if known, ok := loaded.page(key, now); ok && in.shared() {
			return known, r.cacheControl(ctx, true, in.fixed()), nil
		}
		if picked, err = r.pick(ctx, in.Query, loaded, position, in.Limit); err != nil {
			return answer{}, "", err
		}
	}
	made := answer{body: page{Status: string(race.Provisional), Items: []placing{}}, at: now}
	if !protestUntil.IsZero() {
		made.body.ProtestUntil = &protestUntil
	}
	if picked.version != nil {
		made.body.fill(picked)
	}
	made.tag = entityTag(in.Query, in.Limit, position, made.body.ProtestUntil, picked)
	if picked.version != nil && in.Bib != "" {
		if err := r.detail(ctx, in.RaceID, &picked, &made); err != nil {
			return answer{}, "", err
		}
	}
	if picked.named && in.shared() {
		if err := picked.version.keepPage(key, made); err != nil {
			return answer{}, "", err
		}
	}
	return made, r.cacheControl(ctx, version == 0 || picked.named, in.fixed()), nil
}

// fixed reports whether a particular version was requested, not the latest.
func (in *readInput) fixed() bool { return in.Version != 0 || in.Cursor != "" }

// shared reports whether other readers are likely to ask for the same page.
func (in *readInput) shared() bool { return in.Q == "" && in.Bib == "" }

func (p *page) fill(picked selection) {
	p.Version, p.Status, p.ComputedAt = picked.version.Version, string(picked.version.Status), &picked.version.ComputedAt
	for _, row := range picked.rows {
		p.Items = append(p.Items, placingOf(row, picked.names))
	}
	if picked.next > 0 {
		p.NextCursor = server.Cursor(p.Version, picked.next)
	}
}

// explain adds what the points of the entries were computed from. It reports
// whether the ledger could be read.
func (r reading) explain(ctx context.Context, picked selection, body *page) bool {
	ids := make([]string, len(picked.rows))
	for i, row := range picked.rows {
		ids[i] = row.RecordID
	}
	credits, err := r.credits.Credits(ctx, ids)
	if err != nil {
		r.log.WarnContext(ctx, "cannot read credits for standings: answering without what the points were computed from", "error", err)
		return false
	}
	for i, row := range picked.rows {
		if !picked.names[row.UserID].noAge { // they say the age
			body.Items[i].Parts = partsOf(row, credits[row.RecordID])
		}
	}
	return true
}

// detail adds what is shown of a single entry: what its points were computed from,
// and its splits. Both change without a new version.
func (r reading) detail(ctx context.Context, raceID string, picked *selection, made *answer) error {
	if !r.explain(ctx, *picked, &made.body) {
		picked.named = false // missing names are read again soon
	}
	if err := r.addSplits(ctx, raceID, *picked, &made.body); err != nil {
		return err
	}
	encoded, err := server.Encode(made.body)
	made.tag = hashTag(encoded)
	return err
}

// addSplits adds the readings of the entries at the timing points of the race.
func (r reading) addSplits(ctx context.Context, raceID string, picked selection, body *page) error {
	of, err := r.board.store.Race(ctx, raceID)
	if err != nil {
		return err
	}
	for i, row := range picked.rows {
		if body.Items[i].Splits, err = r.splits.Of(ctx, of, row.RecordID, row.Result); err != nil {
			return err
		}
	}
	return nil
}

func placingOf(row *standings.Row, names map[string]name) placing {
	shown := placing{
		Place: row.Place, SexPlace: row.SexPlace, Division: row.Division, DivisionPlace: row.DivisionPlace,
		Bib: row.Result.Bib, Name: names[row.UserID].plain, Sex: string(row.Sex),
		GunTime: row.Result.Gun.String(), NetTime: row.Result.Net.String(), Status: string(row.Result.Status),
		Team: row.Team, Implausible: row.Implausible, RecordID: row.RecordID,
	}
	if row.Age != race.UnknownAge && !names[row.UserID].noAge {
		shown.Age = &row.Age
	}
	if row.Credited {
		shown.Points = &row.Points
	}
	return shown
}

// How long an answer may be cached. The latest version is always revalidated; a
// version requested by its number never changes, but names on it may disappear.
const (
	cacheLatest = "public, max-age=1"
	cacheFixed  = "public, max-age=30"
	cacheNone   = "no-store"
)

func (r reading) cacheControl(ctx context.Context, named, fixed bool) string {
	switch {
	case !named:
		r.log.WarnContext(ctx, "cannot read names from user_db: answering without names")
		return cacheNone
	case fixed:
		return cacheFixed
	}
	return cacheLatest
}

// entityTag identifies an answer: by the version, the query, and the names on it,
// since nothing else can differ for the same version.
func entityTag(q Query, limit, position int, protestUntil *time.Time, picked selection) string {
	asked := fmt.Appendf(nil, "%s %+v %d %d %q %v\n", q.RaceID, q.filter(), limit, position, q.Q, protestUntil)
	version := 0
	if picked.version != nil {
		version = picked.version.Version
	}
	for _, row := range picked.rows {
		asked = append(strconv.AppendBool(append(asked, picked.names[row.UserID].plain...), picked.names[row.UserID].noAge), '\n')
	}
	sum := fnv.New64a()
	_, _ = sum.Write(asked) // writing to a hash never fails
	return fmt.Sprintf(`"%d-%016x"`, version, sum.Sum64())
}

// hashTag identifies an answer by its bytes.
func hashTag(body []byte) string {
	sum := fnv.New64a()
	_, _ = sum.Write(body) // writing to a hash never fails
	return fmt.Sprintf(`"%016x"`, sum.Sum64())
}

// Matches reports whether an If-None-Match header names the tag.
func Matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == tag || candidate == "*" {
			return true
		}
	}
	return false
}

// NotModified answers that the reader's copy is still current.
func NotModified(tag, cacheControl string) error {
	return huma.ErrorWithHeaders(huma.Status304NotModified(),
		http.Header{"ETag": {tag}, "Cache-Control": {cacheControl}})
}
