package sqs

import (
	"crypto/md5" //nolint:gosec // the protocol's checksum, not a protection
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// outgoing is one message in a request.
type outgoing struct {
	MessageBody             string
	DelaySeconds            *int
	MessageAttributes       map[string]attribute
	MessageSystemAttributes map[string]attribute
	MessageGroupID          string `json:"MessageGroupId"`
	MessageDeduplicationID  string `json:"MessageDeduplicationId"`
}

// sent is the response for one accepted message.
type sent struct {
	MessageID           string `json:"MessageId"`
	MD5Body             string `json:"MD5OfMessageBody"`
	MD5Attributes       string `json:"MD5OfMessageAttributes,omitempty"`
	MD5SystemAttributes string `json:"MD5OfMessageSystemAttributes,omitempty"`
}

type sendRequest struct {
	queueRequest
	outgoing
}

func (s *Server) sendMessage(_ *http.Request, in sendRequest) (any, error) {
	c, err := in.content()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	answer, err := q.accept(in.outgoing, c, now)
	if err != nil {
		return nil, err
	}
	s.dispatch(q, now)
	return answer, nil
}

type sendEntry struct {
	ID string `json:"Id"`
	outgoing
}

type sentEntry struct {
	batchDone
	sent
}

type sendBatchRequest struct {
	queueRequest
	Entries []sendEntry
}

func (s *Server) sendMessageBatch(_ *http.Request, in sendBatchRequest) (any, error) {
	total := 0
	for _, e := range in.Entries {
		total += content{body: e.MessageBody, attributes: e.MessageAttributes}.size()
	}
	if total > maxPayload {
		return nil, errBatchTooLong.errorf("batch requests cannot be longer than %d bytes; this one has %d", maxPayload, total)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	answer, err := runBatch(in.Entries, func(e sendEntry) string { return e.ID }, func(e sendEntry) (sentEntry, error) {
		c, err := e.content()
		if err != nil {
			return sentEntry{}, err
		}
		done, err := q.accept(e.outgoing, c, now)
		return sentEntry{batchDone{e.ID}, done}, err
	})
	if err != nil {
		return nil, err
	}
	s.dispatch(q, now)
	return answer, nil
}

// groupID matches the IDs that a message group may have.
var groupID = regexp.MustCompile(`^[[:graph:]]{1,128}$`)

// content checks a message in a request and returns its content.
func (o outgoing) content() (content, error) {
	switch {
	case o.MessageBody == "":
		return content{}, errMissingParameter.errorf("the request must contain the parameter MessageBody, and it must not be empty")
	case o.MessageDeduplicationID != "":
		return content{}, errUnsupported.errorf("deduplication IDs belong to FIFO queues, which are not served here")
	}
	if err := checkText(o.MessageBody); err != nil {
		return content{}, err
	}
	if err := checkAttributes(o.MessageAttributes); err != nil {
		return content{}, err
	}
	if o.MessageGroupID != "" && !groupID.MatchString(o.MessageGroupID) {
		return content{}, errInvalidParameter.errorf("MessageGroupId must have 1 to 128 letters, digits or punctuation marks")
	}
	c := content{body: o.MessageBody, bodyMD5: textMD5(o.MessageBody), attributes: o.MessageAttributes, group: o.MessageGroupID}
	for name, a := range o.MessageSystemAttributes {
		if name != "AWSTraceHeader" || a.DataType != "String" || a.StringValue == nil {
			return content{}, errInvalidParameter.errorf("the only message system attribute is AWSTraceHeader, a String")
		}
		c.traceHeader = *a.StringValue
	}
	return c, nil
}

// accept puts a message into the queue if the queue's settings allow it.
func (q *queue) accept(o outgoing, c content, now time.Time) (sent, error) {
	if c.size() > q.settings.maxSize {
		return sent{}, errInvalidParameter.errorf("one or more parameters are invalid: the message must be shorter than %d bytes", q.settings.maxSize)
	}
	delay := q.settings.delay
	if o.DelaySeconds != nil {
		delay = seconds(*o.DelaySeconds)
	}
	if delay < 0 || delay > maxDelay {
		return sent{}, errInvalidParameter.errorf("DelaySeconds must be from 0 to %d", int(maxDelay/time.Second))
	}
	m := &message{id: uuid.New(), sentAt: now, content: c}
	q.add(m, now, delay)
	return sent{
		MessageID:           m.id.String(),
		MD5Body:             c.bodyMD5,
		MD5Attributes:       attributesMD5(c.attributes),
		MD5SystemAttributes: attributesMD5(o.MessageSystemAttributes),
	}, nil
}

// maxMessageAttributes is the maximum number of attributes of a message.
const maxMessageAttributes = 10

// attribute is one attribute of a message.
type attribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

// bytes returns the value as it counts for size and checksum.
func (a attribute) bytes() []byte {
	if a.StringValue != nil {
		return []byte(*a.StringValue)
	}
	return a.BinaryValue
}

// attributeName matches valid names: letters, digits, _ - and single periods inside.
var attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// checkAttributes refuses attributes that Amazon refuses.
func checkAttributes(attributes map[string]attribute) error {
	if len(attributes) > maxMessageAttributes {
		return errInvalidParameter.errorf("number of message attributes [%d] exceeds the allowed maximum [%d]",
			len(attributes), maxMessageAttributes)
	}
	for name, a := range attributes {
		lower := strings.ToLower(name)
		if len(name) > 256 || !attributeName.MatchString(name) ||
			strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") {
			return errInvalidParameter.errorf("the message attribute name %q is invalid", name)
		}
		if err := a.check(name); err != nil {
			return err
		}
	}
	return nil
}

// check refuses a type that is not String, Number or Binary (with an optional label: Number.float), and a
// value that is missing or not of its type.
func (a attribute) check(name string) error {
	if len(a.DataType) > 256 {
		return errInvalidParameter.errorf("the type of message attribute %q is longer than 256 bytes", name)
	}
	base, _, _ := strings.Cut(a.DataType, ".")
	switch base {
	case "String", "Number":
		if a.StringValue == nil || *a.StringValue == "" || a.BinaryValue != nil {
			return errInvalidParameter.errorf("message attribute %q of type %s needs a string value", name, a.DataType)
		}
		if base == "Number" {
			if _, err := strconv.ParseFloat(*a.StringValue, 64); err != nil {
				return errInvalidParameter.errorf("message attribute %q is not a number", name)
			}
		}
		return checkText(*a.StringValue)
	case "Binary":
		if len(a.BinaryValue) == 0 || a.StringValue != nil {
			return errInvalidParameter.errorf("message attribute %q of type %s needs a binary value", name, a.DataType)
		}
		return nil
	default:
		return errInvalidParameter.errorf("message attribute %q has the type %q; it must be String, Number or Binary", name, a.DataType)
	}
}

// selectAttributes picks the attributes that a receive asked for: by name, by prefix ("bar.*") or all
// ("All", ".*").
func selectAttributes(attributes map[string]attribute, wanted []string) map[string]attribute {
	if len(attributes) == 0 || len(wanted) == 0 {
		return nil
	}
	picked := map[string]attribute{}
	for name, a := range attributes {
		if slices.ContainsFunc(wanted, func(w string) bool { return attributeWanted(name, w) }) {
			picked[name] = a
		}
	}
	return picked
}

func attributeWanted(name, wanted string) bool {
	if wanted == "All" || wanted == name {
		return true
	}
	prefix, isPrefix := strings.CutSuffix(wanted, ".*")
	return isPrefix && strings.HasPrefix(name, prefix)
}

// textMD5 is the checksum of a body, in hex.
func textMD5(text string) string {
	sum := md5.Sum([]byte(text)) //nolint:gosec // the protocol's checksum
	return hex.EncodeToString(sum[:])
}

// attributesMD5 is the checksum that Amazon defines over attributes: for each in order of name, length
// and bytes of name and type, 1 for text or 2 for binary, length and bytes of the value. It is empty when
// there are none.
func attributesMD5(attributes map[string]attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var buf []byte
	put := func(b []byte) {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(b))) //nolint:gosec // at most 1 MiB
		buf = append(buf, b...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		put([]byte(name))
		put([]byte(a.DataType))
		transport := byte(1)
		if a.StringValue == nil {
			transport = 2
		}
		buf = append(buf, transport)
		put(a.bytes())
	}
	sum := md5.Sum(buf) //nolint:gosec // the protocol's checksum
	return hex.EncodeToString(sum[:])
}
