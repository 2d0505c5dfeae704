package pages

import (
	"context"

	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// transferPages adds the pages by which runners transfer their places.
func (s *site) transferPages() {
	s.visit(get, "/my/races/{race_id}/transfer", s.transferPage)
	s.visit(post, "/my/races/{race_id}/transfer", s.offerPlace)
	s.visit(post, "/my/races/{race_id}/transfer/confirm", s.confirmPlace)
	s.visit(post, "/my/races/{race_id}/transfer/withdraw", s.withdrawPlace)
	s.visit(get, "/my/races/{race_id}/receive", s.receivePage)
	s.visit(post, "/my/races/{race_id}/receive", s.receive)
}

func transferPath(raceID string) string { return myRacePath(raceID) + "/transfer" }

func receivePath(raceID string) string { return myRacePath(raceID) + "/receive" }

// transferView is a runner's place that can be transferred.
type transferView struct {
	*raceView
	entered bool
	offered *races.TransferBody // the last that they offered; nil: none
	code    string              // of the offer that was just made
}

// open reports whether somebody can still take the place.
func (view transferView) open() bool { return view.offered != nil && view.offered.State.Open() }

// lets reports whether the race lets runners transfer places now.
func (view transferView) lets() bool { return view.entered && view.places.transferable(view.Race) }

// transferable reports whether runners of a race can transfer places now.
func (e *entryState) transferable(r race.Race) bool {
	return e != nil && r.Status == race.Scheduled && e.now.Before(e.TransferUntil)
}

func (s *site) transferPage(ctx context.Context, v *visit) (page, error) {
	return s.transferWith(ctx, v, "")
}

// transferWith is the page of the runner who gives a place, with the code of a new offer.
func (s *site) transferWith(ctx context.Context, v *visit, code string) (page, error) {
	v.path = transferPath(v.raceID) // also after a button
	found, err := s.readRace(ctx, v.raceID)
	if err != nil {
		return page{}, err
	}
	if found.places, err = s.readEntry(ctx, found.Race); err != nil {
		return page{}, err
	}
	view := transferView{raceView: found, code: code}
	entry, err := s.Races.EntryOf(ctx, v.raceID, v.caller.UserID)
	if err != nil && !isNotFound(err) {
		return page{}, err
	}
	view.entered = err == nil && entry.Status == race.Entered
	if view.offered, err = s.placeOffered(ctx, v.raceID, v.caller.UserID); err != nil {
		return page{}, err
	}
	return page{title: v.T("transfer.title") + " · " + found.Name, body: transferBody(v, view), module: "organize.js"}, nil
}

// placeOffered is the last transfer of a runner's place, nil when there is none.
func (s *site) placeOffered(ctx context.Context, raceID, giverID string) (*races.TransferBody, error) {
	found, err := s.Settings.PlaceOffered(ctx, raceID, giverID)
	if isNotFound(err) {
		return nil, nil //nolint:nilnil // they have offered none
	}
	return &found, err
}

// offerPlace shows the code in its answer, and never again.
func (s *site) offerPlace(ctx context.Context, v *visit) (page, error) {
	if !server.IsID(v.raceID) {
		return page{}, race.ErrNotFound
	}
	made, err := s.Settings.OfferPlace(ctx, v.raceID, v.caller.UserID, false, "")
	if v.refused(err) {
		return s.transferPage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return s.transferWith(ctx, v, made.Code)
}

func (s *site) confirmPlace(ctx context.Context, v *visit) (page, error) {
	return s.changeTransfer(ctx, v, "transfer-confirmed", func() error {
		return s.Settings.ConfirmPlace(ctx, v.raceID, v.caller.UserID, v.form.get("name"), false)
	})
}

func (s *site) withdrawPlace(ctx context.Context, v *visit) (page, error) {
	return s.changeTransfer(ctx, v, "transfer-withdrawn", func() error {
		return s.Settings.WithdrawPlace(ctx, v.raceID, v.caller.UserID, false)
	})
}

// changeTransfer answers a button about the place that a runner offers.
func (s *site) changeTransfer(ctx context.Context, v *visit, said string, change func() error) (page, error) {
	if !server.IsID(v.raceID) {
		return page{}, race.ErrNotFound
	}
	err := change()
	if v.refused(err) {
		return s.transferPage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done(transferPath(v.raceID), said)
}

// receiveView is a place that somebody was given a code for.
type receiveView struct {
	*raceView
	code  string
	place *races.TransferBody // nil: no code yet
}

func (s *site) receivePage(ctx context.Context, v *visit) (page, error) {
	return s.receiveWith(ctx, v, nil)
}

func (s *site) receiveWith(ctx context.Context, v *visit, place *races.TransferBody) (page, error) {
	v.path = receivePath(v.raceID)
	found, err := s.readRace(ctx, v.raceID)
	if err != nil {
		return page{}, err
	}
	if found.places, err = s.readEntry(ctx, found.Race); err != nil {
		return page{}, err
	}
	view := receiveView{raceView: found, code: v.form.get("code"), place: place}
	return page{title: v.T("receive.title") + " · " + found.Name, body: receiveBody(v, view)}, nil
}

// receive looks at the place of a code, accepts it or declines it. The code stays in
// forms: addresses are written into logs.
func (s *site) receive(ctx context.Context, v *visit) (page, error) {
	if !server.IsID(v.raceID) {
		return page{}, race.ErrNotFound
	}
	code := v.form.get("code")
	var err error
	switch v.form.get("do") {
	case "accept":
		if err = s.Settings.AcceptPlace(ctx, v.raceID, code, v.form.get("name")); err == nil {
			v.said = v.T("done.place-accepted")
		}
	case "decline":
		if err = s.Settings.DeclinePlace(ctx, v.raceID, code); err == nil {
			return v.done(receivePath(v.raceID), "place-declined")
		}
	}
	if err != nil && !v.refused(err) && !isNotFound(err) {
		return page{}, err
	}
	place, err := s.Settings.PlaceWithCode(ctx, v.raceID, code) // as it is now
	if isNotFound(err) {
		v.blame("code", v.T("receive.code.wrong"))
	}
	if isNotFound(err) || v.refused(err) {
		return s.receivePage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return s.receiveWith(ctx, v, &place)
}

// handedOver is a place in the overview of a runner who gives it or has accepted it.
type handedOver struct {
	maindb.Transfer
	race   race.Race
	giving bool
}

// handedOvers are the open transfers of a runner.
func (s *site) handedOvers(ctx context.Context, userID string) ([]handedOver, error) {
	open, err := s.Races.OpenTransfersWith(ctx, userID)
	if err != nil {
		return nil, err
	}
	list := make([]handedOver, 0, len(open))
	for _, t := range open {
		r, err := s.Races.Race(ctx, t.RaceID)
		if err != nil && !isNotFound(err) {
			return nil, err
		}
		if err == nil && r.Status == race.Scheduled {
			list = append(list, handedOver{t, r, t.GiverID == userID})
		}
	}
	return list, nil
}

// raceTransfers lists the transfers of a race.
func (s *site) raceTransfers(ctx context.Context, v *visit) (page, error) {
	rows, cursor, err := s.Settings.Transfers(ctx, v.part(listedPerPage))
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("racetransfers.title"), body: raceTransfersBody(v, server.RaceFrom(ctx), rows, v.next(cursor))}, nil
}

// transferByHand offers a runner's place in their stead and shows the code.
func (s *site) transferByHand(ctx context.Context, v *visit) (page, error) {
	userID := v.param("user_id")
	if !server.IsID(userID) {
		return page{}, race.ErrNotFound
	}
	made, err := s.Settings.OfferPlace(ctx, v.raceID, userID, true, v.form.get("reason"))
	if v.refused(err) {
		return s.entryPage(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	v.form = &form{values: map[string][]string{}, wrong: map[string]string{}}
	return s.entryWith(ctx, v, made.Code)
}

func (s *site) confirmByHand(ctx context.Context, v *visit) (page, error) {
	return s.decideEntry(ctx, v, "transfer-confirmed", func(userID string) error {
		return s.Settings.ConfirmPlace(ctx, v.raceID, userID, v.form.get("name"), true)
	})
}

func (s *site) withdrawByHand(ctx context.Context, v *visit) (page, error) {
	return s.decideEntry(ctx, v, "transfer-withdrawn", func(userID string) error {
		return s.Settings.WithdrawPlace(ctx, v.raceID, userID, true)
	})
}
