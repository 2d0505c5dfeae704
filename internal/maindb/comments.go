package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// ListedComment is a comment with what is needed to show it.
type ListedComment struct {
	race.Comment
	AgeThen int // of its author on race day; race.UnknownAge

	// Of reported comments alone:
	Reports    []string  // the reasons of the open reports; a report may have none
	ReportedAt time.Time // when the first of the open reports was made
	JudgedAt   time.Time // when earlier reports were closed; zero if there were none
}

func commentOf(row gen.PostComment) race.Comment {
	return race.Comment{
		ID: row.CommentID, RaceID: row.RaceID, PostID: row.PostID, UserID: row.UserID, ByStaff: row.ByStaff, Text: row.Text,
		State: race.CommentState(row.State), HiddenReason: row.HiddenReason, CreatedAt: row.CreatedAt, EditedAt: row.EditedAt.Time,
	}
}

// ofComment is a change of a comment. Its text is not in the change log.
func ofComment(c race.Comment, action string, before, after race.CommentState) race.Change {
	change := race.Change{Action: action, RaceID: c.RaceID, Subject: race.Subject{Kind: "comment", ID: c.ID}, AboutID: c.UserID}
	state := func(s race.CommentState) any { return map[string]any{"state": s, "post_id": c.PostID} }
	if before != "" {
		change.Before = state(before)
	}
	change.After = state(after)
	return change
}

// errNoComments is returned to those who would comment where nobody may.
var errNoComments = &race.ConflictError{Message: "this post takes no comments"}

// AddComment adds a comment to a published post, by somebody who is entered in the race
// or works on it. One by the same author that already has the ID is returned unchanged.
// Errors: race.ErrNotFound, race.ErrNotOwn for anybody else, *race.ConflictError where
// comments are switched off or the race is void, and race.ErrLeft.
func (s *Store) AddComment(ctx context.Context, c race.Comment) (added race.Comment, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now().UTC().Truncate(time.Microsecond)
		if err := holdAccount(ctx, q, c.UserID); err != nil {
			return err
		}
		existing, err := q.Comment(ctx, c.ID)
		if err == nil && existing.UserID == c.UserID && existing.PostID == c.PostID {
			added = commentOf(existing)
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return errors.Join(err, race.ErrNotFound)
		}
		if err := takesComments(ctx, q, c.RaceID, c.PostID); err != nil {
			return err
		}
		c.ByStaff, err = mayComment(ctx, q, c.RaceID, c.UserID)
		if err != nil {
			return err
		}
		err = q.InsertComment(ctx, gen.InsertCommentParams{
			CommentID: c.ID, PostID: c.PostID, RaceID: c.RaceID, UserID: c.UserID, ByStaff: c.ByStaff, Text: c.Text, CreatedAt: now,
		})
		if err != nil {
			return fmt.Errorf("add comment %s: %w", c.ID, err)
		}
		c.State, c.CreatedAt = race.CommentShown, now
		added = c
		return writeChanges(ctx, tx, now, ofComment(c, "comment.posted", "", c.State))
	})
	return added, err
}

