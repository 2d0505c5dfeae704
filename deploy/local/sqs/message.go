package sqs

import (
	"container/list"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// message is one message of a queue. Its content never changes after it was sent; the rest is guarded by
// the server's lock.
type message struct {
	id     uuid.UUID
	sentAt time.Time
	content

	source       string // ARN of the queue that gave it up to this dead-letter queue, or empty
	receives     int    // over all queues
	receivesHere int    // in this queue, for its redrive policy
	firstReceive time.Time
	lastReceive  time.Time

	place     *list.Element // among the visible, or nil
	index     int           // among the hidden
	visibleAt time.Time     // when hidden
	delayed   bool          // hidden since it was sent, not since it was received
}

// content is what a sender wrote.
type content struct {
	body        string
	bodyMD5     string
	attributes  map[string]attribute
	traceHeader string
}

// size is what counts against the limits: body, and names, types and values of attributes, in bytes.
func (c content) size() int {
	n := len(c.body)
	for name, a := range c.attributes {
		n += len(name) + len(a.DataType) + len(a.bytes())
	}
	return n
}

// checkText reports the first character that a message cannot hold. Allowed are #x9, #xA, #xD, #x20 to
// #xD7FF, #xE000 to #xFFFD and #x10000 to #x10FFFF.
func checkText(text string) error {
	for _, r := range text {
		allowed := r == 0x9 || r == 0xA || r == 0xD || (r >= 0x20 && r <= 0xD7FF) ||
			(r >= 0xE000 && r <= 0xFFFD) || (r >= 0x10000 && r <= utf8.MaxRune)
		if !allowed {
			return errInvalidContents.errorf("the message contains the character #x%X, which is not allowed", r)
		}
	}
	return nil
}

// receiptHandle names one receive of one message of one queue.
func receiptHandle(q *queue, m *message) string {
	raw := make([]byte, 0, 40)
	raw = append(raw, q.id[:]...)
	raw = append(raw, m.id[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(m.receives)) //nolint:gosec // a count, never negative
	return base64.RawURLEncoding.EncodeToString(raw)
}

// receipt is a receipt handle, read.
type receipt struct {
	message *message // nil when it is deleted or expired
	latest  bool     // the message was not received again since
}

// receipt finds what a handle names. A handle that this queue did not give out is refused.
func (q *queue) receipt(handle string) (receipt, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(handle))
	if err != nil || len(raw) != 40 || uuid.UUID(raw[:16]) != q.id {
		return receipt{}, errReceiptHandle.errorf("the receipt handle is not one of this queue")
	}
	m := q.messages[uuid.UUID(raw[16:32])]
	if m == nil {
		return receipt{}, nil
	}
	return receipt{message: m, latest: binary.BigEndian.Uint64(raw[32:]) == uint64(m.receives)}, nil //nolint:gosec // a count, never negative
}
