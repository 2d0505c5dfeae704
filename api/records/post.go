package records

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

type poster interface {
	// PostRecord returns the record that has the ID already, with added false,
	// and a *race.ConflictError when another one holds the bib.
	PostRecord(ctx context.Context, raceID, recordID string, result race.Result, change maindb.Change) (r race.Record, added bool, err error)
}

type post struct {
	store   poster
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
		Reason   string            `json:"reason,omitempty" maxLength:"500" doc:"Why, for example what a DQ is for. Kept with the revision."`
	}
}

func (p post) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "post-official-record", Method: http.MethodPost, Path: recordsPath,
		Summary: "Post an official record", Tags: []string{tag},
		Description:   "The record is on its way to its runner's points as soon as this answers.",
		DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody,
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
	}, p.handle)
}

func (p post) handle(ctx context.Context, in *postInput) (*recordOutput, error) {
	result, reason, err := in.parse()
	if err != nil {
		return nil, err
	}
	change := maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: reason}
	r, added, err := p.store.PostRecord(ctx, server.RaceFrom(ctx).ID, server.ResourceID(ctx), result, change)
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

func (in *postInput) parse() (result race.Result, reason string, err error) {
	var wrong faults
	result = race.Result{
		Bib:    strings.TrimSpace(in.Body.Bib),
		Gun:    wrong.parseTime("gun_time", in.Body.GunTime),
		Net:    wrong.parseTime("net_time", in.Body.NetTime),
		Status: in.Body.Status, Sequence: in.Body.Sequence.value,
	}
	wrong.addOthers(result.Check())
	return result, strings.TrimSpace(in.Body.Reason), wrong.Err()
}
