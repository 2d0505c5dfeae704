package tasks

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const feedPath = "/v1/calendar/"

func (c calls) registerCalendar(api huma.API, errs []int) {
	server.Register(api, huma.Operation{
		OperationID: "get-calendar-address", Method: http.MethodGet, Path: calendarPath, Errors: errs, Summary: "Check whether you have an address of a race's calendar", Tags: []string{tag},
	}, c.feedSince)
	server.Register(api, huma.Operation{
		OperationID: "create-calendar-address", Method: http.MethodPost, Path: calendarPath, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Get your own address of a race's calendar", Tags: []string{tag},
		Description: "For a calendar program to subscribe to. Anyone who knows the address can read the tasks of the race. It is shown only in this answer, and an earlier one stops working. It also ends when you leave the staff, or revoke it.",
	}, c.openFeed)
	server.Register(api, huma.Operation{
		OperationID: "delete-calendar-address", Method: http.MethodDelete, Path: calendarPath, DefaultStatus: http.StatusNoContent, Errors: errs,
		Summary: "Revoke your address of a race's calendar", Tags: []string{tag},
	}, c.closeFeed)
	server.Register(api, huma.Operation{
		OperationID: "read-calendar", Method: http.MethodGet, Path: feedPath + "{token}", Errors: []int{http.StatusNotFound},
		Summary: "Read a race's calendar", Tags: []string{tag},
		Description: "Tasks with a deadline that are not dropped, with their descriptions, the day of the race, the opening and closing of entry, and its draw, as iCalendar (RFC 5545).",
		Responses:   map[string]*huma.Response{"200": {Description: "A calendar.", Content: map[string]*huma.MediaType{"text/calendar": {}}}},
	}, c.readFeed)
}

type calendarSinceOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Since time.Time `json:"since" doc:"When you got it. The address itself is not kept."`
	}
}

func (c calls) feedSince(ctx context.Context, _ *RacePath) (*calendarSinceOutput, error) {
	since, err := c.Store.CalendarFeedSince(ctx, server.RaceFrom(ctx).ID, server.CallerFrom(ctx).UserID)
	out := &calendarSinceOutput{CacheControl: "no-store"}
	out.Body.Since = since
	return out, err
}

type calendarAddressOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		URL string `json:"url" format:"uri" doc:"The address, for a calendar program. It is shown only once."`
	}
}

func (c calls) openFeed(ctx context.Context, _ *RacePath) (*calendarAddressOutput, error) {
	token, hash := auth.NewRefreshToken()
	if err := c.Store.SetCalendarFeed(ctx, server.RaceFrom(ctx).ID, server.CallerFrom(ctx).UserID, hash[:]); err != nil {
		return nil, err
	}
	out := &calendarAddressOutput{CacheControl: "no-store"}
	out.Body.URL = c.base() + feedPath + token
	return out, nil
}

func (c calls) base() string { return strings.TrimSuffix(c.PublicURL, "/") }

func (c calls) closeFeed(ctx context.Context, _ *RacePath) (*struct{}, error) {
	return nil, c.Store.RevokeCalendarFeed(ctx, server.RaceFrom(ctx).ID, server.CallerFrom(ctx).UserID)
}

type readFeedInput struct {
	Token string `path:"token" maxLength:"100" doc:"The secret of the address."`
	Lang  string `query:"lang" enum:"en,ko" default:"en" doc:"The language of what is not written by the staff."`
}

type calendarOutput struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Body         []byte
}

func (c calls) readFeed(ctx context.Context, in *readFeedInput) (*calendarOutput, error) {
	hash := auth.HashRefreshToken(in.Token)
	r, tasks, userID, err := c.Store.OpenCalendarFeed(ctx, hash[:])
	if err != nil {
		return nil, err
	}
	standing, err := c.Accounts.Standing(ctx, userID, "")
	if err == nil && (standing.Suspended || standing.Erased) {
		err = race.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	writeCalendar(&body, r, tasks, c.base(), in.Lang)
	return &calendarOutput{ContentType: "text/calendar; charset=utf-8", CacheControl: "private, no-store", Body: body.Bytes()}, nil
}
