// Package staff serves who works on a race: its staff, invitations, and handing the
// race over.
package staff

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	tag = "Race staff"

	staffPath       = "/v1/races/{race_id}/staff"
	memberPath      = staffPath + "/{user_id}"
	invitationsPath = "/v1/me/staff-invitations"
	invitationPath  = invitationsPath + "/{invitation_id}"

	maxBody = 16 << 10
	// invitationLifetime is how long an invitation can be accepted.
	invitationLifetime = 14 * 24 * time.Hour
)

// Config is what the calls need.
type Config struct {
	Store    *maindb.Store
	Accounts *userdb.Store
	// HashLogin is a keyed hash, by which an invitation names a login.
	HashLogin func(login []byte) server.Hash
	// Actions is the log of what operators do.
	Actions repair.Log
	Now     func() time.Time
}

// Register adds the calls to the API. It returns what pages do with them.
func Register(api huma.API, cfg Config) *Service {
	s := staff{cfg}
	owners := []int{http.StatusNotFound, http.StatusConflict}
	server.Register(api, huma.Operation{
		OperationID: "list-staff", Method: http.MethodGet, Path: staffPath, Errors: owners,
		Summary: "List who works on a race", Tags: []string{tag}, Description: "The owner sees open invitations too.",
	}, s.list)
	server.Register(api, huma.Operation{
		OperationID: "invite-staff", Method: http.MethodPost, Path: staffPath, DefaultStatus: http.StatusAccepted, MaxBodyBytes: maxBody, Errors: owners,
		Summary: "Invite somebody to work on a race", Tags: []string{tag},
		Description: "A viewer reads what is not public; timing also imports and corrects records; an editor also changes settings and the start list and finalizes. " +
			"The person with the login, confirmed if it is an e-mail address, finds the invitation at `GET /v1/me/staff-invitations` for 14 days. " +
			"The answer does not tell whether the login exists. A new invitation replaces an open one for the same login.",
	}, s.invite)
	server.Register(api, huma.Operation{
		OperationID: "change-staff-role", Method: http.MethodPatch, Path: memberPath, DefaultStatus: http.StatusNoContent, MaxBodyBytes: maxBody, Errors: owners,
		Summary: "Change the role of a member of the staff", Tags: []string{tag},
	}, s.change)
	server.Register(api, huma.Operation{
		OperationID: "remove-staff", Method: http.MethodDelete, Path: memberPath, DefaultStatus: http.StatusNoContent, Errors: owners,
		Summary: "Take somebody off the staff of a race, or leave it", Tags: []string{tag},
		Description: "The owner removes anybody, others only themselves. API keys of the race that they made end.",
	}, s.remove)
	server.Register(api, huma.Operation{
		OperationID: "withdraw-staff-invitation", Method: http.MethodDelete, Path: staffPath + "/invitations/{invitation_id}", DefaultStatus: http.StatusNoContent, Errors: owners,
		Summary: "Withdraw an open invitation", Tags: []string{tag},
	}, s.withdraw)
	server.Register(api, huma.Operation{
		OperationID: "hand-over-race", Method: http.MethodPost, Path: "/v1/races/{race_id}/hand-over", DefaultStatus: http.StatusAccepted, MaxBodyBytes: maxBody, Errors: owners,
		Summary: "Hand a race over to another organizer", Tags: []string{tag},
		Description: "The other organizer, who must have confirmed the login if it is an e-mail address, accepts at `POST /v1/me/staff-invitations/{invitation_id}/accept` within 14 days (202); until then nothing changes. " +
			"The former owner then has no role in the race any more. An operator's hand-over takes effect at once (200). The reason is public.",
	}, s.handOver)
	s.registerMine(api)
	return &Service{s}
}

// Service is what pages do with the staff of races, as the calls do.
type Service struct{ calls staff }

// Of returns who works on the race of ctx and, for its owner, the open invitations.
func (s *Service) Of(ctx context.Context) ([]Member, []OpenInvitation, error) {
	out, err := s.calls.list(ctx, nil)
	if err != nil {
		return nil, nil, err
	}
	return out.Body.Items, out.Body.Invitations, nil
}

