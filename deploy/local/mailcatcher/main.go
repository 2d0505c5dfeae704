// Command mailcatcher stands in for a mail provider on one machine: it takes every
// mail over SMTP, sends none on, and shows them on a page. Like Amazon's mailbox
// simulator it plays what can happen to a mail, by the address: see simulated.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "github.com/emersion/go-message/charset" // decodes texts that are not in UTF-8
	"github.com/emersion/go-message/mail"
	"github.com/emersion/go-smtp"
)

func main() {
	smtpAddr := flag.String("smtp", "127.0.0.1:1025", "`host:port` that mails are taken on")
	pageAddr := flag.String("addr", "127.0.0.1:8025", "`host:port` of the page")
	events := flag.String("events", "", "`URL` of the SQS queue that bounces and complaints are put on, as Amazon SES does; none when empty")
	healthcheck := flag.Bool("healthcheck", false, "only ask whether the page answers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	do := func() error { return run(ctx, *smtpAddr, *pageAddr, *events) }
	if *healthcheck {
		do = func() error { return expectOK(ctx, *pageAddr) }
	}
	err := do()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mailcatcher:", err)
		os.Exit(1)
	}
}

const (
	timeout    = 10 * time.Second
	maxMessage = 1 << 20 // bytes
	maxKept    = 1000    // mails
)

// run takes mails and shows them until ctx ends.
func run(ctx context.Context, smtpAddr, pageAddr, events string) error {
	box := &mailbox{events: events}
	takes := smtp.NewServer(box)
	takes.Addr, takes.Domain, takes.MaxMessageBytes = smtpAddr, "localhost", maxMessage
	takes.ReadTimeout, takes.WriteTimeout = timeout, timeout
	shows := &http.Server{Addr: pageAddr, Handler: box.pages(), ReadHeaderTimeout: timeout}
	failed := make(chan error, 2)
	go func() { failed <- takes.ListenAndServe() }()
	go func() { failed <- shows.ListenAndServe() }()
	fmt.Printf("mailcatcher: mails to %s are shown at http://%s\n", smtpAddr, pageAddr)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return errors.Join(takes.Close(), shows.Close())
}

// expectOK reports whether the catcher whose page is at addr is well.
func expectOK(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/healthz", http.NoBody)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// simulated says on the page what happens to mails to certain addresses.
var simulated = []struct{ Address, Happens string }{
	{"bounce@…", "is refused for good (550)"},
	{"busy@…", "is refused for now (451)"},
	{"late-bounce@…", "is taken, and reported as bounced a moment later"},
	{"complaint@…", "is taken, and reported as unwanted a moment later"},
}

// localPart is what decides, without a suffix as in bounce+2@example.org.
func localPart(address string) string {
	local, _, _ := strings.Cut(strings.ToLower(address), "@")
	local, _, _ = strings.Cut(local, "+")
	return local
}

// caught is a mail as it is shown.
type caught struct {
	ID        int       `json:"id"` // 1, 2, 3 in the order of arrival
	MessageID string    `json:"message_id"`
	At        time.Time `json:"at"`
	From      string    `json:"from"`
	To        []string  `json:"to"`
	Subject   string    `json:"subject"`
	Text      string    `json:"text"`
	HTML      string    `json:"html"`
}

// mailbox keeps the last mails in memory.
type mailbox struct {
	events string // URL of the queue that events are put on; empty: none
	mu     sync.Mutex
	last   int
	mails  []caught // the newest last
}

// NewSession begins an SMTP session.
func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{box: b}, nil }

type session struct {
	box  *mailbox
	mail caught
}

// Reset forgets the mail that was begun.
func (s *session) Reset() { s.mail = caught{} }

// Logout ends the session.
func (*session) Logout() error { return nil }

// Mail names the sender.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mail = caught{From: from}
	return nil
}

// Rcpt names a recipient; those of the simulator are refused.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch localPart(to) {
	case "bounce":
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "there is no such mailbox"}
	case "busy":
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "the mailbox is busy: try again"}
	}
	s.mail.To = append(s.mail.To, to)
	return nil
}

// Data takes the mail.
func (s *session) Data(r io.Reader) error {
	reader, err := mail.CreateReader(r)
	if err != nil {
		return fmt.Errorf("read a mail: %w", err)
	}
	s.mail.At = time.Now().UTC()
	s.mail.Subject, _ = reader.Header.Subject()
	s.mail.MessageID, _ = reader.Header.MessageID()
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read a mail: %w", err)
		}
		body, err := io.ReadAll(part.Body)
		if err != nil {
			return fmt.Errorf("read a mail: %w", err)
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			s.mail.HTML += string(body)
		} else {
			s.mail.Text += string(body)
		}
	}
	s.box.keep(s.mail)
	if s.box.events != "" {
		if err := s.box.report(s.mail); err != nil {
			fmt.Fprintln(os.Stderr, "mailcatcher:", err)
		}
	}
	return nil
}

func (b *mailbox) keep(m caught) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	m.ID = b.last
	b.mails = append(b.mails, m)
	if len(b.mails) >= 2*maxKept {
		b.mails = slices.Clone(b.mails[maxKept:])
	}
}

