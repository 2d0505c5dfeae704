package sqs

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// attributes are all that GetQueueAttributes can show, by name.
func (q *queue) attributes() map[string]string {
	whole := func(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
	all := map[string]string{
		"ApproximateNumberOfMessages":           strconv.Itoa(q.ready.Len()),
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

func (s *Server) getQueueAttributes(_ *http.Request, in attributesRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
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

type setAttributesRequest struct {
	queueRequest
	Attributes map[string]string
}

func (s *Server) setQueueAttributes(_ *http.Request, in setAttributesRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, errMissingParameter.errorf("the request must contain the parameter Attributes")
	}
	set, err := s.settings(q.settings, q.arn, in.Attributes)
	if err != nil {
		return nil, err
	}
	q.settings, q.modified = set, s.clock.Now()
	return empty{}, nil
}
