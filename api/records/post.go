package records

import (
	"context"
	"maps"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/splits"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

type post struct {
	store   *maindb.Store
	times   times
	credits credits
	poke    func()
}

type postInput struct {
	RaceID string `path:"race_id"`
	Body   struct {
		Bib      string            `json:"bib" example:"1234" doc:"Leading zeros do not matter."`
		GunTime  text              `json:"gun_time,omitzero" example:"2:10:22.4" doc:"From the starting gun, as H:MM:SS[.f] or MM:SS[.f]."`
		NetTime  text              `json:"net_time,omitzero" example:"2:10:19" doc:"From the runner's own crossing of the start line."`
		Status   race.ResultStatus `json:"status,omitempty" enum:"OK,DNF,DNS,DQ,OVERTIME" default:"OK"`
		Sequence number            `json:"sequence,omitzero" doc:"Order of finish, where the race breaks ties by it."`
		Reason   string            `json:"reason,omitempty" maxLength:"500" doc:"Why, for example what a DQ is for. Kept with the revision and public."`

		Splits []splits.Reading `json:"splits,omitempty" maxItems:"100" nullable:"false" doc:"Readings at timing points of the race. They must not decrease along the course, nor be later than the finish. They change no points."`
	}
}

func (p post) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "post-official-record", Method: http.MethodPost, Path: recordsPath,
		Summary: "Post an official record", Tags: []string{tag},
		Description:   "When this call answers, the record is stored and will be credited.",
		DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody,
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, p.handle)
}

func (p post) handle(ctx context.Context, in *postInput) (*recordOutput, error) {
	result, read, reason, err := in.parse(server.RaceFrom(ctx))
	if err != nil {
		return nil, err
	}
	change := maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: reason}
	r, added, err := p.store.PostRecordWithSplits(ctx, server.RaceFrom(ctx).ID, server.ResourceID(ctx), result, read, change)
	if err != nil {
		return nil, err
	}
	shown := p.credits.pending(r)
	if added {
		p.poke()
	} else {
		shown = p.credits.of(ctx, []race.Record{r})[0]
	}
	return p.times.answer(ctx, r, shown), nil
}

func (in *postInput) parse(r race.Race) (result race.Result, read race.Splits, reason string, err error) {
	var wrong fieldErrors
	result = race.Result{
		Bib:    strings.TrimSpace(in.Body.Bib),
		Gun:    wrong.parseTime("gun_time", in.Body.GunTime),
		Net:    wrong.parseTime("net_time", in.Body.NetTime),
		Status: in.Body.Status, Sequence: in.Body.Sequence.value,
	}
	wrong.addOthers(result.Check())
	read = wrong.parseSplits(r, in.Body.Splits)
	maps.DeleteFunc(read, func(_ int, t race.Time) bool { return t == 0 })
	if len(wrong.FieldErrors) == 0 {
		wrong.addOthers(race.CheckResultSplits(r, read, result))
	}
	return result, read, strings.TrimSpace(in.Body.Reason), wrong.Err()
}

type change struct {
	store   *maindb.Store
	times   times
	credits credits
	poke    func()
}

// Target is the record of a change and the revision that it is based on.
type Target struct {
	RaceID   string `path:"race_id"`
	RecordID string `path:"record_id"`
	Plan     bool   `query:"plan" doc:"Show the consequences of the change for places, podiums and points, without making it."`
	IfMatch  string `header:"If-Match" example:"1" doc:"Required: the revision that the change is based on, as in ETag. 412 if there is a newer one."`
}

type patchInput struct {
	Target
	Body correction
}

// correction is the body of the call that corrects a record.
type correction struct {
	Bib      *string            `json:"bib,omitempty" doc:"A bib that another record holds is accepted: this record then waits for it, so two corrections can swap two bibs."`
	GunTime  text               `json:"gun_time,omitzero" example:"2:10:22.4" doc:"Null clears it."`
	NetTime  text               `json:"net_time,omitzero" example:"2:10:19" doc:"Null clears it."`
	Status   *race.ResultStatus `json:"status,omitempty" enum:"OK,DNF,DNS,DQ,OVERTIME" doc:"With DNS the times must be null."`
	Sequence number             `json:"sequence,omitzero" doc:"Null clears it."`

	Splits []splits.Reading `json:"splits,omitempty" maxItems:"100" nullable:"false" doc:"Readings at timing points; those that are not named stay. They must not decrease along the course, nor be later than the finish. They change no points."`

	ConfirmTime *bool `json:"confirm_time,omitempty" doc:"True confirms an implausible time: it is ranked and credited from then on, until a time changes. False withdraws the confirmation."`

	Reason      string `json:"reason" minLength:"1" maxLength:"500" example:"chip read late, corrected from the finish video" doc:"Kept with the revision and public."`
	PrivateNote string `json:"private_note,omitempty" maxLength:"2000" doc:"Only for those who run the race; in its changes."`
}

