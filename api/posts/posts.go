// Package posts serves the notices of races, the messages to everyone entered that some of
// them are, and what people say about them.
package posts

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/cache"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/markdown"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	tag = "Posts"

	postsPath    = "/v1/races/{race_id}/posts"
	postPath     = postsPath + "/{post_id}"
	commentsPath = postPath + "/comments"
	commentPath  = commentsPath + "/{comment_id}"

	// maxBody is a post of 10,000 characters, each escaped as a pair of surrogates.
	maxBody = 160 << 10
	// maxListed is how many posts a list has at most, whatever its reader asks for: a
	// thousand long ones would be 40 MB, for anybody.
	maxListed = 100
	// maxPages is how many rendered posts are kept in memory, of some kilobytes each.
	maxPages = 1000

	cachePublic = "public, max-age=5, s-maxage=10, stale-if-error=600"
	cacheNone   = "no-store"
	// byReader keeps caches from answering the staff with what they keep for everybody.
	byReader = "Authorization"
)

// Config is what the calls need.
type Config struct {
	Store *maindb.Store
	// People returns what the public may read of runners, as standings show it.
	People func(ctx context.Context, appearances map[string][]standings.Appearance) (map[string]standings.Person, error)
	Now    func() time.Time
}

// Register adds the calls to the API. It returns what pages do with them.
func Register(api huma.API, cfg Config) *Service {
	s := &Service{
		store: cfg.Store, people: cfg.People, writers: auth.NewWriterLimit(cfg.Now),
		rendered: cache.New[rendering](cache.Config[string]{Limit: maxPages, LoadTimeout: time.Minute}),
	}
	s.registerPosts(api)
	s.registerComments(api)
	s.registerModeration(api)
	return s
}

// Service is what the calls and the pages do with posts.
type Service struct {
	store    *maindb.Store
	people   func(context.Context, map[string][]standings.Appearance) (map[string]standings.Person, error)
	writers  *auth.WriterLimit
	rendered *cache.Cache[rendering, string]
}

// rendering identifies the HTML of a post.
type rendering struct {
	postID   string
	revision int
}

func (s *Service) registerPosts(api huma.API) {
	errs := []int{http.StatusNotFound, http.StatusConflict}
	changing := []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusPreconditionRequired}
	server.Register(api, huma.Operation{
		OperationID: "create-post", Method: http.MethodPost, Path: postsPath, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody, Errors: errs,
		Summary: "Write a notice of a race, or a message to everyone entered", Tags: []string{tag},
		Description: "It is published at once unless `state` says that it is a draft, or `publish_at` when it is to be published. " +
			"With `notify`, everyone who is entered at that time and has a confirmed e-mail address is mailed when it is first published, unless they have switched that off. " +
			"The body is Markdown without images and raw HTML.",
	}, s.create)
	server.Register(api, huma.Operation{
		OperationID: "list-posts", Method: http.MethodGet, Path: postsPath, Errors: []int{http.StatusForbidden, http.StatusNotFound},
		Summary: "List the notices of a race", Tags: []string{tag},
		Description: "The published ones, those that are pinned first and otherwise the newest first. Owner and staff see all of them, the one that was written last first. Up to 100 at a time.",
	}, s.list)
	server.Register(api, huma.Operation{
		OperationID: "get-post", Method: http.MethodGet, Path: postPath, Errors: []int{http.StatusNotFound},
		Summary: "Read a notice of a race", Tags: []string{tag}, Description: "With its text as HTML, which is safe to show: it has no scripts, styles or images, and its links say `nofollow ugc noopener`.",
	}, s.get)
	server.Register(api, huma.Operation{
		OperationID: "change-post", Method: http.MethodPatch, Path: postPath, MaxBodyBytes: maxBody, Errors: changing,
		Summary: "Change, publish, pin or withdraw a notice", Tags: []string{tag},
		Description: "A draft or planned post becomes `published` or the one the other; a published one is `withdrawn`, and may be published again. People are mailed once, when it is first published.",
	}, s.change)
	server.Register(api, huma.Operation{
		OperationID: "remove-post", Method: http.MethodDelete, Path: postPath, DefaultStatus: http.StatusNoContent, Errors: changing,
		Summary: "Remove a notice with its comments", Tags: []string{tag},
	}, s.remove)
}

// RacePath is embedded in the inputs. It is exported because huma ignores embedded types
// that are not.
type RacePath struct {
	RaceID string `path:"race_id"`
}

// Path is embedded like RacePath.
type Path struct {
	RacePath
	PostID string `path:"post_id"`
}

