package sqs

import (
	"errors"
	"fmt"
	"net/http"
)

// kind is one of the errors that Amazon documents. The SDK knows an error by its shape; the query code is
// the name it had in the older query protocol, which SDKs show to programs for compatibility.
type kind struct {
	shape string
	query string
}

// modeled is a kind for which the SDK has a type.
func modeled(name, query string) kind { return kind{"com.amazonaws.sqs#" + name, query} }

// common is a kind that all Amazon services share; the SDK reports only its query code.
func common(name, query string) kind { return kind{"com.amazon.coral.service#" + name, query} }

var (
	errBatchIDsNotDistinct   = modeled("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
	errBatchTooLong          = modeled("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong")
	errEmptyBatch            = modeled("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest")
	errInvalidAddress        = modeled("InvalidAddress", "InvalidAddress")
	errInvalidAttributeName  = modeled("InvalidAttributeName", "InvalidAttributeName")
	errInvalidAttributeValue = modeled("InvalidAttributeValue", "InvalidAttributeValue")
	errInvalidBatchID        = modeled("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId")
	errInvalidContents       = modeled("InvalidMessageContents", "InvalidMessageContents")
	errNotInFlight           = modeled("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight")
	errOverLimit             = modeled("OverLimit", "OverLimit")
	errPurgeInProgress       = modeled("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress")
	errNoQueue               = modeled("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")
	errQueueNameExists       = modeled("QueueNameExists", "QueueAlreadyExists")
	errReceiptHandle         = modeled("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid")
	errTooManyEntries        = modeled("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
	errUnsupported           = modeled("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation")

	errInvalidParameter = common("InvalidParameterValueException", "InvalidParameterValue")
	errMissingParameter = common("MissingRequiredParameterException", "MissingParameter")
	errSerialization    = common("SerializationException", "MalformedInput")
	errUnknownOperation = common("UnknownOperationException", "InvalidAction")
)

// errClientGone ends a request whose client has disconnected.
var errClientGone = errors.New("client closed the connection")

// apiError is an answer that refuses a request or one entry of a batch.
type apiError struct {
	kind
	message string
}

func (e *apiError) Error() string { return e.query + ": " + e.message }

// errorf makes an error of this kind with a message for the person who reads it.
func (k kind) errorf(format string, args ...any) error {
	return &apiError{k, fmt.Sprintf(format, args...)}
}

// batchFailure is the answer for a refused entry of a batch.
type batchFailure struct {
	ID          string `json:"Id"`
	Code        string
	Message     string
	SenderFault bool
}

func newBatchFailure(id string, err error) batchFailure {
	if refused, ok := errors.AsType[*apiError](err); ok {
		return batchFailure{ID: id, Code: refused.query, Message: refused.message, SenderFault: true}
	}
	return batchFailure{ID: id, Code: "InternalError", Message: "internal error"}
}

// writeError answers a refused request: the shape in the body, the query code in a header for SDKs that
// ask for it.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	refused, ok := errors.AsType[*apiError](err)
	if !ok {
		writeJSON(w, http.StatusInternalServerError, map[string]string{
			"__type": "com.amazon.coral.service#InternalFailure", "message": "internal error",
		})
		return
	}
	if r.Header.Get("X-Amzn-Query-Mode") == "true" {
		w.Header().Set("X-Amzn-Query-Error", refused.query+";Sender")
	}
	writeJSON(w, http.StatusBadRequest, map[string]string{"__type": refused.shape, "message": refused.message})
}
