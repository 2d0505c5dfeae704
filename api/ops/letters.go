package ops

import (
	"context"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/queue"
)

const (
	// mostLetters is how many dead letters one call takes at most.
	mostLetters = 1000
	// hideLetters is how long they stay hidden from others unless they are given
	// back, which is at once.
	hideLetters = 30 * time.Second
	// maxShownBody is how much of a body is shown and kept, in bytes; ours have 150.
	maxShownBody = 4096
)

// Letters is the dead-letter queue. The failures are the messages for which a
// call failed, by index; these come back to it by themselves.
type Letters interface {
	// DeadLetterDepth returns how many messages it holds, about.
	DeadLetterDepth(ctx context.Context) (queue.Depth, error)
	// TakeLetters takes up to most messages off it for a while.
	TakeLetters(ctx context.Context, most int, hide time.Duration) ([]queue.Letter, error)
	// ReleaseLetters gives messages back at once.
	ReleaseLetters(ctx context.Context, letters []queue.Letter) []queue.Failure
	letterMover
}

type letterMover interface {
	// Redrive moves messages to the records queue.
	Redrive(ctx context.Context, letters []queue.Letter) []queue.Failure
	// DeleteLetters deletes messages for good.
	DeleteLetters(ctx context.Context, letters []queue.Letter) []queue.Failure
}

// letters shows the dead-letter queue, and empties it.
type letters struct {
	queue   Letters
	journal journal
}

type lettersInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most. A queue has no order: there are no pages, the rest shows when these are redriven or discarded."`
}

// shownLetter is a dead letter as the API shows it, and the record of actions
// keeps it.
type shownLetter struct {
	MessageID string     `json:"message_id"`
	Reason    string     `json:"reason" doc:"Why it was given up."`
	Broken    string     `json:"broken,omitempty" doc:"What is wrong with the body; such a message would only come back."`
	Body      string     `json:"body" doc:"Cut after 4096 bytes."`
	RecordID  string     `json:"record_id,omitempty" doc:"Of a body that is one of ours."`
	RaceID    string     `json:"race_id,omitempty"`
	Revision  int        `json:"revision,omitempty"`
	SentAt    *time.Time `json:"sent_at,omitempty" doc:"When it came to the dead-letter queue, or, when the queue itself moved it there, to the records queue."`
}

type lettersOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items    []shownLetter `json:"items" nullable:"false"`
		Visible  int           `json:"visible" doc:"How many the queue holds, about."`
		InFlight int           `json:"in_flight" doc:"Of others who are reading just now, about; these are not shown."`
	}
}

func (l letters) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "list-dead-letters", Method: http.MethodGet, Path: lettersPath,
		Summary: "Read the dead letters, with their reasons", Description: "They stay on their queue.",
		Errors: []int{http.StatusServiceUnavailable},
	}, l.list)
	register(api, huma.Operation{
		OperationID: "redrive-dead-letters", Method: http.MethodPost, Path: lettersPath + "/redrive",
		Summary:     "Send one dead letter, or all, to the records queue again",
		Description: "A message that comes twice changes nothing. Broken ones are left: they would only come back.",
		Errors: []int{
			http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusServiceUnavailable,
		},
	}, l.redrive)
	register(api, huma.Operation{
		OperationID: "discard-dead-letter", Method: http.MethodPost, Path: lettersPath + "/{message_id}/discard",
		Summary:     "Delete a dead letter for good",
		Description: "The record of actions keeps it, with the reason.",
		Errors:      []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, l.discard)
}

func (l letters) list(ctx context.Context, in *lettersInput) (*lettersOutput, error) {
	depth, err := l.queue.DeadLetterDepth(ctx)
	if err != nil {
		return nil, queueDown(err)
	}
	taken, err := l.take(ctx, in.Limit)
	if err != nil {
		return nil, err
	}
	l.giveBack(ctx, taken)
	out := &lettersOutput{CacheControl: "no-store"}
	out.Body.Visible, out.Body.InFlight = depth.Visible, depth.InFlight
	out.Body.Items = make([]shownLetter, len(taken))
	for i, letter := range taken {
		out.Body.Items[i] = showLetter(letter)
	}
	return out, nil
}

func (l letters) take(ctx context.Context, most int) ([]queue.Letter, error) {
	taken, err := l.queue.TakeLetters(ctx, most, hideLetters)
	if err != nil {
		return nil, queueDown(err)
	}
	return taken, nil
}

// giveBack lets others see messages again, also when the operator has gone away.
// Those for which it fails come back by themselves.
func (l letters) giveBack(ctx context.Context, taken []queue.Letter) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	l.queue.ReleaseLetters(ctx, taken)
}

func queueDown(err error) error { return &DownError{Part: "the queue", Err: err} }

func showLetter(letter queue.Letter) shownLetter {
	shown := shownLetter{MessageID: letter.MessageID, Reason: letter.Reason, Body: cut(letter.Body), SentAt: orNil(letter.SentAt)}
	if shown.Reason == "" {
		shown.Reason = "received too often without being finished"
	}
	message, err := queue.Decode(letter.Body)
	if err != nil {
		shown.Broken = err.Error()
		return shown
	}
	shown.RecordID, shown.RaceID, shown.Revision = message.RecordID, message.RaceID, message.Revision
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
