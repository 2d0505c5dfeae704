package sqs

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

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

// redrivePolicy says where a message goes that was received too often; the zero value is no policy.
type redrivePolicy struct {
	target      string // ARN
	maxReceives int
}

func defaultSettings() settings {
	return settings{maxSize: maxPayload, retention: defaultRetention, visibility: defaultVisibility}
}

// with returns the settings changed by attributes as they come in a request. It does not look whether a
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

// String is the policy as GetQueueAttributes shows it.
func (p redrivePolicy) String() string {
	return `{"deadLetterTargetArn":"` + p.target + `","maxReceiveCount":` + strconv.Itoa(p.maxReceives) + `}`
}
