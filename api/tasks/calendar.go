package tasks

import (
	"bytes"
	"context"
	"errors"
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
		OperationID: "get-calendar-address", Method: http.MethodGet, Path: calendarPath, Errors: errs, Summary: "Look whether you have an address of a race's calendar", Tags: []string{tag},
	}, c.feedSince)
	server.Register(api, huma.Operation{
		OperationID: "create-calendar-address", Method: http.MethodPost, Path: calendarPath, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Get your own address of a race's calendar", Tags: []string{tag},
		Description: "For a calendar program to subscribe to. Whoever knows the address reads the tasks of the race: it is shown only in this answer, and an earlier one ends. It also ends when you leave the staff, or revoke it.",
	}, c.openFeed)
	server.Register(api, huma.Operation{
		OperationID: "delete-calendar-address", Method: http.MethodDelete, Path: calendarPath, DefaultStatus: http.StatusNoContent, Errors: errs,
		Summary: "Revoke your address of a race's calendar", Tags: []string{tag},
	}, c.closeFeed)
	server.Register(api, huma.Operation{
		OperationID: "read-calendar", Method: http.MethodGet, Path: feedPath + "{token}", Errors: []int{http.StatusNotFound},
		Summary: "Read a race's calendar", Tags: []string{tag},
		Description: "Deadlines of tasks that are not dropped, the day of the race, and the opening and closing of entry, as iCalendar (RFC 5545).",
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

// Service is what pages do with the tasks of the race of ctx, as the calls do.
type Service struct{ calls calls }

// All returns the tasks of the race that a filter selects.
func (s *Service) All(ctx context.Context, filter Filter) ([]Task, error) {
	const all = 1000
	out, err := s.calls.list(ctx, &listInput{Page: server.Page{Limit: all}, Filter: filter})
	if err != nil {
		return nil, err
	}
	return out.Body.Items, nil
}

// One returns a task.
func (s *Service) One(ctx context.Context, taskID string) (Task, error) {
	out, err := s.calls.get(ctx, &Path{TaskID: taskID})
	if err != nil {
		return Task{}, err
	}
	return out.Body, nil
}

// Create adds a task.
func (s *Service) Create(ctx context.Context, in NewTask) error {
	if err := server.Valid(in); err != nil {
		return err
	}
	_, err := s.calls.create(ctx, &createInput{Body: in})
	return err
}

// Change changes a task at a revision.
func (s *Service) Change(ctx context.Context, taskID, revision string, in TaskChange) error {
	if err := server.Valid(in); err != nil {
		return err
	}
	_, err := s.calls.change(ctx, &changeInput{Target: Target{Path: Path{TaskID: taskID}, IfMatch: revision}, Body: in})
	return err
}

// SetStatus says how far a task is.
func (s *Service) SetStatus(ctx context.Context, taskID string, status race.TaskStatus) error {
	in := &statusInput{Path: Path{TaskID: taskID}, Body: TaskState{Status: status}}
	if err := server.Valid(in.Body); err != nil {
		return err
	}
	_, err := s.calls.setStatus(ctx, in)
	return err
}

// Remove removes a task at a revision.
func (s *Service) Remove(ctx context.Context, taskID, revision string) error {
	_, err := s.calls.remove(ctx, &Target{Path: Path{TaskID: taskID}, IfMatch: revision})
	return err
}

// Copy adds the tasks of another race and returns how many it added.
func (s *Service) Copy(ctx context.Context, fromRaceID string) (int, error) {
	in := Source{FromRaceID: fromRaceID}
	if err := server.Valid(in); err != nil {
		return 0, err
	}
	out, err := s.calls.copy(ctx, &copyInput{Body: in})
	if err != nil {
		return 0, err
	}
	return out.Body.Copied, nil
}

// Mine returns the tasks that the caller has to do.
func (s *Service) Mine(ctx context.Context) ([]MyTask, error) {
	out, err := s.calls.mine(ctx, nil)
	if err != nil {
		return nil, err
	}
	return out.Body.Items, nil
}

// HasFeed reports whether the caller has an address of the race's calendar.
func (s *Service) HasFeed(ctx context.Context) (bool, error) {
	_, err := s.calls.feedSince(ctx, nil)
	if errors.Is(err, race.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// OpenFeed gives the caller an address of the race's calendar. It is shown only this once.
func (s *Service) OpenFeed(ctx context.Context) (address string, err error) {
	out, err := s.calls.openFeed(ctx, nil)
	if err != nil {
		return "", err
	}
	return out.Body.URL, nil
}

// CloseFeed ends the caller's address of the race's calendar.
func (s *Service) CloseFeed(ctx context.Context) error {
	_, err := s.calls.closeFeed(ctx, nil)
	return err
}
