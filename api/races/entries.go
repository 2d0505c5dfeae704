package races

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// staffEntries serves the entries of a race with entry settings to those who run it.
type staffEntries struct {
	store   *maindb.Store
	runners *userdb.Accounts
}

type entriesInput struct {
	RacePath
	server.Page
	Status race.EntryStatus `query:"status" enum:"entered,waiting,offered,declined,expired,cancelled,removed,registered,not_drawn,transferred,deferred" doc:"Only entries with this status."`
	Pool   int              `query:"pool" minimum:"0" maximum:"10000" doc:"Only entries of the pool with this key."`
	// Unqualified selects those that the organizer may want to look at.
	Unqualified bool `query:"unqualified" doc:"Only entries that have or want a place although the runner has no result now that meets the pool's standard, and that nobody admitted, entered by hand or deferred from an earlier edition."`
}

// StaffEntryBody is an entry as the race's staff see it. It is exported because huma
// ignores embedded types that are not.
type StaffEntryBody struct {
	EntryBody
	UserID string `json:"user_id"`
	Name   string `json:"name" doc:"Empty when it is unknown or the account was deleted."`
	Reason string `json:"reason,omitempty" doc:"Why it was entered by hand or removed."`

	Origin      race.EntryOrigin `json:"origin,omitempty" enum:",admitted,by_hand,deferred" doc:"How it came to be: asked for by somebody whom you admitted to the pool, entered by hand, or deferred from an earlier edition. Missing when the runner asked for it like anybody."`
	Unqualified bool             `json:"unqualified,omitempty" doc:"The runner has no result now that meets the pool's standard: it was disqualified or corrected since, or the standard has changed. They keep their place unless you remove them."`

	ReceivedAt time.Time `json:"received_at" doc:"When the request came, by the clock of the server that answered it."`
	JoinedAt   time.Time `json:"joined_at" doc:"When it got its number, by the database's clock."`
	ChangedAt  time.Time `json:"changed_at" doc:"Since when it has its status."`
}

type entriesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []StaffEntryBody `json:"items" nullable:"false" doc:"By pool, in the order of arrival."`
		NextCursor string           `json:"next_cursor,omitempty"`
	}
}

type staffEntryOutput struct {
	Body StaffEntryBody
}

type entryByHandInput struct {
	RacePath
	UserID string `path:"user_id"`
	Body   struct {
		Reason       string `json:"reason" minLength:"1" maxLength:"500" example:"invited by the sponsor"`
		OverCapacity bool   `json:"over_capacity,omitempty" doc:"Enter them although all places are taken."`
		Unqualified  bool   `json:"unqualified,omitempty" doc:"Enter them although they do not meet the pool's standard."`
	}
}

