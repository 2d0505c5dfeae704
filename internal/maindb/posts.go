package maindb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const (
	// maxPosts bounds the posts of a race, drafts included.
	maxPosts = 1000
	// maxMailed is how many posts of a race that mail everyone may fall within mailedWithin.
	maxMailed    = 5
	mailedWithin = 24 * time.Hour
	// postsAtOnce is how many workflows of posts one transaction starts.
	postsAtOnce = 100
)

// errVoidPosts is returned to callers that would publish something in a void race.
var errVoidPosts = &race.ConflictError{Message: "the race is void: nothing new is published in it"}

func postOf(row gen.Post) race.Post {
	return race.Post{
		ID: row.PostID, RaceID: row.RaceID, Revision: int(row.Revision), State: race.PostState(row.State), Title: row.Title, Body: row.Body,
		PublishAt: row.PublishAt.Time, Pinned: row.Pinned, Notify: row.Notify, NotifyWaiting: row.NotifyWaiting, Comments: row.Comments,
		CreatedBy: row.CreatedBy, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, PublishedAt: row.PublishedAt.Time,
	}
}

func postsOf(rows []gen.Post) []race.Post {
	found := make([]race.Post, len(rows))
	for i, row := range rows {
		found[i] = postOf(row)
	}
	return found
}

// postState is what the change log shows of a post: not its text, which may name people.
type postState struct {
	Revision      int            `json:"revision"`
	State         race.PostState `json:"state"`
	PublishAt     *time.Time     `json:"publish_at,omitempty"`
	Pinned        bool           `json:"pinned,omitempty"`
	Notify        bool           `json:"notify,omitempty"`
	NotifyWaiting bool           `json:"notify_waiting,omitempty"`
	Comments      bool           `json:"comments,omitempty"`
	TextSHA256    string         `json:"text_sha256"`
	// First is true when the post is published for the first time: then people are mailed.
	First bool `json:"first,omitempty"`
}

func postStateOf(p race.Post) postState {
	sum := sha256.Sum256([]byte(p.Title + "\n" + p.Body))
	state := postState{
		Revision: p.Revision, State: p.State, Pinned: p.Pinned, Notify: p.Notify, NotifyWaiting: p.NotifyWaiting, Comments: p.Comments,
		TextSHA256: hex.EncodeToString(sum[:]),
	}
	if p.State == race.PostPlanned {
		state.PublishAt = &p.PublishAt
	}
	return state
}

// postChange is the entry of the change log for a post that was before and is now.
func postChange(action string, before, now *race.Post) race.Change {
	of := now
	if now == nil {
		of = before
	}
	c := race.Change{Action: action, RaceID: of.RaceID, Subject: race.Subject{Kind: "post", ID: of.ID}}
	if before != nil {
		c.Before = postStateOf(*before)
	}
	if now != nil {
		state := postStateOf(*now)
		state.First = now.State == race.PostPublished && (before == nil || before.PublishedAt.IsZero())
		c.After = state
	}
	return c
}

// databaseClock returns the time by the database's clock, by which posts are published.
func databaseClock(ctx context.Context, tx *sql.Tx) (now time.Time, err error) {
	if err := tx.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&now); err != nil {
		return now, fmt.Errorf("read the database's clock: %w", err)
	}
	return now, nil
}

