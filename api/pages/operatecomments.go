package pages

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/posts"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// commentsView is a list of comments that readers have reported.
type commentsView struct {
	items  []posts.Judged
	races  map[string]string // their names
	raceID string            // the one race that is listed; empty: all
	hidden bool              // those that are hidden, of the one race
	more   string
}

// reportedComments lists the reported comments of all races, or those of one race, which
// are reported or hidden.
func (s *site) reportedComments(ctx context.Context, v *visit) (page, error) {
	view := commentsView{raceID: v.get("race_id")}
	state, err := v.oneOf("state", "reported", "hidden")
	if err != nil {
		return page{}, err
	}
	if view.raceID != "" && !server.IsID(view.raceID) {
		return page{}, race.ErrNotFound
	}
	view.hidden = state == "hidden" && view.raceID != ""
	var next string
	if view.items, next, err = s.Posts.ToJudge(ctx, view.raceID, view.hidden, v.partOfList()); err != nil {
		return page{}, err
	}
	if next != "" {
		view.more = v.here("cursor", next)
	}
	ids := []string{}
	if view.raceID != "" {
		ids = append(ids, view.raceID)
	}
	for _, c := range view.items {
		ids = append(ids, c.RaceID)
	}
	view.races, err = s.raceNames(ctx, ids)
	return page{title: v.T("operate.comments"), body: reportedBody(v, view, s.Now())}, err
}

// confirmJudgment begins the confirmation of a decision about a comment. The staff of the
// race may have made the same decision meanwhile.
func (s *site) confirmJudgment(ctx context.Context, v *visit, name string, to race.CommentState) (posts.Judged, confirmation, error) {
	commentID := v.param("comment_id")
	if !server.IsID(commentID) {
		return posts.Judged{}, confirmation{}, race.ErrNotFound
	}
	c, err := s.Posts.Reported(ctx, commentID)
	if errors.Is(err, race.ErrNotFound) {
		return c, confirmation{}, v.cannot(v.T("operate.comment.gone"))
	}
	if err != nil {
		return c, confirmation{}, err
	}
	if c.State == to && len(c.Reports) == 0 {
		return c, confirmation{}, v.cannot(v.T("operate.comment.already." + string(to)))
	}
	names, err := s.raceNames(ctx, []string{c.RaceID})
	if err != nil {
		return c, confirmation{}, err
	}
	author := v.T("comment.staff")
	if c.By != "staff" {
		author = v.shown(c.Name)
	}
	return c, confirmation{
		read: c.WrittenAt(), title: v.T("operate.do." + name), button: v.T("operate.do." + name), back: commentsPath, does: []string{v.T("operate.does." + name)},
		facts: [][2]string{
			{v.T("operate.race"), names[c.RaceID]},
			{v.T("operate.comment.author"), author},
			{v.T("operate.comment.text"), c.Text},
			{v.T("operate.comment.reasons"), strings.Join(givenReasons(c.Reports), " · ")},
			{v.T("operate.comment.hidden"), c.HiddenReason},
		},
	}, nil
}

func (s *site) confirmHideComment(ctx context.Context, v *visit) (confirmation, error) {
	c, d, err := s.confirmJudgment(ctx, v, "hide-comment", race.CommentHidden)
	d.public, d.danger = true, true
	d.does = append(d.does, v.T("operate.comment.undo"))
	d.do = func(ctx context.Context, reason string) (string, error) {
		return "comment-hidden", s.decide(ctx, v, c, race.CommentHidden, reason)
	}
	return d, err
}

func (s *site) confirmShowComment(ctx context.Context, v *visit) (confirmation, error) {
	c, d, err := s.confirmJudgment(ctx, v, "show-comment", race.CommentShown)
	if c.State == race.CommentShown {
		d.does = []string{v.T("operate.does.keep-comment")}
	}
	d.silent = true
	d.do = func(ctx context.Context, _ string) (string, error) {
		return "comment-shown", s.decide(ctx, v, c, race.CommentShown, "")
	}
	return d, err
}

func (s *site) decide(ctx context.Context, v *visit, c posts.Judged, to race.CommentState, reason string) error {
	_, err := s.Posts.Judge(ctx, race.Comment{ID: c.CommentID, RaceID: c.RaceID, PostID: c.PostID, EditedAt: v.readAt()}, to, reason)
	if errors.Is(err, race.ErrNotFound) { // its author has deleted it meanwhile
		return v.cannot(v.T("operate.comment.gone"))
	}
	return err
}

// readAt returns since when the text of a comment had been as it was when the reader opened
// the form; the zero time: the form does not say.
func (v *visit) readAt() time.Time {
	at, err := time.Parse(time.RFC3339Nano, v.form.get("edited_at"))
	if err != nil {
		return time.Time{}
	}
	return at
}

// givenReasons are the reports that say why.
func givenReasons(reports []string) (reasons []string) {
	for _, one := range reports {
		if one != "" {
			reasons = append(reasons, "“"+one+"”")
		}
	}
	return reasons
}
