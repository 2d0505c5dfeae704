package sqs

import (
	"encoding/json"
	"net/http"
)

// operation runs one call: it decodes the body, does the work and returns what to answer.
type operation func(s *Server, r *http.Request, body []byte) (any, error)

// empty is the answer of operations that have nothing to say.
type empty struct{}

// operations are the calls of the JSON protocol that this server answers.
var operations = map[string]operation{
	"CreateQueue":                  decoded((*Server).createQueue),
	"GetQueueUrl":                  decoded((*Server).getQueueURL),
	"ListQueues":                   decoded((*Server).listQueues),
	"DeleteQueue":                  decoded((*Server).deleteQueue),
	"PurgeQueue":                   decoded((*Server).purgeQueue),
	"GetQueueAttributes":           decoded((*Server).getQueueAttributes),
	"SetQueueAttributes":           decoded((*Server).setQueueAttributes),
	"SendMessage":                  decoded((*Server).sendMessage),
	"SendMessageBatch":             decoded((*Server).sendMessageBatch),
	"ReceiveMessage":               decoded((*Server).receiveMessage),
	"DeleteMessage":                decoded((*Server).deleteMessage),
	"DeleteMessageBatch":           decoded((*Server).deleteMessageBatch),
	"ChangeMessageVisibility":      decoded((*Server).changeVisibility),
	"ChangeMessageVisibilityBatch": decoded((*Server).changeVisibilityBatch),
	"ListDeadLetterSourceQueues":   decoded((*Server).listDeadLetterSources),
	"StartMessageMoveTask":         decoded((*Server).startMoveTask),
	"ListMessageMoveTasks":         decoded((*Server).listMoveTasks),
	"CancelMessageMoveTask":        decoded((*Server).cancelMoveTask),
}

// decoded makes an operation of a method that takes its request decoded.
func decoded[In any](run func(s *Server, r *http.Request, in In) (any, error)) operation {
	return func(s *Server, r *http.Request, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, errSerialization.errorf("the request is not the JSON that this operation takes")
		}
		return run(s, r, in)
	}
}