// Invite invites somebody to work on the race of ctx.
func (s *Service) Invite(ctx context.Context, in NewInvitation) error {
	if err := server.Valid(in); err != nil {
		return err
	}
	_, err := s.calls.invite(ctx, &inviteInput{Body: in})
	return err
}

// ChangeRole changes the role of a member of the staff.
func (s *Service) ChangeRole(ctx context.Context, userID string, role race.Role) error {
	in := &roleInput{MemberPath: MemberPath{UserID: userID}}
	in.Body.Role = role
	if err := server.Valid(in.Body); err != nil {
		return err
	}
	_, err := s.calls.change(ctx, in)
	return err
}

// Remove takes a member off the staff of the race of ctx.
func (s *Service) Remove(ctx context.Context, userID string) error {
	_, err := s.calls.remove(ctx, &MemberPath{UserID: userID})
	return err
}

// Withdraw withdraws an open invitation.
func (s *Service) Withdraw(ctx context.Context, invitationID string) error {
	_, err := s.calls.withdraw(ctx, &withdrawInput{InvitationID: invitationID})
	return err
}

// HandOver offers the race of ctx to another organizer.
func (s *Service) HandOver(ctx context.Context, in NewOwner) error {
	if err := server.Valid(in); err != nil {
		return err
	}
	_, err := s.calls.handOver(ctx, &handOverInput{Body: in})
	return err
}

// Invitations returns the open invitations of the caller, the oldest first.
func (s *Service) Invitations(ctx context.Context) ([]MyInvitation, error) {
	out, err := s.calls.invitations(ctx, nil)
	if err != nil {
		return nil, err
	}
	return out.Body.Items, nil
}

// Accept accepts an invitation of the caller and returns the ID of the race.
func (s *Service) Accept(ctx context.Context, invitationID string) (raceID string, err error) {
	out, err := s.calls.accept(ctx, &invitationInput{InvitationID: invitationID})
	if err != nil {
		return "", err
	}
	return out.Body.RaceID, nil
}

// Decline declines an invitation of the caller.
func (s *Service) Decline(ctx context.Context, invitationID string) error {
	_, err := s.calls.decline(ctx, &invitationInput{InvitationID: invitationID})
	return err
}

type staff struct{ Config }

// RacePath is embedded in the inputs of calls about a race. It is exported because
// huma ignores embedded types that are not.
type RacePath struct {
	RaceID string `path:"race_id"`
}

type staffOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		OwnerID     string           `json:"owner_id" format:"uuid"`
		Items       []Member         `json:"items" nullable:"false" doc:"Besides the owner."`
		Invitations []OpenInvitation `json:"invitations,omitempty" doc:"Nobody has answered them yet. Only for the owner."`
	}
}

// Member is somebody who works on a race, besides its owner.
type Member struct {
	UserID  string    `json:"user_id" format:"uuid"`
	Name    string    `json:"name,omitempty"`
	Role    race.Role `json:"role" enum:"viewer,timing,editor"`
	AddedAt time.Time `json:"added_at"`
}

// OpenInvitation is an invitation that nobody has answered yet.
type OpenInvitation struct {
	InvitationID string    `json:"invitation_id" format:"uuid"`
	Role         race.Role `json:"role" enum:"viewer,timing,editor,owner" doc:"The role owner offers the race itself."`
	Reason       string    `json:"reason,omitempty"`
	InvitedAt    time.Time `json:"invited_at"`
	ExpiresAt    time.Time `json:"expires_at"`
}

