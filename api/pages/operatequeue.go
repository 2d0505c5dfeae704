package pages

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// lettersView is the list of dead letters.
type lettersView struct {
	items []ops.ShownLetter
	depth queue.Depth
}

func (s *site) deadLetters(ctx context.Context, v *visit) (page, error) {
	var view lettersView
	var err error
	if view.items, view.depth, err = s.Operations.DeadLetters(ctx, rowsAtOnce); err != nil {
		return page{}, err
	}
	return page{title: v.T("operate.letters"), body: lettersBody(v, view)}, nil
}

// deliveriesView is what others are told, where that waits or fails.
type deliveriesView struct {
	state       string
	items       []ops.FailedDelivery
	more        string
	notices     []ops.OpenNotice
	moreNotices string
}

func (s *site) deliveries(ctx context.Context, v *visit) (page, error) {
	state, err := v.oneOf("state", maindb.DeliveryFailed, maindb.DeliveryWaiting)
	if err != nil {
		return page{}, err
	}
	view := deliveriesView{state: cmp.Or(state, maindb.DeliveryFailed)}
	var next string
	if view.items, next, err = s.Operations.Deliveries(ctx, view.state, v.partOfList()); err != nil {
		return page{}, err
	}
	if next != "" {
		view.more = v.here("cursor", next)
	}
	if view.notices, next, err = s.Operations.OpenNotices(ctx, server.Page{Limit: rowsAtOnce, Cursor: v.get("notices")}); err != nil {
		return page{}, err
	}
	if next != "" {
		view.moreNotices = v.here("notices", next)
	}
	return page{title: v.T("operate.deliveries"), body: deliveriesBody(v, view)}, nil
}

func (s *site) replayDelivery(ctx context.Context, v *visit) (page, error) {
	if err := s.Operations.ReplayDelivery(ctx, v.param("delivery_id")); err != nil {
		return page{}, err
	}
	return page{}, &redirect{to: v.link(deliveriesPath), said: "delivery-again"}
}

// offers lists places that are offered to somebody in line.
func (s *site) offers(ctx context.Context, v *visit) (page, error) {
	items, next, err := s.Operations.Offers(ctx, v.partOfList())
	if err != nil {
		return page{}, err
	}
	if next != "" {
		next = v.here("cursor", next)
	}
	return page{title: v.T("operate.offers"), body: offersBody(v, items, next)}, nil
}

// letterFacts are what a page says of a dead letter; none once it has been moved.
func (s *site) letterFacts(ctx context.Context, v *visit, messageID string) ([][2]string, error) {
	items, _, err := s.Operations.DeadLetters(ctx, repair.MaxLetters)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(items, func(l ops.ShownLetter) bool { return l.MessageID == messageID })
	if i < 0 {
		return nil, v.cannot(v.T("operate.letter.gone"))
	}
	facts := [][2]string{{v.T("operate.message"), messageID}, {v.T("operate.reason"), items[i].Reason}}
	if items[i].Broken != "" {
		facts = append(facts, [2]string{v.T("operate.broken"), items[i].Broken})
	}
	if items[i].RecordID != "" {
		facts = append(facts, [2]string{v.T("operate.record"), items[i].RecordID})
	}
	return append(facts, [2]string{v.T("operate.body"), items[i].Body}), nil
}

func (s *site) confirmRedrive(ctx context.Context, v *visit) (confirmation, error) {
	messageID := v.get("message_id")
	d := confirmation{title: v.T("operate.redrive"), button: v.T("operate.redrive"), back: lettersPath, mayBe: true, does: []string{v.T("operate.redrive.does")}}
	if messageID == "" {
		d.title, d.does = v.T("operate.redrive.all"), []string{v.T("operate.redrive.all.does"), v.T("operate.redrive.does")}
	} else {
		var err error
		if d.facts, err = s.letterFacts(ctx, v, messageID); err != nil {
			return confirmation{}, err
		}
	}
	d.do = func(ctx context.Context, reason string) (string, error) {
		done, err := s.Operations.Redrive(ctx, messageID, reason)
		switch {
		case err != nil:
			return "", gone(v, err)
		case done.Failed > 0:
			return "redriven-partly", nil
		case done.Broken > 0:
			return "redriven-but-broken", nil
		}
		return "redriven", nil
	}
	return d, nil
}

func (s *site) confirmDiscard(ctx context.Context, v *visit) (confirmation, error) {
	messageID := v.get("message_id")
	facts, err := s.letterFacts(ctx, v, messageID)
	if err != nil {
		return confirmation{}, err
	}
	return confirmation{
		title: v.T("operate.discard"), button: v.T("operate.discard"), back: lettersPath, danger: true,
		does: []string{v.T("operate.discard.does"), v.T("operate.discard.log")}, facts: facts,
		do: func(ctx context.Context, reason string) (string, error) {
			return "discarded", gone(v, s.Operations.Discard(ctx, messageID, reason))
		},
	}, nil
}

// gone says that a message is not there any more.
func gone(v *visit, err error) error {
	if errors.Is(err, race.ErrNotFound) {
		return v.cannot(v.T("operate.letter.gone"))
	}
	return err
}
