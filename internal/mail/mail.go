// Package mail writes the mails to the owners of accounts and hands them to a
// provider: an SMTP server or Amazon SES. It is the only package that knows either.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	gomail "github.com/wneessen/go-mail"
	smtpclient "github.com/wneessen/go-mail/smtp"
)

// Config says how mails are sent.
type Config struct {
	Sender       string `env:"MAIL_SENDER" envDefault:"off" unit:"smtp, ses, off" help:"what sends mails: an SMTP server, Amazon SES, or nothing; then no mail is sent, and passwords cannot be recovered"`
	From         string `env:"MAIL_FROM" help:"the address that mails come from, such as Mrmrthon <no-reply@example.org>"`
	SMTPAddr     string `env:"SMTP_ADDR" check:"host:port" help:"the SMTP server"`
	SMTPTLS      string `env:"SMTP_TLS" envDefault:"starttls" unit:"starttls, tls, off" help:"how the connection to the SMTP server is encrypted; off is for a server on the same machine"`
	SMTPUser     string `env:"SMTP_USER" help:"the account at the SMTP server; none when empty"`
	SMTPPassword string `env:"SMTP_PASSWORD,unset" secret:"true" help:"its password"`
	SESRegion    string `env:"SES_REGION" help:"Amazon's region for SES; the AWS SDK's own settings decide when empty"`
	SESSet       string `env:"SES_CONFIGURATION_SET" help:"the configuration set of mails sent by SES"`
	// EventsURL is the queue of what SES reports about mails that it has accepted.
	EventsURL     string `env:"MAIL_EVENTS_QUEUE_URL" check:"URL" help:"the queue of what SES reports about mails later: bounces, complaints; none is read when empty"`
	EventsDeadURL string `env:"MAIL_EVENTS_DEAD_LETTER_QUEUE_URL" check:"URL" help:"the queue of such reports that cannot be read"`
	PublicURL     string `env:"API_PUBLIC_URL" check:"URL" help:"where callers reach the API, for its OpenAPI document and the links in mails"`
}

// Check reports settings that do not fit together.
func (c Config) Check(string) error {
	if (c.EventsURL == "") != (c.EventsDeadURL == "") {
		return errors.New("MAIL_EVENTS_QUEUE_URL and MAIL_EVENTS_DEAD_LETTER_QUEUE_URL must be set together")
	}
	switch c.Sender {
	case "off":
		return nil
	case "smtp", "ses":
	default:
		return fmt.Errorf("MAIL_SENDER is %q: it must be smtp, ses or off", c.Sender)
	}
	if _, err := netmail.ParseAddress(c.From); err != nil {
		return errors.New("MAIL_FROM must be an address when MAIL_SENDER is smtp or ses")
	}
	if c.PublicURL == "" {
		return errors.New("API_PUBLIC_URL is needed for the links in mails")
	}
	if c.Sender == "smtp" {
		if c.SMTPAddr == "" {
			return errors.New("SMTP_ADDR is needed when MAIL_SENDER is smtp")
		}
		if c.SMTPTLS != "starttls" && c.SMTPTLS != "tls" && c.SMTPTLS != "off" {
			return fmt.Errorf("SMTP_TLS is %q: it must be starttls, tls or off", c.SMTPTLS)
		}
	}
	return nil
}

// Message is a mail as it is handed to a provider.
type Message struct {
	ID      string // of the mail; the same for every attempt to send it
	To      string
	Subject string
	Text    string
	HTML    string
	// Unsubscribe is the address that switches the kind of mail off, RFC 8058; empty:
	// nobody may.
	Unsubscribe string
}

// oneClick tells mail programs that a POST to the address in List-Unsubscribe is enough.
const oneClick = "List-Unsubscribe=One-Click"

var (
	// ErrBounced says that the address takes no mail.
	ErrBounced = errors.New("the address takes no mail")
	// ErrOff says that no mails are sent, by the settings.
	ErrOff = errors.New("no mails are sent: MAIL_SENDER is off")
)

// Sender hands a message to a provider and returns the provider's ID for it.
type Sender interface {
	// Send returns ErrBounced and ErrOff; after any other error the message may or
	// may not have been accepted. Errors do not quote the address.
	Send(ctx context.Context, m Message) (providerID string, err error)
}

// NewSender returns what sends by those settings. It connects to nothing.
func NewSender(ctx context.Context, cfg Config) (Sender, error) {
	switch cfg.Sender {
	case "smtp":
		return newSMTP(cfg)
	case "ses":
		return newSES(ctx, cfg)
	default:
		return off{}, nil
	}
}