func (s staff) list(ctx context.Context, _ *RacePath) (*staffOutput, error) {
	r := server.RaceFrom(ctx)
	members, err := s.Store.Staff(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(members))
	for i, member := range members {
		ids[i] = member.UserID
	}
	known, err := s.Accounts.Runners(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := &staffOutput{CacheControl: "no-store"}
	out.Body.OwnerID, out.Body.Items = r.OrganizerID, make([]Member, len(members))
	for i, member := range members {
		out.Body.Items[i] = Member{UserID: member.UserID, Name: known[member.UserID].Name, Role: member.Role, AddedAt: member.AddedAt}
	}
	if server.RoleFrom(ctx) != race.Owner {
		return out, nil
	}
	open, err := s.Store.Invitations(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	for _, invitation := range open {
		out.Body.Invitations = append(out.Body.Invitations, invitationOf(invitation))
	}
	return out, nil
}

func invitationOf(i maindb.Invitation) OpenInvitation {
	return OpenInvitation{InvitationID: i.ID, Role: i.Role, Reason: i.Reason, InvitedAt: i.At, ExpiresAt: i.ExpiresAt}
}

type inviteInput struct {
	RacePath
	Body NewInvitation
}

// NewInvitation names who is invited to what.
type NewInvitation struct {
	LoginID string    `json:"login_id" maxLength:"400" example:"timing@example.org"`
	Role    race.Role `json:"role" enum:"viewer,timing,editor" example:"timing"`
	Reason  string    `json:"reason,omitempty" maxLength:"500" doc:"Shown to the invited, and to everybody who may read the changes of the race."`
}

type inviteOutput struct {
	Body OpenInvitation
}

func (s staff) invite(ctx context.Context, in *inviteInput) (*inviteOutput, error) {
	invited, err := s.invited("login_id", in.Body.LoginID)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, invited, in.Body.Role, in.Body.Reason)
}

// invited names a login that may or may not exist. Nothing is looked up, so that
// both take the same time.
func (s staff) invited(field, loginID string) (maindb.Invited, error) {
	login, err := auth.ParseLogin(loginID)
	if err != nil {
		return maindb.Invited{}, invalid(field, err.Error())
	}
	return maindb.Invited{LoginHash: s.hash(login)}, nil
}

func (s staff) hash(login string) string {
	sum := s.HashLogin([]byte("staff " + login))
	return hex.EncodeToString(sum[:])
}

func (s staff) open(ctx context.Context, invited maindb.Invited, role race.Role, reason string) (*inviteOutput, error) {
	now := s.Now().UTC().Truncate(time.Microsecond)
	invitation := maindb.Invitation{
		ID: server.ResourceID(ctx), RaceID: server.RaceFrom(ctx).ID, Role: role, Invited: invited, Reason: strings.TrimSpace(reason),
		By: server.CallerFrom(ctx).UserID, At: now, ExpiresAt: now.Add(invitationLifetime),
	}
	if err := s.Store.Invite(ctx, invitation); err != nil {
		return nil, err
	}
	return &inviteOutput{Body: invitationOf(invitation)}, nil
}

func invalid(field, message string) error {
	return &race.InvalidError{Fields: []race.FieldError{{Field: field, Message: message}}}
}

// MemberPath is embedded like RacePath.
type MemberPath struct {
	RacePath
	UserID string `path:"user_id"`
}

type roleInput struct {
	MemberPath
	Body struct {
		Role race.Role `json:"role" enum:"viewer,timing,editor" example:"editor"`
	}
}

func (s staff) change(ctx context.Context, in *roleInput) (*struct{}, error) {
	if !server.IsID(in.UserID) {
		return nil, race.ErrNotFound
	}
	return nil, s.Store.ChangeRole(ctx, server.RaceFrom(ctx).ID, in.UserID, in.Body.Role)
}

func (s staff) remove(ctx context.Context, in *MemberPath) (*struct{}, error) {
	if server.RoleFrom(ctx) != race.Owner && in.UserID != server.CallerFrom(ctx).UserID {
		return nil, huma.Error403Forbidden("only the owner of the race takes others off its staff")
	}
	if !server.IsID(in.UserID) {
		return nil, race.ErrNotFound
	}
	return nil, s.Store.RemoveStaff(ctx, server.RaceFrom(ctx).ID, in.UserID)
}

type withdrawInput struct {
	RacePath
	InvitationID string `path:"invitation_id"`
}

func (s staff) withdraw(ctx context.Context, in *withdrawInput) (*struct{}, error) {
	if !server.IsID(in.InvitationID) {
		return nil, race.ErrNotFound
	}
	return nil, s.Store.WithdrawStaffInvitation(ctx, server.RaceFrom(ctx).ID, in.InvitationID)
}

type handOverInput struct {
	RacePath
	Body NewOwner
}

// NewOwner names who gets a race.
type NewOwner struct {
	LoginID string `json:"login_id,omitempty" maxLength:"400" example:"office@example.org" doc:"The login of the new owner. Give either this or user_id."`
	UserID  string `json:"user_id,omitempty" format:"uuid"`
	Reason  string `json:"reason" minLength:"1" maxLength:"500" example:"the club organizes the race from now on" doc:"Public."`
}

type handOverOutput struct {
	Status int
	Body   struct {
		State        string     `json:"state" enum:"offered,handed_over"`
		InvitationID string     `json:"invitation_id,omitempty" format:"uuid" doc:"Of the offer."`
		ExpiresAt    *time.Time `json:"expires_at,omitempty" doc:"Of the offer."`
		OwnerID      string     `json:"owner_id" format:"uuid"`
	}
}

func (s staff) handOver(ctx context.Context, in *handOverInput) (*handOverOutput, error) {
	reason := strings.TrimSpace(in.Body.Reason)
	switch {
	case reason == "":
		return nil, invalid("reason", "must say why, in 1 to 500 characters")
	case (in.Body.LoginID == "") == (in.Body.UserID == ""):
		return nil, invalid("login_id", "name the new owner by login_id or by user_id")
	case server.CallerFrom(ctx).Type == auth.Operator:
		return s.handOverAtOnce(ctx, in, reason)
	}
	invited := maindb.Invited{UserID: in.Body.UserID}
	if in.Body.LoginID != "" {
		var err error
		if invited, err = s.invited("login_id", in.Body.LoginID); err != nil {
			return nil, err
		}
	}
	offer, err := s.open(ctx, invited, race.Owner, reason)
	if err != nil {
		return nil, err
	}
	out := &handOverOutput{Status: http.StatusAccepted}
	out.Body.State, out.Body.OwnerID = "offered", server.RaceFrom(ctx).OrganizerID
	out.Body.InvitationID, out.Body.ExpiresAt = offer.Body.InvitationID, &offer.Body.ExpiresAt
	return out, nil
}

// handOverAtOnce is an operator's: for races whose owner is gone or does not answer.
func (s staff) handOverAtOnce(ctx context.Context, in *handOverInput, reason string) (*handOverOutput, error) {
	account, err := s.newOwner(ctx, in)
	if err != nil {
		return nil, err
	}
	old := server.RaceFrom(ctx)
	order := repair.Order{
		Action: repair.HandOverRace, OperatorID: server.CallerFrom(ctx).UserID, Target: old.ID, Reason: reason,
		Before: map[string]string{"owner_id": old.OrganizerID},
	}
	err = s.Actions.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		if _, _, err := s.Store.HandOver(ctx, old.ID, account.UserID, reason); err != nil {
			return nil, err
		}
		return map[string]string{"owner_id": account.UserID}, nil
	})
	if err != nil {
		return nil, err
	}
	out := &handOverOutput{Status: http.StatusOK}
	out.Body.State, out.Body.OwnerID = "handed_over", account.UserID
	return out, nil
}

func (s staff) newOwner(ctx context.Context, in *handOverInput) (account userdb.Account, err error) {
	field := "user_id"
	if in.Body.LoginID == "" {
		account, err = s.Accounts.Account(ctx, in.Body.UserID)
	} else {
		field = "login_id"
		login, wrong := auth.ParseLogin(in.Body.LoginID)
		if wrong != nil {
			return account, invalid(field, wrong.Error())
		}
		account, err = s.Accounts.AccountByLogin(ctx, login)
	}
	if errors.Is(err, race.ErrNotFound) || err == nil && account.Type != auth.Organizer {
		return account, invalid(field, "must be an organizer's account")
	}
	return account, err
}