// takesComments locks a post and returns race.ErrNotFound unless it is published, and a
// *race.ConflictError if nobody may comment on it now.
func takesComments(ctx context.Context, q *gen.Queries, raceID, postID string) error {
	row, err := q.LockPost(ctx, postID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (row.RaceID != raceID || row.State != string(race.PostPublished)) {
		return race.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("lock post %s: %w", postID, err)
	}
	r, err := q.Race(ctx, raceID)
	if err != nil {
		return fmt.Errorf("read race %s: %w", raceID, err)
	}
	if !row.Comments || r.Status == string(race.Void) {
		return errNoComments
	}
	return nil
}

// mayComment reports whether somebody speaks for the race: as one of its staff. It returns
// race.ErrNotOwn to those who are not entered either.
func mayComment(ctx context.Context, q *gen.Queries, raceID, userID string) (staff bool, err error) {
	row, err := q.RaceWithRole(ctx, userID, raceID)
	if err != nil {
		return false, fmt.Errorf("read the role of user %s in race %s: %w", userID, raceID, err)
	}
	if row.Role.Valid || row.Race.OrganizerID == userID {
		return true, nil
	}
	entry, err := q.ParticipantOf(ctx, raceID, userID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && entry.Status != string(race.Entered) {
		return false, race.ErrNotOwn
	}
	if err != nil {
		return false, fmt.Errorf("read the entry of user %s in race %s: %w", userID, raceID, err)
	}
	return false, nil
}

// MayComment reports whether somebody is entered in a race or works on it.
func (s *Store) MayComment(ctx context.Context, raceID, userID string) (bool, error) {
	_, err := mayComment(ctx, s.queries, raceID, userID)
	if errors.Is(err, race.ErrNotOwn) {
		return false, nil
	}
	return err == nil, err
}

// Comments returns up to limit comments of a post, the first one first, after the one
// with the ID after.
func (s *Store) Comments(ctx context.Context, postID, after string, limit int) ([]ListedComment, error) {
	rows, err := s.queries.CommentsOfPost(ctx, postID, after, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list the comments of post %s: %w", postID, err)
	}
	found := make([]ListedComment, len(rows))
	for i, row := range rows {
		found[i] = ListedComment{Comment: commentOf(row.PostComment), AgeThen: race.UnknownAge}
		if row.Age.Valid {
			found[i].AgeThen = int(row.Age.Int16)
		}
	}
	return found, nil
}

// inComment calls do with a comment that it has locked after its post, as RemovePost does,
// and keeps the account that writes from leaving. Errors: race.ErrNotFound when the post
// has no such comment, or its text is gone, and race.ErrLeft.
func (s *Store) inComment(ctx context.Context, of race.Comment, writer string, do func(tx *sql.Tx, q *gen.Queries, c race.Comment) error) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if err := holdAccount(ctx, q, writer); err != nil {
			return err
		}
		if _, err := q.LockPost(ctx, of.PostID); errors.Is(err, sql.ErrNoRows) {
			return race.ErrNotFound
		} else if err != nil {
			return fmt.Errorf("lock post %s: %w", of.PostID, err)
		}
		row, err := q.LockComment(ctx, of.ID)
		gone := row.State == string(race.CommentDeleted) || row.State == string(race.CommentErased)
		if errors.Is(err, sql.ErrNoRows) || err == nil && (row.RaceID != of.RaceID || row.PostID != of.PostID || gone) {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("lock comment %s: %w", of.ID, err)
		}
		return do(tx, q, commentOf(row))
	})
}

var errNoLongerThere = &race.ConflictError{Message: "those who have left the race or its staff can delete their comments, but not change them"}

// EditComment gives a comment of its author another text, which those can report who have
// reported the one before. Errors: race.ErrNotFound,
// race.ErrNotOwn, *race.ConflictError for one that is hidden, where comments are switched
// off, and for authors who have left the race or its staff.
func (s *Store) EditComment(ctx context.Context, of race.Comment) (edited race.Comment, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error { // the post first, as AddComment and RemovePost
		q := s.queries.WithTx(tx)
		if err := holdAccount(ctx, q, of.UserID); err != nil {
			return err
		}
		if err := takesComments(ctx, q, of.RaceID, of.PostID); err != nil {
			return err
		}
		row, err := q.LockComment(ctx, of.ID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("lock comment %s: %w", of.ID, err)
		}
		c := commentOf(row)
		switch {
		case err != nil, c.PostID != of.PostID, c.State == race.CommentDeleted:
			return race.ErrNotFound
		case c.UserID != of.UserID:
			return race.ErrNotOwn
		case c.State == race.CommentHidden:
			return &race.ConflictError{Message: "the comment has been hidden: it can be deleted, but not changed"}
		}
		// Whoever no longer speaks for the race must not change what it has said.
		if staff, err := mayComment(ctx, q, of.RaceID, of.UserID); errors.Is(err, race.ErrNotOwn) || err == nil && c.ByStaff && !staff {
			return errNoLongerThere
		} else if err != nil {
			return err
		}
		if c.Text == of.Text {
			edited = c
			return nil
		}
		now := s.now().UTC().Truncate(time.Microsecond)
		if err := q.EditComment(ctx, of.Text, nullMoment(now), c.ID); err != nil {
			return fmt.Errorf("edit comment %s: %w", c.ID, err)
		}
		if err := q.DeleteClosedReports(ctx, c.ID); err != nil {
			return fmt.Errorf("delete the closed reports of comment %s: %w", c.ID, err)
		}
		c.Text, c.EditedAt = of.Text, now
		edited = c
		return writeChanges(ctx, tx, now, ofComment(c, "comment.changed", c.State, c.State))
	})
	return edited, err
}

