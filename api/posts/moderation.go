package posts

import (
	"context"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func (s *Service) registerModeration(api huma.API) {
	errs := []int{http.StatusNotFound}
	judging := []int{http.StatusNotFound, http.StatusConflict}
	server.Register(api, huma.Operation{
		OperationID: "hide-comment", Method: http.MethodPost, Path: commentPath + "/hide", MaxBodyBytes: maxBody, Errors: judging,
		Summary: "Hide a comment", Tags: []string{tag}, Description: "For editors of the race and operators. Readers see that it was hidden, and why. This closes the comment's reports.",
	}, s.hide)
	server.Register(api, huma.Operation{
		OperationID: "show-comment", Method: http.MethodPost, Path: commentPath + "/show", MaxBodyBytes: maxBody, Errors: judging,
		Summary: "Show a comment that was hidden or reported", Tags: []string{tag}, Description: "This closes the comment's reports: they were looked at, and the comment stays.",
	}, s.show)
	server.Register(api, huma.Operation{
		OperationID: "list-reported-comments", Method: http.MethodGet, Path: "/v1/races/{race_id}/comments", Errors: errs,
		Summary: "List comments of a race that were reported or hidden", Tags: []string{tag}, Description: "The newest first, with the reasons of reports that are still open.",
	}, s.toJudge)
	server.Register(api, huma.Operation{
		OperationID: "list-all-reported-comments", Method: http.MethodGet, Path: "/v1/ops/comments",
		Summary: "List reported comments of all races", Tags: []string{"Operations"}, Description: "Those that nobody has decided about since, the newest first.",
	}, s.allReported)
}

// Judged is a comment as those see it who decide about it.
type Judged struct {
	Comment
	RaceID  string   `json:"race_id" format:"uuid"`
	PostID  string   `json:"post_id" format:"uuid"`
	Reports []string `json:"reports,omitempty" doc:"The reasons of open reports, one for each; empty where none was given."`

	ReportedAt *time.Time `json:"reported_at,omitempty" doc:"When the first of the open reports was made."`
	JudgedAt   *time.Time `json:"judged_at,omitempty" doc:"When earlier reports were closed, by a decision to show or hide the comment."`
}

type judgedOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Judged
}

// Hiding says why a comment is hidden.
type Hiding struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" example:"insults are not for here" doc:"Public."`
	Showing
}

// Showing says what was read before a comment was judged.
type Showing struct {
	EditedAt *time.Time `json:"edited_at,omitempty" doc:"The comment's edited_at as you have read it, or its created_at where it had none; it may be cut to milliseconds. If its author has changed it since, the answer is a conflict, and nothing is decided. Not checked unless set."`
}

// read returns a comment as it was read.
func (s *Showing) read(of race.Comment) race.Comment {
	if s != nil && s.EditedAt != nil {
		of.EditedAt = *s.EditedAt
	}
	return of
}

type hideInput struct {
	CommentPath
	Body Hiding
}

type showInput struct {
	CommentPath
	Body *Showing
}

func (s *Service) hide(ctx context.Context, in *hideInput) (*judgedOutput, error) {
	return judged(s.Judge(ctx, in.Body.read(in.of()), race.CommentHidden, in.Body.Reason))
}

func (s *Service) show(ctx context.Context, in *showInput) (*judgedOutput, error) {
	return judged(s.Judge(ctx, in.Body.read(in.of()), race.CommentShown, ""))
}

func judged(c race.Comment, err error) (*judgedOutput, error) {
	if err != nil {
		return nil, err
	}
	return &judgedOutput{CacheControl: cacheNone, Body: Judged{Comment: shownComment(c, "", true), RaceID: c.RaceID, PostID: c.PostID}}, nil
}

// Judge hides a comment with a reason, or shows it. Where of.EditedAt is set, it must be
// the WrittenAt of the text that was read.
func (s *Service) Judge(ctx context.Context, of race.Comment, state race.CommentState, reason string) (race.Comment, error) {
	reason = strings.TrimSpace(reason)
	if state == race.CommentHidden && reason == "" || utf8.RuneCountInString(reason) > 500 {
		return race.Comment{}, &race.InvalidError{Fields: []race.FieldError{{Field: "reason", Message: "must say why, in 1 to 500 characters"}}}
	}
	return s.store.JudgeComment(ctx, of, state, maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: reason})
}

type toJudgeInput struct {
	server.Page
	RacePath
	State string `query:"state" enum:"reported,hidden" default:"reported" doc:"Reported and not decided about since, or hidden."`
}

type judgedListOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []Judged `json:"items" nullable:"false"`
		NextCursor string   `json:"next_cursor,omitempty"`
	}
}

func (s *Service) toJudge(ctx context.Context, in *toJudgeInput) (*judgedListOutput, error) {
	return judgedList(s.ToJudge(ctx, server.RaceFrom(ctx).ID, in.State == "hidden", in.Page))
}

type allReportedInput struct{ server.Page }

func (s *Service) allReported(ctx context.Context, in *allReportedInput) (*judgedListOutput, error) {
	return judgedList(s.ToJudge(ctx, "", false, in.Page))
}

func judgedList(items []Judged, next string, err error) (*judgedListOutput, error) {
	out := &judgedListOutput{CacheControl: cacheNone}
	out.Body.Items, out.Body.NextCursor = items, next
	return out, err
}

// ToJudge returns a part of the comments of a race that were reported and not judged
// since, or that are hidden, the newest first, and the cursor of the next part. An empty
// race stands for all.
func (s *Service) ToJudge(ctx context.Context, raceID string, hidden bool, part server.Page) ([]Judged, string, error) {
	var before string
	if err := part.Seek(&before); err != nil {
		return nil, "", err
	}
	read := s.store.ReportedComments
	if hidden {
		read = s.store.HiddenComments
	}
	found, err := read(ctx, raceID, before, part.Limit+1)
	if err != nil {
		return nil, "", err
	}
	found, next := server.Cut(part, found, func(last maindb.ListedComment) []any { return []any{last.ID} })
	items := make([]Judged, len(found))
	for i, c := range found {
		items[i] = s.judgedOf(ctx, c)
	}
	return items, next, nil
}

// Reported returns a comment of any race with its open reports. It returns
// race.ErrNotFound, also for one whose text is gone.
func (s *Service) Reported(ctx context.Context, commentID string) (Judged, error) {
	c, err := s.store.Comment(ctx, commentID)
	if err != nil {
		return Judged{}, err
	}
	return s.judgedOf(ctx, c), nil
}

func (s *Service) judgedOf(ctx context.Context, c maindb.ListedComment) Judged {
	names, _ := s.names(ctx, c.RaceID, []maindb.ListedComment{c}) // without one that cannot be read
	return Judged{
		Comment: shownComment(c.Comment, names[c.UserID].Name, true), RaceID: c.RaceID, PostID: c.PostID,
		Reports: c.Reports, ReportedAt: server.TimeOrNil(c.ReportedAt), JudgedAt: server.TimeOrNil(c.JudgedAt),
	}
}