type removeInput struct {
	Target
	Reason string `query:"reason" maxLength:"500" doc:"Instead of the body. Public."`
	Body   *removal
}

// removal is the body of the call that removes a record.
type removal struct {
	Reason      string `json:"reason,omitempty" maxLength:"500" doc:"Kept with the revision and public."`
	PrivateNote string `json:"private_note,omitempty" maxLength:"2000" doc:"Only for those who run the race; in its changes."`
}

// removalReason is the reason of a removal without one.
const removalReason = "removed by the organizer"

func (c change) register(api huma.API) {
	errs := []int{
		http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
		http.StatusPreconditionFailed, http.StatusUnprocessableEntity, http.StatusPreconditionRequired,
	}
	server.Register(api, huma.Operation{
		OperationID: "correct-official-record", Method: http.MethodPatch, Path: recordPath,
		Summary: "Correct an official record", Tags: []string{tag},
		Description:  "A change makes a new revision, and the runner's points change by the difference. The reason is public.",
		MaxBodyBytes: maxBody, Errors: errs,
	}, c.patch)
	server.Register(api, huma.Operation{
		OperationID: "remove-official-record", Method: http.MethodDelete, Path: recordPath,
		Summary: "Remove an official record", Tags: []string{tag},
		Description:   "The removal is a revision too: it reverses the points and frees the bib. The reason is public.",
		DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody, Errors: errs,
	}, c.remove)
}

func (c change) patch(ctx context.Context, in *patchInput) (*recordOutput, error) {
	expected, err := in.expected()
	if err != nil {
		return nil, err
	}
	patch, reason, err := in.parse(server.RaceFrom(ctx))
	if err != nil {
		return nil, err
	}
	by := maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: reason, PrivateNote: strings.TrimSpace(in.Body.PrivateNote)}
	return c.do(ctx, in.Target, func(store *maindb.Store) (race.Record, bool, error) {
		return store.PatchRecord(ctx, server.RaceFrom(ctx).ID, in.RecordID, expected, patch, by)
	})
}

func (c change) remove(ctx context.Context, in *removeInput) (*recordOutput, error) {
	expected, err := in.expected()
	if err != nil {
		return nil, err
	}
	reason := in.Reason
	if in.Body != nil && in.Body.Reason != "" {
		reason = in.Body.Reason
	}
	if reason = strings.TrimSpace(reason); reason == "" {
		reason = removalReason
	}
	by := maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: reason}
	if in.Body != nil {
		by.PrivateNote = strings.TrimSpace(in.Body.PrivateNote)
	}
	return c.do(ctx, in.Target, func(store *maindb.Store) (race.Record, bool, error) {
		return store.RemoveRecord(ctx, server.RaceFrom(ctx).ID, in.RecordID, expected, by)
	})
}

// do makes a change, or only plans it.
func (c change) do(ctx context.Context, target Target, change func(*maindb.Store) (race.Record, bool, error)) (*recordOutput, error) {
	if !target.Plan {
		r, changed, err := change(c.store)
		return c.answer(ctx, r, changed, err)
	}
	consequences, err := c.store.Plan(func(planning *maindb.Store) error {
		_, _, err := change(planning)
		return err
	})
	if err != nil {
		return nil, err
	}
	r, err := c.store.Record(ctx, server.RaceFrom(ctx).ID, target.RecordID)
	out, err := c.answer(ctx, r, false, err)
	if err == nil {
		out.Body.Consequences = &consequences
	}
	return out, err
}

func (c change) answer(ctx context.Context, r race.Record, changed bool, err error) (*recordOutput, error) {
	if err != nil {
		return nil, err
	}
	shown := c.credits.pending(r)
	if changed {
		c.poke()
	} else {
		shown = c.credits.of(ctx, []race.Record{r})[0]
	}
	return c.times.answer(ctx, r, shown), nil
}

// expected returns the revision that the change is based on. A malformed record ID is
// answered as not found.
func (t Target) expected() (int, error) {
	if !server.IsID(t.RecordID) {
		return 0, race.ErrNotFound
	}
	return server.Revision(t.IfMatch)
}

func (in *patchInput) parse(r race.Race) (patch maindb.RecordPatch, reason string, err error) {
	var wrong fieldErrors
	if in.Body.Bib != nil {
		bib := strings.TrimSpace(*in.Body.Bib)
		patch.Bib = &bib
	}
	if in.Body.GunTime.given {
		gun := wrong.parseTime("gun_time", in.Body.GunTime)
		patch.Gun = &gun
	}
	if in.Body.NetTime.given {
		net := wrong.parseTime("net_time", in.Body.NetTime)
		patch.Net = &net
	}
	patch.Status = in.Body.Status
	if in.Body.Sequence.given {
		patch.Sequence = &in.Body.Sequence.value
	}
	patch.Splits = wrong.parseSplits(r, in.Body.Splits)
	patch.ConfirmTime = in.Body.ConfirmTime
	reason = wrong.parseReason(in.Body.Reason)
	return patch, reason, wrong.Err()
}