// DeleteComment deletes the text of a comment of its author. Errors: race.ErrNotFound,
// race.ErrNotOwn.
func (s *Store) DeleteComment(ctx context.Context, of race.Comment) error {
	return s.inComment(ctx, of, of.UserID, func(tx *sql.Tx, q *gen.Queries, c race.Comment) error {
		if c.UserID != of.UserID {
			return race.ErrNotOwn
		}
		if err := q.DeleteReportsOfComment(ctx, c.ID); err != nil {
			return fmt.Errorf("delete the reports of comment %s: %w", c.ID, err)
		}
		if err := q.SetCommentState(ctx, gen.SetCommentStateParams{State: string(race.CommentDeleted), CommentID: c.ID}); err != nil {
			return fmt.Errorf("delete comment %s: %w", c.ID, err)
		}
		return writeChanges(ctx, tx, s.now(), ofComment(c, "comment.deleted", c.State, race.CommentDeleted))
	})
}

// errCommentChanged is returned to those who decide about a text that they have not read.
var errCommentChanged = &race.ConflictError{Message: "its author has changed the comment since you read it: read it again before you decide"}

// JudgeComment hides a comment with a reason, which is public, or shows it, and closes
// its reports. Hiding it again for the same reason changes nothing. Errors:
// race.ErrNotFound, and *race.ConflictError when of.EditedAt is set and is not the
// comment's WrittenAt, which may be cut to milliseconds.
func (s *Store) JudgeComment(ctx context.Context, of race.Comment, state race.CommentState, change Change) (judged race.Comment, err error) {
	err = s.inComment(ctx, of, change.By, func(tx *sql.Tx, q *gen.Queries, c race.Comment) error {
		if written := c.WrittenAt(); !of.EditedAt.IsZero() && !of.EditedAt.Equal(written) && !of.EditedAt.Equal(written.Truncate(time.Millisecond)) {
			return errCommentChanged
		}
		was := c.State
		now := s.now().UTC().Truncate(time.Microsecond)
		if err := q.CloseReports(ctx, nullMoment(now), c.ID); err != nil {
			return fmt.Errorf("close the reports of comment %s: %w", c.ID, err)
		}
		hidden := change.Reason
		if state != race.CommentHidden {
			hidden = ""
		}
		judged = c
		judged.State, judged.HiddenReason = state, hidden
		if judged == c && state == race.CommentHidden {
			return nil
		}
		err := q.SetCommentState(ctx, gen.SetCommentStateParams{State: string(state), Text: c.Text, HiddenReason: hidden, CommentID: c.ID})
		if err != nil {
			return fmt.Errorf("judge comment %s: %w", c.ID, err)
		}
		entry := ofComment(c, "comment.shown", was, state)
		if state == race.CommentHidden {
			entry = ofComment(c, "comment.hidden", was, state)
		}
		entry.Reason = change.Reason
		return writeChanges(ctx, tx, now, entry)
	})
	return judged, err
}

// ReportComment notes that somebody thinks a comment should not be there, once for each
// person. Errors: race.ErrNotFound, *race.ConflictError for one's own comment, and
// race.ErrLeft.
func (s *Store) ReportComment(ctx context.Context, of race.Comment, reporterID, reason string) error {
	return s.inComment(ctx, of, reporterID, func(tx *sql.Tx, q *gen.Queries, c race.Comment) error {
		if c.UserID == reporterID {
			return &race.ConflictError{Message: "it is your own comment: delete it"}
		}
		reported, err := q.Reported(ctx, c.ID, reporterID)
		if err != nil || reported {
			return err
		}
		err = q.InsertReport(ctx, gen.InsertReportParams{
			CommentID: c.ID, UserID: reporterID, RaceID: c.RaceID, Reason: reason, CreatedAt: s.now(),
		})
		if err != nil {
			return fmt.Errorf("report comment %s: %w", c.ID, err)
		}
		change := ofComment(c, "comment.reported", c.State, c.State)
		change.AboutID, change.RaceID = "", "" // its author, who may be on the staff, does not learn who reports it
		return writeChanges(ctx, tx, s.now(), change)
	})
}