type entryRemovalInput struct {
	RacePath
	UserID string `path:"user_id"`
	Body   struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"entered under another person's name"`
	}
}

type entriesExport struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	CacheControl       string `header:"Cache-Control"`
	Body               []byte
}

func (d staffEntries) register(api huma.API) {
	const path = "/v1/races/{race_id}/entries"
	refusals := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity}
	server.Register(api, huma.Operation{
		OperationID: "list-entries", Method: http.MethodGet, Path: path,
		Summary: "List the entries of your race with its line", Tags: []string{entriesTag}, Errors: refusals,
		Description: "Of a race with entry settings: everybody who asked for a place, with those who wait, are offered one, or have left. The race's change log has their history.",
	}, d.list)
	server.Register(api, huma.Operation{
		OperationID: "export-entries", Method: http.MethodGet, Path: path + ".csv",
		Summary: "Export the entries of your race as CSV", Tags: []string{entriesTag}, Errors: refusals[:3],
		Description: "A name that a spreadsheet would run as a formula is preceded by an apostrophe.",
		Responses: map[string]*huma.Response{"200": {
			Description: "One line for each entry, with a header line.", Content: map[string]*huma.MediaType{"text/csv": {}},
		}},
	}, d.export)
	server.Register(api, huma.Operation{
		OperationID: "enter-by-hand", Method: http.MethodPost, Path: path + "/{user_id}/enter", DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody,
		Summary: "Enter a runner by hand", Tags: []string{entriesTag}, Errors: append(refusals, http.StatusConflict),
		Description: "Somebody who waits, whose offer expired, or whom you removed enters at once, regardless of their position. Nobody is entered who did not ask for a place or has withdrawn; " +
			"people without an account come in by a start list. It is refused with 409 when all places are taken, or when they do not meet the pool's standard, unless you say that it does not matter. Repeating it changes nothing.",
	}, d.enter)
	server.Register(api, huma.Operation{
		OperationID: "remove-entry", Method: http.MethodPost, Path: path + "/{user_id}/remove", DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody,
		Summary: "Remove an entry", Tags: []string{entriesTag}, Errors: append(refusals, http.StatusConflict),
		Description: "The place goes to the next in line, and the runner cannot join again. Repeating it changes nothing.",
	}, d.remove)
}

func (d staffEntries) list(ctx context.Context, in *entriesInput) (*entriesOutput, error) {
	var after maindb.EntryCursor
	if err := in.Seek(&after.Pool, &after.Seq); err != nil {
		return nil, err
	}
	found, err := d.store.Entries(ctx, server.RaceFrom(ctx), maindb.EntryFilter{Status: in.Status, Pool: in.Pool, Unqualified: in.Unqualified}, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &entriesOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.LineEntry) []any { return []any{last.PoolKey, last.Seq} })
	out.Body.Items, err = d.shown(ctx, found)
	return out, err
}

// Entries returns a part of the entries of the race of ctx, and the cursor of the next.
func (s *Service) Entries(ctx context.Context, filter maindb.EntryFilter, part server.Page) ([]StaffEntryBody, string, error) {
	out, err := s.forStaff.list(ctx, &entriesInput{Page: part, Status: filter.Status, Pool: filter.Pool, Unqualified: filter.Unqualified})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// EntryOf returns the entry of a runner in the race of ctx.
func (s *Service) EntryOf(ctx context.Context, userID string) (StaffEntryBody, error) {
	e, err := s.forStaff.store.EntryOf(ctx, server.RaceFrom(ctx).ID, userID)
	out, err := s.forStaff.answer(ctx, e, err)
	if err != nil {
		return StaffEntryBody{}, err
	}
	return out.Body, nil
}

// EnterByHand enters a runner in the race of ctx, whatever their position.
func (s *Service) EnterByHand(ctx context.Context, userID, reason string, override maindb.Override) error {
	in := &entryByHandInput{RacePath: RacePath{RaceID: server.RaceFrom(ctx).ID}, UserID: userID}
	in.Body.Reason, in.Body.OverCapacity, in.Body.Unqualified = reason, override.Capacity, override.Standard
	if err := server.Valid(in.Body); err != nil {
		return err
	}
	_, err := s.forStaff.enter(ctx, in)
	return err
}

// RemoveEntry removes the entry of a runner from the race of ctx.
func (s *Service) RemoveEntry(ctx context.Context, userID, reason string) error {
	in := &entryRemovalInput{RacePath: RacePath{RaceID: server.RaceFrom(ctx).ID}, UserID: userID}
	in.Body.Reason = reason
	if err := server.Valid(in.Body); err != nil {
		return err
	}
	_, err := s.forStaff.remove(ctx, in)
	return err
}

// EntriesFile returns the entries of the race of ctx as CSV.
func (s *Service) EntriesFile(ctx context.Context) ([]byte, error) {
	out, err := s.forStaff.export(ctx, nil)
	if err != nil {
		return nil, err
	}
	return out.Body, nil
}

func (d staffEntries) shown(ctx context.Context, entries []maindb.LineEntry) ([]StaffEntryBody, error) {
	userIDs := make([]string, len(entries))
	for i, e := range entries {
		userIDs[i] = e.UserID
	}
	runners, err := d.runners.Runners(ctx, userIDs)
	if err != nil {
		return nil, err
	}
	bodies := make([]StaffEntryBody, len(entries))
	for i, e := range entries {
		bodies[i] = StaffEntryBody{
			EntryBody: entryOf(e), UserID: e.UserID, Name: runners[e.UserID].Name, Reason: e.Reason,
			Origin: e.Origin, Unqualified: e.Unqualified, ReceivedAt: e.ReceivedAt, JoinedAt: e.JoinedAt, ChangedAt: e.ChangedAt,
		}
	}
	return bodies, nil
}

func (d staffEntries) enter(ctx context.Context, in *entryByHandInput) (*staffEntryOutput, error) {
	e, err := d.store.EnterByHand(ctx, in.RaceID, in.UserID, in.Body.Reason, maindb.Override{Capacity: in.Body.OverCapacity, Standard: in.Body.Unqualified})
	return d.answer(ctx, e, err)
}

func (d staffEntries) remove(ctx context.Context, in *entryRemovalInput) (*staffEntryOutput, error) {
	e, err := d.store.RemoveEntry(ctx, in.RaceID, in.UserID, in.Body.Reason)
	return d.answer(ctx, e, err)
}

func (d staffEntries) answer(ctx context.Context, e maindb.LineEntry, err error) (*staffEntryOutput, error) {
	if err != nil {
		return nil, err
	}
	entries := []maindb.LineEntry{e}
	if err := d.store.MarkUnqualified(ctx, server.RaceFrom(ctx), entries); err != nil {
		return nil, err
	}
	bodies, err := d.shown(ctx, entries)
	if err != nil {
		return nil, err
	}
	return &staffEntryOutput{Body: bodies[0]}, nil
}

func (d staffEntries) export(ctx context.Context, _ *RacePath) (*entriesExport, error) {
	const pageSize = 1000
	body := bytes.NewBufferString("\ufeff") // without it Excel would read names in the system's own encoding
	writer := csv.NewWriter(body)
	_ = writer.Write([]string{ // a buffer takes everything
		"pool", "number", "status", "bib", "name", "sex", "age", "team", "joined_at", "changed_at", "offer_expires_at", "reason", "origin", "unqualified",
	})
	var after maindb.EntryCursor
	for {
		found, err := d.store.Entries(ctx, server.RaceFrom(ctx), maindb.EntryFilter{}, after, pageSize)
		if err != nil {
			return nil, err
		}
		entries, err := d.shown(ctx, found)
		if err != nil {
			return nil, err
		}
		for i, e := range entries {
			age, until := "", ""
			if e.Age != nil {
				age = strconv.Itoa(*e.Age)
			}
			if e.OfferExpiresAt != nil {
				until = e.OfferExpiresAt.Format(time.RFC3339)
			}
			_ = writer.Write([]string{
				server.SpreadsheetText(e.Pool), strconv.FormatInt(found[i].Seq, 10), string(e.Status), e.Bib, server.SpreadsheetText(e.Name), string(e.Sex), age,
				server.SpreadsheetText(e.Team), e.JoinedAt.Format(time.RFC3339), e.ChangedAt.Format(time.RFC3339), until, server.SpreadsheetText(e.Reason), string(e.Origin), map[bool]string{true: "yes"}[e.Unqualified],
			})
		}
		if len(found) < pageSize {
			break
		}
		last := found[len(found)-1]
		after = maindb.EntryCursor{Pool: last.PoolKey, Seq: last.Seq}
	}
	writer.Flush()
	return &entriesExport{
		ContentType: "text/csv; charset=utf-8", ContentDisposition: `attachment; filename="entries.csv"`, CacheControl: "no-store", Body: body.Bytes(),
	}, nil
}
