package accounts

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// maxPause is how long notices may pause.
const maxPause = 366 * 24 * time.Hour

// notices shows and changes what the caller is told about.
type notices struct {
	store *userdb.Accounts
	now   func() time.Time
}

func (n notices) register(api huma.API) {
	const path = "/v1/me/notices"
	server.Register(api, huma.Operation{
		OperationID: "get-my-notices", Method: http.MethodGet, Path: path,
		Summary: "Get your notice preferences", Tags: []string{tag}, Errors: []int{http.StatusUnauthorized},
		Description: "What you are told about, by kind and channel, and until when notices pause. Notices go to the address that you have confirmed, once about each event, and only with what has changed since the last one.",
	}, n.get)
	server.Register(api, huma.Operation{
		OperationID: "change-my-notices", Method: http.MethodPatch, Path: path,
		Summary: "Change your notice preferences", Tags: []string{tag}, MaxBodyBytes: maxBody,
		Description: "Transactional notices, about your entries and the security of your account, cannot be switched off and do not pause. What happens during a pause is not told later. Mails of every other kind also have a link that switches the kind off without a login.",
		Errors:      []int{http.StatusUnauthorized, http.StatusUnprocessableEntity},
	}, n.change)
}

type shownNotice struct {
	Kind    notice.Kind    `json:"kind" example:"result-posted"`
	Channel notice.Channel `json:"channel" enum:"email"`
	Class   notice.Class   `json:"class" enum:"transactional,personal,activity" doc:"transactional: always sent. personal: sent at once. activity: at most once a day."`
	State   notice.State   `json:"state" enum:"always,on,digest,off"`
	Choices []notice.State `json:"choices" nullable:"false" doc:"The states that you can choose; empty when there is no choice."`
}

type noticesOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		PausedUntil time.Time     `json:"paused_until,omitzero" doc:"No notices that you can switch off are sent until then; missing when there is no pause."`
		Items       []shownNotice `json:"items" nullable:"false"`
	}
}

// ChosenNotice is what somebody chooses for a kind of notice.
type ChosenNotice struct {
	Kind    string `json:"kind" example:"result-posted"`
	Channel string `json:"channel,omitempty" enum:"email" default:"email" example:"email"`
	State   string `json:"state" example:"off" doc:"One of the choices that the kind has."`
}

// NoticesChange is what somebody changes about their notices; nil leaves a value as it is.
type NoticesChange struct {
	PausedUntil *string        `json:"paused_until,omitempty" example:"2026-12-31T00:00:00Z" doc:"A time (RFC 3339), at most a year from now; an empty string ends the pause."`
	Items       []ChosenNotice `json:"items,omitempty" maxItems:"100" doc:"Kinds that are left out stay as they are."`
}

func (n notices) get(ctx context.Context, _ *struct{}) (*noticesOutput, error) {
	found, err := n.store.Preferences(ctx, server.CallerFrom(ctx).UserID)
	if err != nil {
		return nil, gone(err)
	}
	return n.outputOf(found), nil
}

func (n notices) change(ctx context.Context, in *struct{ Body NoticesChange }) (*noticesOutput, error) {
	changed, err := n.update(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	return n.outputOf(changed), nil
}

func (n notices) update(ctx context.Context, in NoticesChange) (notice.Preferences, error) {
	var wrong race.FieldErrors
	var choices []notice.Choice
	for i, chosen := range in.Items {
		choice, field, err := choiceOf(chosen)
		if err != nil {
			wrong.Add(fmt.Sprintf("items[%d].%s", i, field), err)
		}
		choices = append(choices, choice)
	}
	pause := parsed(&wrong, "paused_until", in.PausedUntil, n.parsePause)
	if err := wrong.Err(); err != nil {
		return notice.Preferences{}, err
	}
	changed, err := n.store.ChooseNotices(ctx, server.CallerFrom(ctx).UserID, choices, pause)
	return changed, gone(err)
}

// choiceOf checks a choice. The error is about the field.
func choiceOf(chosen ChosenNotice) (choice notice.Choice, field string, err error) {
	definition, known := notice.Of(notice.Kind(chosen.Kind))
	if !known {
		return choice, "kind", errors.New("is no kind of notice: GET /v1/me/notices lists them")
	}
	choice = notice.Choice{Kind: definition.Kind, Channel: notice.Email, State: notice.State(chosen.State)}
	if slices.Contains(definition.Choices(), choice.State) {
		return choice, "", nil
	}
	if definition.Class == notice.Transactional {
		return choice, "kind", errors.New("cannot be switched off")
	}
	return choice, "state", fmt.Errorf("must be one of %q", definition.Choices())
}

// parsePause reads the end of a pause; a time that is past ends one.
func (n notices) parsePause(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	until, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return until, errors.New("must be a time like 2026-12-31T00:00:00Z, or empty")
	case until.Sub(n.now()) > maxPause:
		return until, errors.New("must be within a year")
	case !until.After(n.now()):
		return time.Time{}, nil
	}
	return until, nil
}

func (n notices) outputOf(p notice.Preferences) *noticesOutput {
	out := &noticesOutput{CacheControl: noStore}
	if p.PausedUntil.After(n.now()) {
		out.Body.PausedUntil = p.PausedUntil
	}
	for _, d := range notice.Definitions() {
		choices := d.Choices()
		if choices == nil {
			choices = []notice.State{}
		}
		out.Body.Items = append(out.Body.Items, shownNotice{
			Kind: d.Kind, Channel: notice.Email, Class: d.Class, State: p.State(d, notice.Email), Choices: choices,
		})
	}
	return out
}
