package races

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// entries serves runners' entries and organizers' lists of them.
type entries struct {
	store    *maindb.Store
	runners  *userdb.Accounts
	entering *maindb.Entering

	loginHashes loginHashes
	poke        func()                                    // see Config.Poke
	answered    func(ctx context.Context, o maindb.Offer) // may be nil
}

type enterInput struct {
	RacePath
	Body *struct {
		Team     string `json:"team,omitempty" maxLength:"100" example:"Harbour Runners" doc:"The team or club that you run for."`
		Pool     string `json:"pool,omitempty" maxLength:"50" doc:"The name of a pool of the race; by default the first that fits your sex and age, one that demands a qualifying time only where all do. Only races with entry settings have pools."`
		Standing bool   `json:"standing_acceptance,omitempty" doc:"Enter me as soon as a place becomes free, without an offer that I have to answer."`
	} `required:"false"`
}

type entryChangeInput struct {
	RacePath
	Body struct {
		Standing bool `json:"standing_acceptance" example:"true" doc:"Enter me as soon as a place becomes free, without an offer that I have to answer."`
	}
}

// EntryBody is a runner's entry. It is exported because huma ignores embedded types
// that are not.
type EntryBody struct {
	ParticipantID string           `json:"participant_id"`
	Status        race.EntryStatus `json:"status" enum:"entered,waiting,offered,declined,expired,cancelled,removed,registered,not_drawn,transferred,deferred" doc:"removed: by the organizer. transferred: to another runner. deferred: you have a place in the next edition instead. registered: for a draw to come. not_drawn: the draw gave no place, and the race has no waiting list; or the race had results before it."`
	Bib           string           `json:"bib,omitempty" doc:"Missing until one is assigned."`
	Sex           race.Sex         `json:"sex,omitempty" enum:"M,F,X" doc:"Missing when unknown."`
	Age           *int             `json:"age,omitempty" doc:"On race day; missing when unknown."`
	Field         race.Field       `json:"field" enum:"runner,wheelchair,handcycle"`
	Team          string           `json:"team,omitempty"`

	Pool           string     `json:"pool,omitempty" doc:"The pool, in a race with entry settings."`
	Number         int64      `json:"number,omitempty" doc:"The order of arrival in the pool."`
	Position       int        `json:"position,omitempty" doc:"In line, from 1, while you wait."`
	LineVersion    int64      `json:"line_version,omitempty" doc:"The version of the line that the position is in. Follow the line's events from there."`
	OfferExpiresAt *time.Time `json:"offer_expires_at,omitempty" doc:"Until when you can accept the place that you are offered."`
	Standing       bool       `json:"standing_acceptance,omitempty"`
	DrawNumber     string     `json:"draw_number,omitempty" doc:"Your number in the draw, in a race that draws its places. You keep it when you cancel and register again."`
	DrawPlace      int        `json:"draw_place,omitempty" doc:"Your place in the order of the draw, from 1, once it is over."`
	NextRaceID     string     `json:"next_race_id,omitempty" doc:"The next edition, in which you have a place instead, if you have deferred this one."`
	PriorRaceID    string     `json:"prior_race_id,omitempty" doc:"The earlier edition that this entry was deferred from, if any."`
}

type entryOutput struct {
	Body EntryBody
}

type participantsInput struct {
	RacePath
	server.Page
}

type participantBody struct {
	EntryBody
	UserID string `json:"user_id"`
	Name   string `json:"name" doc:"Empty when it is unknown or the account was deleted."`
}

type participantsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []participantBody `json:"items" nullable:"false" doc:"In the order of entry."`
		NextCursor string            `json:"next_cursor,omitempty"`
	}
}

