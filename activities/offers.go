package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// OfferInput names an offer of a place: the n-th to the runner with a number of a pool.
type OfferInput struct {
	RaceID string `json:"race_id"`
	Pool   int    `json:"pool"`
	Seq    int64  `json:"seq"`
	No     int    `json:"offer"`
}

// OfferResult says what became of an offer.
type OfferResult struct {
	Status race.EntryStatus `json:"status,omitempty"` // of the entry; empty: it is no longer there
	Left   time.Duration    `json:"left,omitempty"`   // until the deadline, while the offer is open
}

// offerStore keeps offers; maindb.Outcomes implements it. The program that records
// histories has one without a database.
type offerStore interface {
	taskStore
	ExpireOffer(ctx context.Context, o maindb.Offer) (maindb.OfferState, error)
	RecountPools(ctx context.Context) ([]maindb.WrongPool, error)
	OpenOffers(ctx context.Context, heldBefore time.Duration, limit int) ([]maindb.OpenOffer, error)
	RequeueOffer(ctx context.Context, o maindb.Offer) error
	DrawPlaces(ctx context.Context, raceID string) (maindb.DrawOutcome, error)
	OpenDraws(ctx context.Context, madeBefore time.Duration, limit int) ([]string, error)
	RequeueDraw(ctx context.Context, raceID string) error
	postStore
}

// OfferRuns reports whether the workflow of an offer, a draw or a planned post is running.
type OfferRuns interface {
	OfferRuns(ctx context.Context, of OfferInput) (bool, error)
	DrawRuns(ctx context.Context, of DrawInput) (bool, error)
	PostRuns(ctx context.Context, of PostInput) (bool, error)
}

// Offers ends offers of places, draws places, publishes planned posts, reminds of
// tasks, and looks for what is wrong with places.
type Offers struct {
	store   offerStore
	runs    OfferRuns
	metrics *Metrics
}

// NewOffers returns the activities of offers.
func NewOffers(store offerStore, runs OfferRuns, metrics *Metrics) *Offers {
	return &Offers{store: store, runs: runs, metrics: metrics}
}

// EndOffer ends an offer whose deadline has passed without an answer, and passes the
// place on. Before the deadline it says how much time is left.
func (a *Offers) EndOffer(ctx context.Context, in OfferInput) (OfferResult, error) {
	state, err := a.store.ExpireOffer(ctx, maindb.Offer{RaceID: in.RaceID, Pool: in.Pool, Seq: in.Seq, No: in.No})
	if errors.Is(err, race.ErrNotFound) {
		return OfferResult{}, nil
	}
	return OfferResult{Status: state.Status, Left: state.Left}, err
}

// DrawInput names the race whose places are drawn.
type DrawInput struct {
	RaceID string `json:"race_id"`
}

// DrawResult says how a draw stands.
type DrawResult struct {
	Drawn  bool          `json:"drawn,omitempty"`
	Over   bool          `json:"over,omitempty"` // nothing will be drawn
	Paused bool          `json:"paused,omitempty"`
	Left   time.Duration `json:"left,omitempty"` // until the draw

	Entered  int `json:"entered,omitempty"` // of those who were registered
	Waiting  int `json:"waiting,omitempty"`
	NotDrawn int `json:"not_drawn,omitempty"`
}

// DrawPlaces draws the places of a race if it is time to. Repeating it changes nothing.
func (a *Offers) DrawPlaces(ctx context.Context, in DrawInput) (DrawResult, error) {
	outcome, err := a.store.DrawPlaces(ctx, in.RaceID)
	if errors.Is(err, race.ErrNotFound) {
		return DrawResult{Over: true}, nil
	}
	return DrawResult(outcome), err
}

const (
	// offerGrace is how long after its beginning an offer has a workflow.
	offerGrace = 2 * time.Minute
	// maxOffersChecked is how many open offers one audit asks Temporal about.
	maxOffersChecked = 1000
)

// CheckPools counts the entries of all pools again, and corrects counters that differ.
// They decide who gets a place.
func (a *Offers) CheckPools(ctx context.Context) (Tally, error) {
	tally := Tally{Kind: WrongPool}
	wrong, err := a.store.RecountPools(ctx)
	for _, p := range wrong {
		tally.note(ctx, a.metrics, Finding{
			ID: p.RaceID, Repaired: true,
			Detail: fmt.Sprintf("pool %d counted %d entered, %d offered, %d waiting and %d registered, it has %d, %d, %d and %d", p.Pool,
				p.Counted[0], p.Counted[1], p.Counted[2], p.Counted[3], p.Actual[0], p.Actual[1], p.Actual[2], p.Actual[3]),
		})
	}
	return tally, err
}

// CheckOffers looks for open offers, draws and planned posts without a running workflow, as when Temporal was
// restored from a backup, and has it started again. Without one nothing would end the
// offer.
func (a *Offers) CheckOffers(ctx context.Context) (Tally, error) {
	tally := Tally{Kind: LostOffer}
	open, err := a.store.OpenOffers(ctx, offerGrace, maxOffersChecked)
	if err != nil {
		return tally, err
	}
	tally.Partial = len(open) == maxOffersChecked
	for _, o := range open {
		in := OfferInput{RaceID: o.RaceID, Pool: o.Pool, Seq: o.Seq, No: o.No}
		running, err := a.runs.OfferRuns(ctx, in)
		if err != nil {
			return tally, err
		}
		if running && !o.Overdue { // one that missed a shorter deadline would hold the place until the old one
			continue
		}
		detail := fmt.Sprintf("number %d of pool %d: the workflow is started again", o.Seq, o.Pool)
		if o.Overdue {
			// Its workflow may have completed before a restore of main_db: started again,
			// it would be taken for a duplicate.
			_, err = a.store.ExpireOffer(ctx, o.Offer)
			detail = fmt.Sprintf("number %d of pool %d: the deadline has passed, the place goes to the next in line", o.Seq, o.Pool)
		} else {
			err = a.store.RequeueOffer(ctx, o.Offer)
		}
		if err != nil && !errors.Is(err, race.ErrNotFound) {
			return tally, err
		}
		tally.note(ctx, a.metrics, Finding{ID: o.RaceID, Detail: detail, Repaired: true})
	}
	if err := a.checkDraws(ctx, &tally); err != nil {
		return tally, err
	}
	if err := a.checkPosts(ctx, &tally); err != nil {
		return tally, err
	}
	err = a.checkTasks(ctx, &tally)
	return tally, err
}

// checkDraws has the workflows of draws started again that are not running.
func (a *Offers) checkDraws(ctx context.Context, tally *Tally) error {
	open, err := a.store.OpenDraws(ctx, offerGrace, maxOffersChecked)
	if err != nil {
		return err
	}
	for _, raceID := range open {
		running, err := a.runs.DrawRuns(ctx, DrawInput{RaceID: raceID})
		if err != nil {
			return err
		}
		if running {
			continue
		}
		if err := a.store.RequeueDraw(ctx, raceID); err != nil {
			return err
		}
		tally.note(ctx, a.metrics, Finding{ID: raceID, Detail: "the workflow of the race's draw is started again", Repaired: true})
	}
	return nil
}
