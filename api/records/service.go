package records

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/splits"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// Service is what pages do with records. It does what the calls do, for the caller,
// the race and the role in the context.
type Service struct {
	post   post
	list   list
	get    get
	change change
	count  progress
}

// Search says which records of the race to list. Empty fields leave nothing out.
type Search struct {
	server.Page
	Status  race.ResultStatus
	Bib     string
	Credit  race.CreditStatus
	Removed bool // removed ones too
}

// List returns records in the order in which they were posted, and the cursor of the
// next page.
func (s *Service) List(ctx context.Context, in Search) (found []Record, next string, err error) {
	out, err := s.list.handle(ctx, &listInput{
		Page: in.Page, RaceID: server.RaceFrom(ctx).ID, Status: in.Status, Bib: in.Bib, CreditStatus: in.Credit, Removed: in.Removed,
	})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// ByID returns records with their credits, in the order of their IDs as they are
// given, without those that the race does not have.
func (s *Service) ByID(ctx context.Context, ids []string) ([]Record, error) {
	found, err := s.list.store.RecordsByID(ctx, server.RaceFrom(ctx).ID, ids)
	if err != nil {
		return nil, err
	}
	var ordered []race.Record
	for _, id := range ids {
		if r, ok := found[id]; ok {
			ordered = append(ordered, r)
		}
	}
	shown := make([]Record, len(ordered))
	for i, c := range s.list.credits.of(ctx, ordered) {
		shown[i] = viewOf(ordered[i], c)
	}
	return shown, nil
}

// Story returns a record of the race with its history, or race.ErrNotFound.
func (s *Service) Story(ctx context.Context, recordID string) (Story, error) {
	out, err := s.get.handle(ctx, &getInput{RaceID: server.RaceFrom(ctx).ID, RecordID: recordID})
	if err != nil {
		return Story{}, err
	}
	return out.Body, nil
}

// Count counts the credits of the race.
func (s *Service) Count(ctx context.Context) (Tally, error) {
	return s.count.count(ctx, server.RaceFrom(ctx).ID)
}

// Edit is what a record is to say, as a form holds it: an empty time clears the time.
type Edit struct {
	Bib, GunTime, NetTime, Sequence string
	Status                          race.ResultStatus
	Splits                          []splits.Reading // those that change
	ConfirmTime                     *bool
	Reason, PrivateNote             string
}

// New is a record that a person writes down.
type New struct {
	Bib, GunTime, NetTime, Sequence string
	Status                          race.ResultStatus
	Reason                          string
	Confirmed                       bool // the time is right even if it is implausible; needs a reason
}

// Implausible is the error of a new record whose time nobody can have run, unless it is
// confirmed.
type Implausible struct{ Why string }

func (e *Implausible) Error() string { return e.Why }

// Post adds a record with the ID that the request has reserved, so that a repeated one
// adds no second. It returns an *Implausible for a time that needs to be confirmed.
func (s *Service) Post(ctx context.Context, n New) (recordID string, err error) {
	in := &postInput{RaceID: server.RaceFrom(ctx).ID}
	sequence, err := strconv.Atoi(n.Sequence)
	if n.Sequence != "" && (err != nil || sequence < 1) {
		return "", &race.InvalidError{Fields: []race.FieldError{{Field: "sequence", Message: "must be a whole number from 1 to 2147483647"}}}
	}
	time := func(written string) text { return text{given: written != "", value: written} }
	in.Body.Bib, in.Body.Status, in.Body.Reason = n.Bib, n.Status, n.Reason
	in.Body.GunTime, in.Body.NetTime, in.Body.Sequence = time(n.GunTime), time(n.NetTime), number{given: n.Sequence != "", value: sequence}
	if err := server.Valid(in.Body); err != nil {
		return "", err
	}
	if n.Confirmed && strings.TrimSpace(n.Reason) == "" {
		return "", &race.InvalidError{Fields: []race.FieldError{{Field: "reason", Message: "must say why, in 1 to 500 characters"}}}
	}
	if !n.Confirmed {
		if err := s.implausible(ctx, in); err != nil {
			return "", err
		}
	}
	out, err := s.post.handle(ctx, in)
	if err != nil {
		return "", err
	}
	if n.Confirmed && out.Body.Implausible != "" {
		confirmed := true
		patch := &patchInput{Target: target(out.Body.RecordID, out.Body.Revision, false), Body: correction{ConfirmTime: &confirmed, Reason: n.Reason}}
		if _, err := s.change.patch(ctx, patch); err != nil {
			return "", err
		}
	}
	return out.Body.RecordID, nil
}

// implausible returns an *Implausible when nobody can have run the time of a record that
// is to be added. What else is wrong with it is found by adding it.
func (s *Service) implausible(ctx context.Context, in *postInput) error {
	of := server.RaceFrom(ctx)
	result, _, _, err := in.parse(of)
	if err != nil {
		return err
	}
	if !scoring.MayBeImplausible(of, result) {
		return nil
	}
	entrant, err := s.post.store.EntrantWithBib(ctx, of.ID, result.Bib)
	if err != nil {
		return err
	}
	if why := scoring.Implausible(of, entrant, result); why != "" {
		return &Implausible{why}
	}
	return nil
}

// Correct corrects a record whose latest revision is given. With plan it only returns
// what the correction would lead to.
func (s *Service) Correct(ctx context.Context, recordID string, revision int, edit Edit, plan bool) (*maindb.Consequences, error) {
	in := &patchInput{Target: target(recordID, revision, plan)}
	sequence, err := strconv.Atoi(edit.Sequence)
	if edit.Sequence != "" && (err != nil || sequence < 1) {
		return nil, &race.InvalidError{Fields: []race.FieldError{{Field: "sequence", Message: "must be a whole number from 1 to 2147483647"}}}
	}
	time := func(written string) text { return text{given: true, null: written == "", value: written} }
	in.Body = correction{
		Bib: &edit.Bib, GunTime: time(edit.GunTime), NetTime: time(edit.NetTime), Status: &edit.Status, Sequence: number{given: true, value: sequence},
		Splits: edit.Splits, ConfirmTime: edit.ConfirmTime, Reason: edit.Reason, PrivateNote: edit.PrivateNote,
	}
	if err := server.Valid(in.Body); err != nil {
		return nil, err
	}
	return consequencesOf(s.change.patch(ctx, in))
}

// Remove removes a record whose latest revision is given. With plan it only returns
// what the removal would lead to.
func (s *Service) Remove(ctx context.Context, recordID string, revision int, reason, privateNote string, plan bool) (*maindb.Consequences, error) {
	in := &removeInput{Target: target(recordID, revision, plan), Body: &removal{Reason: reason, PrivateNote: privateNote}}
	if err := server.Valid(*in.Body); err != nil {
		return nil, err
	}
	return consequencesOf(s.change.remove(ctx, in))
}

// Swap gives a record the bib of another one, and that one its own. With plan it only
// returns what that would lead to. It returns what is wrong with otherBib as an error
// of the field "other_bib".
func (s *Service) Swap(ctx context.Context, recordID string, revision int, otherBib, reason, privateNote string, plan bool) (*maindb.Consequences, error) {
	body := struct {
		OtherBib    string `json:"other_bib" minLength:"1" maxLength:"16"`
		Reason      string `json:"reason" minLength:"1" maxLength:"500"`
		PrivateNote string `json:"private_note,omitempty" maxLength:"2000"`
	}{strings.TrimSpace(otherBib), strings.TrimSpace(reason), strings.TrimSpace(privateNote)}
	if err := server.Valid(body); err != nil {
		return nil, err
	}
	of := server.RaceFrom(ctx)
	wrong := func(message string) error {
		return &race.InvalidError{Fields: []race.FieldError{{Field: "other_bib", Message: message}}}
	}
	if race.CheckBib(body.OtherBib) != nil {
		return nil, wrong("must be letters and digits, for example 1234 or W16")
	}
	const most = 10 // one holds the bib, the others wait for it
	found, err := s.change.store.ListRecords(ctx, of.ID, maindb.RecordFilter{Bib: body.OtherBib}, "", most)
	if err != nil {
		return nil, fmt.Errorf("find who has a bib: %w", err)
	}
	other := maindb.RecordAt{}
	for _, r := range found {
		if r.HoldsBib {
			other = maindb.RecordAt{ID: r.ID, Revision: r.Revision}
		}
	}
	switch {
	case other.ID == "":
		return nil, wrong("no record has this bib: correct the bib of this record instead")
	case other.ID == recordID && other.Revision != revision: // they have been swapped
		return nil, race.ErrStale
	case other.ID == recordID:
		return nil, wrong("must be the bib of another record")
	}
	swap := func(store *maindb.Store) error {
		return store.SwapBibs(ctx, of.ID, maindb.RecordAt{ID: recordID, Revision: revision}, other,
			maindb.Change{By: server.CallerFrom(ctx).UserID, Reason: body.Reason, PrivateNote: body.PrivateNote})
	}
	if plan {
		consequences, err := s.change.store.Plan(swap)
		return &consequences, err
	}
	if err := swap(s.change.store); err != nil {
		return nil, err
	}
	s.change.poke()
	return nil, nil
}

func target(recordID string, revision int, plan bool) Target {
	return Target{RecordID: recordID, Plan: plan, IfMatch: strconv.Itoa(revision)}
}

func consequencesOf(out *recordOutput, err error) (*maindb.Consequences, error) {
	if err != nil {
		return nil, err
	}
	return out.Body.Consequences, nil
}