// Post is a notice as it is shown. What is for the staff is left out for others.
type Post struct {
	PostID      string         `json:"post_id" format:"uuid"`
	RaceID      string         `json:"race_id" format:"uuid"`
	Revision    int            `json:"revision" doc:"What If-Match must name to change it."`
	State       race.PostState `json:"state" enum:"draft,planned,published,withdrawn"`
	Title       string         `json:"title"`
	Body        string         `json:"body" doc:"Markdown."`
	HTML        string         `json:"html,omitempty" doc:"The body as HTML. Only when one post is read."`
	Pinned      bool           `json:"pinned"`
	Comments    bool           `json:"comments" doc:"Whether comments are taken and shown."`
	PublishedAt *time.Time     `json:"published_at,omitempty" doc:"When it was first published."`
	UpdatedAt   time.Time      `json:"updated_at"`

	PublishAt     *time.Time `json:"publish_at,omitempty" doc:"When a planned post will be published."`
	Notify        bool       `json:"notify,omitempty" doc:"Whether everyone entered is, or was, mailed. For the staff."`
	NotifyWaiting bool       `json:"notify_waiting,omitempty" doc:"Whether those on the waiting list are, or were, mailed too. For the staff."`
	CreatedAt     *time.Time `json:"created_at,omitempty" doc:"Only for the staff."`
}

func shown(p race.Post, staff bool) Post {
	out := Post{
		PostID: p.ID, RaceID: p.RaceID, Revision: p.Revision, State: p.State, Title: p.Title, Body: p.Body, Pinned: p.Pinned, Comments: p.Comments,
		PublishedAt: server.TimeOrNil(p.PublishedAt), UpdatedAt: p.UpdatedAt,
	}
	if staff {
		out.PublishAt, out.CreatedAt = server.TimeOrNil(p.PublishAt), &p.CreatedAt
		out.Notify, out.NotifyWaiting = p.Notify, p.NotifyWaiting
	}
	return out
}

// NewPost is what a new post is to be.
type NewPost struct {
	Title         string     `json:"title" minLength:"1" maxLength:"150" example:"Parking and bag drop"`
	Body          string     `json:"body" minLength:"1" maxLength:"10000" example:"The bag drop opens at **7:00** beside [the stadium](https://example.org/map)." doc:"Markdown."`
	State         string     `json:"state,omitempty" enum:"draft,planned,published" doc:"Published unless there is a publish_at."`
	PublishAt     *time.Time `json:"publish_at,omitempty" doc:"When it is published, by itself."`
	Pinned        bool       `json:"pinned,omitempty" doc:"Shown before the others."`
	Notify        bool       `json:"notify,omitempty" doc:"Mail everyone who is entered when it is first published."`
	NotifyWaiting bool       `json:"notify_waiting,omitempty" doc:"Mail those who wait in line, too."`
	Comments      *bool      `json:"comments,omitempty" doc:"Whether comments are taken; true unless it says otherwise."`
}

type createInput struct {
	RacePath
	Body NewPost
}

type postOutput struct {
	ETag         string `header:"ETag" doc:"The revision, for If-Match."`
	CacheControl string `header:"Cache-Control"`
	Vary         string `header:"Vary"`
	Body         Post
}

