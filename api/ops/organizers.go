package ops

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// organizers notes for whom operators vouch.
type organizers struct {
	store    *maindb.Store
	accounts *userdb.Accounts
	log      repair.Log
}

func (o organizers) register(api huma.API) {
	const path = "/v1/ops/organizers/{user_id}"
	errors := statusesOf(http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity)
	register(api, huma.Operation{
		OperationID: "verify-organizer", Method: http.MethodPost, Path: path + "/verify", Summary: "Verify an organizer",
		Description: "Vouches for an organizer: their races count for the season leaderboard from then on, within a minute. Verifying again changes nothing.",
		Errors:      errors,
	}, o.verify)
	register(api, huma.Operation{
		OperationID: "unverify-organizer", Method: http.MethodPost, Path: path + "/unverify", Summary: "Withdraw an organizer's verification",
		Description: "Their races no longer count for the season leaderboard, within a minute. Nothing else changes: races, results and points stay. " +
			"Withdrawing again changes nothing.",
		Errors: errors,
	}, o.unverify)
}

type verificationInput struct {
	UserID string `path:"user_id"`
	Body   struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"member of the national federation" doc:"Why, for the log of actions. No names."`
	}
}

type verificationOutput struct {
	Body struct {
		UserID   string `json:"user_id" format:"uuid"`
		Verified bool   `json:"verified"`
		Changed  bool   `json:"changed" doc:"False when it was so before."`
	}
}

func (o organizers) verify(ctx context.Context, in *verificationInput) (*verificationOutput, error) {
	return o.set(ctx, in, true, repair.Verify)
}

func (o organizers) unverify(ctx context.Context, in *verificationInput) (*verificationOutput, error) {
	return o.set(ctx, in, false, repair.Unverify)
}

func (o organizers) set(ctx context.Context, in *verificationInput, verified bool, action repair.Action) (*verificationOutput, error) {
	if err := checkID(in.UserID); err != nil {
		return nil, err
	}
	reason, err := required(in.Body.Reason)
	if err != nil {
		return nil, err
	}
	was, err := o.store.VerifiedOrganizers(ctx, []string{in.UserID})
	if err != nil {
		return nil, err
	}
	if !was[in.UserID] { // whoever was verified may have left since
		account, err := o.accounts.Account(ctx, in.UserID)
		if err != nil {
			return nil, ofLedger(err)
		}
		if account.Type != auth.Organizer {
			return nil, &race.ConflictError{Message: "this is not the account of an organizer"}
		}
	}
	out := &verificationOutput{}
	out.Body.UserID, out.Body.Verified = in.UserID, verified
	order := repair.Order{
		Action: action, OperatorID: operator(ctx), Target: in.UserID, Reason: reason, Before: map[string]bool{"verified": was[in.UserID]},
	}
	err = o.log.Do(ctx, order, func(ctx context.Context, _ string) (any, error) {
		before, err := o.store.SetVerified(ctx, in.UserID, verified, maindb.Change{By: operator(ctx), Reason: reason})
		if err != nil {
			return nil, err
		}
		out.Body.Changed = before != verified
		return map[string]bool{"verified": verified}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// required returns a reason without the spaces around it, if there is one.
func required(reason string) (string, error) {
	if reason = strings.TrimSpace(reason); reason == "" {
		return "", &race.InvalidError{Fields: []race.FieldError{{Field: "reason", Message: "is required"}}}
	}
	return reason, nil
}

// Verify vouches for an organizer.
func (s *Service) Verify(ctx context.Context, userID, reason string) error {
	return onAccount(ctx, verificationOf(userID, reason), s.organizers.verify)
}

// Unverify withdraws an organizer's verification.
func (s *Service) Unverify(ctx context.Context, userID, reason string) error {
	return onAccount(ctx, verificationOf(userID, reason), s.organizers.unverify)
}

func verificationOf(userID, reason string) *verificationInput {
	in := &verificationInput{UserID: userID}
	in.Body.Reason = reason
	return in
}

func (in *verificationInput) body() any { return in.Body }

// UnverifiedOrganizers returns organizers of races for whom nobody vouches, those with
// the latest races first.
func (s *Service) UnverifiedOrganizers(ctx context.Context, limit int) ([]maindb.UnverifiedOrganizer, error) {
	return within(ctx, readTimeout, func(ctx context.Context) ([]maindb.UnverifiedOrganizer, error) {
		return s.organizers.store.UnverifiedOrganizers(ctx, limit)
	})
}