// AddPost adds a post with its state, published at once if that is the state. One of the
// race that already has the ID is returned unchanged. Errors: race.ErrNotFound,
// *race.ConflictError for a void race and when there are too many posts, or too many that
// mail people.
func (s *Store) AddPost(ctx context.Context, p race.Post) (added race.Post, err error) {
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		status, err := holdRace(ctx, q, p.RaceID)
		if err != nil {
			return err
		}
		existing, err := q.Post(ctx, p.ID)
		switch {
		case err == nil && existing.RaceID == p.RaceID:
			added = postOf(existing)
			return nil
		case err == nil:
			return race.ErrNotFound
		case !errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("read post %s: %w", p.ID, err)
		case status == race.Void:
			return errVoidPosts
		}
		count, err := q.CountPosts(ctx, p.RaceID)
		if err != nil {
			return fmt.Errorf("count the posts of race %s: %w", p.RaceID, err)
		}
		if count >= maxPosts {
			return &race.ConflictError{Message: fmt.Sprintf("a race has at most %d posts: remove one first", maxPosts)}
		}
		now, err := databaseClock(ctx, tx)
		if err != nil {
			return err
		}
		if err := mayBecome(race.Post{}, p, now); err != nil {
			return err
		}
		if err := mayMail(ctx, q, race.Post{}, p, now); err != nil {
			return err
		}
		p.Revision, p.CreatedAt, p.UpdatedAt = 1, now, now
		action := "post.created"
		if p.State == race.PostPublished {
			p.PublishedAt, action = now, "post.published"
		}
		err = q.InsertPost(ctx, gen.InsertPostParams{
			PostID: p.ID, RaceID: p.RaceID, State: string(p.State), Title: p.Title, Body: p.Body, PublishAt: nullMoment(p.PublishAt),
			Pinned: p.Pinned, Notify: p.Notify, NotifyWaiting: p.NotifyWaiting, Comments: p.Comments, CreatedBy: p.CreatedBy,
			CreatedAt: now, UpdatedAt: now, PublishedAt: nullMoment(p.PublishedAt),
		})
		if err != nil {
			return fmt.Errorf("add post %s: %w", p.ID, err)
		}
		if p.State == race.PostPlanned {
			if err := q.QueuePost(ctx, p.ID, p.RaceID, now); err != nil {
				return fmt.Errorf("queue post %s: %w", p.ID, err)
			}
		}
		added = p
		return writeChanges(ctx, tx, now, postChange(action, nil, &p))
	})
	return added, err
}

// ChangePost lets change alter a post that has the revision, and returns it. What change
// leaves as it was is not written. Errors: race.ErrNotFound, race.ErrStale for another
// revision, *race.ConflictError for a change of state that cannot be, and what change
// returns.
func (s *Store) ChangePost(ctx context.Context, raceID, postID string, revision int, change func(*race.Post) error) (p race.Post, err error) {
	err = s.inPost(ctx, raceID, postID, func(tx *sql.Tx, q *gen.Queries, before race.Post) error {
		if before.Revision != revision {
			return race.ErrStale
		}
		p = before
		if err := change(&p); err != nil {
			return err
		}
		if p == before {
			return nil
		}
		now, err := databaseClock(ctx, tx)
		if err != nil {
			return err
		}
		if err := mayBecome(before, p, now); err != nil {
			return err
		}
		if err := mayMail(ctx, q, before, p, now); err != nil {
			return err
		}
		action := "post.changed"
		switch {
		case p.State == race.PostPublished && before.State != race.PostPublished:
			if err := s.refuseVoid(ctx, q, raceID); err != nil {
				return err
			}
			action = "post.published"
			if p.PublishedAt.IsZero() {
				p.PublishedAt = now
			}
		case p.State == race.PostWithdrawn && before.State != race.PostWithdrawn:
			action = "post.withdrawn"
		}
		if p.State != race.PostPlanned {
			p.PublishAt = time.Time{}
		}
		p.Revision, p.UpdatedAt = before.Revision+1, now
		err = q.UpdatePost(ctx, gen.UpdatePostParams{
			State: string(p.State), Title: p.Title, Body: p.Body, PublishAt: nullMoment(p.PublishAt), Pinned: p.Pinned,
			Notify: p.Notify, NotifyWaiting: p.NotifyWaiting, Comments: p.Comments, UpdatedAt: now, PublishedAt: nullMoment(p.PublishedAt), PostID: postID,
		})
		if err != nil {
			return fmt.Errorf("change post %s: %w", postID, err)
		}
		if before.State == race.PostPlanned || p.State == race.PostPlanned {
			if err := q.QueuePost(ctx, postID, raceID, now); err != nil {
				return fmt.Errorf("queue post %s: %w", postID, err)
			}
		}
		return writeChanges(ctx, tx, now, postChange(action, &before, &p))
	})
	return p, err
}

