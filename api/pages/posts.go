package pages

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/mrmrthon/mrmrthon/api/posts"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/markdown"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	postsPerPage    = 20
	commentsPerPage = 100
	// onRacePage is how many posts the page of a race names.
	onRacePage = 3
	// inFeed is how many posts a feed has.
	inFeed = 30
	// postExcerpt is how much of a post a list shows, in characters.
	postExcerpt = 200
)

func postsPath(raceID string) string { return racePath(raceID) + "/posts" }

func postPath(p race.Post) string { return postsPath(p.RaceID) + "/" + p.ID }

// threadPath is where the comments on a post are written.
func threadPath(p race.Post) string { return "/my" + postPath(p) }

// postView is a post with its comments.
type postView struct {
	*raceView
	post race.Post
	html string // safe: package markdown made it
	said []posts.Remark
	next string
}

// postExcerptOf is the beginning of a post without form.
func postExcerptOf(p race.Post) string { return markdown.Text(p.Body, postExcerpt) }

// postsPage lists the published posts of a race.
func (s *site) postsPage(ctx context.Context, r *request) (page, error) {
	v, err := s.readRace(ctx, r.raceID)
	if err != nil {
		return page{}, err
	}
	found, cursor, err := s.Posts.Published(ctx, r.raceID, server.Page{Limit: postsPerPage, Cursor: r.get("after")})
	if err != nil {
		return page{}, err
	}
	next := ""
	if cursor != "" {
		next = r.here("after", cursor)
	}
	p := page{title: r.T("posts.title") + " · " + v.Name, body: postsBody(r, v, found, next), keep: keepShort, feed: r.link(postsPath(v.ID) + ".atom")}
	return p, nil
}

// postPage shows a published post with the comments on it.
func (s *site) postPage(ctx context.Context, r *request) (page, error) {
	view, err := s.readPost(ctx, r, server.Page{Limit: commentsPerPage, Cursor: r.get("after")})
	if err != nil {
		return page{}, err
	}
	return page{
		title: view.post.Title + " · " + view.Name, description: postExcerptOf(view.post), body: postBody(r, view), keep: keepShort,
		feed: r.link(postsPath(view.ID) + ".atom"),
	}, nil
}

// readPost reads a published post and a part of the comments on it.
func (s *site) readPost(ctx context.Context, r *request, part server.Page) (view postView, err error) {
	if view.raceView, err = s.readRace(ctx, r.raceID); err != nil {
		return view, err
	}
	if view.post, err = s.Posts.One(ctx, r.raceID, r.post); err != nil {
		return view, err
	}
	if view.post.State != race.PostPublished {
		return view, race.ErrNotFound
	}
	if view.html, err = s.Posts.HTML(ctx, view.post); err != nil {
		return view, err
	}
	said, cursor, err := s.Posts.Comments(ctx, view.post, part)
	if err != nil {
		return view, err
	}
	if !said.Named {
		r.nameless = true
	}
	view.said = said.Comments
	if cursor != "" {
		view.next = r.here("after", cursor)
	}
	return view, nil
}

// Of an Atom feed (RFC 4287), what readers of feeds use.
type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Lang    string      `xml:"xml:lang,attr"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Updated string      `xml:"updated"`
	Links   []atomLink  `xml:"link"`
	Author  string      `xml:"author>name"`
	Entries []atomEntry `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

type atomEntry struct {
	ID        string   `xml:"id"`
	Title     string   `xml:"title"`
	Published string   `xml:"published"`
	Updated   string   `xml:"updated"`
	Link      atomLink `xml:"link"`
	Content   atomText `xml:"content"`
}