func (e entries) register(api huma.API) {
	const path = "/v1/races/{race_id}/participants"
	refusals := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}
	server.Register(api, huma.Operation{
		OperationID: "enter-race", Method: http.MethodPost, Path: path, DefaultStatus: http.StatusCreated,
		Summary: "Enter a race", Tags: []string{entriesTag}, MaxBodyBytes: maxBody,
		Description: "Your sex and your age on race day are taken from your account. You can enter again after you cancelled. " +
			"In a race with entry settings you are entered, or wait in line when all places are taken; to ask again answers your entry as it is. " +
			"In one that draws its places you are registered until the draw. " +
			"A pool with a standard refuses those with 409 who have no official result that meets it: one in a race of a verified organizer, which you entered for or have claimed. The organizer can admit you all the same. " +
			"A 503 that says that too many ask at this moment wrote nothing. After any other 503 you may have been entered all the same: ask again after Retry-After, or look at your entry.",
		Errors: append(refusals, http.StatusConflict),
	}, e.enter)
	server.Register(api, huma.Operation{
		OperationID: "change-my-entry", Method: http.MethodPatch, Path: path + "/me", MaxBodyBytes: maxBody,
		Summary: "Change your entry", Tags: []string{entriesTag}, Errors: append(refusals, http.StatusConflict),
	}, e.change)
	server.Register(api, huma.Operation{
		OperationID: "accept-offer", Method: http.MethodPost, Path: path + "/me/accept", DefaultStatus: http.StatusOK,
		Summary: "Accept the place that you are offered", Tags: []string{entriesTag}, Errors: append(refusals, http.StatusConflict),
		Description: "Repeating it changes nothing. After the deadline, by the database's clock, the place goes to the next in line.",
	}, e.accept)
	server.Register(api, huma.Operation{
		OperationID: "decline-offer", Method: http.MethodPost, Path: path + "/me/decline", DefaultStatus: http.StatusOK,
		Summary: "Decline the place that you are offered", Tags: []string{entriesTag}, Errors: append(refusals, http.StatusConflict),
		Description: "You are not offered a place again, unless you join the line at its end.",
	}, e.decline)
	server.Register(api, huma.Operation{
		OperationID: "defer-my-entry", Method: http.MethodPost, Path: path + "/me/defer", DefaultStatus: http.StatusOK,
		Summary: "Defer your entry to the next edition", Tags: []string{entriesTag}, Errors: append(refusals, http.StatusConflict),
		Description: "Where the race's entry.next_race_id and entry.defer_until allow it. You give up your place, which goes to the next in line, and have one in the next edition at once, also before entry to it opens. " +
			"It counts in the capacity there: when no place is left or others wait, you keep the one that you have. It cannot be taken back; you can cancel in the next edition like anybody. Repeating it changes nothing.",
	}, e.deferMine)
	server.Register(api, huma.Operation{
		OperationID: "get-my-entry", Method: http.MethodGet, Path: path + "/me",
		Summary: "Get your entry", Tags: []string{entriesTag}, Errors: refusals,
	}, e.mine)
	server.Register(api, huma.Operation{
		OperationID: "cancel-my-entry", Method: http.MethodDelete, Path: path + "/me", DefaultStatus: http.StatusNoContent,
		Summary: "Cancel your entry", Tags: []string{entriesTag},
		Description: "Refused with 409 once the race has results; a result that you claimed is given back by withdrawing the claim. An entry that only a start list has given to your account goes back to the person of the start list, with its points, at any time.",
		Errors:      append(refusals, http.StatusConflict),
	}, e.cancel)
	server.Register(api, huma.Operation{
		OperationID: "list-participants", Method: http.MethodGet, Path: path,
		Summary: "List the participants of your race", Tags: []string{entriesTag}, Errors: append(refusals, http.StatusUnprocessableEntity),
	}, e.list)
}

func (e entries) enter(ctx context.Context, in *enterInput) (*entryOutput, error) {
	var team, pool string
	var standing bool
	if in.Body != nil {
		team, pool, standing = in.Body.Team, in.Body.Pool, in.Body.Standing
	}
	return shownEntry(Enter(ctx, e.entering, in.RaceID, team, pool, standing))
}

// Enter enters the caller in a race, or puts them in its line, with sex and age as
// their account has them.
func Enter(ctx context.Context, entering *maindb.Entering, raceID, team, pool string, standing bool) (found maindb.LineEntry, err error) {
	entry := maindb.Entry{ID: server.ResourceID(ctx), RaceID: raceID, UserID: server.CallerFrom(ctx).UserID, Pool: pool, Standing: standing}
	if entry.Team, err = race.ParseTeam(team); err != nil {
		return found, &race.InvalidError{Fields: []race.FieldError{{Field: "team", Message: err.Error()}}}
	}
	found, err = entering.Enter(ctx, entry)
	if errors.Is(err, maindb.ErrBusy) {
		return found, server.Busy("too many people are entering at this moment: ask again, nothing was written")
	}
	return found, err
}

// Enter enters the caller in a race, or puts them in its line. team may be empty, and so
// may pool.
func (s *Service) Enter(ctx context.Context, raceID, team, pool string, standing bool) (maindb.LineEntry, error) {
	return Enter(ctx, s.entries.entering, raceID, team, pool, standing)
}

// SetStanding says whether the caller, in line, takes a place without an offer.
func (s *Service) SetStanding(ctx context.Context, raceID string, standing bool) error {
	in := &entryChangeInput{RacePath: RacePath{RaceID: raceID}}
	in.Body.Standing = standing
	_, err := s.entries.change(ctx, in)
	return err
}

// Answer accepts or declines a place that the caller is offered.
func (s *Service) Answer(ctx context.Context, raceID string, accept bool) error {
	_, err := s.entries.answer(ctx, raceID, accept)
	return err
}

// Cancel cancels the caller's entry.
func (s *Service) Cancel(ctx context.Context, raceID string) error {
	_, err := s.entries.cancel(ctx, &RacePath{RaceID: raceID})
	return err
}

type deferralOutput struct {
	Body DeferralBody
}

// DeferralBody is an entry that was moved to the next edition.
type DeferralBody struct {
	NextRaceID string    `json:"next_race_id" doc:"The next edition."`
	Entry      EntryBody `json:"entry" doc:"Your entry in the next edition as it is now."`
	DeferredAt time.Time `json:"deferred_at"`
}

