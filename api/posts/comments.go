package posts

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func (s *Service) registerComments(api huma.API) {
	errs := []int{http.StatusForbidden, http.StatusNotFound, http.StatusConflict}
	server.Register(api, huma.Operation{
		OperationID: "list-comments", Method: http.MethodGet, Path: commentsPath, Errors: []int{http.StatusNotFound},
		Summary: "List the comments on a notice", Tags: []string{tag},
		Description: "The first one first. They are plain text. A comment whose text is gone or hidden keeps its place. Names are those that the race shows: initials for runners who hide theirs.",
	}, s.comments)
	server.Register(api, huma.Operation{
		OperationID: "post-comment", Method: http.MethodPost, Path: commentsPath, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Comment on a notice", Tags: []string{tag}, Description: "For people who are entered in the race, and for its staff, who speak for the race.",
	}, s.comment)
	server.Register(api, huma.Operation{
		OperationID: "edit-comment", Method: http.MethodPatch, Path: commentPath, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Change your comment", Tags: []string{tag},
	}, s.edit)
	server.Register(api, huma.Operation{
		OperationID: "delete-comment", Method: http.MethodDelete, Path: commentPath, DefaultStatus: http.StatusNoContent, Errors: errs,
		Summary: "Delete your comment", Tags: []string{tag}, Description: "Its text is deleted. It stays visible that there was a comment.",
	}, s.deleteComment)
	server.Register(api, huma.Operation{
		OperationID: "report-comment", Method: http.MethodPost, Path: commentPath + "/report", DefaultStatus: http.StatusAccepted, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Report a comment", Tags: []string{tag}, Description: "To the staff of the race, who decide whether to hide it. Its author does not learn who reported it. Reporting it again changes nothing.",
	}, s.report)
}

// CommentPath is embedded like RacePath.
type CommentPath struct {
	Path
	CommentID string `path:"comment_id"`
}

func (p CommentPath) of() race.Comment {
	return race.Comment{ID: p.CommentID, RaceID: p.RaceID, PostID: p.PostID}
}

// Comment is a comment as anyone may read it.
type Comment struct {
	CommentID    string            `json:"comment_id" format:"uuid"`
	By           string            `json:"by" enum:"runner,staff"`
	Name         string            `json:"name,omitempty" doc:"A runner's name, as the race shows it."`
	Text         string            `json:"text,omitempty" doc:"Plain text. Missing when it was deleted, hidden or erased with its author's account."`
	State        race.CommentState `json:"state" enum:"shown,hidden,deleted,erased"`
	HiddenReason string            `json:"hidden_reason,omitempty" doc:"Why it was hidden."`
	CreatedAt    time.Time         `json:"created_at"`
	EditedAt     *time.Time        `json:"edited_at,omitempty"`
}

// WrittenAt is since when the text has been as it is.
func (c Comment) WrittenAt() time.Time {
	if c.EditedAt == nil {
		return c.CreatedAt
	}
	return *c.EditedAt
}

// shownComment leaves out the text of a comment that is not shown, unless hidden texts are
// for the reader too.
func shownComment(c race.Comment, name string, hidden bool) Comment {
	out := Comment{
		CommentID: c.ID, By: "runner", State: c.State, HiddenReason: c.HiddenReason, CreatedAt: c.CreatedAt, EditedAt: server.TimeOrNil(c.EditedAt),
	}
	if c.ByStaff {
		out.By = "staff"
	}
	if c.State == race.CommentShown || hidden && c.State == race.CommentHidden {
		out.Text = c.Text
		if !c.ByStaff {
			out.Name = name
		}
	}
	return out
}

type commentsInput struct {
	server.Page
	Path
}

type commentsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []Comment `json:"items" nullable:"false" doc:"The first one first."`
		NextCursor string    `json:"next_cursor,omitempty"`
	}
}

func (s *Service) comments(ctx context.Context, in *commentsInput) (*commentsOutput, error) {
	p, err := s.One(ctx, in.RaceID, in.PostID)
	if err != nil {
		return nil, err
	}
	out := &commentsOutput{CacheControl: cachePublic}
	said, next, err := s.Comments(ctx, p, in.Page)
	if err != nil {
		return nil, err
	}
	if !said.Named || p.State != race.PostPublished { // that the staff read one must not put it into caches
		out.CacheControl = cacheNone
	}
	out.Body.Items, out.Body.NextCursor = make([]Comment, len(said.Comments)), next
	for i, c := range said.Comments {
		out.Body.Items[i] = c.Comment
	}
	return out, nil
}

// Said is a part of the comments on a post.
type Said struct {
	Comments []Remark
	Named    bool // false: the names cannot be read at the moment
}

// Remark is a comment with its author.
type Remark struct {
	Comment
	UserID string
}

// Comments returns a part of the comments on a post, the first one first, and the cursor
// of the next part.
func (s *Service) Comments(ctx context.Context, p race.Post, part server.Page) (Said, string, error) {
	var after string
	if err := part.Seek(&after); err != nil || !p.Comments {
		return Said{Named: true}, "", err
	}
	found, err := s.store.Comments(ctx, p.ID, after, part.Limit+1)
	if err != nil {
		return Said{}, "", err
	}
	found, next := server.Cut(part, found, func(last maindb.ListedComment) []any { return []any{last.ID} })
	names, named := s.names(ctx, p.RaceID, found)
	said := Said{Comments: make([]Remark, len(found)), Named: named}
	for i, c := range found {
		said.Comments[i] = Remark{shownComment(c.Comment, names[c.UserID].Name, false), c.UserID}
	}
	return said, next, nil
}