type off struct{}

func (off) Send(context.Context, Message) (string, error) { return "", ErrOff }

// smtpTimeout bounds each step of handing over a message.
const smtpTimeout = 15 * time.Second

// linger is how long connections to an SMTP server are kept open after the last mail.
const linger = 2 * time.Second

// smtp keeps the connections on which it has sent until no mail has followed for a moment.
type smtp struct {
	client *gomail.Client
	from   string
	domain string // of the message IDs

	mu      sync.Mutex
	sending int                  // mails under way
	idle    []*smtpclient.Client // open connections that no mail uses
	closing *time.Timer          // closes them
}

func newSMTP(cfg Config) (*smtp, error) {
	host, portText, err := net.SplitHostPort(cfg.SMTPAddr)
	if err != nil {
		return nil, fmt.Errorf("SMTP_ADDR: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("SMTP_ADDR: %w", err)
	}
	options := []gomail.Option{gomail.WithPort(port), gomail.WithTimeout(smtpTimeout), gomail.WithoutNoop()}
	switch cfg.SMTPTLS {
	case "tls":
		options = append(options, gomail.WithSSL())
	case "off":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if cfg.SMTPUser != "" {
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(cfg.SMTPUser), gomail.WithPassword(cfg.SMTPPassword))
	}
	client, err := gomail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("SMTP client: %w", err)
	}
	domain := "localhost"
	if public, err := url.Parse(cfg.PublicURL); err == nil && public.Hostname() != "" {
		domain = public.Hostname()
	}
	return &smtp{client: client, from: cfg.From, domain: domain}, nil
}

// Send gives each attempt the same Message-ID, so that a mailbox can tell that two
// are one.
func (s *smtp) Send(ctx context.Context, m Message) (string, error) {
	msg := gomail.NewMsg()
	if err := msg.From(s.from); err != nil {
		return "", errors.New("MAIL_FROM is no address")
	}
	if err := msg.To(m.To); err != nil {
		return "", ErrBounced
	}
	messageID := m.ID + "@" + s.domain
	msg.SetMessageIDWithValue(messageID)
	msg.SetDate()
	msg.Subject(m.Subject)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // no vacation answers
	if m.Unsubscribe != "" {
		msg.SetGenHeader("List-Unsubscribe", "<"+m.Unsubscribe+">")
		msg.SetGenHeader("List-Unsubscribe-Post", oneClick)
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	err := s.deliver(ctx, msg)
	var refused *gomail.SendError
	switch {
	case err == nil:
		return messageID, nil
	case errors.As(err, &refused) && noMailbox(refused):
		return "", ErrBounced
	case refused != nil:
		return "", fmt.Errorf("the SMTP server refused the mail: %s, code %d %s", refused.Reason, refused.ErrorCode(), refused.EnhancedStatusCode())
	}
	return "", errors.New("reach the SMTP server: " + Masked(err.Error())) // not wrapped: Temporal reads every error in a chain
}

// deliver hands a message over on a connection that is open, or on a new one. A server may
// have closed an open one meanwhile: what it did not begin to take is sent once more.
func (s *smtp) deliver(ctx context.Context, msg *gomail.Msg) error {
	s.mu.Lock()
	s.sending++
	if s.closing != nil {
		s.closing.Stop()
	}
	var connection *smtpclient.Client
	if last := len(s.idle) - 1; last >= 0 {
		connection, s.idle = s.idle[last], s.idle[:last]
	}
	s.mu.Unlock()
	reused := connection != nil
	err := s.deliverOn(ctx, &connection, msg)
	var refused *gomail.SendError
	if reused && errors.As(err, &refused) && (refused.Reason == gomail.ErrSMTPMailFrom || refused.Reason == gomail.ErrConnCheck) {
		_ = connection.Close()
		connection = nil
		err = s.deliverOn(ctx, &connection, msg)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case connection == nil:
	case err == nil:
		s.idle = append(s.idle, connection)
	default:
		_ = connection.Close() // what it is good for is not known
	}
	s.sending--
	if s.sending == 0 {
		s.closing = time.AfterFunc(linger, s.closeIdle)
	}
	return err
}

// deliverOn hands a message over, on a new connection where there is none.
func (s *smtp) deliverOn(ctx context.Context, connection **smtpclient.Client, msg *gomail.Msg) (err error) {
	if *connection == nil {
		if *connection, err = s.client.DialToSMTPClientWithContext(ctx); err != nil {
			return err
		}
	}
	if err = s.client.SendWithSMTPClient(*connection, msg); err != nil && msg.IsDelivered() {
		_ = (*connection).Close() // the server has taken the mail, and left before the next could follow
		*connection, err = nil, nil
	}
	return err
}

// closeIdle closes the connections unless mails are sent again.
func (s *smtp) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sending > 0 {
		return
	}
	for _, connection := range s.idle {
		go func() { _ = s.client.CloseWithSMTPClient(connection) }() // says goodbye
	}
	s.idle = nil
}

