package ops

import (
	"context"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/ops/repair"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/queue"
)

// maxShownBody bounds how much of a body is shown and logged, in bytes; ours have fewer
// than 500.
const maxShownBody = 4096

// letters lists, redrives and discards dead letters.
type letters struct{ letters repair.DeadLetters }

func (l letters) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "list-dead-letters", Method: http.MethodGet, Path: lettersPath,
		Summary: "List dead letters with their reasons", Description: "Listing leaves them on the queue.",
		Errors: statusesOf(),
	}, l.list)
	register(api, huma.Operation{
		OperationID: "redrive-dead-letters", Method: http.MethodPost, Path: lettersPath + "/redrive",
		Summary:     "Send one dead letter, or all, to the records queue again",
		Description: "A message that arrives twice changes nothing. Malformed ones are not moved, because they would be dead-lettered again.",
		Errors:      statusesOf(http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity),
	}, l.redrive)
	register(api, huma.Operation{
		OperationID: "discard-dead-letter", Method: http.MethodPost, Path: lettersPath + "/{message_id}/discard",
		Summary:     "Delete a dead letter for good",
		Description: "The log of actions keeps it, with the reason.",
		Errors:      statusesOf(http.StatusNotFound, http.StatusUnprocessableEntity),
	}, l.discard)
}

// ShownLetter is a dead letter in answers and in the log of actions.
type ShownLetter struct {
	MessageID string     `json:"message_id"`
	Reason    string     `json:"reason" doc:"Why it was dead-lettered."`
	Broken    string     `json:"broken,omitempty" doc:"What is wrong with the body. Such a message would be dead-lettered again."`
	Body      string     `json:"body" doc:"Cut after 4096 bytes."`
	RecordID  string     `json:"record_id,omitempty" doc:"If the body is well formed."`
	RaceID    string     `json:"race_id,omitempty"`
	Revision  int        `json:"revision,omitempty"`
	SentAt    *time.Time `json:"sent_at,omitempty" doc:"When it was sent to the dead-letter queue or, if the queue itself moved it there, to the records queue."`
}

func showLetter(letter queue.Letter) ShownLetter {
	shown := ShownLetter{MessageID: letter.MessageID, Reason: letter.Reason, Body: cut(letter.Body), SentAt: server.TimeOrNil(letter.SentAt)}
	if shown.Reason == "" {
		shown.Reason = "received too many times without being deleted"
	}
	message, err := queue.Decode(letter.Body)
	if err != nil {
		shown.Broken = err.Error()
		return shown
	}
	shown.RecordID, shown.RaceID, shown.Revision = message.RecordID, message.RaceID, message.Revision
	return shown
}

func showLetters(taken []queue.Letter) any {
	shown := make([]ShownLetter, len(taken))
	for i, letter := range taken {
		shown[i] = showLetter(letter)
	}
	return shown
}

// cut keeps the beginning of a body, in whole characters.
func cut(body string) string {
	if len(body) <= maxShownBody {
		return body
	}
	end := maxShownBody
	for end > 0 && !utf8.RuneStart(body[end]) {
		end--
	}
	return body[:end]
}

type lettersInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"The maximum number of messages to return. A queue has no order and no pages: the rest appears once these are redriven or discarded."`
}

type lettersOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items    []ShownLetter `json:"items" nullable:"false"`
		Visible  int           `json:"visible" doc:"The approximate number on the queue."`
		InFlight int           `json:"in_flight" doc:"The approximate number that other readers hold at the moment; these are not listed."`
	}
}

func (l letters) list(ctx context.Context, in *lettersInput) (*lettersOutput, error) {
	found, depth, err := l.letters.Read(ctx, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &lettersOutput{CacheControl: "no-store"}
	out.Body.Visible, out.Body.InFlight = depth.Visible, depth.InFlight
	out.Body.Items = make([]ShownLetter, len(found))
	for i, letter := range found {
		out.Body.Items[i] = showLetter(letter)
	}
	return out, nil
}

type redriveInput struct {
	Body struct {
		MessageID string `json:"message_id,omitempty" maxLength:"100" doc:"The message to send again."`
		All       bool   `json:"all,omitempty" example:"true" doc:"All messages, up to 1000 in one call."`
		Reason    string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the log of actions. No names."`
	}
}

type redriveOutput struct {
	Body repair.Redriven
}

func (l letters) redrive(ctx context.Context, in *redriveInput) (*redriveOutput, error) {
	if in.Body.All == (in.Body.MessageID != "") {
		return nil, server.Invalid("body", `must have either message_id or "all": true`)
	}
	done, err := l.letters.Redrive(ctx, operator(ctx), in.Body.MessageID, in.Body.Reason, showLetters)
	if err != nil {
		return nil, err
	}
	return &redriveOutput{Body: done}, nil
}

type discardInput struct {
	MessageID string `path:"message_id" maxLength:"100"`
	Body      struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" example:"sent by a test" doc:"Why, for the log of actions. No names."`
	}
}

type discardOutput struct {
	Body ShownLetter
}

func (l letters) discard(ctx context.Context, in *discardInput) (*discardOutput, error) {
	letter, err := l.letters.Discard(ctx, operator(ctx), in.MessageID, in.Body.Reason, func(taken []queue.Letter) any { return showLetter(taken[0]) })
	if err != nil {
		return nil, err
	}
	return &discardOutput{Body: showLetter(letter)}, nil
}
