package pages

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/mrmrthon/mrmrthon/api/posts"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/markdown"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// maxPostForm is a post of 10,000 characters of three bytes each, as forms send them.
const maxPostForm = 256 << 10

// racePostsPages adds the pages on which the staff of a race write its notices, and
// decide about comments.
func (s *site) racePostsPages(get, post func(path string, act action)) {
	get(ofRace+"/posts", s.ownPosts)
	get(ofRace+"/posts/new", s.newPostForm)
	s.upload(http.MethodPost, ofRace+"/posts/new", maxPostForm, s.writePost)
	get(ofRace+"/posts/{post_id}", s.postForm)
	s.upload(http.MethodPost, ofRace+"/posts/{post_id}", maxPostForm, s.changePost)
	get(ofRace+"/comments", s.commentsToJudge)
	post(ofRace+"/comments", s.judgeComment)
}

var postStates = []string{string(race.PostDraft), string(race.PostPlanned), string(race.PostPublished), string(race.PostWithdrawn)}

// ownPosts lists all posts of a race.
func (s *site) ownPosts(ctx context.Context, v *visit) (page, error) {
	state, err := v.oneOf("state", postStates...)
	if err != nil {
		return page{}, err
	}
	found, cursor, err := s.Posts.OfRace(ctx, race.PostState(state), v.part(listedPerPage))
	if err != nil {
		return page{}, err
	}
	reported, _, err := s.Posts.ToJudge(ctx, v.raceID, false, server.Page{Limit: listedPerPage})
	if err != nil {
		return page{}, err
	}
	body := ownPostsBody(v, server.RaceFrom(ctx), found, state, v.next(cursor), len(reported))
	return page{title: v.T("ownposts.title"), body: body}, nil
}

// postFormView is the form for a post.
type postFormView struct {
	race.Race
	post    race.Post // without an ID: it is new
	zone    *time.Location
	preview string // safe HTML; empty: none was asked for
	may     bool
}

func (view postFormView) address() string {
	if view.post.ID == "" {
		return organizedPath(view.ID) + "/posts/new"
	}
	return organizedPath(view.ID) + "/posts/" + view.post.ID
}

// publishes is how a time of publication is shown in the race's zone.
func (view postFormView) publishes() string {
	if view.post.PublishAt.IsZero() {
		return ""
	}
	return view.post.PublishAt.In(view.zone).Format(localTime)
}

func ticked(yes bool) string {
	if yes {
		return "yes"
	}
	return ""
}

// postEditor is the page with the form for a post.
func (s *site) postEditor(ctx context.Context, v *visit, p race.Post) (page, error) {
	view := postFormView{Race: server.RaceFrom(ctx), post: p, may: server.RoleFrom(ctx).Includes(race.Editor)}
	view.zone = view.Location()
	if body := v.form.value("body", p.Body); body != "" && (v.form.get("do") == "preview" || !view.may) {
		view.preview = markdown.HTML(body)
	}
	title := v.T("ownpost.new")
	if p.ID != "" {
		title = p.Title
	}
	return page{title: title, body: postFormBody(v, view)}, nil
}

func (s *site) newPostForm(ctx context.Context, v *visit) (page, error) {
	return s.postEditor(ctx, v, race.Post{Comments: true})
}

// plannedFor reads when a post is to be published, by the clock of the race.
func (v *visit) plannedFor(r race.Race) *time.Time {
	text := v.localInstant("publish_at", r.Location())
	if text == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil // localInstant wrote it
	}
	return &at
}

