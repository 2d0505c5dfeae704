// Package claims joins results and accounts, with the runner's consent: a runner
// accepts an invitation or claims a result, and the organizer decides where that is
// not enough.
package claims

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	tag     = "Claims"
	maxBody = 16 << 10
)

// Config is what the calls need.
type Config struct {
	Store   *maindb.Store
	Runners *userdb.Accounts
	Hash    Hash
	Codes   *auth.CodeLimit
	// Poke tells the outbox relay that records were revised.
	Poke func()
}

// Register adds the calls to the API.
func Register(api huma.API, cfg Config) *Service {
	h := handlers{cfg}
	answers := []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}
	server.Register(api, huma.Operation{
		OperationID: "list-my-claims", Method: http.MethodGet, Path: "/v1/me/claims", Summary: "List your claims and invitations", Tags: []string{tag},
		Description: "What organizers offer to your login, what you have claimed, and claims of others to results that you have. " +
			"Until you accept an invitation, the race knows nothing of your account. Invitations to an e-mail address are listed once you have confirmed that address.",
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity},
	}, h.mine)
	server.Register(api, huma.Operation{
		OperationID: "claim-result", Method: http.MethodPost, Path: "/v1/me/claims", DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBody,
		Summary: "Claim a result", Tags: []string{tag},
		Description: "With the claim code of the bib, which its organizer gives out, the result is yours at once: its points move to your account, and the race sees " +
			"your name. With your birth date instead, or when another account has the result, the organizer decides, who sees your name and whether the birth date " +
			"is that of the start list; the answer here never says so. You can withdraw at any time, and the points move back.",
		Errors: append(answers, http.StatusTooManyRequests),
	}, h.claim)
	for name, answer := range map[string]struct {
		summary, says string
		do            func(context.Context, *claimPath) (*stateOutput, error)
	}{
		"accept": {
			"Accept an invitation", "The result of the bib becomes yours and its points move to your account. When another account has the result, " +
				"the organizer decides. An entry of yours without a bib in this race gives way. You may accept what you declined or withdrew.", h.accept,
		},
		"decline": {"Decline an invitation", "The organizer does not learn of it. What you accepted before goes back.", h.end},
		"withdraw": {
			"Withdraw a claim", "The result goes back to the person of the start list, and its points with it. An entry of your own that gave way is there again.", h.end,
		},
	} {
		server.Register(api, huma.Operation{
			OperationID: name + "-claim", Method: http.MethodPost, Path: "/v1/me/claims/{claim_id}/" + name, DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody,
			Summary: answer.summary, Tags: []string{tag}, Description: answer.says + " Repeating it changes nothing.", Errors: answers,
		}, answer.do)
	}
	h.registerForOrganizers(api, answers)
	return &Service{h}
}

type handlers struct{ Config }

// Service is what pages do with the claims of the caller, as the calls do.
type Service struct{ calls handlers }

// Mine returns a part of the caller's claims, the newest first, and the cursor of the
// next part, empty after the last.
func (s *Service) Mine(ctx context.Context, part server.Page) ([]MyClaim, string, error) {
	out, err := s.calls.mine(ctx, &struct{ server.Page }{part})
	if err != nil {
		return nil, "", err
	}
	return out.Body.Items, out.Body.NextCursor, nil
}

// Claim claims a result, as POST /v1/me/claims does.
func (s *Service) Claim(ctx context.Context, in NewClaim) (race.ClaimState, error) {
	if err := server.Valid(in); err != nil {
		return "", err
	}
	out, err := s.calls.claim(ctx, &claimInput{Body: in})
	if err != nil {
		return "", err
	}
	return out.Body.State, nil
}

// Accept accepts an invitation.
func (s *Service) Accept(ctx context.Context, claimID string) (race.ClaimState, error) {
	out, err := s.calls.accept(ctx, &claimPath{ClaimID: claimID})
	if err != nil {
		return "", err
	}
	return out.Body.State, nil
}

// End declines an invitation or withdraws a claim.
func (s *Service) End(ctx context.Context, claimID string) error {
	_, err := s.calls.end(ctx, &claimPath{ClaimID: claimID})
	return err
}

type claimPath struct {
	ClaimID string `path:"claim_id"`
}

type stateOutput struct {
	Body struct {
		ClaimID string          `json:"claim_id" format:"uuid"`
		State   race.ClaimState `json:"state" enum:"invited,requested,accepted,declined,withdrawn,refused" doc:"With plan=true: the state that the claim would have."`

		Consequences *maindb.Consequences `json:"consequences,omitempty" doc:"What an approval with plan=true would lead to. Nothing was changed."`
	}
}

func stateOf(c maindb.Claim) *stateOutput {
	out := &stateOutput{}
	out.Body.ClaimID, out.Body.State = c.ID, c.State
	return out
}

type myClaimsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []MyClaim `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string    `json:"next_cursor,omitempty"`
	}
}

// MyClaim is a claim of the caller, an invitation to them, or somebody else's claim to a
// result of theirs.
type MyClaim struct {
	ClaimID   string          `json:"claim_id" format:"uuid"`
	RaceID    string          `json:"race_id" format:"uuid"`
	RaceName  string          `json:"race_name"`
	RaceDate  string          `json:"race_date" example:"2026-04-19"`
	Bib       string          `json:"bib"`
	Yours     bool            `json:"yours" doc:"false: somebody else claims a result that you have, and the organizer decides."`
	Kind      race.ClaimKind  `json:"kind" enum:"invitation,code,birth_date"`
	State     race.ClaimState `json:"state" enum:"invited,requested,accepted,declined,withdrawn,refused" doc:"invited: waits for you. requested: waits for the organizer."`
	Contested bool            `json:"contested" doc:"Another account had the result when it was claimed."`
	Reason    string          `json:"reason,omitempty" doc:"Why the organizer refused it; only of yours."`
	CreatedAt time.Time       `json:"created_at"`
	ChangedAt time.Time       `json:"changed_at"`
}

func (h handlers) mine(ctx context.Context, in *struct{ server.Page }) (*myClaimsOutput, error) {
	var before string
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	account, err := h.Runners.Account(ctx, server.CallerFrom(ctx).UserID)
	if err != nil {
		return nil, err
	}
	found, err := h.Store.ClaimsAbout(ctx, account.UserID, h.invitedAs(account), before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &myClaimsOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.Claim) []any { return []any{last.ID} })
	out.Body.Items = make([]MyClaim, len(found))
	for i, c := range found {
		out.Body.Items[i] = MyClaim{
			ClaimID: c.ID, RaceID: c.RaceID, RaceName: c.RaceName, RaceDate: c.RaceDate.String(), Bib: c.Bib,
			Yours: c.UserID == "" || c.UserID == account.UserID, Kind: c.Kind, State: c.State, Contested: c.Contested,
			CreatedAt: c.CreatedAt, ChangedAt: c.ChangedAt,
		}
		if out.Body.Items[i].Yours { // it is written to the claimant
			out.Body.Items[i].Reason = c.Reason
		}
	}
	return out, nil
}

// NewClaim is what somebody claims a result with.
type NewClaim struct {
	RaceID    string `json:"race_id" format:"uuid" example:"0192f3a1-7c55-7f0e-9f63-2d4b8a6c1e07"`
	Bib       string `json:"bib" minLength:"1" maxLength:"16" example:"9001"`
	Code      string `json:"code,omitempty" maxLength:"32" doc:"The claim code of the bib, such as K7QF-2M9X-3TAB. Case, spaces and hyphens do not matter."`
	BirthDate string `json:"birth_date,omitempty" example:"1980-05-01" doc:"YYYY-MM-DD: yours, as the organizer has it. Instead of a code."`
}

type claimInput struct {
	Body NewClaim
}

func (h handlers) claim(ctx context.Context, in *claimInput) (*stateOutput, error) {
	caller, key := server.CallerFrom(ctx), race.BibKey(in.Body.Bib)
	if (in.Body.Code == "") == (in.Body.BirthDate == "") {
		return nil, wrong("code", "name either the code of the bib or your birth_date")
	}
	if !server.IsID(in.Body.RaceID) {
		return nil, race.ErrNotFound
	}
	succeed, err := h.Codes.Begin(caller.UserID, in.Body.RaceID, key)
	if throttled, ok := errors.AsType[*auth.ThrottledError](err); ok {
		return nil, server.TooMany(throttled.RetryAfter, "too many attempts: wait before the next one")
	}
	request := maindb.ClaimRequest{
		ID: server.ResourceID(ctx), RaceID: in.Body.RaceID, Bib: in.Body.Bib, UserID: caller.UserID, Kind: race.ByCode,
	}
	if in.Body.Code != "" {
		code := Code(h.Hash, request.RaceID, key)
		if subtle.ConstantTimeCompare([]byte(readCode(in.Body.Code)), []byte(code)) == 0 {
			return nil, wrong("code", "is not the code of this bib")
		}
		succeed()
	} else {
		born, err := race.ParseDate(in.Body.BirthDate)
		if err != nil {
			return nil, wrong("birth_date", err.Error())
		}
		standIn := userdb.StandInID(request.RaceID, key)
		known, err := h.Runners.Runners(ctx, []string{standIn})
		if err != nil {
			return nil, err
		}
		matches := known[standIn].BirthDate == born
		request.Kind, request.BirthDateMatches = race.ByBirth, &matches
	}
	claim, revised, err := h.Store.OpenClaim(ctx, request, h.Runners.StandIn)
	return h.done(claim, revised, err)
}

func (h handlers) accept(ctx context.Context, in *claimPath) (*stateOutput, error) {
	account, err := h.account(ctx, in.ClaimID)
	if err != nil {
		return nil, err
	}
	claim, revised, err := h.Store.AcceptInvitation(ctx, in.ClaimID, account.UserID, h.invitedAs(account), h.Runners.StandIn)
	return h.done(claim, revised, err)
}

func (h handlers) end(ctx context.Context, in *claimPath) (*stateOutput, error) {
	account, err := h.account(ctx, in.ClaimID)
	if err != nil {
		return nil, err
	}
	claim, revised, err := h.Store.EndClaim(ctx, in.ClaimID, account.UserID, h.invitedAs(account), h.claimant, h.Runners.StandIn)
	return h.done(claim, revised, err)
}

// account returns the caller's account. It returns race.ErrNotFound for an ID that no
// claim can have.
func (h handlers) account(ctx context.Context, claimID string) (userdb.Account, error) {
	if !server.IsID(claimID) {
		return userdb.Account{}, race.ErrNotFound
	}
	return h.Runners.Account(ctx, server.CallerFrom(ctx).UserID)
}

func (h handlers) done(claim maindb.Claim, revised int, err error) (*stateOutput, error) {
	if err != nil {
		return nil, err
	}
	if revised > 0 {
		h.Poke()
	}
	return stateOf(claim), nil
}

func (h handlers) invitedAs(account userdb.Account) string {
	return InvitedAs(func(login string) string { return LoginHash(h.Hash, login) }, account)
}

// InvitedAs returns the hash by which an account finds its invitations, empty for none.
func InvitedAs(loginHash func(login string) string, account userdb.Account) string {
	if !account.OwnsLogin() {
		return ""
	}
	return loginHash(account.LoginID)
}

func wrong(field, message string) error {
	return &race.InvalidError{Fields: []race.FieldError{{Field: field, Message: message}}}
}