// ReportedComments returns up to limit comments of a race that were reported and not
// judged since, the newest first, that are older than the one with the ID before. An
// empty race stands for all races.
func (s *Store) ReportedComments(ctx context.Context, raceID, before string, limit int) ([]ListedComment, error) {
	if before == "" {
		before = lastID
	}
	rows, err := s.queries.ReportedComments(ctx, gen.ReportedCommentsParams{BeforeID: before, RaceID: raceID, Limit: count32(limit)})
	if err != nil {
		return nil, fmt.Errorf("list reported comments: %w", err)
	}
	found := make([]ListedComment, len(rows))
	for i, row := range rows {
		found[i] = ListedComment{Comment: commentOf(row), AgeThen: race.UnknownAge}
	}
	return found, s.addReports(ctx, found)
}

// addReports reads the reports of comments.
func (s *Store) addReports(ctx context.Context, found []ListedComment) error {
	if len(found) == 0 {
		return nil
	}
	ids, at := make([]string, len(found)), map[string]int{}
	for i, c := range found {
		ids[i], at[c.ID] = c.ID, i
	}
	reports, err := s.queries.ReportsOf(ctx, ids)
	if err != nil {
		return fmt.Errorf("list the reports of %d comments: %w", len(ids), err)
	}
	for _, r := range reports {
		c := &found[at[r.CommentID]]
		switch {
		case r.ClosedAt.Valid && r.ClosedAt.Time.After(c.JudgedAt):
			c.JudgedAt = r.ClosedAt.Time
		case r.ClosedAt.Valid:
		default:
			if c.ReportedAt.IsZero() {
				c.ReportedAt = r.CreatedAt
			}
			c.Reports = append(c.Reports, r.Reason)
		}
	}
	return nil
}

// Comment returns a comment with its reports, for those who decide about it. It returns
// race.ErrNotFound, also for one whose text is gone.
func (s *Store) Comment(ctx context.Context, commentID string) (ListedComment, error) {
	row, err := s.queries.Comment(ctx, commentID)
	gone := row.State == string(race.CommentDeleted) || row.State == string(race.CommentErased)
	if errors.Is(err, sql.ErrNoRows) || err == nil && gone {
		return ListedComment{}, race.ErrNotFound
	}
	if err != nil {
		return ListedComment{}, fmt.Errorf("read comment %s: %w", commentID, err)
	}
	found := []ListedComment{{Comment: commentOf(row), AgeThen: race.UnknownAge}}
	err = s.addReports(ctx, found)
	return found[0], err
}

// CountReportedComments returns how many comments have open reports, of all races, and
// for how long the oldest of these reports has waited.
func (s *Store) CountReportedComments(ctx context.Context) (n int, oldest time.Duration, err error) {
	createdAt, err := s.queries.OldestReport(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read the oldest report of a comment: %w", err)
	}
	count, err := s.queries.CountReportedComments(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("count reported comments: %w", err)
	}
	return int(count), s.now().Sub(createdAt), nil
}

// HiddenComments returns up to limit hidden comments of a race, the newest first, that
// are older than the one with the ID before.
func (s *Store) HiddenComments(ctx context.Context, raceID, before string, limit int) ([]ListedComment, error) {
	if before == "" {
		before = lastID
	}
	rows, err := s.queries.HiddenComments(ctx, raceID, before, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list the hidden comments of race %s: %w", raceID, err)
	}
	found := make([]ListedComment, len(rows))
	for i, row := range rows {
		found[i] = ListedComment{Comment: commentOf(row), AgeThen: race.UnknownAge}
	}
	return found, nil
}
