package standings

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

type comparison struct {
	selector
	store *maindb.Store
}

type compareInput struct {
	RaceID string `path:"race_id"`
	From   int    `query:"from" required:"true" example:"1" minimum:"1" maximum:"2147483647" doc:"The earlier version."`
	To     int    `query:"to" required:"true" example:"2" minimum:"1" maximum:"2147483647" doc:"The later version."`
	server.Page
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of an earlier answer: 304 if it is still current."`
}

// Standing is what a version says about an entry.
type Standing struct {
	Place         int    `json:"place,omitempty"`
	SexPlace      int    `json:"sex_place,omitempty"`
	Division      string `json:"division,omitempty"`
	DivisionPlace int    `json:"division_place,omitempty"`
	GunTime       string `json:"gun_time,omitempty"`
	NetTime       string `json:"net_time,omitempty"`
	Status        string `json:"status" enum:"OK,DNF,DNS,DQ,OVERTIME"`
	Points        *int64 `json:"points,omitempty"`
	Revision      int    `json:"revision" doc:"The revision of the record."`
}

// Cause is a revision of a record that caused a change.
type Cause struct {
	RecordID  string    `json:"record_id" format:"uuid"`
	Revision  int       `json:"revision"`
	Removed   bool      `json:"removed,omitempty"`
	Reason    string    `json:"reason,omitempty" doc:"Shown to the owner of the race, and to anyone once it is official."`
	ChangedAt time.Time `json:"changed_at"`
}

// Change is an entry that differs between two versions.
type Change struct {
	RecordID string    `json:"record_id" format:"uuid"`
	Bib      string    `json:"bib"`
	Name     string    `json:"name" doc:"Empty for a runner whose account was erased."`
	Field    string    `json:"field" enum:"runner,wheelchair,handcycle"`
	From     *Standing `json:"from,omitempty" doc:"Left out when the record is new."`
	To       *Standing `json:"to,omitempty" doc:"Left out when the record was removed."`
	Because  []Cause   `json:"because" nullable:"false" doc:"The revisions that caused the change: of the record itself, and of up to ten records that passed it or fell behind it. When more than 500 records were revised, only its own. None when only points were credited or the rules changed."`
}

type comparePage struct {
	From         int      `json:"from"`
	To           int      `json:"to"`
	RulesChanged bool     `json:"rules_changed"`
	Total        int      `json:"total" doc:"Entries that differ between the two versions."`
	Moved        int      `json:"moved" doc:"Entries of both versions that have another place in their field."`
	Items        []Change `json:"items" nullable:"false" doc:"In the order of the later version, followed by the entries that it lacks."`
	NextCursor   string   `json:"next_cursor,omitempty"`

	encoded []byte // the same as JSON
}

// EncodedJSON returns the encoded page from which the ETag was computed.
func (p comparePage) EncodedJSON() []byte { return p.encoded }

type compareOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Vary         string `header:"Vary"`
	Body         comparePage
}

func (c comparison) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "compare-standings", Method: http.MethodGet, Path: "/v1/races/{race_id}/standings/compare",
		Summary: "Compare two versions, with the reasons for each difference", Tags: []string{tag},
		Description: "The rows of old provisional versions are not kept for ever: comparing one of those answers 410 and names the nearest versions that can be compared.",
		Errors:      []int{http.StatusNotModified, http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity},
	}, c.handle)
}

func (c comparison) handle(ctx context.Context, in *compareInput) (*compareOutput, error) {
	if !server.IsID(in.RaceID) {
		return nil, race.ErrNotFound
	}
	if in.From >= in.To {
		return nil, server.Invalid("query.to", "must be a later version than from")
	}
	found, err := c.store.Race(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	position := 0
	if err := in.Seek(&position); err != nil {
		return nil, err
	}
	compared, err := c.board.compare(ctx, in.RaceID, in.From, in.To)
	if err != nil {
		return nil, err
	}
	page := comparePage{From: in.From, To: in.To, Total: len(compared.Changes), Moved: compared.moved, RulesChanged: compared.rulesChanged}
	changes := compared.Changes[min(position, len(compared.Changes)):]
	changes, page.NextCursor = server.Cut(in.Page, changes, func(standings.Change) []any { return []any{position + in.Limit} })
	staff := server.RoleFrom(ctx) != ""
	if page.Items, err = c.explain(ctx, found.ID, compared, changes, staff || ReasonsArePublic(found)); err != nil {
		return nil, err
	}
	if page.encoded, err = server.Encode(page); err != nil {
		return nil, err
	}
	out := &compareOutput{ETag: hashTag(page.encoded), CacheControl: cacheFixed, Vary: "Authorization", Body: page}
	if staff && found.Status != race.Official {
		out.CacheControl = cacheNone // only owner and staff see reasons
	}
	if Matches(in.IfNoneMatch, out.ETag) {
		return nil, NotModified(out.ETag, out.CacheControl)
	}
	return out, nil
}

// explain adds names and causes. Reasons are shown to those who may read the
// records: what an organizer writes about runners is not public before the race is
// official.
func (c comparison) explain(ctx context.Context, raceID string, compared *compared, changes []standings.Change, reasons bool) ([]Change, error) {
	rows, because := make([]*standings.Row, len(changes)), make([][]standings.Change, len(changes))
	spans := map[string][2]int{} // of the revisions between the two versions, by record
	for i, ch := range changes {
		rows[i], because[i] = ch.Row(), compared.Because(ch)
		for _, by := range because[i] {
			spans[by.Row().RecordID] = by.Span()
		}
	}
	names, err := c.namesOf(ctx, raceID, rows)
	if err != nil {
		return nil, err
	}
	revisions, err := c.store.RevisionReasons(ctx, slices.Sorted(maps.Keys(spans)))
	if err != nil {
		return nil, err
	}
	shown := make([]Change, len(changes))
	for i, ch := range changes {
		row := ch.Row()
		shown[i] = Change{
			RecordID: row.RecordID, Bib: row.Result.Bib, Name: names[row.UserID].plain, Field: string(row.Field),
			From: standingOf(ch.From), To: standingOf(ch.To), Because: []Cause{},
		}
		for _, by := range because[i] {
			id := by.Row().RecordID
			shown[i].Because = append(shown[i].Because, causesOf(id, spans[id], revisions[id], reasons)...)
		}
	}
	return shown, nil
}

// causesOf lists the revisions of a record after the first and up to the last of a
// span.
func causesOf(recordID string, span [2]int, revisions []maindb.RevisionReason, reasons bool) []Cause {
	var causes []Cause
	for _, r := range revisions {
		if r.Revision <= span[0] || r.Revision > span[1] {
			continue
		}
		shown := Cause{RecordID: recordID, Revision: r.Revision, Removed: r.Removed, ChangedAt: r.ChangedAt}
		if reasons {
			shown.Reason = r.Reason
		}
		causes = append(causes, shown)
	}
	return causes
}

func standingOf(row *standings.Row) *Standing {
	if row == nil {
		return nil
	}
	shown := &Standing{
		Place: row.Place, SexPlace: row.SexPlace, Division: row.Division, DivisionPlace: row.DivisionPlace,
		GunTime: row.Result.Gun.String(), NetTime: row.Result.Net.String(), Status: string(row.Result.Status),
		Revision: row.Revision,
	}
	if row.Credited {
		shown.Points = &row.Points
	}
	return shown
}