func (s *site) writePost(ctx context.Context, v *visit) (page, error) {
	do := v.form.get("do")
	if do == "preview" {
		return s.newPostForm(ctx, v)
	}
	comments := v.form.get("comments") != ""
	in := posts.NewPost{
		Title: v.form.get("title"), Body: v.form.values.Get("body"), State: do, Pinned: v.form.get("pinned") != "", Notify: v.form.get("notify") != "",
		NotifyWaiting: v.form.get("notify_waiting") != "", Comments: &comments,
	}
	if do == string(race.PostPlanned) {
		if in.PublishAt = v.plannedFor(server.RaceFrom(ctx)); in.PublishAt == nil {
			v.blame("publish_at", v.T("wrong.localtime"))
		}
	}
	if v.form.refused() || v.refused(server.Valid(in)) {
		return s.newPostForm(ctx, v)
	}
	p, err := s.Posts.Create(ctx, in)
	if v.refused(err) {
		return s.newPostForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(organizedPath(v.raceID)+"/posts", "post-"+string(p.State))
}

func (s *site) postForm(ctx context.Context, v *visit) (page, error) {
	p, err := s.Posts.One(ctx, v.raceID, v.param("post_id"))
	if isNotFound(err) && v.form.sent {
		v.form.problem, v.form.status = v.T("ownpost.removed"), http.StatusConflict
		return s.newPostForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return s.postEditor(ctx, v, p)
}

// changePost saves a post, and moves it to the state of the button that was pressed.
func (s *site) changePost(ctx context.Context, v *visit) (page, error) {
	do, postID := v.form.get("do"), v.param("post_id")
	if do == "preview" {
		return s.postForm(ctx, v)
	}
	revision, err := strconv.Atoi(v.form.get("revision"))
	if err != nil {
		return page{}, race.ErrNotFound
	}
	said := "post-saved"
	switch do {
	case "remove":
		said = "post-removed"
		if err = s.Posts.Remove(ctx, postID, revision); isNotFound(err) { // pressed twice
			err = nil
		}
	default:
		change := postChangeOf(v)
		if do != "save" {
			said = "post-" + do
			change.State = &do
		}
		if do == string(race.PostPlanned) {
			if change.PublishAt = v.plannedFor(server.RaceFrom(ctx)); change.PublishAt == nil {
				v.blame("publish_at", v.T("wrong.localtime"))
			}
		}
		if v.form.refused() {
			return s.postForm(ctx, v)
		}
		if err = server.Valid(change); err == nil {
			_, err = s.Posts.Change(ctx, postID, revision, change)
		}
	}
	if errors.Is(err, race.ErrStale) {
		v.form.problem, v.form.status = v.T("ownpost.stale"), http.StatusConflict
		if do == "remove" { // that form held nothing of the post: show the post, not empty fields
			v.form.problem, v.form.sent = v.T("ownpost.stale.remove"), false
		}
		return s.postForm(ctx, v)
	}
	if isNotFound(err) || v.refused(err) { // not found: somebody has removed it, which postForm says
		return s.postForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(organizedPath(v.raceID)+"/posts", said)
}

func postChangeOf(v *visit) posts.PostChange {
	box := func(name string) *bool { return new(v.form.get(name) != "") }
	change := posts.PostChange{Title: new(v.form.get("title")), Body: new(v.form.values.Get("body")), Pinned: box("pinned"), Comments: box("comments")}
	if v.form.get("first") != "" { // who is mailed can be chosen until it is published
		change.Notify, change.NotifyWaiting = box("notify"), box("notify_waiting")
	}
	return change
}

// commentsToJudge lists comments that were reported, or hidden.
func (s *site) commentsToJudge(ctx context.Context, v *visit) (page, error) {
	state, err := v.oneOf("state", "reported", "hidden")
	if err != nil {
		return page{}, err
	}
	found, cursor, err := s.Posts.ToJudge(ctx, v.raceID, state == "hidden", v.part(listedPerPage))
	if err != nil {
		return page{}, err
	}
	may := server.RoleFrom(ctx).Includes(race.Editor)
	body := judgeBody(v, server.RaceFrom(ctx), found, cmp.Or(state, "reported"), v.next(cursor), may)
	return page{title: v.T("judge.title"), body: body}, nil
}

func (s *site) judgeComment(ctx context.Context, v *visit) (page, error) {
	of := race.Comment{ID: v.form.get("comment_id"), RaceID: v.raceID, PostID: v.form.get("post_id"), EditedAt: v.readAt()}
	if !server.IsID(of.ID) || !server.IsID(of.PostID) {
		return page{}, race.ErrNotFound
	}
	state, said := race.CommentShown, "comment-shown"
	if v.form.get("do") == "hide" {
		state, said = race.CommentHidden, "comment-hidden"
	}
	_, err := s.Posts.Judge(ctx, of, state, v.form.get("reason"))
	if isNotFound(err) { // its author has deleted it meanwhile
		err = v.cannot(v.T("operate.comment.gone"))
	}
	if errors.Is(err, errSaid) || v.refused(err) {
		return s.commentsToJudge(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(organizedPath(v.raceID)+"/comments", said)
}
