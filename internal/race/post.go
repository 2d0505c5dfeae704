package race

import "time"

// PostState is how far a post has got.
type PostState string

// A draft is seen by the staff alone. A planned post is published at its time. A
// withdrawn one was published and is seen by the staff alone again.
const (
	PostDraft     PostState = "draft"
	PostPlanned   PostState = "planned"
	PostPublished PostState = "published"
	PostWithdrawn PostState = "withdrawn"
)

// Bounds of what people write, in characters.
const (
	MaxPostTitle   = 150
	MaxPostBody    = 10_000
	MaxCommentText = 2_000
)

// Post is a notice of a race by its staff.
type Post struct {
	ID        string
	RaceID    string
	Revision  int // from 1; every change raises it
	State     PostState
	Title     string // one line
	Body      string // Markdown
	PublishAt time.Time
	Pinned    bool
	// Notify has everyone who is entered mailed when the post is published for the first
	// time, NotifyWaiting also those who wait for a place.
	Notify        bool
	NotifyWaiting bool
	Comments      bool   // whether comments are taken and shown
	CreatedBy     string // user ID
	CreatedAt     time.Time
	UpdatedAt     time.Time
	PublishedAt   time.Time // for the first time; zero: never yet
}

// CommentState is whether a comment is shown.
type CommentState string

// The text of a deleted comment, and of one whose author's account was deleted, is gone;
// that of a hidden one is seen by the staff.
const (
	CommentShown   CommentState = "shown"
	CommentHidden  CommentState = "hidden"
	CommentDeleted CommentState = "deleted"
	CommentErased  CommentState = "erased"
)

// Comment is what a participant, or somebody of the staff, says about a post.
type Comment struct {
	ID           string
	RaceID       string
	PostID       string
	UserID       string // the author's
	ByStaff      bool   // the author spoke for the race
	Text         string // plain text; empty when it is gone
	State        CommentState
	HiddenReason string // public
	CreatedAt    time.Time
	EditedAt     time.Time // zero: never
}

// WrittenAt is since when the text has been as it is. Whoever decides about a comment says
// it, so that no decision is made about another text than the one that was read.
func (c Comment) WrittenAt() time.Time {
	if c.EditedAt.IsZero() {
		return c.CreatedAt
	}
	return c.EditedAt
}