func (s *Service) answer(ctx context.Context, p race.Post, staff bool) (*postOutput, error) {
	html, err := s.HTML(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &postOutput{ETag: strconv.Quote(strconv.Itoa(p.Revision)), CacheControl: cachePublic, Vary: byReader, Body: shown(p, staff)}
	if staff {
		out.CacheControl = cacheNone
	}
	out.Body.HTML = html
	return out, nil
}

// HTML returns the body of a post as HTML that is safe to show. It is made once for each
// revision.
func (s *Service) HTML(ctx context.Context, p race.Post) (string, error) {
	return s.rendered.Get(ctx, rendering{p.ID, p.Revision}, func(context.Context) (string, error) { return markdown.HTML(p.Body), nil })
}

func (s *Service) create(ctx context.Context, in *createInput) (*postOutput, error) {
	p, err := s.Create(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	return s.answer(ctx, p, true)
}

// Create adds a post to the race of ctx.
func (s *Service) Create(ctx context.Context, in NewPost) (race.Post, error) {
	p := race.Post{
		ID: server.ResourceID(ctx), RaceID: server.RaceFrom(ctx).ID, State: race.PostState(in.State), Pinned: in.Pinned,
		Notify: in.Notify, NotifyWaiting: in.Notify && in.NotifyWaiting, Comments: in.Comments == nil || *in.Comments, CreatedBy: server.CallerFrom(ctx).UserID,
	}
	if in.PublishAt != nil {
		p.PublishAt = in.PublishAt.UTC().Truncate(time.Microsecond)
	}
	if p.State == "" {
		p.State = race.PostPublished
		if in.PublishAt != nil {
			p.State = race.PostPlanned
		}
	}
	var wrong race.FieldErrors
	p.Title, p.Body = checkTitle(&wrong, in.Title), checkBody(&wrong, in.Body)
	switch {
	case p.State == race.PostPlanned && in.PublishAt == nil:
		wrong.Add("publish_at", errWhen)
	case p.State != race.PostPlanned && in.PublishAt != nil:
		wrong.Add("publish_at", errNotPlanned)
	}
	if err := wrong.Err(); err != nil {
		return race.Post{}, err
	}
	return s.store.AddPost(ctx, p)
}

var (
	errWhen       = errors.New("must say when the post is published")
	errNotPlanned = errors.New("must be left out unless the post is planned")
)

// checkTitle returns a title as one line.
func checkTitle(wrong *race.FieldErrors, title string) string {
	line, err := race.Line(title)
	if err == nil && line == "" {
		err = errors.New("must be 1 to 150 characters")
	}
	wrong.Add("title", err)
	return line
}

// checkBody returns a text with its lines ended as Unix ends them.
func checkBody(wrong *race.FieldErrors, body string) string {
	body = strings.TrimRightFunc(strings.ReplaceAll(body, "\r\n", "\n"), unicode.IsSpace)
	switch {
	case strings.TrimSpace(body) == "":
		wrong.Add("body", errors.New("must be 1 to 10,000 characters"))
	case strings.ContainsFunc(body, isControl):
		wrong.Add("body", errors.New("must be text without control characters"))
	}
	return body
}

// isControl reports whether a character has no place in a text of several lines.
func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

type listInput struct {
	server.Page
	RacePath
	State race.PostState `query:"state" enum:"draft,planned,published,withdrawn" doc:"Only posts in this state. Others than owner and staff see published ones alone."`
}

type postsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Vary         string `header:"Vary"`
	Body         struct {
		Items      []Post `json:"items" nullable:"false"`
		NextCursor string `json:"next_cursor,omitempty"`
	}
}

func (s *Service) list(ctx context.Context, in *listInput) (*postsOutput, error) {
	staff := server.RoleFrom(ctx) != ""
	out := &postsOutput{CacheControl: cachePublic, Vary: byReader}
	var found []race.Post
	var err error
	if staff {
		out.CacheControl = cacheNone
		found, out.Body.NextCursor, err = s.OfRace(ctx, in.State, in.Page)
	} else {
		if in.State != "" && in.State != race.PostPublished {
			return nil, huma.Error403Forbidden("only the owner and the staff of the race see posts that are not published")
		}
		found, out.Body.NextCursor, err = s.Published(ctx, in.RaceID, in.Page)
	}
	if err != nil {
		return nil, err
	}
	out.Body.Items = make([]Post, len(found))
	for i, p := range found {
		out.Body.Items[i] = shown(p, staff)
	}
	return out, nil
}

// OfRace returns a part of all posts of the race of ctx, the one written last first, and
// the cursor of the next part. An empty state stands for any.
func (s *Service) OfRace(ctx context.Context, state race.PostState, part server.Page) ([]race.Post, string, error) {
	var before string
	if err := part.Seek(&before); err != nil {
		return nil, "", err
	}
	part.Limit = min(part.Limit, maxListed)
	found, err := s.store.PostsOfRace(ctx, server.RaceFrom(ctx).ID, state, before, part.Limit+1)
	if err != nil {
		return nil, "", err
	}
	found, next := server.Cut(part, found, func(last race.Post) []any { return []any{last.ID} })
	return found, next, nil
}

// Published returns a part of the published posts of a race, those that are pinned first,
// and the cursor of the next part. It returns race.ErrNotFound when there is no such race.
func (s *Service) Published(ctx context.Context, raceID string, part server.Page) ([]race.Post, string, error) {
	var after race.Post
	var pinned int
	var at int64
	if err := part.Seek(&pinned, &at, &after.ID); err != nil {
		return nil, "", err
	}
	const latest = 253402300800 * 1e6 // the year 10000, which no database takes
	if at >= latest {
		return nil, "", server.BadCursor()
	}
	if after.ID != "" {
		after.Pinned, after.PublishedAt = pinned > 0, time.UnixMicro(at).UTC()
	}
	if _, err := s.store.Race(ctx, raceID); err != nil {
		return nil, "", err
	}
	part.Limit = min(part.Limit, maxListed)
	found, err := s.store.PublishedPosts(ctx, raceID, after, part.Limit+1)
	if err != nil {
		return nil, "", err
	}
	found, next := server.Cut(part, found, func(last race.Post) []any {
		pinned := 0
		if last.Pinned {
			pinned = 1
		}
		return []any{pinned, last.PublishedAt.UnixMicro(), last.ID}
	})
	return found, next, nil
}

func (s *Service) get(ctx context.Context, in *Path) (*postOutput, error) {
	p, err := s.One(ctx, in.RaceID, in.PostID)
	if err != nil {
		return nil, err
	}
	return s.answer(ctx, p, server.RoleFrom(ctx) != "")
}

// One returns a post of a race that the caller may read: others than the staff only read
// published ones. It returns race.ErrNotFound.
func (s *Service) One(ctx context.Context, raceID, postID string) (race.Post, error) {
	if !server.IsID(raceID) || !server.IsID(postID) {
		return race.Post{}, race.ErrNotFound
	}
	p, err := s.store.Post(ctx, raceID, postID)
	if err == nil && p.State != race.PostPublished && server.RoleFrom(ctx) == "" {
		return race.Post{}, race.ErrNotFound
	}
	return p, err
}

type changeInput struct {
	Path
	IfMatch string `header:"If-Match" example:"1" doc:"Required: the revision that the change is based on, as in ETag. 412 if there is a newer one."`
	Body    PostChange
}

// PostChange says what of a post is to change.
type PostChange struct {
	Title         *string    `json:"title,omitempty" minLength:"1" maxLength:"150" example:"Parking, bag drop and trains"`
	Body          *string    `json:"body,omitempty" minLength:"1" maxLength:"10000"`
	State         *string    `json:"state,omitempty" enum:"draft,planned,published,withdrawn" doc:"A publish_at makes a draft planned, too."`
	PublishAt     *time.Time `json:"publish_at,omitempty"`
	Pinned        *bool      `json:"pinned,omitempty" example:"true"`
	Notify        *bool      `json:"notify,omitempty" doc:"Can be changed until it is published."`
	NotifyWaiting *bool      `json:"notify_waiting,omitempty" doc:"Can be changed until it is published."`
	Comments      *bool      `json:"comments,omitempty"`
}

func (s *Service) change(ctx context.Context, in *changeInput) (*postOutput, error) {
	revision, err := server.Revision(in.IfMatch)
	if err != nil {
		return nil, err
	}
	p, err := s.Change(ctx, in.PostID, revision, in.Body)
	if err != nil {
		return nil, stale(err)
	}
	return s.answer(ctx, p, true)
}

func stale(err error) error {
	if errors.Is(err, race.ErrStale) {
		return huma.Error412PreconditionFailed("the post has a newer revision than the one in If-Match: read it again")
	}
	return err
}

// Change changes a post of the race of ctx that has the revision. It returns race.ErrStale
// when it has another one.
func (s *Service) Change(ctx context.Context, postID string, revision int, in PostChange) (race.Post, error) {
	if !server.IsID(postID) {
		return race.Post{}, race.ErrNotFound
	}
	var wrong race.FieldErrors
	if in.Title != nil {
		*in.Title = checkTitle(&wrong, *in.Title)
	}
	if in.Body != nil {
		*in.Body = checkBody(&wrong, *in.Body)
	}
	if err := wrong.Err(); err != nil {
		return race.Post{}, err
	}
	return s.store.ChangePost(ctx, server.RaceFrom(ctx).ID, postID, revision, func(p *race.Post) error {
		set(&p.Title, in.Title)
		set(&p.Body, in.Body)
		set(&p.Pinned, in.Pinned)
		set(&p.Notify, in.Notify)
		set(&p.NotifyWaiting, in.NotifyWaiting)
		set(&p.Comments, in.Comments)
		if in.State != nil {
			p.State = race.PostState(*in.State)
		} else if in.PublishAt != nil && p.State == race.PostDraft {
			p.State = race.PostPlanned
		}
		if in.PublishAt != nil {
			if p.State != race.PostPlanned {
				return &race.InvalidError{Fields: []race.FieldError{{Field: "publish_at", Message: errNotPlanned.Error()}}}
			}
			p.PublishAt = in.PublishAt.UTC().Truncate(time.Microsecond)
		}
		p.NotifyWaiting = p.Notify && p.NotifyWaiting
		return nil
	})
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

type removeInput struct {
	Path
	IfMatch string `header:"If-Match" example:"1" doc:"Required: the revision that is removed, as in ETag. 412 if there is a newer one."`
}

func (s *Service) remove(ctx context.Context, in *removeInput) (*struct{}, error) {
	revision, err := server.Revision(in.IfMatch)
	if err != nil {
		return nil, err
	}
	return nil, stale(s.Remove(ctx, in.PostID, revision))
}

// Remove removes a post of the race of ctx that has the revision. It returns race.ErrStale
// when it has another one.
func (s *Service) Remove(ctx context.Context, postID string, revision int) error {
	if !server.IsID(postID) {
		return race.ErrNotFound
	}
	return s.store.RemovePost(ctx, server.RaceFrom(ctx).ID, postID, revision)
}
