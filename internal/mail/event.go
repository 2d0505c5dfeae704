package mail

import (
	"encoding/json"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// tagMailID is the tag under which SES repeats the ID of a mail in its events.
const tagMailID = "mail_id"

// sesEvent is an event as SES publishes it, as far as it is read here:
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html.
// Notifications of an identity are the same but for notificationType.
type sesEvent struct {
	EventType        string `json:"eventType"`
	NotificationType string `json:"notificationType"`
	Mail             struct {
		Timestamp   time.Time           `json:"timestamp"`
		MessageID   string              `json:"messageId"`
		Destination []string            `json:"destination"`
		Tags        map[string][]string `json:"tags"`
	} `json:"mail"`
	Bounce struct {
		Type       string         `json:"bounceType"`
		SubType    string         `json:"bounceSubType"`
		Recipients []sesRecipient `json:"bouncedRecipients"`
		Timestamp  time.Time      `json:"timestamp"`
	} `json:"bounce"`
	Complaint struct {
		Feedback   string         `json:"complaintFeedbackType"`
		SubType    string         `json:"complaintSubType"`
		Recipients []sesRecipient `json:"complainedRecipients"`
		Timestamp  time.Time      `json:"timestamp"`
	} `json:"complaint"`
}

type sesRecipient struct {
	Address string `json:"emailAddress"`
}

// sesGreeting begins the text that SES publishes once to a new topic.
const sesGreeting = "Successfully validated SNS topic for Amazon SES"

// ParseEvent reads an event of Amazon SES, in an envelope of SNS or without one. The
// error says what is wrong and quotes nothing, since events hold addresses.
func ParseEvent(body string) (userdb.MailEvent, error) {
	var envelope struct{ Type, Message string }
	if json.Unmarshal([]byte(body), &envelope) == nil && envelope.Type == "Notification" {
		body = envelope.Message
	}
	if strings.HasPrefix(body, sesGreeting) {
		return userdb.MailEvent{Kind: userdb.OtherMailEvent}, nil
	}
	var e sesEvent
	if json.Unmarshal([]byte(body), &e) != nil {
		return userdb.MailEvent{}, errors.New("it is not an event of SES: not the JSON that is expected")
	}
	found := userdb.MailEvent{SentAt: e.Mail.Timestamp, At: e.Mail.Timestamp}
	if ids := e.Mail.Tags[tagMailID]; len(ids) == 1 && uuid.Validate(ids[0]) == nil {
		found.MailID = ids[0]
	}
	var about []sesRecipient
	switch kind := e.EventType + e.NotificationType; kind {
	case "Bounce":
		found.Kind, found.At, about = userdb.TransientBounce, e.Bounce.Timestamp, e.Bounce.Recipients
		if e.Bounce.Type == "Permanent" {
			found.Kind = userdb.PermanentBounce
		}
		if onList(e.Bounce.SubType) {
			found.Kind = userdb.Suppression
		}
	case "Complaint":
		found.Kind, found.At, about = userdb.Complaint, e.Complaint.Timestamp, e.Complaint.Recipients
		if e.Complaint.Feedback == "not-spam" { // its reader took it out of the spam folder
			found.Kind = userdb.OtherMailEvent
		}
		if onList(e.Complaint.SubType) { // nobody has complained about this mail, which nobody got
			found.Kind = userdb.Suppression
		}
	case "Delivery":
		found.Kind = userdb.Delivery
	case "Reject":
		found.Kind = userdb.Rejection
	case "":
		return userdb.MailEvent{}, errors.New("it is not an event of SES: it has no eventType")
	default: // Send, Open, Click, DeliveryDelay and those to come
		found.Kind = userdb.OtherMailEvent
	}
	for _, recipient := range about {
		if parsed, err := netmail.ParseAddress(recipient.Address); err == nil {
			found.Addresses = append(found.Addresses, strings.ToLower(parsed.Address))
		}
	}
	return found, complete(found)
}

// onList reports whether SES has sent nothing because its list of the account, or of all
// accounts, has the address. SES accepts such a mail and says so afterwards.
func onList(subType string) bool {
	return subType == "Suppressed" || subType == "OnAccountSuppressionList"
}

// firstEvent is before any event: a time before it is missing or nonsense, which a
// database may not take.
var firstEvent = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// complete reports what is missing in an event that has consequences.
func complete(e userdb.MailEvent) error {
	switch e.Kind {
	case userdb.PermanentBounce, userdb.Suppression, userdb.Complaint, userdb.Rejection:
	default:
		return nil
	}
	switch {
	case e.SentAt.Before(firstEvent) || e.At.Before(firstEvent):
		return fmt.Errorf("the %s does not say when it happened and when its mail was sent", e.Kind)
	case e.MailID == "" && len(e.Addresses) == 0:
		return fmt.Errorf("the %s names neither its mail nor an address", e.Kind)
	}
	return nil
}