// report puts on the queue what Amazon SES would report about a mail: twice, as a queue
// may deliver it, and in the envelope of SNS if it is a complaint, as SNS sends it
// unless it is told to deliver the raw event.
func (b *mailbox) report(m caught) error {
	for _, to := range m.To {
		happened := time.Now().UTC()
		var event map[string]any
		switch recipients := []map[string]string{{"emailAddress": to}}; localPart(to) {
		case "late-bounce":
			event = map[string]any{"eventType": "Bounce", "bounce": map[string]any{
				"bounceType": "Permanent", "bounceSubType": "NoEmail", "bouncedRecipients": recipients, "timestamp": happened,
			}}
		case "complaint":
			event = map[string]any{"eventType": "Complaint", "complaint": map[string]any{
				"complaintFeedbackType": "abuse", "complainedRecipients": recipients, "timestamp": happened,
			}}
		default:
			continue
		}
		mailID, _, _ := strings.Cut(m.MessageID, "@")
		event["mail"] = map[string]any{
			"timestamp": m.At, "messageId": m.MessageID, "destination": m.To, "tags": map[string][]string{"mail_id": {mailID}},
		}
		body, err := json.Marshal(event)
		if err == nil && event["complaint"] != nil {
			body, err = json.Marshal(map[string]string{"Type": "Notification", "Message": string(body)})
		}
		if err != nil {
			return err
		}
		for range 2 {
			if err := b.put(string(body)); err != nil {
				return fmt.Errorf("put an event on the queue: %w", err)
			}
		}
	}
	return nil
}

// put puts a message on the queue, by SQS's JSON protocol.
func (b *mailbox) put(body string) error {
	queue, err := url.Parse(b.events)
	if err != nil {
		return err
	}
	call, err := json.Marshal(map[string]string{"QueueUrl": b.events, "MessageBody": body})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, queue.Scheme+"://"+queue.Host+"/", bytes.NewReader(call))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return errors.Join(err, answer.Body.Close())
}

// find returns the mails to an address, all when it is empty, the newest first.
func (b *mailbox) find(to string) []caught {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := []caught{}
	for _, m := range slices.Backward(b.mails[max(0, len(b.mails)-maxKept):]) {
		if to == "" || strings.Contains(strings.Join(m.To, " "), to) {
			found = append(found, m)
		}
	}
	return found
}

// pages shows the list, each mail, and both as JSON for programs.
func (b *mailbox) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /mails.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(b.find(r.URL.Query().Get("to")))
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		show(w, list, map[string]any{"Mails": b.find(r.URL.Query().Get("to")), "Simulated": simulated, "Events": b.events != ""})
	})
	mux.HandleFunc("GET /mails/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.PathValue("id"))
		for _, m := range b.find("") {
			if m.ID == id {
				show(w, one, map[string]any{"Mail": m, "Links": links.FindAllString(m.Text, -1)})
				return
			}
		}
		http.NotFound(w, r)
	})
	return mux
}

// show writes a page on which a mail can do nothing: text is escaped, and HTML is in
// a frame without rights.
func show(w http.ResponseWriter, page *template.Template, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'self'")
	_ = page.Execute(w, data) // the reader may have gone away
}

var links = regexp.MustCompile(`https?://\S+`)

const head = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Mails</title>
<style>body{font-family:sans-serif;margin:2em;max-width:60em}td{padding:.2em 1em .2em 0}pre{white-space:pre-wrap}iframe{width:100%;height:20em;border:1px solid}</style></head><body>`

var (
	list = template.Must(template.New("").Parse(head + `<h1>Mails</h1>
<form><label>To <input name="to"></label> <button>Filter</button></form>
<table>{{range .Mails}}<tr><td>{{.At.Format "15:04:05"}}</td><td>{{range .To}}{{.}} {{end}}</td><td><a href="/mails/{{.ID}}">{{or .Subject "(no subject)"}}</a></td></tr>
{{else}}<tr><td>None yet.</td></tr>{{end}}</table>
<h2>Simulated addresses</h2><p>At any domain, with any suffix: late-bounce+2@… behaves like late-bounce@….</p>
<table>{{range .Simulated}}<tr><td>{{.Address}}</td><td>{{.Happens}}</td></tr>{{end}}</table>
{{if not .Events}}<p>Bounces and complaints are not reported: the catcher was started without a queue (-events).</p>{{end}}</body></html>`))
	one = template.Must(template.New("").Parse(head + `<p><a href="/">All mails</a></p>{{with .Mail}}
<h1>{{.Subject}}</h1><p>From {{.From}} to {{range .To}}{{.}} {{end}}at {{.At.Format "2006-01-02 15:04:05"}} UTC</p>
<pre>{{.Text}}</pre>{{end}}
{{range .Links}}<p><a href="{{.}}" rel="noreferrer">{{.}}</a></p>{{end}}
{{with .Mail.HTML}}<h2>HTML</h2><iframe sandbox srcdoc="{{.}}"></iframe>{{end}}</body></html>`))
)