func (e entries) deferMine(ctx context.Context, in *RacePath) (*deferralOutput, error) {
	userID := server.CallerFrom(ctx).UserID
	account, err := accountOf(ctx, e.runners, e.loginHashes, userID)
	if err != nil {
		return nil, err
	}
	moved, err := e.store.Defer(ctx, in.RaceID, userID, server.ResourceID(ctx), account)
	if err != nil {
		return nil, err
	}
	there, err := e.store.EntryOf(ctx, moved.NextRaceID, userID)
	if err != nil {
		return nil, err
	}
	return &deferralOutput{Body: DeferralBody{NextRaceID: moved.NextRaceID, Entry: entryOf(there), DeferredAt: moved.At}}, nil
}

// Defer moves the caller's entry to the next edition, whose race it returns.
func (s *Service) Defer(ctx context.Context, raceID string) (nextRaceID string, err error) {
	out, err := s.entries.deferMine(ctx, &RacePath{RaceID: raceID})
	if err != nil {
		return "", err
	}
	return out.Body.NextRaceID, nil
}

// accountOf returns what an entry takes from an account, with the hash by which the
// account is admitted to a pool.
func accountOf(ctx context.Context, runners *userdb.Accounts, hashes loginHashes, userID string) (maindb.Account, error) {
	found, err := runners.Runners(ctx, []string{userID})
	if err != nil {
		return maindb.Account{}, err
	}
	r, ok := found[userID]
	if !ok {
		return maindb.Account{}, race.ErrNotFound
	}
	logins, err := hashes(ctx, []string{userID})
	return maindb.Account{Sex: r.Sex, BirthDate: r.BirthDate, LoginHash: logins[userID]}, err
}

func (e entries) mine(ctx context.Context, in *RacePath) (*entryOutput, error) {
	return shownEntry(e.store.EntryOf(ctx, in.RaceID, server.CallerFrom(ctx).UserID))
}

func (e entries) change(ctx context.Context, in *entryChangeInput) (*entryOutput, error) {
	return shownEntry(e.store.SetStanding(ctx, in.RaceID, server.CallerFrom(ctx).UserID, in.Body.Standing))
}

func (e entries) accept(ctx context.Context, in *RacePath) (*entryOutput, error) {
	return e.answer(ctx, in.RaceID, true)
}

func (e entries) decline(ctx context.Context, in *RacePath) (*entryOutput, error) {
	return e.answer(ctx, in.RaceID, false)
}

func (e entries) answer(ctx context.Context, raceID string, accept bool) (*entryOutput, error) {
	found, err := e.store.AnswerOffer(ctx, raceID, server.CallerFrom(ctx).UserID, accept)
	if err == nil && e.answered != nil {
		e.answered(ctx, maindb.Offer{RaceID: raceID, Pool: found.PoolKey, Seq: found.Seq, No: found.OfferNo})
	}
	return shownEntry(found, err)
}

func shownEntry(e maindb.LineEntry, err error) (*entryOutput, error) {
	if err != nil {
		return nil, err
	}
	return &entryOutput{Body: entryOf(e)}, nil
}

func (e entries) cancel(ctx context.Context, in *RacePath) (*struct{}, error) {
	userID := server.CallerFrom(ctx).UserID
	if revised, err := e.store.GiveUpListed(ctx, in.RaceID, userID, e.runners.StandIn); !errors.Is(err, race.ErrNotFound) {
		if revised > 0 {
			e.poke()
		}
		return nil, err
	}
	return nil, e.store.CancelEntry(ctx, in.RaceID, userID)
}

func (e entries) list(ctx context.Context, in *participantsInput) (*participantsOutput, error) {
	var after string
	if err := in.Seek(&after); err != nil {
		return nil, err
	}
	found, err := e.store.ListParticipants(ctx, server.RaceFrom(ctx).ID, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &participantsOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last race.Participant) []any { return []any{last.ID} })
	userIDs := make([]string, len(found))
	for i, p := range found {
		userIDs[i] = p.UserID
	}
	runners, err := e.runners.Runners(ctx, userIDs)
	if err != nil {
		return nil, err
	}
	out.Body.Items = make([]participantBody, len(found))
	for i, p := range found {
		out.Body.Items[i] = participantBody{EntryBody: entryOf(maindb.LineEntry{Participant: p}), UserID: p.UserID, Name: runners[p.UserID].Name}
	}
	return out, nil
}

func entryOf(e maindb.LineEntry) EntryBody {
	body := EntryBody{
		ParticipantID: e.ID, Status: e.Status, Bib: e.Bib, Sex: e.Sex, Field: e.Field, Team: e.Team,
		Pool: e.Pool, Number: e.Seq, Position: e.Position, LineVersion: e.LineVersion, Standing: e.Standing,
		DrawNumber: e.DrawNumber, DrawPlace: e.DrawPlace, NextRaceID: e.NextRaceID, PriorRaceID: e.PriorRaceID,
	}
	if e.Age >= 0 && e.Age <= race.MaxAge {
		body.Age = &e.Age
	}
	if e.Status == race.Offered {
		body.OfferExpiresAt = &e.OfferExpiresAt
	}
	return body
}
