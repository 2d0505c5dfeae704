package sqs

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// purgeInterval is the minimum time between two purges of a queue.
const purgeInterval = time.Minute

// queueName matches the names that a standard queue may have.
var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// CreateQueue makes a standard queue with attributes as SQS names them, such as VisibilityTimeout: "10".
// It changes nothing when the queue is there with the same attributes; otherwise it returns an error, as
// it does for a name or an attribute that SQS refuses.
func (s *Server) CreateQueue(name string, attributes map[string]string) error {
	if strings.HasSuffix(name, ".fifo") {
		return errUnsupported.errorf("FIFO queues are not served here")
	}
	if !queueName.MatchString(name) {
		return errInvalidParameter.errorf("a queue name has 1 to 80 letters, digits, hyphens or underscores")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[name]; q != nil {
		if set, err := s.settings(q.settings, q.arn, attributes); err != nil {
			return err
		} else if set != q.settings {
			return errQueueNameExists.errorf("a queue named %s exists with other attributes", name)
		}
		return nil
	}
	arn := s.arn(name)
	set, err := s.settings(defaultSettings(), arn, attributes)
	if err != nil {
		return err
	}
	s.queues[name] = newQueue(name, arn, set, s.clock.Now())
	return nil
}

// settings returns set changed by attributes, for the queue with this ARN.
func (s *Server) settings(set settings, arn string, attributes map[string]string) (settings, error) {
	set, err := set.with(attributes)
	if err != nil {
		return settings{}, err
	}
	if attributes["RedrivePolicy"] == "" {
		return set, nil
	}
	switch target := set.redrive.target; {
	case target == arn:
		return settings{}, errInvalidParameter.errorf("RedrivePolicy: a queue cannot be its own dead-letter queue")
	case s.byARN(target) == nil:
		return settings{}, errInvalidParameter.errorf("RedrivePolicy: the dead-letter queue %s does not exist", target)
	}
	return set, nil
}

// QueueARN returns the ARN of the queue with this name, whether it exists or not.
func (s *Server) QueueARN(name string) string { return s.arn(name) }

func (s *Server) arn(name string) string {
	return "arn:aws:sqs:" + s.region + ":" + s.account + ":" + name
}

// byARN finds a queue, or nil.
func (s *Server) byARN(arn string) *queue {
	name, ok := strings.CutPrefix(arn, s.arn(""))
	if !ok {
		return nil
	}
	return s.queues[name]
}

// url returns a queue's URL at the address that the client called.
func (s *Server) url(r *http.Request, name string) string {
	return "http://" + r.Host + "/" + s.account + "/" + name
}

// byURL finds a queue by the last two path elements of its URL, so that it is found under every address of
// this server.
func (s *Server) byURL(url string) (*queue, error) {
	if url == "" {
		return nil, errMissingParameter.errorf("the request must contain the parameter QueueUrl")
	}
	rest, name, ok := cutLast(url)
	_, account, okAccount := cutLast(rest)
	if !ok || !okAccount || name == "" {
		return nil, errInvalidAddress.errorf("the queue URL is not of the form http://host/account/queue")
	}
	q := s.queues[name]
	if q == nil || account != s.account {
		return nil, errNoQueue.errorf("the specified queue does not exist")
	}
	return q, nil
}

func cutLast(path string) (before, after string, found bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return path, "", false
	}
	return path[:i], path[i+1:], true
}

type queueURLAnswer struct {
	QueueURL string `json:"QueueUrl"`
}

type createQueueRequest struct {
	QueueName  string
	Attributes map[string]string
	Tags       map[string]string `json:"tags"`
}

func (s *Server) createQueue(r *http.Request, in createQueueRequest) (any, error) {
	if len(in.Tags) > 0 {
		return nil, errUnsupported.errorf("tags are not kept here")
	}
	if err := s.CreateQueue(in.QueueName, in.Attributes); err != nil {
		return nil, err
	}
	return queueURLAnswer{s.url(r, in.QueueName)}, nil
}

type getQueueURLRequest struct {
	QueueName string
}

func (s *Server) getQueueURL(r *http.Request, in getQueueURLRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queues[in.QueueName] == nil {
		return nil, errNoQueue.errorf("the specified queue does not exist")
	}
	return queueURLAnswer{s.url(r, in.QueueName)}, nil
}

type queueRequest struct {
	QueueURL string `json:"QueueUrl"`
}

func (r queueRequest) url() string { return r.QueueURL }

func (s *Server) deleteQueue(q *queue, _ queueRequest) (any, error) {
	delete(s.queues, q.name)
	q.clear()
	q.dismissWaiters(errNoQueue.errorf("the specified queue does not exist"))
	return empty{}, nil
}

func (s *Server) purgeQueue(q *queue, _ queueRequest) (any, error) {
	now := s.clock.Now()
	if !q.purged.IsZero() && now.Sub(q.purged) < purgeInterval {
		return nil, errPurgeInProgress.errorf("only one purge of a queue is allowed every 60 seconds")
	}
	q.purged = now
	q.clear()
	return empty{}, nil
}

// Amazon's limits and defaults, as documented since August 2025 (before, a message was at most 256 KiB).
const (
	maxPayload        = 1 << 20 // bytes of one message and of one batch
	maxDelay          = 15 * time.Minute
	maxVisibility     = 12 * time.Hour
	maxWait           = 20 * time.Second
	maxReceiveCount   = 1000
	defaultVisibility = 30 * time.Second
	defaultRetention  = 4 * 24 * time.Hour
	maxRetention      = 14 * 24 * time.Hour
)

