package queue

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// ReasonAttribute is the message attribute that says why a message is on the dead-letter queue. Messages
// that the queue itself moved there, after too many receives, do not have it.
const ReasonAttribute = "reason"

// DeadLetter moves a received message to the dead-letter queue with the reason as its attribute. The
// message is deleted from the records queue only when the dead-letter queue has it. On an error it stays
// and comes again; when it was the deletion that failed, the dead-letter queue has it as well.
func (c *Client) DeadLetter(ctx context.Context, received Received, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	attributes := map[string]types.MessageAttributeValue{
		ReasonAttribute: {DataType: aws.String("String"), StringValue: aws.String(attributeText(reason))},
	}
	maps.Copy(attributes, received.Trace.attributes())
	_, err := c.sqs.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &c.deadLetterURL, MessageBody: &received.Body, MessageAttributes: attributes,
	})
	if err != nil {
		return fmt.Errorf("dead-letter message %s: %w", received.MessageID, err)
	}
	_, err = c.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &c.url, ReceiptHandle: &received.ReceiptHandle})
	if err != nil {
		return fmt.Errorf("delete message %s after it was dead-lettered: %w", received.MessageID, err)
	}
	return nil
}

// attributeText makes of a reason what an attribute can hold: not empty, printable, not long.
func attributeText(reason string) string {
	const most = 1024
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == 0xFFFE || r == 0xFFFF {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(reason, "?"))
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most])
	}
	if strings.TrimSpace(text) == "" {
		return "no reason given"
	}
	return text
}
