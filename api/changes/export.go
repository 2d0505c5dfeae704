package changes

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

// exportPage is how many entries are read at a time.
const exportPage = 1000

// Format is the form of an exported log.
type Format string

// The formats.
const (
	CSV    Format = "csv"
	NDJSON Format = "ndjson"
)

func (f Format) contentType() string {
	if f == CSV {
		return "text/csv; charset=utf-8"
	}
	return "application/x-ndjson"
}

func (l lists) registerExports(api huma.API) {
	const description = "The oldest first: entries that are added while it is sent come at its end. `position` and `seal_hash` are the entry's place in the chain " +
		"of the log and the chain's hash there, empty for the second or so until an entry is sealed; `hash` is the entry's own. " +
		"In CSV, a cell that a spreadsheet would run as a formula is preceded by an apostrophe. A connection that breaks off says that the file is not complete."
	responses := map[string]*huma.Response{"200": {Description: "The file.", Content: map[string]*huma.MediaType{
		"text/csv": {Schema: &huma.Schema{Type: huma.TypeString}}, NDJSON.contentType(): {Schema: &huma.Schema{Type: huma.TypeString}},
	}}}
	server.Register(api, huma.Operation{
		OperationID: "export-race-changes", Method: http.MethodGet, Path: "/v1/races/{race_id}/changes/export",
		Summary: "Export who changed what in a race", Tags: []string{tag}, Description: description, Responses: responses, Errors: []int{http.StatusNotFound},
	}, func(ctx context.Context, in *raceExportInput) (*huma.StreamResponse, error) {
		filter := in.of()
		filter.RaceID, filter.Actor = server.RaceFrom(ctx).ID, in.Actor
		return l.export(ctx, in.Format, filter)
	})
	server.Register(api, huma.Operation{
		OperationID: "export-all-changes", Method: http.MethodGet, Path: "/v1/ops/changes/export",
		Summary: "Export the change log", Tags: []string{tag}, Description: description, Responses: responses,
	}, func(ctx context.Context, in *allExportInput) (*huma.StreamResponse, error) {
		filter := in.of()
		filter.RaceID, filter.Actor = in.RaceID, in.Actor
		return l.export(ctx, in.Format, filter)
	})
}

type raceExportInput struct {
	Filter
	RaceID string `path:"race_id"`
	Format Format `query:"format" enum:"csv,ndjson" default:"csv" doc:"csv, or ndjson: an entry as JSON on each line."`
	Actor  string `query:"actor" maxLength:"100" pattern:"^[!-~]*$" doc:"Only changes by this account or key."`
}

type allExportInput struct {
	Filter
	Format Format `query:"format" enum:"csv,ndjson" default:"csv" doc:"csv, or ndjson: an entry as JSON on each line."`
	Actor  string `query:"actor" maxLength:"100" pattern:"^[!-~]*$" doc:"Only changes by this account, key or workflow."`
	RaceID string `query:"race" format:"uuid" doc:"Only changes that concern this race."`
}

func (l lists) export(ctx context.Context, format Format, filter maindb.ChangeFilter) (*huma.StreamResponse, error) {
	send, err := l.file(ctx, format, filter)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_, w := humachi.Unwrap(ctx)
		send(w)
	}}, nil
}

// Export returns what sends the changes that a page shows: those of the race of ctx, or
// all of them where there is none.
func (r *Reader) Export(ctx context.Context, format Format, action, actor, raceID string) (send func(w http.ResponseWriter), err error) {
	if found := server.RaceFrom(ctx); found.ID != "" {
		raceID = found.ID
	}
	return r.calls.file(ctx, format, maindb.ChangeFilter{Action: action, Actor: actor, RaceID: raceID})
}

// file reads the first entries, so that a database that is down is said, and returns what
// sends the file.
func (l lists) file(ctx context.Context, format Format, filter maindb.ChangeFilter) (send func(w http.ResponseWriter), err error) {
	found, err := l.store.ChangesFrom(ctx, filter, "", exportPage)
	if err != nil {
		return nil, err
	}
	caller := server.CallerFrom(ctx)
	return func(w http.ResponseWriter) {
		server.SendFile(w, format.contentType(), "changes."+string(format), func(out io.Writer) error {
			write, err := writerOf(format, out)
			for err == nil {
				for _, c := range found {
					if err := write(exported{Position: c.Position, SealHash: c.Seal, LoggedChange: shown(caller, c.Change)}); err != nil {
						return err
					}
				}
				if len(found) < exportPage {
					return nil
				}
				found, err = l.store.ChangesFrom(ctx, filter, found[len(found)-1].ID, exportPage)
			}
			return err
		})
	}, nil
}

// exported is an entry of an exported log.
type exported struct {
	Position int64  `json:"position,omitempty"`
	SealHash string `json:"seal_hash,omitempty"`
	LoggedChange
}

var exportColumns = []string{
	"position", "id", "at", "actor_kind", "actor_id", "actor_user_id", "action", "race_id", "subject_kind", "subject_id", "about_user_id", "before", "after",
	"reason", "private_note", "request_id", "workflow_id", "hash", "seal_hash",
}

// writerOf returns what writes entries in a format.
func writerOf(format Format, out io.Writer) (func(exported) error, error) {
	if format == NDJSON {
		lines := json.NewEncoder(out)
		return func(e exported) error { return lines.Encode(e) }, nil
	}
	if _, err := io.WriteString(out, server.ByteOrderMark); err != nil {
		return nil, err
	}
	rows := csv.NewWriter(out)
	if err := rows.Write(exportColumns); err != nil {
		return nil, err
	}
	return func(e exported) error {
		position := ""
		if e.Position > 0 {
			position = strconv.FormatInt(e.Position, 10)
		}
		cells := []string{
			position, e.ID, e.At.UTC().Format(time.RFC3339Nano), string(e.Actor.Kind), e.Actor.ID, e.Actor.UserID, e.Action, e.RaceID, e.Subject.Kind, e.Subject.ID,
			e.AboutID, string(e.Before), string(e.After), e.Reason, e.PrivateNote, e.RequestID, e.WorkflowID, e.Hash, e.SealHash,
		}
		for i := range cells {
			cells[i] = server.SpreadsheetText(cells[i])
		}
		err := rows.Write(cells)
		rows.Flush()
		return errors.Join(err, rows.Error())
	}, nil
}