// maxAhead is how far ahead a post is planned at most.
const maxAhead = 2 * 366 * 24 * time.Hour

// mayBecome refuses changes of a post that people have read or were mailed, and times of
// publication that are not ahead of the database's clock.
func mayBecome(before, now race.Post, clock time.Time) error {
	was := before.State
	switch {
	case now.State == race.PostWithdrawn && (was == race.PostDraft || was == race.PostPlanned):
		return &race.ConflictError{Field: "state", Message: "the post is not published: make it a draft, or remove it"}
	case (now.State == race.PostDraft || now.State == race.PostPlanned) && (was == race.PostPublished || was == race.PostWithdrawn):
		return &race.ConflictError{Field: "state", Message: "the post has been published: withdraw it, or write another one"}
	case (now.Notify != before.Notify || now.NotifyWaiting != before.NotifyWaiting) && !before.PublishedAt.IsZero():
		return &race.ConflictError{Field: "notify", Message: "the post has been published: people are mailed once, then"}
	case now.State == race.PostPlanned && now.PublishAt.IsZero():
		return &race.ConflictError{Field: "publish_at", Message: "must say when the post is published"}
	case now.State == race.PostPlanned && !now.PublishAt.Equal(before.PublishAt) && (!now.PublishAt.After(clock) || now.PublishAt.Sub(clock) > maxAhead):
		return &race.ConflictError{Field: "publish_at", Message: "must be ahead, by two years at most"}
	}
	return nil
}

// mayMail refuses posts that would mail everyone too often. It locks the race, so that two
// posts do not both take the last place.
func mayMail(ctx context.Context, q *gen.Queries, before, p race.Post, clock time.Time) error {
	at := clock
	if p.State == race.PostPlanned {
		at = p.PublishAt
	}
	same := before.Notify == p.Notify && before.State == p.State && before.PublishAt.Equal(p.PublishAt)
	if !p.Notify || !before.PublishedAt.IsZero() || p.State == race.PostDraft || same {
		return nil // nobody is mailed, or it was counted before
	}
	if _, err := holdRace(ctx, q, p.RaceID); err != nil {
		return err
	}
	after := at.Add(-mailedWithin)
	mailed, err := q.CountMailedPosts(ctx, firstIDAt(after.Add(-time.Hour)), nullString(p.RaceID), after) // an ID may be older than its change
	if err != nil {
		return fmt.Errorf("count the posts of race %s that have mailed people: %w", p.RaceID, err)
	}
	ahead, err := q.CountPlannedMails(ctx, gen.CountPlannedMailsParams{
		RaceID: p.RaceID, PostID: p.ID, After: nullMoment(after), Before: nullMoment(at.Add(mailedWithin)),
	})
	if err != nil {
		return fmt.Errorf("count the posts of race %s that will mail people: %w", p.RaceID, err)
	}
	if mailed+ahead >= maxMailed {
		return &race.ConflictError{Field: "notify", Message: fmt.Sprintf("a race mails everyone at most %d times within a day: publish it without mails, or later", maxMailed)}
	}
	return nil
}

// inPost calls do with a post of a race that it has locked. It returns race.ErrNotFound
// when the race has no such post.
func (s *Store) inPost(ctx context.Context, raceID, postID string, do func(tx *sql.Tx, q *gen.Queries, p race.Post) error) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		row, err := q.LockPost(ctx, postID)
		if errors.Is(err, sql.ErrNoRows) || err == nil && row.RaceID != raceID {
			return race.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("lock post %s: %w", postID, err)
		}
		return do(tx, q, postOf(row))
	})
}

