package ops

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// suspensions keeps people out of their accounts and lets them in again: also those who
// need a passkey and have lost all of theirs.
type suspensions struct {
	store *userdb.Accounts
	log   repair.Log
}

func (s suspensions) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "suspend-user", Method: http.MethodPost, Path: "/v1/ops/users/{user_id}/suspend",
		Summary:     "Suspend an account",
		Description: "Ends all of its sessions: its access tokens are refused at once by calls that change something, and within a second by those that read. Nobody can log in to it until it is restored. Nothing else changes: its races, results and points stay. Suspending a suspended account changes nothing.",
		Errors:      statusesOf(http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity),
	}, s.suspend)
	register(api, huma.Operation{
		OperationID: "restore-user", Method: http.MethodPost, Path: "/v1/ops/users/{user_id}/restore",
		Summary:     "Restore a suspended account",
		Description: "Lets its owner log in again; sessions from before stay ended. Restoring an account that is not suspended changes nothing.",
		Errors:      statusesOf(http.StatusNotFound, http.StatusUnprocessableEntity),
	}, s.restore)
	register(api, huma.Operation{
		OperationID: "remove-passkeys", Method: http.MethodPost, Path: "/v1/ops/users/{user_id}/remove-passkeys",
		Summary:     "Remove all passkeys of an account",
		Description: "For an account that needs a passkey (REQUIRE_PASSKEY) and whose owner has lost all of theirs, or found others' after a recovery. Ends all of its sessions; its owner gets a mail. The password alone then adds the first passkey: make sure first who asks, and have a new password chosen by a mailed link (POST /v1/users/recovery). Another operator does it for an operator.",
		Errors:      statusesOf(http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity),
	}, s.removePasskeys)
}

type removedPasskeysOutput struct {
	Body struct {
		UserID  string `json:"user_id" format:"uuid"`
		Removed int    `json:"removed" doc:"How many there were."`
	}
}

func (s suspensions) removePasskeys(ctx context.Context, in *suspensionInput) (*removedPasskeysOutput, error) {
	if in.UserID == operator(ctx) {
		return nil, &race.ConflictError{Message: "this is your own account: another operator can do it"}
	}
	if err := checkID(in.UserID); err != nil {
		return nil, err
	}
	reason := strings.TrimSpace(in.Body.Reason)
	if reason == "" {
		return nil, &race.InvalidError{Fields: []race.FieldError{{Field: "reason", Message: "is required"}}}
	}
	out := &removedPasskeysOutput{}
	out.Body.UserID = in.UserID
	order := repair.Order{Action: repair.RemovePasskeys, OperatorID: operator(ctx), Target: in.UserID, Reason: reason}
	err := s.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		removed, err := s.store.RemovePasskeys(ctx, in.UserID, reason)
		if err != nil {
			return nil, ofLedger(err)
		}
		out.Body.Removed = removed
		return map[string]int{"removed": removed}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

type suspensionInput struct {
	UserID string `path:"user_id"`
	Body   struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"asked for by mail from the address of the account" doc:"Why, for the log of actions. No names."`
	}
}

type suspensionOutput struct {
	Body struct {
		UserID    string `json:"user_id" format:"uuid"`
		Suspended bool   `json:"suspended"`
		Changed   bool   `json:"changed" doc:"False when it was so before."`
	}
}

// suspensionState is an account in the log of actions.
type suspensionState struct {
	Suspended bool       `json:"suspended"`
	Since     *time.Time `json:"since,omitempty"`
}

func suspensionOf(a userdb.Account) suspensionState {
	return suspensionState{Suspended: !a.Suspension.At.IsZero(), Since: server.TimeOrNil(a.Suspension.At)}
}

func (s suspensions) suspend(ctx context.Context, in *suspensionInput) (*suspensionOutput, error) {
	if in.UserID == operator(ctx) {
		return nil, &race.ConflictError{Message: "this is your own account: another operator can suspend it"}
	}
	return s.set(ctx, in, true)
}

func (s suspensions) restore(ctx context.Context, in *suspensionInput) (*suspensionOutput, error) {
	return s.set(ctx, in, false)
}

func (s suspensions) set(ctx context.Context, in *suspensionInput, suspended bool) (*suspensionOutput, error) {
	if err := checkID(in.UserID); err != nil {
		return nil, err
	}
	reason := strings.TrimSpace(in.Body.Reason)
	if reason == "" {
		return nil, &race.InvalidError{Fields: []race.FieldError{{Field: "reason", Message: "is required"}}}
	}
	account, err := s.store.Account(ctx, in.UserID)
	if err != nil {
		return nil, ofLedger(err)
	}
	order := repair.Order{
		Action: repair.SuspendUser, OperatorID: operator(ctx), Target: in.UserID, Reason: reason, Before: suspensionOf(account),
	}
	if !suspended {
		order.Action = repair.RestoreUser
	}
	out := &suspensionOutput{}
	out.Body.UserID, out.Body.Suspended = in.UserID, suspended
	err = s.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		var before userdb.Account
		var err error
		if suspended {
			before, err = s.store.Suspend(ctx, in.UserID, operator(ctx), reason)
		} else {
			before, err = s.store.Restore(ctx, in.UserID, reason)
		}
		if err != nil {
			return nil, ofLedger(err)
		}
		out.Body.Changed = suspensionOf(before).Suspended != suspended
		return suspensionState{Suspended: suspended}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Suspend ends all sessions of an account and keeps its owner out.
func (s *Service) Suspend(ctx context.Context, userID, reason string) error {
	return onAccount(ctx, suspendBody(userID, reason), s.suspensions.suspend)
}

// Restore lets the owner of a suspended account in again.
func (s *Service) Restore(ctx context.Context, userID, reason string) error {
	return onAccount(ctx, suspendBody(userID, reason), s.suspensions.restore)
}

// RemovePasskeys removes all passkeys of an account.
func (s *Service) RemovePasskeys(ctx context.Context, userID, reason string) error {
	return onAccount(ctx, suspendBody(userID, reason), s.suspensions.removePasskeys)
}

func suspendBody(userID, reason string) *suspensionInput {
	in := &suspensionInput{UserID: userID}
	in.Body.Reason = reason
	return in
}

// body is the part of an input that is checked.
func (in *suspensionInput) body() any { return in.Body }
