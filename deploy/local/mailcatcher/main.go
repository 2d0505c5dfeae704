// Command mailcatcher stands in for a mail provider on one machine: it takes every
// mail over SMTP, sends none on, and shows them on a page. Like Amazon's mailbox
// simulator it refuses mail to bounce@… for good, and to busy@… for now.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"os"
	"os/signal"
	"regexp"
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
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, *smtpAddr, *pageAddr)
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
func run(ctx context.Context, smtpAddr, pageAddr string) error {
	box := &mailbox{}
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
	mu    sync.Mutex
	last  int
	mails []caught // the newest first
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
	switch local, _, _ := strings.Cut(strings.ToLower(to), "@"); local {
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
	return nil
}

func (b *mailbox) keep(m caught) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	m.ID = b.last
	b.mails = append([]caught{m}, b.mails...)
	b.mails = b.mails[:min(len(b.mails), maxKept)]
}

// find returns the mails to an address, all when it is empty, the newest first.
func (b *mailbox) find(to string) []caught {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := []caught{}
	for _, m := range b.mails {
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
		show(w, list, b.find(r.URL.Query().Get("to")))
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
<table>{{range .}}<tr><td>{{.At.Format "15:04:05"}}</td><td>{{range .To}}{{.}} {{end}}</td><td><a href="/mails/{{.ID}}">{{or .Subject "(no subject)"}}</a></td></tr>
{{else}}<tr><td>None yet.</td></tr>{{end}}</table></body></html>`))
	one = template.Must(template.New("").Parse(head + `<p><a href="/">All mails</a></p>{{with .Mail}}
<h1>{{.Subject}}</h1><p>From {{.From}} to {{range .To}}{{.}} {{end}}at {{.At.Format "2006-01-02 15:04:05"}} UTC</p>
<pre>{{.Text}}</pre>{{end}}
{{range .Links}}<p><a href="{{.}}" rel="noreferrer">{{.}}</a></p>{{end}}
{{with .Mail.HTML}}<h2>HTML</h2><iframe sandbox srcdoc="{{.}}"></iframe>{{end}}</body></html>`))
)
