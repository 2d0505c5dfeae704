package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config says which endpoints may be reached.
type Config struct {
	Loopback bool `env:"WEBHOOK_LOOPBACK" help:"whether webhooks may go to this machine itself, by http too: for trying them out, never on a machine that others can use"`
}

const (
	secretPrefix = "whsec_"
	secretBytes  = 32

	attemptTimeout = 20 * time.Second
	maxAnswer      = 64 << 10
	maxURL         = 1000
)

// NewSecret returns a new signing key, and how it is shown.
func NewSecret() (key []byte, shown string) {
	key = make([]byte, secretBytes)
	_, _ = rand.Read(key) // never fails: see crypto/rand
	return key, secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// sign returns the webhook-signature header: a signature by each key.
func sign(keys [][]byte, id string, at time.Time, body []byte) string {
	signatures := make([]string, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		_, _ = fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}

// hostForm is a DNS name. Its last label begins with a letter, so that addresses in forms
// that only some resolvers read (decimal, octal, hexadecimal) are none.
var hostForm = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$`)

// localNames end the names that no public resolver answers.
var localNames = []string{".localhost", ".local", ".internal", ".home.arpa"}

// CheckURL returns why a URL cannot be an endpoint of a format, as a text for whoever
// entered it. The text does not quote the URL.
func (c Config) CheckURL(format Format, address string) error {
	if len(address) > maxURL {
		return fmt.Errorf("must have at most %d characters", maxURL)
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return errors.New("must be a URL, such as https://example.org/hooks") // the parser's words would quote the URL
	}
	if u.User != nil {
		return errors.New("must not hold a user name or password")
	}
	if u.Fragment != "" {
		return errors.New("must not have a fragment")
	}
	host := strings.ToLower(u.Hostname())
	addr, notAddr := netip.ParseAddr(host)
	if c.isLoopback(host) && (u.Scheme == "http" || u.Scheme == "https") {
		return c.checkChat(format, u)
	}
	if u.Scheme != "https" {
		return errors.New("must begin with https://")
	}
	if err := c.checkChat(format, u); err != nil {
		return err
	}
	if !usualPort(u.Port()) {
		return errors.New("must use port 443, or one from 1024 on")
	}
	if notAddr == nil && !public(addr) {
		return errors.New("must lead to a public address")
	}
	if notAddr == nil {
		return nil
	}
	return checkName(host)
}

// isLoopback reports whether a host is this machine, and may be reached.
func (c Config) isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return c.Loopback && (host == "localhost" || err == nil && addr.IsLoopback())
}

// usualPort reports whether a port may be used; empty is the scheme's own.
func usualPort(text string) bool {
	port, err := strconv.Atoi(text)
	return text == "" || err == nil && (port == 443 || port >= 1024 && port <= 65535)
}

// checkName is CheckURL for the name of a host.
func checkName(host string) error {
	if !hostForm.MatchString(host) {
		return errors.New("must name a public host, in ASCII")
	}
	for _, local := range localNames {
		if strings.HasSuffix(host, local) {
			return errors.New("must name a public host")
		}
	}
	return nil
}

// notPublic are ranges that IANA's registries do not list as globally reachable, that
// lead to others (6to4, Teredo), or that a cloud uses for its own (168.63.129.16). Of
// IPv6, nothing outside 2000::/3 is public, NAT64's prefixes among it.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)

var publicIPv6 = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	found := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		found[i] = netip.MustParsePrefix(text)
	}
	return found
}

// public reports whether an address is one of the public internet.
func public(addr netip.Addr) bool {
	if addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	if addr.Is6() && !publicIPv6.Contains(addr) {
		return false
	}
	for _, prefix := range notPublic {
		if prefix.Contains(addr) {
			return false
		}
	}
	return addr.IsValid()
}

func (c Config) reachable(addr netip.Addr) bool {
	return public(addr) || c.Loopback && addr.Unmap().IsLoopback()
}

// errRefused is returned for addresses that are not public.
var errRefused = errors.New("the address is not public")

// Sender sends messages.
type Sender struct {
	cfg    Config
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	client *http.Client
	now    func() time.Time
}

// NewSender returns a sender. It uses no proxy and follows no redirects.
func NewSender(cfg Config, now func() time.Time) *Sender {
	s := &Sender{cfg: cfg, lookup: net.DefaultResolver.LookupNetIP, now: now}
	s.client = &http.Client{
		Timeout: attemptTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			DialContext: s.dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: attemptTimeout / 2,
			MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: maxAnswer,
		},
	}
	return s
}

// dial resolves the host once, refuses it if any of its addresses is not public, and
// connects to one of those that it has checked, so that another answer of the resolver
// changes nothing. The address is checked again when the socket connects.
func (s *Sender) dial(ctx context.Context, network, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	addrs, err := s.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: attemptTimeout / 2, Control: s.control}
	var failed error
	for _, addr := range addrs {
		conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(addr.String(), port))
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

func (s *Sender) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs := make([]netip.Addr, 1)
	var err error
	if addrs[0], err = netip.ParseAddr(host); err != nil {
		if addrs, err = s.lookup(ctx, "ip", host); err != nil {
			return nil, err
		}
	}
	for i, addr := range addrs {
		if addrs[i] = addr.Unmap(); !s.cfg.reachable(addr) {
			return nil, errRefused
		}
	}
	return addrs, nil
}

// control is called with the address that a socket is about to connect to.
func (s *Sender) control(_, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil || !s.cfg.reachable(addr.Addr()) {
		return errRefused
	}
	return nil
}

// Outcome is what became of an attempt.
type Outcome struct {
	// Status is the HTTP status; 0: there was no answer.
	Status int
	// Failure says in a word why there was none. It holds nothing of the endpoint's.
	Failure string
	// RetryAfter is how long the endpoint asks to be left alone; zero: it does not say.
	RetryAfter time.Duration

	chat bool
}

// Delivered reports whether the endpoint took the message.
func (o Outcome) Delivered() bool { return o.Status >= 200 && o.Status <= 299 }

// Gone reports whether the endpoint wants no further messages. A chat answers 404 for a
// webhook that was deleted, and 410 for a channel that was archived.
func (o Outcome) Gone() bool {
	return o.Status == http.StatusGone || o.chat && o.Status == http.StatusNotFound
}

// Rest is how long the endpoint must be left alone, because it got too many messages;
// zero: it need not.
func (o Outcome) Rest() time.Duration {
	if o.Status != http.StatusTooManyRequests {
		return 0
	}
	return min(max(o.RetryAfter, 0), maxRetryAfter)
}

// String returns what the log of deliveries says.
func (o Outcome) String() string {
	if o.Status != 0 {
		return strconv.Itoa(o.Status)
	}
	return o.Failure
}

// Send makes one attempt to deliver a message by Standard Webhooks, signed with each of
// the keys. Of the answer it keeps the status. It returns an error only if ctx has ended.
func (s *Sender) Send(ctx context.Context, address string, keys [][]byte, m Message) (Outcome, error) {
	body, err := m.Body()
	if err != nil {
		return Outcome{}, err
	}
	at, header := s.now(), http.Header{}
	header.Set("Webhook-Id", m.ID)
	header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	header.Set("Webhook-Signature", sign(keys, m.ID, at, body))
	return s.post(ctx, Standard, address, header, body)
}

// SendNote makes one attempt to post a note to a chat. It returns an error only if ctx has
// ended or the note cannot be written.
func (s *Sender) SendNote(ctx context.Context, format Format, address string, n Note) (Outcome, error) {
	body, err := n.body(format, s.now())
	if err != nil {
		return Outcome{}, err
	}
	return s.post(ctx, format, address, http.Header{}, body)
}

func (s *Sender) post(ctx context.Context, format Format, address string, header http.Header, body []byte) (Outcome, error) {
	if s.cfg.CheckURL(format, address) != nil { // a setting has changed since it was added
		return Outcome{Failure: "refused"}, nil //nolint:nilerr // the outcome says it
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return Outcome{Failure: "refused"}, nil //nolint:nilerr // the outcome says it
	}
	request.Header = header
	header.Set("Content-Type", "application/json")
	header.Set("User-Agent", "mrmrthon-webhooks/1.0")
	answer, err := s.client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return Outcome{}, ctx.Err()
		}
		return Outcome{Failure: failureOf(err)}, nil
	}
	said, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // to the end, so that the connection can be used again
	_ = answer.Body.Close()
	outcome := Outcome{Status: answer.StatusCode, RetryAfter: retryAfter(answer.Header.Get("Retry-After"), s.now()), chat: format.IsChat()}
	if format == Discord {
		outcome.RetryAfter = max(outcome.RetryAfter, askedIn(answer.StatusCode, said))
	}
	return outcome, nil
}

// failureOf says in a word why there was no answer.
func failureOf(err error) string {
	var dns *net.DNSError
	var slow net.Error
	switch {
	case errors.Is(err, errRefused):
		return "refused"
	case errors.As(err, &dns):
		return "dns"
	case errors.As(err, &slow) && slow.Timeout():
		return "timeout"
	case strings.Contains(err.Error(), "tls: "), strings.Contains(err.Error(), "x509: "):
		return "tls"
	}
	return "connection"
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	return 0
}

// pauses are the times from one attempt to the next: ten attempts in three days.
var pauses = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// maxRetryAfter bounds how much longer than ours an endpoint's own pause may be.
const maxRetryAfter = time.Hour

// Pause returns the time from an attempt, counted from 1, to the next; ok is false after
// the last one. asked is the endpoint's Retry-After, which makes a pause longer, up to an
// hour. random, from 0 to 1, makes it up to a tenth longer, so that messages that failed
// together are not sent together again.
func Pause(attempt int, asked time.Duration, random float64) (pause time.Duration, ok bool) {
	if attempt > len(pauses) {
		return 0, false
	}
	pause = max(pauses[attempt-1], min(asked, maxRetryAfter))
	return pause + time.Duration(random*float64(pause)/10), true
}
