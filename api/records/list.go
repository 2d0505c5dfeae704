package records

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

type lister interface {
	// ListRecords returns up to limit records by their ID, behind the ID after.
	ListRecords(ctx context.Context, raceID string, filter maindb.RecordFilter, after string, limit int) ([]race.Record, error)
	// RecordsByID returns those of the records that are in the race.
	RecordsByID(ctx context.Context, raceID string, recordIDs []string) (map[string]race.Record, error)
}

type list struct {
	store   lister
	ledger  Ledger
	credits credits
	gate    gate
}

type listInput struct {
	server.Page
	RaceID       string            `path:"race_id"`
	Status       race.ResultStatus `query:"status" enum:"OK,DNF,DNS,DQ,OVERTIME" doc:"Only records of this status."`
	Bib          string            `query:"bib" maxLength:"16" doc:"Only records of this bib: the one that holds it and those that wait for it."`
	CreditStatus race.CreditStatus `query:"credit_status" enum:"pending,credited,rejected" doc:"Only records whose credit has this status."`
	Removed      bool              `query:"removed" doc:"Removed records too; for the owner of the race."`
}

type listOutput struct {
	Body struct {
		Items      []Record `json:"items" nullable:"false" doc:"In the order in which they were posted."`
		NextCursor string   `json:"next_cursor,omitempty"`
	}
}

func (l list) register(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "list-official-records", Method: http.MethodGet, Path: recordsPath,
		Summary: "List the official records of a race with their credits", Tags: []string{tag},
		Description: "For the owner of the race, and for anyone once it is official.",
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity},
	}, l.handle)
}

func (l list) handle(ctx context.Context, in *listInput) (*listOutput, error) {
	owner, err := l.gate.open(ctx, in.RaceID)
	if err != nil {
		return nil, err
	}
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	if in.Bib != "" && race.CheckBib(in.Bib) != nil {
		return nil, invalidQuery("bib", "must be letters and digits, for example 1234 or W16")
	}
	wanted := search{
		raceID: in.RaceID, credit: in.CreditStatus, limit: in.Limit + 1, // one more tells whether there is a next page
		filter: maindb.RecordFilter{Status: in.Status, Bib: in.Bib, Removed: in.Removed && owner},
	}
	found, err := l.find(ctx, wanted, after)
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	if len(found.records) > in.Limit {
		found.cut(in.Limit)
		out.Body.NextCursor = server.EncodeCursor(found.records[in.Limit-1].ID)
	}
	out.Body.Items = make([]Record, len(found.records))
	for i, r := range found.records {
		out.Body.Items[i] = viewOf(r, found.credits[i])
	}
	return out, nil
}

func (in *listInput) after() (string, error) {
	parts, err := server.DecodeCursor(in.Cursor, 1)
	if err != nil || parts == nil {
		return "", err
	}
	if !isID(parts[0]) {
		return "", invalidQuery("cursor", "must be the next_cursor of an earlier page of this list")
	}
	return parts[0], nil
}

func invalidQuery(parameter, message string) error {
	return huma.Error422UnprocessableEntity("validation failed",
		&huma.ErrorDetail{Location: "query." + parameter, Message: message})
}
