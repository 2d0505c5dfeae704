package staff

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

func (s staff) registerMine(api huma.API) {
	server.Register(api, huma.Operation{
		OperationID: "list-my-races", Method: http.MethodGet, Path: "/v1/me/races",
		Summary: "List the races that you own or work on", Tags: []string{tag},
	}, s.races)
	server.Register(api, huma.Operation{
		OperationID: "list-my-staff-invitations", Method: http.MethodGet, Path: invitationsPath,
		Summary: "List your invitations to work on races, and races that are offered to you", Tags: []string{tag},
		Description: "Those to an e-mail address are listed once you have confirmed that address.",
	}, s.invitations)
	server.Register(api, huma.Operation{
		OperationID: "accept-staff-invitation", Method: http.MethodPost, Path: invitationPath + "/accept",
		Summary: "Accept an invitation, or a race that is offered to you", Tags: []string{tag},
		Description: "You get the role that the invitation names, which replaces one that you have in the race. Accepting the role owner makes the race yours: " +
			"its open invitations end, and its former owner keeps no role in it. The answer is your role in the race; accepting again answers the role that you have by then.\n\n" +
			"Refused with 404 when the invitation is not for you, has expired, or was declined, withdrawn or replaced, and when you have left the race since you accepted. " +
			"Refused with 409 when you own the race already, or when a race is offered to you and your account is not an organizer's. Operators get 403.",
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, s.accept)
	server.Register(api, huma.Operation{
		OperationID: "decline-staff-invitation", Method: http.MethodPost, Path: invitationPath + "/decline", DefaultStatus: http.StatusNoContent,
		Summary: "Decline an invitation, or a race that is offered to you", Tags: []string{tag}, Errors: []int{http.StatusNotFound},
		Description: "The invitation is gone for you and cannot be accepted any more; the race can send a new one. Those who invited you are not told: " +
			"to them it stays open until it expires, because anything else would tell them that somebody has the login. Declining again changes nothing.\n\n" +
			"Refused with 404 when the invitation is not for you, has expired, or was accepted, withdrawn or replaced.",
	}, s.decline)
}

type myRacesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []myRace `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string   `json:"next_cursor,omitempty"`
	}
}

type myRace struct {
	RaceID string      `json:"race_id" format:"uuid"`
	Name   string      `json:"name"`
	Date   string      `json:"date" example:"2026-04-19"`
	Status race.Status `json:"status" enum:"scheduled,provisional,official,void"`
	Role   race.Role   `json:"role" enum:"viewer,timing,editor,owner"`
}

type myRacesInput struct{ server.Page }

func (s staff) races(ctx context.Context, in *myRacesInput) (*myRacesOutput, error) {
	var before string
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	found, err := s.Store.RacesOf(ctx, server.CallerFrom(ctx).UserID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &myRacesOutput{CacheControl: "no-store"}
	found, out.Body.NextCursor = server.Cut(in.Page, found, func(last maindb.OwnRace) []any { return []any{last.Race.ID} })
	out.Body.Items = make([]myRace, len(found))
	for i, own := range found {
		out.Body.Items[i] = myRace{RaceID: own.Race.ID, Name: own.Race.Name, Date: own.Race.Date.String(), Status: own.Race.Status, Role: own.Role}
	}
	return out, nil
}

type myInvitationsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items []MyInvitation `json:"items" nullable:"false" doc:"The oldest first."`
	}
}

// MyInvitation is an invitation of the caller that is open.
type MyInvitation struct {
	InvitationID string    `json:"invitation_id" format:"uuid"`
	RaceID       string    `json:"race_id" format:"uuid"`
	RaceName     string    `json:"race_name"`
	RaceDate     string    `json:"race_date" example:"2026-04-19"`
	Role         race.Role `json:"role" enum:"viewer,timing,editor,owner" doc:"The role owner offers the race itself."`
	Reason       string    `json:"reason,omitempty"`
	InvitedAt    time.Time `json:"invited_at"`
	ExpiresAt    time.Time `json:"expires_at"`
}

// caller returns the identities under which the caller may have been invited.
func (s staff) caller(ctx context.Context) (maindb.Invited, error) {
	account, err := s.Accounts.Account(ctx, server.CallerFrom(ctx).UserID)
	if errors.Is(err, race.ErrNotFound) {
		return maindb.Invited{}, server.Unauthorized("the account of this access token has been deleted")
	}
	if err != nil {
		return maindb.Invited{}, err
	}
	who := maindb.Invited{UserID: account.UserID}
	if account.OwnsLogin() {
		who.LoginHash = s.hash(account.LoginID)
	}
	return who, nil
}

func (s staff) invitations(ctx context.Context, _ *struct{}) (*myInvitationsOutput, error) {
	who, err := s.caller(ctx)
	if err != nil {
		return nil, err
	}
	open, err := s.Store.InvitationsFor(ctx, who)
	if err != nil {
		return nil, err
	}
	out := &myInvitationsOutput{CacheControl: "no-store"}
	out.Body.Items = make([]MyInvitation, len(open))
	for i, o := range open {
		out.Body.Items[i] = MyInvitation{
			InvitationID: o.ID, RaceID: o.RaceID, RaceName: o.RaceName, RaceDate: o.RaceDate.String(), Role: o.Role, Reason: o.Reason,
			InvitedAt: o.At, ExpiresAt: o.ExpiresAt,
		}
	}
	return out, nil
}

type invitationInput struct {
	InvitationID string `path:"invitation_id"`
}

type acceptOutput struct {
	Body struct {
		RaceID string    `json:"race_id" format:"uuid"`
		Role   race.Role `json:"role" enum:"viewer,timing,editor,owner"`
	}
}

func (s staff) accept(ctx context.Context, in *invitationInput) (*acceptOutput, error) {
	if !server.IsID(in.InvitationID) {
		return nil, race.ErrNotFound
	}
	who, err := s.caller(ctx)
	if err != nil {
		return nil, err
	}
	caller := server.CallerFrom(ctx)
	if caller.Type == auth.Operator {
		return nil, huma.Error403Forbidden("operators do not work on races")
	}
	accepted, err := s.Store.AcceptStaffInvitation(ctx, in.InvitationID, who, caller.Type == auth.Organizer)
	if err != nil {
		return nil, err
	}
	out := &acceptOutput{}
	out.Body.RaceID, out.Body.Role = accepted.RaceID, accepted.Role
	return out, nil
}

func (s staff) decline(ctx context.Context, in *invitationInput) (*struct{}, error) {
	if !server.IsID(in.InvitationID) {
		return nil, race.ErrNotFound
	}
	who, err := s.caller(ctx)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.DeclineStaffInvitation(ctx, in.InvitationID, who)
}
