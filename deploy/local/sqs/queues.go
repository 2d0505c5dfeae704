package sqs

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

// purgeInterval is how long a queue must be left alone between two purges.
const purgeInterval = time.Minute

// queueName is what a standard queue's name may be.
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

// QueueARN is the ARN of the queue with this name, whether it exists or not.
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

// url is a queue's URL at the address that the client called.
func (s *Server) url(r *http.Request, name string) string {
	return "http://" + r.Host + "/" + s.account + "/" + name
}

// byURL finds a queue by its URL, of which only the last two path elements count, so that a queue is found
// under every address that leads here.
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

func (s *Server) deleteQueue(_ *http.Request, in queueRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	delete(s.queues, q.name)
	q.clear()
	q.dismissWaiters(errNoQueue.errorf("the specified queue does not exist"))
	return empty{}, nil
}

func (s *Server) purgeQueue(_ *http.Request, in queueRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	if !q.purged.IsZero() && now.Sub(q.purged) < purgeInterval {
		return nil, errPurgeInProgress.errorf("only one purge of a queue is allowed every 60 seconds")
	}
	q.purged = now
	q.clear()
	return empty{}, nil
}
