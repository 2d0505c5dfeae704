package activities

import (
	"context"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// PostInput names a post of a race that is published at its time.
type PostInput struct {
	RaceID string `json:"race_id"`
	PostID string `json:"post_id"`
}

// PostResult says how a planned post stands.
type PostResult struct {
	State race.PostState `json:"state,omitempty"` // empty: it was removed
	Void  bool           `json:"void,omitempty"`  // the race is void: it is not published any more
	Left  time.Duration  `json:"left,omitempty"`  // until a planned post is published
}

// PublishPost publishes a planned post if it is time to. Repeating it changes nothing.
func (a *Offers) PublishPost(ctx context.Context, in PostInput) (PostResult, error) {
	progress, err := a.store.PublishPost(ctx, in.RaceID, in.PostID)
	return PostResult(progress), err
}

// checkPosts has the workflows of planned posts started again that are not running.
func (a *Offers) checkPosts(ctx context.Context, tally *Tally) error {
	planned, err := a.store.PlannedPosts(ctx, offerGrace, maxOffersChecked)
	if err != nil {
		return err
	}
	for _, p := range planned {
		running, err := a.runs.PostRuns(ctx, PostInput(p))
		if err != nil {
			return err
		}
		if running {
			continue
		}
		if err := a.store.RequeuePost(ctx, p); err != nil {
			return err
		}
		tally.note(ctx, a.metrics, Finding{ID: p.RaceID, Detail: "the workflow of planned post " + p.PostID + " is started again", Repaired: true})
	}
	return nil
}

// postStore is what Offers needs of the store for posts.
type postStore interface {
	PublishPost(ctx context.Context, raceID, postID string) (maindb.PostProgress, error)
	PlannedPosts(ctx context.Context, changedBefore time.Duration, limit int) ([]maindb.PlannedPost, error)
	RequeuePost(ctx context.Context, p maindb.PlannedPost) error
}