type atomText struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// feed answers with the newest posts of a race as an Atom feed.
func (s *site) feed(w http.ResponseWriter, r *http.Request) {
	asked, err := s.ask(r, nil)
	if asked.locale == nil {
		s.fail(w, r, s.preferred(r), race.ErrNotFound)
		return
	}
	var made *rendered
	if err == nil {
		made, err = s.rendered.Get(r.Context(), asked.tag+"\x00"+asked.path+"\x00"+asked.base, func(ctx context.Context) (*rendered, error) {
			return s.renderFeed(ctx, asked)
		})
	}
	if err != nil {
		s.fail(w, r, asked.locale, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/atom+xml; charset=utf-8")
	h.Set("Content-Language", made.language)
	h.Set("Cache-Control", made.cacheControl)
	h.Set("ETag", made.tag)
	send(w, r, http.StatusOK, made.tag, variants{made.body, made.gzip, made.brotli})
}

// renderFeed writes a feed. It is as old as the newest change of its posts.
func (s *site) renderFeed(ctx context.Context, r *request) (*rendered, error) {
	of, err := s.Races.Race(ctx, r.raceID)
	if err != nil {
		return nil, err
	}
	found, err := s.Races.NewestPosts(ctx, r.raceID, inFeed)
	if err != nil {
		return nil, err
	}
	address := func(path string) string { return r.base + r.link(path) }
	updated := time.Date(of.Date.Year, of.Date.Month, of.Date.Day, 0, 0, 0, 0, time.UTC)
	if len(found) > 0 {
		updated = found[0].UpdatedAt
	}
	out := atomFeed{
		Lang: r.tag, ID: "urn:uuid:" + of.ID, Title: of.Name, Author: of.Name,
		Links: []atomLink{{"self", "application/atom+xml", address(postsPath(of.ID) + ".atom")}, {"alternate", "text/html", address(postsPath(of.ID))}},
	}
	for _, p := range found {
		html, err := s.Posts.HTML(ctx, p)
		if err != nil {
			return nil, err
		}
		if p.UpdatedAt.After(updated) {
			updated = p.UpdatedAt
		}
		out.Entries = append(out.Entries, atomEntry{
			ID: "urn:uuid:" + p.ID, Title: p.Title, Published: p.PublishedAt.UTC().Format(time.RFC3339), Updated: p.UpdatedAt.UTC().Format(time.RFC3339),
			Link: atomLink{"alternate", "text/html", address(postPath(p))}, Content: atomText{"html", html},
		})
	}
	out.Updated = updated.UTC().Format(time.RFC3339)
	var body bytes.Buffer
	body.WriteString(xml.Header)
	if err := xml.NewEncoder(&body).Encode(out); err != nil {
		return nil, err
	}
	return renderedBody(r.tag, keepShort, 0, body.Bytes()), nil
}

// threadPages adds the pages on which signed-in people comment.
func (s *site) threadPages() {
	s.visit(get, "/my/races/{race_id}/posts/{post_id}", s.thread)
	s.visit(post, "/my/races/{race_id}/posts/{post_id}", s.comment)
}

// threadView is a post for somebody who may comment on it.
type threadView struct {
	postView
	may     bool
	editing bool // the form of a comment came back with a text that was not saved
}

// changeable reports whether a comment has a form: one's own, to change or delete it, or
// somebody else's, to report it.
func (view threadView) changeable(v *visit, c posts.Remark) bool {
	return c.State == race.CommentShown || c.State == race.CommentHidden && c.UserID == v.caller.UserID
}

func (s *site) thread(ctx context.Context, v *visit) (page, error) {
	view := threadView{}
	var err error
	v.post = chi.URLParam(v.http, "post_id")
	view.postView, err = s.readPost(ctx, v.request, v.part(commentsPerPage))
	if isNotFound(err) && v.form.get("text") != "" { // it was withdrawn while the comment was written
		return page{title: v.T("comments.title"), body: keptCommentBody(v)}, nil
	}
	if err != nil {
		return page{}, err
	}
	if view.may, err = s.Posts.MayComment(ctx, v.raceID); err != nil {
		return page{}, err
	}
	view.may = view.may && view.post.Comments && view.Status != race.Void
	view.editing = view.post.Comments && slices.ContainsFunc(view.said, func(c posts.Remark) bool {
		return v.back(c.CommentID, "edit") && view.changeable(v, c)
	})
	return page{title: view.post.Title, body: threadBody(v, view)}, nil
}

// back reports whether the form that does something about a comment came back.
func (v *visit) back(commentID, do string) bool {
	return v.form.refused() && v.form.get("comment_id") == commentID && v.form.get("do") == do
}

// comment does what a form of the page of a post asks for.
func (s *site) comment(ctx context.Context, v *visit) (page, error) {
	of := race.Comment{ID: v.form.get("comment_id"), RaceID: v.raceID, PostID: chi.URLParam(v.http, "post_id")}
	if !server.IsID(of.PostID) || of.ID != "" && !server.IsID(of.ID) {
		return page{}, race.ErrNotFound
	}
	var err error
	said := "comment-added"
	switch v.form.get("do") {
	case "edit":
		said = "comment-changed"
		in := posts.NewComment{Text: v.form.get("text")}
		if err = server.Valid(in); err == nil {
			_, err = s.Posts.Edit(ctx, of, in)
		}
	case "delete":
		said = "comment-deleted"
		if err = s.Posts.Delete(ctx, of); isNotFound(err) { // pressed twice
			err = nil
		}
	case "report":
		said = "comment-reported"
		in := posts.Report{Reason: v.form.get("reason")}
		if err = server.Valid(in); err == nil {
			err = s.Posts.Report(ctx, of, in)
		}
	default:
		in := posts.NewComment{Text: v.form.get("text")}
		if err = server.Valid(in); err == nil {
			_, err = s.Posts.Comment(ctx, of.RaceID, of.PostID, in)
		}
	}
	if writes := v.form.get("do") == "" || v.form.get("do") == "edit"; writes && isNotFound(err) {
		v.blame("text", v.T("comment.gone"))
		v.form.status = http.StatusConflict
		return s.thread(ctx, v)
	}
	if v.refused(err) {
		if v.form.problem != "" && v.form.get("text") != "" { // such as that comments were closed meanwhile
			v.form.add("text", v.form.problem)
			v.form.problem = ""
		}
		return s.thread(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(threadPath(race.Post{RaceID: of.RaceID, ID: of.PostID}), said)
}
