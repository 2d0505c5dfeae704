package mail_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	mailID = "01970000-0000-7000-8000-000000000001"
	about  = `"mail":{"timestamp":"2026-05-09T08:00:00.000Z","source":"no-reply@example.org","messageId":"0100","destination":["Uta@Example.org"],` +
		`"headersTruncated":false,"tags":{"ses:configuration-set":["mails"],"mail_id":["` + mailID + `"]}}`
	bounce = `{"eventType":"Bounce","bounce":{"feedbackId":"f","bounceType":"Permanent","bounceSubType":"General","timestamp":"2026-05-09T09:00:00.123Z",` +
		`"bouncedRecipients":[{"emailAddress":"Uta <Uta@Example.org>","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550"}]},` + about + `}`
)

func TestParseEvent(t *testing.T) {
	t.Parallel()
	sent, happened := time.Date(2026, 5, 9, 8, 0, 0, 0, time.UTC), time.Date(2026, 5, 9, 9, 0, 0, 123e6, time.UTC)
	of := func(kind userdb.MailEventKind, at time.Time, addresses ...string) userdb.MailEvent {
		return userdb.MailEvent{Kind: kind, MailID: mailID, Addresses: addresses, SentAt: sent, At: at}
	}
	envelope, err := json.Marshal(map[string]string{"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:x", "Message": bounce})
	require.NoError(t, err)
	for body, want := range map[string]userdb.MailEvent{
		bounce:           of(userdb.PermanentBounce, happened, "uta@example.org"),
		string(envelope): of(userdb.PermanentBounce, happened, "uta@example.org"),
		`{"notificationType":"Bounce","bounce":{"bounceType":"Transient","timestamp":"2026-05-09T09:00:00.123Z"},` + about + `}`:                                                                                 of(userdb.TransientBounce, happened),
		`{"eventType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"uta@example.org"}],"timestamp":"2026-05-09T09:00:00.123Z","complaintFeedbackType":"abuse"},` + about + `}`:               of(userdb.Complaint, happened, "uta@example.org"),
		`{"eventType":"Complaint","complaint":{"timestamp":"2026-05-09T09:00:00.123Z","complaintFeedbackType":"not-spam"},` + about + `}`:                                                                        of(userdb.OtherMailEvent, happened),
		strings.Replace(bounce, "General", "OnAccountSuppressionList", 1):                                                                                                                                        of(userdb.Suppression, happened, "uta@example.org"),
		strings.Replace(bounce, "General", "Suppressed", 1):                                                                                                                                                      of(userdb.Suppression, happened, "uta@example.org"),
		`{"eventType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"uta@example.org"}],"timestamp":"2026-05-09T09:00:00.123Z","complaintSubType":"OnAccountSuppressionList"},` + about + `}`: of(userdb.Suppression, happened, "uta@example.org"),
		`{"eventType":"Delivery","delivery":{"recipients":["uta@example.org"]},` + about + `}`:                                                                                                                   of(userdb.Delivery, sent),
		`{"eventType":"Reject","reject":{"reason":"Bad content"},` + about + `}`:                                                                                                                                 of(userdb.Rejection, sent),
		`{"eventType":"Rendering Failure",` + about + `}`:                                                                                                                                                        of(userdb.OtherMailEvent, sent),
		"Successfully validated SNS topic for Amazon SES event publishing.":                                                                                                                                      {Kind: userdb.OtherMailEvent},
	} {
		got, err := mail.ParseEvent(body)
		require.NoError(t, err, body)
		require.Equal(t, want, got, body)
	}
}

func TestParseEventRefuses(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"":                             "JSON",
		"[]":                           "JSON",
		`{"v":1,"race_id":"x"}`:        "eventType",
		`{"Type":"Notification"}`:      "JSON",
		`{"eventType":"Bounce"}` + `{`: "JSON",
		`{"eventType":"Reject","mail":{"timestamp":"2026-05-09T08:00:00Z","tags":{"mail_id":["확"]}}}`:                                                                          "names neither",
		`{"eventType":"Bounce","bounce":{"bounceType":"Permanent","timestamp":"0000-05-09T09:00:00Z","bouncedRecipients":[{"emailAddress":"uta@example.org"}]},` + about + `}`: "when it happened",
		`{"eventType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"uta@example.org"}]},` + about + `}`:                                                    "when it happened",
		`{"eventType":"Bounce","bounce":{"bounceType":"Permanent","timestamp":"uta@example.org"}}`:                                                                             "JSON",
	} {
		_, err := mail.ParseEvent(body)
		require.ErrorContains(t, err, want, body)
		require.NotContains(t, err.Error(), "uta@", "an error quotes no address")
	}
}