// noMailbox reports whether a refusal is about the address. Others, such as that we may
// not relay, are about us: they would switch off everybody's address.
func noMailbox(refused *gomail.SendError) bool {
	if refused.Reason != gomail.ErrSMTPRcptTo || strings.HasPrefix(refused.EnhancedStatusCode(), "5.7.") { // security, policy
		return false
	}
	const unavailable, notLocal, notAllowed = 550, 551, 553
	code := refused.ErrorCode()
	return code == unavailable || code == notLocal || code == notAllowed
}

type ses struct {
	client *sesv2.Client
	from   string
	set    string
}

func newSES(ctx context.Context, cfg Config) (*ses, error) {
	load := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if cfg.SESRegion != "" {
		load = append(load, config.WithRegion(cfg.SESRegion))
	}
	settings, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("SES: load AWS settings: %w", err)
	}
	return &ses{client: sesv2.NewFromConfig(settings), from: cfg.From, set: cfg.SESSet}, nil
}

// Send tags the mail with its ID, which SES repeats in its events. SES knows no
// idempotency key: an attempt whose answer was lost may be sent twice.
func (s *ses) Send(ctx context.Context, m Message) (string, error) {
	utf8 := func(text string) *types.Content { return &types.Content{Data: &text, Charset: aws.String("UTF-8")} }
	in := &sesv2.SendEmailInput{
		FromEmailAddress: &s.from, Destination: &types.Destination{ToAddresses: []string{m.To}},
		EmailTags: []types.MessageTag{{Name: aws.String(tagMailID), Value: &m.ID}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: utf8(m.Subject), Body: &types.Body{Text: utf8(m.Text), Html: utf8(m.HTML)},
			Headers: []types.MessageHeader{{Name: aws.String("Auto-Submitted"), Value: aws.String("auto-generated")}},
		}},
	}
	if m.Unsubscribe != "" {
		headers := &in.Content.Simple.Headers
		*headers = append(*headers, types.MessageHeader{Name: aws.String("List-Unsubscribe"), Value: aws.String("<" + m.Unsubscribe + ">")},
			types.MessageHeader{Name: aws.String("List-Unsubscribe-Post"), Value: aws.String(oneClick)})
	}
	if s.set != "" {
		in.ConfigurationSetName = &s.set
	}
	out, err := s.client.SendEmail(ctx, in)
	// SES says later what an address makes of a mail; a refusal is about us, as in the
	// sandbox. Its text may quote the address.
	var refused smithy.APIError
	switch {
	case errors.As(err, &refused):
		return "", fmt.Errorf("SES refused the mail: %s", refused.ErrorCode())
	case err != nil:
		return "", errors.New("reach SES: " + Masked(err.Error())) // not wrapped: a timeout would be taken for one of the database
	}
	return aws.ToString(out.MessageId), nil
}

// anAddress finds mail addresses in a text, and more rather than less.
var anAddress = regexp.MustCompile(`[^\s<>"'(),;:]+@[^\s<>"'(),;:]+`)

// Masked returns a text as it may be kept: without mail addresses, and as UTF-8, because
// databases and Temporal take nothing else, and a server may answer in any encoding.
// Errors of senders quote no address; what is kept of them is masked all the same.
func Masked(text string) string {
	return anAddress.ReplaceAllString(strings.ToValidUTF8(text, "\uFFFD"), "…@…")
}

// ParseAddress returns the canonical form of a mail address: trimmed, lower case,
// without a name. The error says what is wrong and does not quote the value.
func ParseAddress(s string) (string, error) {
	const most = 190 // characters: what the column holds
	address := strings.ToLower(strings.TrimSpace(s))
	parsed, err := netmail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(address) > most || strings.ContainsAny(address, "\"\\ <>,;:()[]") {
		return "", errors.New("must be a mail address")
	}
	for i := range len(address) {
		if address[i] <= ' ' || address[i] > '~' {
			return "", errors.New("must be a mail address in ASCII")
		}
	}
	if local, domain, _ := strings.Cut(address, "@"); len(local) > 64 || !strings.Contains(strings.Trim(domain, "."), ".") {
		return "", errors.New("must be a mail address with a full domain")
	}
	return address, nil
}