func (s *Store) refuseVoid(ctx context.Context, q *gen.Queries, raceID string) error {
	row, err := q.Race(ctx, raceID)
	r, err := foundRace(raceID, row, err)
	if err == nil && r.Status == race.Void {
		return errVoidPosts
	}
	return err
}

// RemovePost removes a post of any state that has the revision, with its comments.
// Errors: race.ErrNotFound, race.ErrStale.
func (s *Store) RemovePost(ctx context.Context, raceID, postID string, revision int) error {
	return s.inPost(ctx, raceID, postID, func(tx *sql.Tx, q *gen.Queries, p race.Post) error {
		if p.Revision != revision {
			return race.ErrStale
		}
		for _, remove := range []func(context.Context, string) error{q.DeleteReportsOfPost, q.DeleteCommentsOfPost, q.DeletePost} {
			if err := remove(ctx, postID); err != nil {
				return fmt.Errorf("remove post %s: %w", postID, err)
			}
		}
		if p.State == race.PostPlanned { // its workflow ends
			if err := q.QueuePost(ctx, postID, raceID, s.now()); err != nil {
				return fmt.Errorf("queue post %s: %w", postID, err)
			}
		}
		return writeChanges(ctx, tx, s.now(), postChange("post.removed", &p, nil))
	})
}

// Post returns a post of a race, or race.ErrNotFound.
func (s *Store) Post(ctx context.Context, raceID, postID string) (race.Post, error) {
	row, err := s.queries.Post(ctx, postID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && row.RaceID != raceID {
		return race.Post{}, race.ErrNotFound
	}
	if err != nil {
		return race.Post{}, fmt.Errorf("read post %s: %w", postID, err)
	}
	return postOf(row), nil
}

// PublishedPosts returns up to limit published posts of a race after the one given, the
// pinned ones first and otherwise the newest first; after the zero value it begins with
// the first.
func (s *Store) PublishedPosts(ctx context.Context, raceID string, after race.Post, limit int) ([]race.Post, error) {
	if after.ID == "" {
		after = race.Post{ID: lastID, Pinned: true, PublishedAt: endOfTime}
	}
	rows, err := s.queries.PublishedPosts(ctx, gen.PublishedPostsParams{
		RaceID: raceID, Pinned: after.Pinned, PublishedAt: nullMoment(after.PublishedAt), PostID: after.ID, Limit: count32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list the posts of race %s: %w", raceID, err)
	}
	return postsOf(rows), nil
}

// endOfTime is later than any post.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// NewestPosts returns up to limit published posts of a race, the newest first.
func (s *Store) NewestPosts(ctx context.Context, raceID string, limit int) ([]race.Post, error) {
	rows, err := s.queries.NewestPosts(ctx, raceID, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list the newest posts of race %s: %w", raceID, err)
	}
	return postsOf(rows), nil
}

// PostsOfRace returns up to limit posts of a race, the newest first, that are older than
// the one with the ID before; empty: from the newest on. An empty state stands for any.
func (s *Store) PostsOfRace(ctx context.Context, raceID string, state race.PostState, before string, limit int) ([]race.Post, error) {
	if before == "" {
		before = lastID
	}
	rows, err := s.queries.PostsOfRace(ctx, gen.PostsOfRaceParams{RaceID: raceID, BeforeID: before, State: string(state), Limit: count32(limit)})
	if err != nil {
		return nil, fmt.Errorf("list all posts of race %s: %w", raceID, err)
	}
	return postsOf(rows), nil
}

// PostProgress is how a planned post stands.
type PostProgress struct {
	State race.PostState // empty: there is no such post
	Void  bool           // the race is void: it is not published any more
	Left  time.Duration  // until a planned post is published, by the database's clock
}

// PublishPost publishes a planned post if it is time to, by the database's clock. It does
// so once, whoever calls it how often.
func (s *Outcomes) PublishPost(ctx context.Context, raceID, postID string) (progress PostProgress, err error) {
	err = s.inPost(ctx, raceID, postID, func(tx *sql.Tx, q *gen.Queries, before race.Post) error {
		progress = PostProgress{State: before.State}
		if before.State != race.PostPlanned {
			return nil
		}
		if err := s.refuseVoid(ctx, q, raceID); errors.Is(err, errVoidPosts) {
			progress.Void = true
			return nil
		} else if err != nil {
			return err
		}
		now, err := databaseClock(ctx, tx)
		if err != nil {
			return err
		}
		published, err := q.PublishPlannedPost(ctx, gen.PublishPlannedPostParams{DueBy: nullMoment(now), UpdatedAt: now, PostID: postID})
		if err != nil {
			return fmt.Errorf("publish post %s: %w", postID, err)
		}
		if published == 0 {
			progress.Left = before.PublishAt.Sub(now)
			return nil
		}
		p := before
		p.Revision, p.State, p.UpdatedAt, p.PublishedAt = before.Revision+1, race.PostPublished, now, now
		progress.State = p.State
		return writeChanges(ctx, tx, now, postChange("post.published", &before, &p))
	})
	if errors.Is(err, race.ErrNotFound) {
		return PostProgress{}, nil
	}
	return progress, err
}

// PlannedPost names a post that is published at its time.
type PlannedPost struct{ RaceID, PostID string }

// StartPosts has the workflows of planned posts started, or woken, that were changed
// since. start must be safe to repeat.
func (s *Store) StartPosts(ctx context.Context, start func(ctx context.Context, p PlannedPost) error) error {
	var failed error
	err := mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		failed = nil
		rows, err := q.PostsToStart(ctx, postsAtOnce)
		if err != nil {
			return fmt.Errorf("read posts whose workflow is to be started: %w", err)
		}
		for _, row := range rows {
			if err := start(ctx, PlannedPost{RaceID: row.RaceID, PostID: row.PostID}); err != nil {
				failed = fmt.Errorf("start the workflow of post %s: %w", row.PostID, err)
				return nil // keeps what was started before it
			}
			if err := q.PostStarted(ctx, row.PostID); err != nil {
				return fmt.Errorf("note the start of post %s: %w", row.PostID, err)
			}
		}
		return nil
	})
	return errors.Join(err, failed)
}

