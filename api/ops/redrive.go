package ops

import (
	"context"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/queue"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

type redriveInput struct {
	Body struct {
		MessageID string `json:"message_id,omitempty" maxLength:"100" doc:"The one to send again."`
		All       bool   `json:"all,omitempty" doc:"All of them, up to 1000 in one call."`
		Reason    string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the record of actions. No names."`
	}
}

type redriveOutput struct {
	Body struct {
		Redriven int `json:"redriven"`
		Broken   int `json:"broken" doc:"Left where they are: they would only come back. Discard them."`
		Failed   int `json:"failed" doc:"Not moved, or not deleted after they were: call again."`
	}
}

func (l letters) redrive(ctx context.Context, in *redriveInput) (*redriveOutput, error) {
	if in.Body.All == (in.Body.MessageID != "") {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{
			Location: "body", Message: `must have either message_id or "all": true`,
		})
	}
	taken, err := l.takeWanted(ctx, in.Body.MessageID)
	if err != nil {
		return nil, err
	}
	good, broken := sortLetters(taken)
	if in.Body.MessageID != "" && len(broken) > 0 {
		l.giveBack(ctx, broken)
		return nil, &race.ConflictError{Message: "the message would only come back, discard it: " + showLetter(broken[0]).Broken}
	}
	out := &redriveOutput{}
	e := entry{action: redriveLetters, target: in.Body.MessageID, reason: in.Body.Reason, before: shownLetters(good)}
	err = l.journal.record(ctx, e, func(ctx context.Context) (any, error) {
		failures := l.queue.Redrive(ctx, good)
		l.giveBack(ctx, broken)
		out.Body.Broken, out.Body.Failed = len(broken), len(failures)
		out.Body.Redriven = len(good) - len(failures)
		return out.Body, nil
	})
	if err != nil {
		l.giveBack(ctx, taken)
		return nil, err
	}
	return out, nil
}

// takeWanted takes the message with that ID, and gives back the others, or all
// messages when there is no ID. It returns race.ErrNotFound when nobody can see
// the message just now.
func (l letters) takeWanted(ctx context.Context, messageID string) ([]queue.Letter, error) {
	taken, err := l.take(ctx, mostLetters)
	if err != nil || messageID == "" {
		return taken, err
	}
	i := slices.IndexFunc(taken, func(letter queue.Letter) bool { return letter.MessageID == messageID })
	if i < 0 {
		l.giveBack(ctx, taken)
		return nil, race.ErrNotFound
	}
	wanted := taken[i]
	l.giveBack(ctx, slices.Delete(taken, i, i+1))
	return []queue.Letter{wanted}, nil
}

func sortLetters(taken []queue.Letter) (good, broken []queue.Letter) {
	for _, letter := range taken {
		if _, err := queue.Decode(letter.Body); err != nil {
			broken = append(broken, letter)
		} else {
			good = append(good, letter)
		}
	}
	return good, broken
}

func shownLetters(taken []queue.Letter) []shownLetter {
	shown := make([]shownLetter, len(taken))
	for i, letter := range taken {
		shown[i] = showLetter(letter)
	}
	return shown
}

type discardInput struct {
	MessageID string `path:"message_id" maxLength:"100"`
	Body      struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for the record of actions. No names."`
	}
}

type discardOutput struct {
	Body shownLetter
}

func (l letters) discard(ctx context.Context, in *discardInput) (*discardOutput, error) {
	taken, err := l.takeWanted(ctx, in.MessageID)
	if err != nil {
		return nil, err
	}
	out := &discardOutput{Body: showLetter(taken[0])}
	e := entry{action: discardLetter, target: in.MessageID, reason: in.Body.Reason, before: out.Body}
	err = l.journal.record(ctx, e, func(ctx context.Context) (any, error) {
		if failures := l.queue.DeleteLetters(ctx, taken); len(failures) > 0 {
			return nil, queueDown(failures[0].Err)
		}
		return map[string]bool{"discarded": true}, nil
	})
	if err != nil {
		l.giveBack(ctx, taken)
		return nil, err
	}
	return out, nil
}
