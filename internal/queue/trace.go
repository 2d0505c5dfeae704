package queue

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Trace is the trace that a message belongs to, in W3C's form; empty when nothing is traced. It travels
// as attributes of the message, so that the body is the same with it and without.
type Trace struct {
	Parent string // the span that the message is a part of, or
	Link   string // one that many messages come from: each begins a trace of its own
}

// The names of its attributes.
const (
	parentAttribute = "traceparent"
	linkAttribute   = "tracelink"
)

// traceAttributeNames is what a receive asks for.
func traceAttributeNames() []string { return []string{parentAttribute, linkAttribute} }

// attributes are nil when there is no trace.
func (t Trace) attributes() map[string]types.MessageAttributeValue {
	if t == (Trace{}) {
		return nil
	}
	attributes := map[string]types.MessageAttributeValue{}
	for name, value := range map[string]string{parentAttribute: t.Parent, linkAttribute: t.Link} {
		if value != "" {
			attributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
		}
	}
	return attributes
}

// traceOf reads what attributes wrote.
func traceOf(m types.Message) Trace {
	return Trace{
		Parent: aws.ToString(m.MessageAttributes[parentAttribute].StringValue),
		Link:   aws.ToString(m.MessageAttributes[linkAttribute].StringValue),
	}
}