// PlannedPosts returns up to limit planned posts whose workflow is not about to be
// started, the soonest first.
func (s *Outcomes) PlannedPosts(ctx context.Context, changedBefore time.Duration, limit int) ([]PlannedPost, error) {
	rows, err := s.queries.PlannedPosts(ctx, s.now().Add(-changedBefore), count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list planned posts: %w", err)
	}
	found := make([]PlannedPost, len(rows))
	for i, row := range rows {
		found[i] = PlannedPost{RaceID: row.RaceID, PostID: row.PostID}
	}
	return found, nil
}

// RequeuePost has the workflow of a planned post started again.
func (s *Outcomes) RequeuePost(ctx context.Context, p PlannedPost) error {
	if err := s.queries.QueuePost(ctx, p.PostID, p.RaceID, s.now()); err != nil {
		return fmt.Errorf("queue post %s again: %w", p.PostID, err)
	}
	return nil
}

// PostReaders returns up to limit accounts that are entered in a race, after one in the
// order of their IDs; also those that wait for a place if waiting says so.
func (s *Outcomes) PostReaders(ctx context.Context, raceID string, waiting bool, after string, limit int) ([]string, error) {
	users, err := s.queries.PostReaders(ctx, raceID, after, count32(limit))
	if err == nil && waiting {
		var more []string
		more, err = s.queries.PostReadersWaiting(ctx, raceID, after, count32(limit))
		users = append(users, more...)
		slices.Sort(users)
		users = slices.Compact(users)
		users = users[:min(limit, len(users))]
	}
	if err != nil {
		return nil, fmt.Errorf("read who is entered in race %s: %w", raceID, err)
	}
	return users, nil
}
