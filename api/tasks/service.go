package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Service is what pages do with the tasks of the race of ctx, as the calls do.
type Service struct{ calls calls }

// All returns the tasks of the race that a filter selects, in the order of the board.
func (s *Service) All(ctx context.Context, filter Filter) ([]Task, error) {
	const all = 1000 // more than a race can have
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
func (s *Service) Create(ctx context.Context, in NewTask) (Task, error) {
	if err := server.Valid(in); err != nil {
		return Task{}, err
	}
	out, err := s.calls.create(ctx, &createInput{Body: in})
	if err != nil {
		return Task{}, err
	}
	return out.Body, nil
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

// Copy adds the tasks of another race and returns them; a dry run returns what it would
// add.
func (s *Service) Copy(ctx context.Context, in Source) ([]Task, error) {
	if err := server.Valid(in); err != nil {
		return nil, err
	}
	out, err := s.calls.copy(ctx, &copyInput{Body: in})
	if err != nil {
		return nil, err
	}
	return out.Body.Items, nil
}

// MoveDeadlines moves the deadlines of tasks by days, of those that are still at the
// revision that is given by task ID, and returns how many it moved.
func (s *Service) MoveDeadlines(ctx context.Context, days int, revisions map[string]int) (moved int, err error) {
	return s.calls.Store.MoveDeadlines(ctx, server.RaceFrom(ctx).ID, days, revisions)
}

// Mine returns the tasks that the caller has to do, in all races.
func (s *Service) Mine(ctx context.Context) ([]MyTask, error) {
	out, err := s.calls.mine(ctx, nil)
	if err != nil {
		return nil, err
	}
	return out.Body.Items, nil
}

// FeedSince returns since when the caller has had an address of the race's calendar; the
// zero time: they have none.
func (s *Service) FeedSince(ctx context.Context) (time.Time, error) {
	out, err := s.calls.feedSince(ctx, nil)
	if errors.Is(err, race.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return out.Body.Since, nil
}

// OpenFeed gives the caller a new address of the race's calendar, which ends an earlier
// one. It is shown only this once.
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