// settings are the attributes that a queue's owner can set.
type settings struct {
	delay      time.Duration
	maxSize    int // bytes
	retention  time.Duration
	wait       time.Duration
	visibility time.Duration
	redrive    redrivePolicy
}

// redrivePolicy says where a message goes after too many receives; the zero
// value means no policy.
type redrivePolicy struct {
	target      string // ARN
	maxReceives int
}

func defaultSettings() settings {
	return settings{maxSize: maxPayload, retention: defaultRetention, visibility: defaultVisibility}
}

// with returns the settings changed by attributes as they come in a request. It does not check that a
// dead-letter queue exists.
func (set settings) with(attributes map[string]string) (settings, error) {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[name]
		var err error
		switch name {
		case "DelaySeconds":
			set.delay, err = secondsAttribute(name, value, 0, maxDelay)
		case "MaximumMessageSize":
			set.maxSize, err = numberAttribute(name, value, 1024, maxPayload)
		case "MessageRetentionPeriod":
			set.retention, err = secondsAttribute(name, value, time.Minute, maxRetention)
		case "ReceiveMessageWaitTimeSeconds":
			set.wait, err = secondsAttribute(name, value, 0, maxWait)
		case "VisibilityTimeout":
			set.visibility, err = secondsAttribute(name, value, 0, maxVisibility)
		case "RedrivePolicy":
			set.redrive, err = parseRedrivePolicy(value)
		case "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit":
			err = errUnsupported.errorf("%s: FIFO queues are not served here", name)
		default:
			err = errInvalidAttributeName.errorf("unknown attribute %s, or one that is not served here", name)
		}
		if err != nil {
			return settings{}, err
		}
	}
	return set, nil
}

func numberAttribute(name, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, errInvalidAttributeValue.errorf("invalid value for the parameter %s: it must be a whole number from %d to %d",
			name, least, most)
	}
	return n, nil
}

func secondsAttribute(name, value string, least, most time.Duration) (time.Duration, error) {
	n, err := numberAttribute(name, value, int(least/time.Second), int(most/time.Second))
	return seconds(n), err
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// parseRedrivePolicy reads {"deadLetterTargetArn": "…", "maxReceiveCount": 5}; the count may be a string,
// and empty text removes the policy.
func parseRedrivePolicy(text string) (redrivePolicy, error) {
	if text == "" {
		return redrivePolicy{}, nil
	}
	var fields struct {
		Target string          `json:"deadLetterTargetArn"`
		Count  json.RawMessage `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(text), &fields); err != nil || fields.Target == "" || fields.Count == nil {
		return redrivePolicy{}, errInvalidParameter.errorf(
			"RedrivePolicy must be JSON with deadLetterTargetArn and maxReceiveCount")
	}
	count, err := strconv.Atoi(strings.Trim(string(fields.Count), `"`))
	if err != nil || count < 1 || count > maxReceiveCount {
		return redrivePolicy{}, errInvalidParameter.errorf(
			"RedrivePolicy: maxReceiveCount must be a whole number from 1 to %d", maxReceiveCount)
	}
	return redrivePolicy{target: fields.Target, maxReceives: count}, nil
}

// String returns the policy in the form of GetQueueAttributes.
func (p redrivePolicy) String() string {
	return `{"deadLetterTargetArn":"` + p.target + `","maxReceiveCount":` + strconv.Itoa(p.maxReceives) + `}`
}

// attributes returns everything that GetQueueAttributes can return, by name.
func (q *queue) attributes() map[string]string {
	whole := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	all := map[string]string{
		"ApproximateNumberOfMessages":           strconv.Itoa(q.ready.count),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(q.inFlight()),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(q.delayed),
		"CreatedTimestamp":                      strconv.FormatInt(q.created.Unix(), 10),
		"LastModifiedTimestamp":                 strconv.FormatInt(q.modified.Unix(), 10),
		"QueueArn":                              q.arn,
		"DelaySeconds":                          whole(q.settings.delay),
		"MaximumMessageSize":                    strconv.Itoa(q.settings.maxSize),
		"MessageRetentionPeriod":                whole(q.settings.retention),
		"ReceiveMessageWaitTimeSeconds":         whole(q.settings.wait),
		"VisibilityTimeout":                     whole(q.settings.visibility),
	}
	if q.settings.redrive.target != "" {
		all["RedrivePolicy"] = q.settings.redrive.String()
	}
	return all
}

type attributesRequest struct {
	queueRequest
	AttributeNames []string
}

type attributesAnswer struct {
	Attributes map[string]string `json:",omitempty"`
}

func (s *Server) getQueueAttributes(q *queue, in attributesRequest) (any, error) {
	now := s.clock.Now()
	s.dispatch(q, now)
	all := q.attributes()
	if slices.Contains(in.AttributeNames, "All") {
		return attributesAnswer{all}, nil
	}
	picked := map[string]string{}
	for _, name := range in.AttributeNames {
		value, ok := all[name]
		switch {
		case ok:
			picked[name] = value
		case name != "RedrivePolicy":
			return nil, errInvalidAttributeName.errorf("unknown attribute %s, or one that is not served here", name)
		}
	}
	return attributesAnswer{picked}, nil
}