// names returns what the public may read of the authors of comments; false when that
// cannot be read at the moment.
func (s *Service) names(ctx context.Context, raceID string, of []maindb.ListedComment) (map[string]standings.Person, bool) {
	var authors []standings.Appearance
	for _, c := range of {
		if !c.ByStaff {
			authors = append(authors, standings.Appearance{UserID: c.UserID, Age: c.AgeThen})
		}
	}
	if len(authors) == 0 {
		return nil, true
	}
	people, err := s.people(ctx, map[string][]standings.Appearance{raceID: authors})
	return people, err == nil
}

// NewComment is what somebody says about a post.
type NewComment struct {
	Text string `json:"text" minLength:"1" maxLength:"2000" example:"Is there a bag drop at the finish, too?" doc:"Plain text."`
}

type newCommentInput struct {
	Path
	Body NewComment
}

type commentOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Comment
}

func (s *Service) comment(ctx context.Context, in *newCommentInput) (*commentOutput, error) {
	c, err := s.Comment(ctx, in.RaceID, in.PostID, in.Body)
	if err != nil {
		return nil, err
	}
	return &commentOutput{CacheControl: cacheNone, Body: shownComment(c, "", false)}, nil
}

// Comment has the caller comment on a post.
func (s *Service) Comment(ctx context.Context, raceID, postID string, in NewComment) (race.Comment, error) {
	text, err := commentText(in.Text)
	if err != nil {
		return race.Comment{}, err
	}
	if err := s.count(ctx); err != nil {
		return race.Comment{}, err
	}
	c, err := s.store.AddComment(ctx, race.Comment{
		ID: server.ResourceID(ctx), RaceID: raceID, PostID: postID, UserID: server.CallerFrom(ctx).UserID, Text: text,
	})
	if errors.Is(err, race.ErrNotOwn) {
		return c, huma.Error403Forbidden("only those who are entered in the race, and its staff, may comment")
	}
	return c, err
}

// count counts what the caller writes against the limit.
func (s *Service) count(ctx context.Context) error {
	err := s.writers.Count(server.CallerFrom(ctx).UserID)
	if throttled, ok := errors.AsType[*auth.ThrottledError](err); ok {
		return server.TooMany(throttled.RetryAfter, "too many comments: wait before the next one")
	}
	return err
}

func commentText(written string) (string, error) {
	text := strings.TrimFunc(strings.ReplaceAll(written, "\r\n", "\n"), unicode.IsSpace)
	if text == "" || strings.ContainsFunc(text, isControl) {
		return "", &race.InvalidError{Fields: []race.FieldError{{Field: "text", Message: "must be 1 to 2,000 characters, without control characters"}}}
	}
	return text, nil
}

type editInput struct {
	CommentPath
	Body NewComment
}

func (s *Service) edit(ctx context.Context, in *editInput) (*commentOutput, error) {
	c, err := s.Edit(ctx, in.of(), in.Body)
	if err != nil {
		return nil, err
	}
	return &commentOutput{CacheControl: cacheNone, Body: shownComment(c, "", false)}, nil
}

// Edit changes the text of a comment of the caller.
func (s *Service) Edit(ctx context.Context, of race.Comment, in NewComment) (race.Comment, error) {
	var err error
	if of.Text, err = commentText(in.Text); err != nil {
		return race.Comment{}, err
	}
	if err := s.count(ctx); err != nil {
		return race.Comment{}, err
	}
	of.UserID = server.CallerFrom(ctx).UserID
	c, err := s.store.EditComment(ctx, of)
	return c, notOwn(err)
}

func notOwn(err error) error {
	if errors.Is(err, race.ErrNotOwn) {
		return huma.Error403Forbidden("the comment is somebody else's")
	}
	return err
}

func (s *Service) deleteComment(ctx context.Context, in *CommentPath) (*struct{}, error) {
	return nil, s.Delete(ctx, in.of())
}

// Delete deletes the text of a comment of the caller.
func (s *Service) Delete(ctx context.Context, of race.Comment) error {
	of.UserID = server.CallerFrom(ctx).UserID
	return notOwn(s.store.DeleteComment(ctx, of))
}

// Report says why a comment should not be there.
type Report struct {
	Reason string `json:"reason,omitempty" maxLength:"500" example:"it insults a volunteer"`
}

type reportInput struct {
	CommentPath
	Body Report
}

func (s *Service) report(ctx context.Context, in *reportInput) (*struct{}, error) {
	return nil, s.Report(ctx, in.of(), in.Body)
}

// Report has the caller report a comment.
func (s *Service) Report(ctx context.Context, of race.Comment, in Report) error {
	if err := s.count(ctx); err != nil {
		return err
	}
	return s.store.ReportComment(ctx, of, server.CallerFrom(ctx).UserID, strings.TrimSpace(in.Reason))
}

// MayComment reports whether the caller is entered in a race or works on it.
func (s *Service) MayComment(ctx context.Context, raceID string) (bool, error) {
	return s.store.MayComment(ctx, raceID, server.CallerFrom(ctx).UserID)
}
