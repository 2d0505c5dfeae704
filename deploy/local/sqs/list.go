package sqs

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

type listRequest struct {
	QueueNamePrefix string
	MaxResults      *int
	NextToken       string
}

type listAnswer struct {
	QueueURLs []string `json:"QueueUrls"`
	NextToken string   `json:",omitempty"`
}

func (s *Server) listQueues(r *http.Request, in listRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.queues {
		if strings.HasPrefix(name, in.QueueNamePrefix) {
			names = append(names, name)
		}
	}
	names, next, err := page(names, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return listAnswer{s.urls(r, names), next}, nil
}

type listSourcesRequest struct {
	queueRequest
	MaxResults *int
	NextToken  string
}

type listSourcesAnswer struct {
	QueueURLs []string `json:"queueUrls"` // in lower case here alone, as Amazon has it
	NextToken string   `json:",omitempty"`
}

func (s *Server) listDeadLetterSources(r *http.Request, in listSourcesRequest) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	names, next, err := page(s.sourcesOf(q.arn), in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return listSourcesAnswer{s.urls(r, names), next}, nil
}

// sourcesOf names the queues whose dead-letter queue this is.
func (s *Server) sourcesOf(arn string) []string {
	var names []string
	for _, q := range s.queues {
		if q.settings.redrive.target == arn {
			names = append(names, q.name)
		}
	}
	return names
}

func (s *Server) urls(r *http.Request, names []string) []string {
	urls := make([]string, len(names))
	for i, name := range names {
		urls[i] = s.url(r, name)
	}
	return urls
}

// page sorts names and cuts out the page that a list call asks for: up to 1,000, with a token for the next
// page only when the caller limits the results.
func page(names []string, limit *int, token string) ([]string, string, error) {
	slices.Sort(names)
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, "", errInvalidParameter.errorf("NextToken is not one that was given out here")
	}
	if token != "" {
		names = slices.DeleteFunc(names, func(name string) bool { return name <= string(after) })
	}
	most := 1000
	if limit != nil {
		if most = *limit; most < 1 || most > 1000 {
			return nil, "", errInvalidParameter.errorf("MaxResults must be from 1 to 1000")
		}
	}
	if len(names) <= most {
		return names, "", nil
	}
	names = names[:most]
	if limit == nil {
		return names, "", nil
	}
	return names, base64.RawURLEncoding.EncodeToString([]byte(names[most-1])), nil
}
