// Package unofficial serves runners' own records, which earn no points and which
// nobody else sees.
package unofficial

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	tag     = "Unofficial records"
	maxBody = 16 << 10 // bytes, far above any body of these calls
)

type records struct {
	store *maindb.Store
}

type newInput struct {
	Body NewRecord
}

// RecordPath is embedded in the inputs of calls about one record. It is exported
// because huma ignores embedded types that are not.
type RecordPath struct {
	ID string `path:"id" doc:"UUID of the record."`
}

type changeInput struct {
	RecordPath
	Body RecordChange
}

type ownRecordsInput struct {
	server.Page
}

type oneOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         unofficialBody
}

type ownRecordsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []unofficialBody `json:"items" nullable:"false" doc:"By date, the newest first."`
		NextCursor string           `json:"next_cursor,omitempty"`
	}
}

type unofficialBody struct {
	RecordID  string    `json:"unofficial_record_id"`
	Date      string    `json:"date" example:"2026-05-09"`
	DistanceM float64   `json:"distance_m" example:"5000"`
	Time      string    `json:"time" example:"0:21:40.5"`
	Title     string    `json:"title,omitempty"`
	Note      string    `json:"note,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// noStore keeps what is private out of shared caches.
const noStore = "no-store"

// Register adds the calls to the API.
func Register(api huma.API, store *maindb.Store) {
	const list, one = "/v1/me/unofficial-records", "/v1/me/unofficial-records/{id}"
	r := records{store: store}
	refused, missing, invalid := http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity
	add := func(id, method, path, summary string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{tag},
			MaxBodyBytes: maxBody, Errors: append([]int{http.StatusUnauthorized, refused}, errors...),
		}
	}
	create := add("create-unofficial-record", http.MethodPost, list, "Create an unofficial record", invalid)
	create.DefaultStatus = http.StatusCreated
	server.Register(api, create, r.create)
	server.Register(api, add("list-unofficial-records", http.MethodGet, list, "List your unofficial records", invalid), r.list)
	server.Register(api, add("get-unofficial-record", http.MethodGet, one, "Get an unofficial record", missing), r.get)
	server.Register(api, add("change-unofficial-record", http.MethodPatch, one, "Update an unofficial record", missing, invalid), r.change)
	server.Register(api, add("delete-unofficial-record", http.MethodDelete, one, "Delete an unofficial record", missing), r.delete)
}

func (r records) create(ctx context.Context, in *newInput) (*oneOutput, error) {
	return answer(create(ctx, r.store, in.Body))
}

func create(ctx context.Context, store *maindb.Store, body NewRecord) (race.UnofficialRecord, error) {
	record, err := newRecord(body)
	if err != nil {
		return record, err
	}
	record.ID, record.UserID = server.ResourceID(ctx), server.CallerFrom(ctx).UserID
	return store.CreateUnofficialRecord(ctx, record)
}

// Create creates a record of the caller, for pages.
func Create(ctx context.Context, store *maindb.Store, body NewRecord) (race.UnofficialRecord, error) {
	if err := server.Valid(body); err != nil {
		return race.UnofficialRecord{}, err
	}
	return create(ctx, store, body)
}

// Change changes a record of the caller, for pages.
func Change(ctx context.Context, store *maindb.Store, id string, body RecordChange) (race.UnofficialRecord, error) {
	if err := server.Valid(body); err != nil {
		return race.UnofficialRecord{}, err
	}
	return store.UpdateUnofficialRecord(ctx, server.CallerFrom(ctx).UserID, id, func(record *race.UnofficialRecord) error {
		return changeRecord(record, body)
	})
}

func (r records) get(ctx context.Context, in *RecordPath) (*oneOutput, error) {
	return answer(r.store.UnofficialRecord(ctx, server.CallerFrom(ctx).UserID, in.ID))
}

func (r records) change(ctx context.Context, in *changeInput) (*oneOutput, error) {
	edit := func(record *race.UnofficialRecord) error { return changeRecord(record, in.Body) }
	return answer(r.store.UpdateUnofficialRecord(ctx, server.CallerFrom(ctx).UserID, in.ID, edit))
}

func (r records) delete(ctx context.Context, in *RecordPath) (*struct{}, error) {
	return nil, r.store.DeleteUnofficialRecord(ctx, server.CallerFrom(ctx).UserID, in.ID)
}

func (r records) list(ctx context.Context, in *ownRecordsInput) (*ownRecordsOutput, error) {
	var after maindb.UnofficialPosition
	if err := in.Seek(&after.Date, &after.ID); err != nil {
		return nil, err
	}
	found, err := r.store.ListUnofficialRecords(ctx, server.CallerFrom(ctx).UserID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &ownRecordsOutput{CacheControl: noStore}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last race.UnofficialRecord) []any { return []any{last.Date, last.ID} })
	out.Body.Items = make([]unofficialBody, len(found))
	for i, record := range found {
		out.Body.Items[i] = bodyOf(record)
	}
	return out, nil
}

func answer(record race.UnofficialRecord, err error) (*oneOutput, error) {
	if err != nil {
		return nil, err
	}
	return &oneOutput{CacheControl: noStore, Body: bodyOf(record)}, nil
}

func bodyOf(r race.UnofficialRecord) unofficialBody {
	return unofficialBody{
		RecordID: r.ID, Date: r.Date.String(), DistanceM: r.Distance.Metres(), Time: r.Time.String(),
		Title: r.Title, Note: r.Note, CreatedAt: r.CreatedAt,
	}
}

// NewRecord is a record that a runner adds.
type NewRecord struct {
	Date      string  `json:"date" example:"2026-05-09" doc:"YYYY-MM-DD."`
	DistanceM float64 `json:"distance_m" example:"5000" doc:"Metres, above 0 and at most 1000000, with up to three decimals."`
	Time      string  `json:"time" example:"0:21:40.5" doc:"H:MM:SS[.f] or MM:SS[.f]."`
	Title     string  `json:"title,omitempty" maxLength:"200" example:"Parkrun"`
	Note      string  `json:"note,omitempty" maxLength:"2000"`
}

// RecordChange is what a runner changes of a record; nil leaves a value as it is.
type RecordChange struct {
	Date      *string  `json:"date,omitempty"`
	DistanceM *float64 `json:"distance_m,omitempty"`
	Time      *string  `json:"time,omitempty"`
	Title     *string  `json:"title,omitempty" maxLength:"200" doc:"An empty string removes it."`
	Note      *string  `json:"note,omitempty" maxLength:"2000" doc:"An empty string removes it."`
}

func newRecord(body NewRecord) (race.UnofficialRecord, error) {
	var record race.UnofficialRecord
	err := changeRecord(&record, RecordChange{
		Date: &body.Date, DistanceM: &body.DistanceM, Time: &body.Time, Title: &body.Title, Note: &body.Note,
	})
	return record, err
}

// changeRecord applies what body names and returns a *race.InvalidError with
// everything that is wrong.
func changeRecord(record *race.UnofficialRecord, body RecordChange) error {
	invalid := &race.InvalidError{}
	set(invalid, "date", &record.Date, body.Date, race.ParseDate)
	set(invalid, "distance_m", &record.Distance, body.DistanceM, race.DistanceOf)
	set(invalid, "time", &record.Time, body.Time, race.ParseTime)
	set(invalid, "title", &record.Title, body.Title, race.Line)
	set(invalid, "note", &record.Note, body.Note, parseText)
	if len(invalid.Fields) > 0 {
		return invalid
	}
	return nil
}

// set reads a field that the body names.
func set[T, S any](invalid *race.InvalidError, field string, to *T, from *S, parse func(S) (T, error)) {
	if from == nil {
		return
	}
	value, err := parse(*from)
	if err != nil {
		invalid.Fields = append(invalid.Fields, race.FieldError{Field: field, Message: err.Error()})
		return
	}
	*to = value
}

func parseText(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("must be text in UTF-8")
	}
	return strings.TrimSpace(s), nil
}
