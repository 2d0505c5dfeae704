package races

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// transfers lets runners transfer their places. The giver gets a code and gives it to
// whom they like; nobody is looked up. Both confirm the other's name.
type transfers struct {
	store   *maindb.Store
	runners *userdb.Accounts
	code    func(transferID string) string
	hashes  loginHashes
}

// codeHash is what is kept of a code, however it was typed.
func codeHash(code string) []byte {
	sum := sha256.Sum256([]byte(strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(code))))
	return sum[:]
}

// TransferBody is a place that a runner transfers to another.
type TransferBody struct {
	State     race.TransferState `json:"state" enum:"offered,accepted,done,withdrawn,declined,expired,ended" doc:"offered: nobody has accepted it yet. accepted: the giver is to confirm the runner. done: the place is theirs. ended: the giver has left the race."`
	Code      string             `json:"code,omitempty" example:"K7QF-2M9X-3TAB" doc:"The code with which the receiving runner accepts the place. It is shown only in the answer that created it."`
	ExpiresAt time.Time          `json:"expires_at" doc:"By the database's clock."`
	ByHand    bool               `json:"by_hand,omitempty" doc:"The organizer transfers the place for the runner."`
	Pool      string             `json:"pool"`
	Bib       string             `json:"bib,omitempty" doc:"It goes with the place."`
	Giver     *PersonBody        `json:"giver,omitempty" doc:"Whose place it is; shown to anyone who has the code, and to those who run the race."`
	Runner    *PersonBody        `json:"runner,omitempty" doc:"Who has accepted it."`
}

// PersonBody is somebody as the other side of a transfer sees them.
type PersonBody struct {
	Name string   `json:"name" doc:"As the race shows it."`
	Sex  race.Sex `json:"sex,omitempty" enum:"M,F,X"`
	Age  *int     `json:"age,omitempty" doc:"On race day."`
}

type transferOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         TransferBody
}

type confirmTransferInput struct {
	RacePath
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"200" example:"Min-ji Kim" doc:"The name of the runner who has accepted, as it is shown to you."`
	}
}

type codeInput struct {
	RacePath
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"40" example:"K7QF-2M9X-3TAB" doc:"Case, spaces and hyphens do not matter."`
	}
}

type acceptTransferInput struct {
	RacePath
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"40" example:"K7QF-2M9X-3TAB"`
		Name string `json:"name" minLength:"1" maxLength:"200" example:"Jun-ho Park" doc:"The name of the runner whose place it is, as it is shown to you."`
	}
}

type transferByHandInput struct {
	RacePath
	UserID string `path:"user_id"`
	Body   struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"injured; the place goes to her sister"`
	}
}

type transfersInput struct {
	server.Page
	RacePath
}

// ListedTransfer is a transfer of a place, as those who run the race see it in a list.
type ListedTransfer struct {
	UserID    string             `json:"user_id" format:"uuid" doc:"Whose place it is."`
	Giver     *PersonBody        `json:"giver,omitempty" doc:"Missing once their account is deleted."`
	Runner    *PersonBody        `json:"runner,omitempty" doc:"Who has accepted the place."`
	State     race.TransferState `json:"state" enum:"offered,accepted,done,withdrawn,declined,expired,ended"`
	ByHand    bool               `json:"by_hand"`
	Reason    string             `json:"reason,omitempty" doc:"Why the organizer transferred the place."`
	OfferedAt time.Time          `json:"offered_at"`
	ExpiresAt time.Time          `json:"expires_at"`
}

type transfersOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []ListedTransfer `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string           `json:"next_cursor,omitempty"`
	}
}

type transferOfInput struct {
	RacePath
	UserID string `path:"user_id"`
}

type confirmByHandInput struct {
	RacePath
	UserID string `path:"user_id"`
	Body   struct {
		Name string `json:"name" minLength:"1" maxLength:"200" example:"Min-ji Kim" doc:"The name of the runner who has accepted, as it is shown to you."`
	}
}

func (h transfers) register(api huma.API) {
	const mine, codes, byHand = "/v1/races/{race_id}/participants/me/transfer", "/v1/races/{race_id}/transfers", "/v1/races/{race_id}/entries/{user_id}/transfer"
	refusals := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict}
	tags := []string{entriesTag}
	server.Register(api, huma.Operation{
		OperationID: "offer-my-place", Method: http.MethodPost, Path: mine, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody,
		Summary: "Offer to transfer your place", Tags: tags, Errors: refusals,
		Description: "Where the race's entry.transfer_until allows it. Give the code to one person: they accept with it from their own account, and get the place once you have confirmed their name. " +
			"Until then it stays yours, and you can withdraw. A new offer replaces the one before. The code is good for 7 days, until transfer_until at most. While others wait in line a place cannot be transferred, unless transfer_past_line says so.",
	}, h.offer)
	server.Register(api, huma.Operation{
		OperationID: "get-my-transfer", Method: http.MethodGet, Path: mine,
		Summary: "Get the transfer of your place", Tags: tags, Errors: refusals[:3],
	}, h.mine)
	server.Register(api, huma.Operation{
		OperationID: "withdraw-my-transfer", Method: http.MethodDelete, Path: mine,
		Summary: "Withdraw the transfer of your place", Tags: tags, Errors: refusals,
		Description: "Repeating it changes nothing.",
	}, h.withdraw)
	server.Register(api, huma.Operation{
		OperationID: "confirm-my-transfer", Method: http.MethodPost, Path: mine + "/confirm", DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody,
		Summary: "Confirm the runner who gets your place", Tags: tags, Errors: append(refusals, http.StatusUnprocessableEntity),
		Description: "The place is theirs at once, with its bib. Repeating it changes nothing.",
	}, h.confirm)
	server.Register(api, huma.Operation{
		OperationID: "open-transfer", Method: http.MethodPost, Path: codes + "/open", DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody,
		Summary: "Look up a transfer by its code", Tags: tags, Errors: append(refusals, http.StatusUnprocessableEntity),
	}, h.open)
	server.Register(api, huma.Operation{
		OperationID: "accept-transfer", Method: http.MethodPost, Path: codes + "/accept", DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody,
		Summary: "Accept a transfer by its code", Tags: tags, Errors: append(refusals, http.StatusUnprocessableEntity),
		Description: "It becomes yours when the giver has confirmed your name. If the giver's name changes before that, you have to accept again. You need to fit its pool and to meet its standard, and to be neither entered nor in line. Repeating it changes nothing.",
	}, h.accept)
	server.Register(api, huma.Operation{
		OperationID: "decline-transfer", Method: http.MethodPost, Path: codes + "/decline", DefaultStatus: http.StatusNoContent, MaxBodyBytes: maxBody,
		Summary: "Decline a transfer by its code", Tags: tags, Errors: append(refusals, http.StatusUnprocessableEntity),
		Description: "You can also do this after accepting, until the giver confirms you. Repeating it changes nothing.",
	}, h.decline)
	server.Register(api, huma.Operation{
		OperationID: "list-transfers", Method: http.MethodGet, Path: codes,
		Summary: "List the transfers of a race", Tags: tags, Errors: append(refusals[:3:3], http.StatusUnprocessableEntity),
		Description: "Those made by runners and by the organizer, including those that were not completed.",
	}, h.list)
	server.Register(api, huma.Operation{
		OperationID: "transfer-by-hand", Method: http.MethodPost, Path: byHand, DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody,
		Summary: "Transfer a runner's place as the organizer", Tags: tags, Errors: append(refusals, http.StatusUnprocessableEntity),
		Description: "On behalf of the runner, also after transfer_until and while others wait. Give the code to the person who is to have the place: they accept with it from their own account, and you or the runner confirm their name.",
	}, h.offerByHand)
	server.Register(api, huma.Operation{
		OperationID: "get-transfer", Method: http.MethodGet, Path: byHand,
		Summary: "Get the transfer of a runner's place", Tags: tags, Errors: refusals[:3],
	}, h.ofRunner)
	server.Register(api, huma.Operation{
		OperationID: "withdraw-transfer-by-hand", Method: http.MethodDelete, Path: byHand,
		Summary: "Withdraw a transfer made by the organizer", Tags: tags, Errors: refusals,
		Description: "The runner keeps it, and the code stops working. Repeating it changes nothing.",
	}, h.withdrawByHand)
	server.Register(api, huma.Operation{
		OperationID: "confirm-transfer-by-hand", Method: http.MethodPost, Path: byHand + "/confirm", DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody,
		Summary: "Confirm the runner in a transfer made by the organizer", Tags: tags, Errors: append(refusals, http.StatusUnprocessableEntity),
		Description: "Repeating it changes nothing.",
	}, h.confirmByHand)
}

func (h transfers) list(ctx context.Context, in *transfersInput) (*transfersOutput, error) {
	var before string
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	r := server.RaceFrom(ctx)
	found, err := h.store.TransfersOfRace(ctx, r.ID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &transfersOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.Transfer) []any { return []any{last.ID} })
	var userIDs []string
	for _, t := range found {
		userIDs = append(userIDs, t.GiverID, t.RunnerID)
	}
	people, err := h.runners.Runners(ctx, userIDs)
	if err != nil {
		return nil, err
	}
	out.Body.Items = make([]ListedTransfer, len(found))
	for i, t := range found {
		out.Body.Items[i] = ListedTransfer{
			UserID: t.GiverID, Giver: personOn(r.Date, people, t.GiverID), Runner: personOn(r.Date, people, t.RunnerID), State: t.State,
			ByHand: t.ByHand, Reason: t.Reason, OfferedAt: t.OfferedAt, ExpiresAt: t.ExpiresAt,
		}
	}
	return out, nil
}

func (h transfers) offer(ctx context.Context, in *RacePath) (*transferOutput, error) {
	return h.offered(ctx, maindb.TransferOffer{RaceID: in.RaceID, GiverID: server.CallerFrom(ctx).UserID})
}

func (h transfers) offerByHand(ctx context.Context, in *transferByHandInput) (*transferOutput, error) {
	return h.offered(ctx, maindb.TransferOffer{RaceID: in.RaceID, GiverID: in.UserID, ByHand: true, Reason: in.Body.Reason})
}

func (h transfers) offered(ctx context.Context, o maindb.TransferOffer) (*transferOutput, error) {
	o.ID = server.ResourceID(ctx)
	code := h.code(o.ID)
	o.CodeHash = codeHash(code)
	out, err := h.shown(ctx, true)(h.store.OfferTransfer(ctx, o))
	if err == nil {
		out.Body.Code = code
	}
	return out, err
}

func (h transfers) mine(ctx context.Context, in *RacePath) (*transferOutput, error) {
	return h.shown(ctx, false)(h.store.TransferOf(ctx, in.RaceID, server.CallerFrom(ctx).UserID))
}

func (h transfers) ofRunner(ctx context.Context, in *transferOfInput) (*transferOutput, error) {
	return h.shown(ctx, true)(h.store.TransferOf(ctx, in.RaceID, in.UserID))
}

func (h transfers) withdraw(ctx context.Context, in *RacePath) (*struct{}, error) {
	return nil, h.ended(ctx, in.RaceID, server.CallerFrom(ctx).UserID, false)
}

func (h transfers) withdrawByHand(ctx context.Context, in *transferOfInput) (*struct{}, error) {
	return nil, h.ended(ctx, in.RaceID, in.UserID, true)
}

// ended withdraws a place that is offered.
func (h transfers) ended(ctx context.Context, raceID, giverID string, byHand bool) error {
	t, err := h.store.TransferOf(ctx, raceID, giverID)
	if err != nil {
		return err
	}
	if byHand && !t.ByHand {
		return errRunnersOwn
	}
	return h.store.EndTransfer(ctx, t, race.TransferWithdrawn)
}

func (h transfers) confirm(ctx context.Context, in *confirmTransferInput) (*transferOutput, error) {
	return h.confirmed(ctx, in.RaceID, server.CallerFrom(ctx).UserID, in.Body.Name, false)
}

func (h transfers) confirmByHand(ctx context.Context, in *confirmByHandInput) (*transferOutput, error) {
	return h.confirmed(ctx, in.RaceID, in.UserID, in.Body.Name, true)
}

func (h transfers) confirmed(ctx context.Context, raceID, giverID, name string, byHand bool) (*transferOutput, error) {
	t, err := h.store.TransferOf(ctx, raceID, giverID)
	if err != nil {
		return nil, err
	}
	if byHand && !t.ByHand {
		return nil, errRunnersOwn
	}
	if t.RunnerID == "" {
		return nil, &race.ConflictError{Message: "nobody has accepted the place"}
	}
	runner, err := h.person(ctx, t.RunnerID)
	if err != nil {
		return nil, err
	}
	if race.Visible(runner.Name) != race.Visible(name) {
		return nil, errOtherName
	}
	account, err := accountOf(ctx, h.runners, h.hashes, t.RunnerID)
	if err != nil {
		return nil, err
	}
	giver, err := h.person(ctx, giverID)
	if err != nil {
		return nil, err
	}
	if err := h.store.ConfirmTransfer(ctx, t, server.ResourceID(ctx), account, giver.Name); err != nil {
		return nil, err
	}
	return h.shown(ctx, byHand)(h.store.TransferOf(ctx, raceID, giverID))
}

var (
	errRunnersOwn = &race.ConflictError{Message: "the runner is transferring this place: only they can confirm or withdraw it"}
	errOtherName  = &race.ConflictError{Field: "name", Message: "this is not the name of the other runner: look at it again"}
)

// person returns the person of an account.
func (h transfers) person(ctx context.Context, userID string) (userdb.Runner, error) {
	found, err := h.runners.Runners(ctx, []string{userID})
	if err != nil {
		return userdb.Runner{}, err
	}
	r, ok := found[userID]
	if !ok {
		return userdb.Runner{}, race.ErrNotFound
	}
	return r, nil
}

func (h transfers) open(ctx context.Context, in *codeInput) (*transferOutput, error) {
	return h.shown(ctx, true)(h.store.TransferWithCode(ctx, in.RaceID, codeHash(in.Body.Code), server.CallerFrom(ctx).UserID))
}

func (h transfers) accept(ctx context.Context, in *acceptTransferInput) (*transferOutput, error) {
	runnerID := server.CallerFrom(ctx).UserID
	t, err := h.store.TransferWithCode(ctx, in.RaceID, codeHash(in.Body.Code), runnerID)
	if err != nil {
		return nil, err
	}
	giver, err := h.person(ctx, t.GiverID)
	if err != nil {
		return nil, err
	}
	if race.Visible(giver.Name) != race.Visible(in.Body.Name) {
		return nil, errOtherName
	}
	account, err := accountOf(ctx, h.runners, h.hashes, runnerID)
	if err != nil {
		return nil, err
	}
	return h.shown(ctx, true)(h.store.AcceptTransfer(ctx, in.RaceID, codeHash(in.Body.Code), runnerID, account, giver.Name))
}

func (h transfers) decline(ctx context.Context, in *codeInput) (*struct{}, error) {
	runnerID := server.CallerFrom(ctx).UserID
	t, err := h.store.TransferWithCode(ctx, in.RaceID, codeHash(in.Body.Code), runnerID)
	if err != nil {
		return nil, err
	}
	t.RunnerID = runnerID
	return nil, h.store.EndTransfer(ctx, t, race.TransferDeclined)
}

// shown returns what shows a transfer, with the giver to the others.
func (h transfers) shown(ctx context.Context, giver bool) func(maindb.Transfer, error) (*transferOutput, error) {
	return func(t maindb.Transfer, err error) (*transferOutput, error) {
		if err != nil {
			return nil, err
		}
		r, err := h.store.Race(ctx, t.RaceID)
		if err != nil {
			return nil, err
		}
		found, err := h.runners.Runners(ctx, []string{t.GiverID, t.RunnerID})
		if err != nil {
			return nil, err
		}
		out := &transferOutput{CacheControl: "no-store", Body: TransferBody{
			State: t.State, ExpiresAt: t.ExpiresAt, ByHand: t.ByHand, Pool: t.Entry.Pool, Bib: t.Entry.Bib, Runner: personOn(r.Date, found, t.RunnerID),
		}}
		if giver {
			out.Body.Giver = personOn(r.Date, found, t.GiverID)
		}
		return out, nil
	}
}

// personOn is somebody with their age on a day; nil for nobody, or a deleted account.
func personOn(day race.Date, people map[string]userdb.Runner, userID string) *PersonBody {
	known, ok := people[userID]
	if !ok {
		return nil
	}
	body := &PersonBody{Name: known.Name, Sex: known.Sex}
	if age := known.BirthDate.AgeOn(day); age >= 0 && age <= race.MaxAge {
		body.Age = &age
	}
	return body
}

// Transfers returns a part of the transfers of the race of ctx, and the cursor of the next.
func (s *Service) Transfers(ctx context.Context, part server.Page) ([]ListedTransfer, string, error) {
	out, err := s.handedOn.list(ctx, &transfersInput{Page: part})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// OfferPlace offers a runner's place to anyone who has the code that it returns. byHand is
// with the rights of those who run the race, who give a reason.
func (s *Service) OfferPlace(ctx context.Context, raceID, giverID string, byHand bool, reason string) (TransferBody, error) {
	if byHand {
		in := transferByHandInput{}
		in.Body.Reason = reason
		if err := server.Valid(in.Body); err != nil {
			return TransferBody{}, err
		}
	}
	return transferBodyOf(s.handedOn.offered(ctx, maindb.TransferOffer{RaceID: raceID, GiverID: giverID, ByHand: byHand, Reason: reason}))
}

// PlaceOffered returns the last transfer of a runner's place, or race.ErrNotFound.
func (s *Service) PlaceOffered(ctx context.Context, raceID, giverID string) (TransferBody, error) {
	return transferBodyOf(s.handedOn.shown(ctx, true)(s.handedOn.store.TransferOf(ctx, raceID, giverID)))
}

// WithdrawPlace withdraws a place that is offered. byHand is with the rights of those who
// run the race.
func (s *Service) WithdrawPlace(ctx context.Context, raceID, giverID string, byHand bool) error {
	return s.handedOn.ended(ctx, raceID, giverID, byHand)
}

// ConfirmPlace transfers a place to the runner of that name, who has accepted it. byHand is
// as in WithdrawPlace.
func (s *Service) ConfirmPlace(ctx context.Context, raceID, giverID, name string, byHand bool) error {
	_, err := s.handedOn.confirmed(ctx, raceID, giverID, name, byHand)
	return err
}

// PlaceWithCode returns the place that the caller was given a code for, or
// race.ErrNotFound.
func (s *Service) PlaceWithCode(ctx context.Context, raceID, code string) (TransferBody, error) {
	in := &codeInput{RacePath: RacePath{RaceID: raceID}}
	in.Body.Code = code
	if err := server.Valid(in.Body); err != nil {
		return TransferBody{}, err
	}
	return transferBodyOf(s.handedOn.open(ctx, in))
}

// AcceptPlace accepts for the caller the place of the runner of that name.
func (s *Service) AcceptPlace(ctx context.Context, raceID, code, name string) error {
	in := &acceptTransferInput{RacePath: RacePath{RaceID: raceID}}
	in.Body.Code, in.Body.Name = code, name
	if err := server.Valid(in.Body); err != nil {
		return err
	}
	_, err := s.handedOn.accept(ctx, in)
	return err
}

// DeclinePlace declines for the caller the place with a code.
func (s *Service) DeclinePlace(ctx context.Context, raceID, code string) error {
	in := &codeInput{RacePath: RacePath{RaceID: raceID}}
	in.Body.Code = code
	_, err := s.handedOn.decline(ctx, in)
	return err
}

func transferBodyOf(out *transferOutput, err error) (TransferBody, error) {
	if err != nil {
		return TransferBody{}, err
	}
	return out.Body, nil
}
