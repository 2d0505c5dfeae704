package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	gomail "github.com/wneessen/go-mail"
	smtpclient "github.com/wneessen/go-mail/smtp"

	"github.com/mrmrthon/mrmrthon/deploy/local/stack"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// sentAtOnce is how many mails, or calls of an endpoint, the worker sends at the same time.
const sentAtOnce = 8

// notices measures mails to everyone entered in a race against the same mails sent by the
// same SMTP library alone, calls of a webhook against the same calls alone, and how much
// slower credits are while mails wait.
func (b *bench) notices(ctx context.Context) {
	const figure = "notices"
	n, r := b.size.Mails, b.report
	b.settling(ctx, "0s")
	b.say("%d mails", n)
	mails := b.mailed(ctx, b.publish(ctx, n), n)
	b.say("%d mails by SMTP alone", n)
	alone := b.spoken(ctx, "mailer", b.stack.Env(stack.Worker)["SMTP_ADDR"], strconv.Itoa(n))
	var calls, bare float64
	b.child(ctx, nil, func(receiver string) {
		b.say("%d webhook deliveries", n)
		calls = b.delivered(ctx, receiver, n)
		b.say("%d calls alone", n)
		bare = b.spoken(ctx, "caller", receiver, strconv.Itoa(n))
	}, "receiver")
	b.say("%d credits, then as many while mails wait", b.size.Credits)
	credits := b.load(ctx, b.size.Credits)
	event := b.publish(ctx, n)
	beside := b.load(ctx, b.size.Credits)
	left := b.waiting(ctx, event)
	b.mailed(ctx, event, n)
	b.settling(ctx, "")
	r.add(figure, fmt.Sprintf("mails of one event, %s", thousands(n)), "/s", mails, target{})
	r.add(figure, "the same mails by the SMTP library alone", "/s", alone, target{})
	r.ratio(figure, "mails to SMTP alone", mails, alone, target{atLeast: 0.6, floor: 0.05})
	r.add(figure, "webhook deliveries to one endpoint", "/s", calls, target{})
	r.add(figure, "the same signed calls alone", "/s", bare, target{})
	r.ratio(figure, "deliveries to calls alone", calls, bare, target{atLeast: 0.6, floor: 0.005})
	r.add(figure, "credits while mails wait", "/s", beside.rate, target{})
	r.add(figure, "  mails that still waited at the end", "", float64(left), target{})
	r.ratio(figure, "credits while mails wait to credits", beside.rate, credits.rate, target{atLeast: 0.9, floor: 0.5})
}

// settling restarts the worker with another NOTICE_SETTLE; empty: the default.
func (b *bench) settling(ctx context.Context, settle string) {
	delete(b.worker, "NOTICE_SETTLE")
	if settle != "" {
		b.worker["NOTICE_SETTLE"] = settle
	}
	check(b.stack.StopPart(stack.Worker))
	check(b.stack.StartPart(ctx, stack.Worker))
}

// publish has everyone in a race of n mailed, and returns the position of the event, whose
// mails are being written.
func (b *bench) publish(ctx context.Context, n int) (position int64) {
	raceID := b.race(ctx, n)
	rows := must(b.mainDB.QueryContext(ctx, "SELECT user_id FROM participant WHERE race_id = ?", raceID)) //nolint:rowserrcheck // check is handed the error
	defer func() { _ = rows.Close() }()
	var users []any
	for rows.Next() {
		var id string
		check(rows.Scan(&id))
		users = append(users, id)
	}
	check(rows.Err())
	for part := range slices.Chunk(users, 1000) {
		statement := "UPDATE user SET email = CONCAT(user_id, '@example.org') WHERE user_id IN (" + strings.Repeat(",?", len(part))[1:] + ")"
		must(b.userDB.ExecContext(ctx, statement, part...))
	}
	b.quiet(ctx)
	post := map[string]any{"title": "Parking and bag drop", "body": "The car park opens at **6:00**.", "state": "published", "notify": true}
	check(b.organizer.JSON(ctx, http.MethodPost, "/v1/races/"+raceID+"/posts", post, nil))
	until(ctx, time.Minute, 50*time.Millisecond, "the event", func() bool {
		check(b.mainDB.QueryRowContext(ctx, "SELECT COALESCE(MAX(position), 0) FROM notice_event WHERE race_id = ? AND kind = 'post-published'", raceID).Scan(&position))
		return position > 0
	})
	return position
}

// waiting returns how many mails of an event are not sent.
func (b *bench) waiting(ctx context.Context, event int64) (mails int) {
	check(b.userDB.QueryRowContext(ctx, "SELECT COUNT(*) FROM mail WHERE notice_position = ? AND notice_event = 'post-published' AND state IN ('queued', 'sending')", event).Scan(&mails))
	return mails
}

// mailed waits until n mails of an event are sent and returns their rate, from when the
// first was written to when the last was noted as sent.
func (b *bench) mailed(ctx context.Context, event int64, n int) (rate float64) {
	until(ctx, 10*time.Minute, 100*time.Millisecond, thousands(n)+" mails", func() (told bool) {
		check(b.mainDB.QueryRowContext(ctx, "SELECT finished_at IS NOT NULL FROM notice_event WHERE position = ? AND kind = 'post-published'", event).Scan(&told))
		return told
	})
	sent, first, last := 0, time.Time{}, time.Time{}
	check(b.userDB.QueryRowContext(ctx, "SELECT COUNT(*), MIN(created_at), MAX(updated_at) FROM mail WHERE notice_position = ? AND notice_event = 'post-published' AND state = 'sent'", event).
		Scan(&sent, &first, &last))
	if sent != n {
		check(fmt.Errorf("%d of %d mails were sent", sent, n))
	}
	return perSecond(n, last.Sub(first))
}

// spoken runs a child that says a rate.
func (b *bench) spoken(ctx context.Context, role string, args ...string) (rate float64) {
	b.quiet(ctx)
	b.child(ctx, nil, func(said string) { rate = must(strconv.ParseFloat(said, 64)) }, role, args...)
	return rate
}

// runMailer is the child `mailer ADDRESS COUNT`: it sends a notice's mail again and again
// over connections that stay open.
func runMailer(ctx context.Context, args []string) {
	host, port, err := net.SplitHostPort(args[0])
	check(err)
	client := must(gomail.NewClient(host, gomail.WithPort(must(strconv.Atoi(port))), gomail.WithTLSPolicy(gomail.NoTLS), gomail.WithoutNoop()))
	about := must(json.Marshal(notice.Facts{RaceID: uuid.NewString(), Race: "Bench " + uuid.NewString(), Date: "2004-04-19", Post: &notice.Post{ID: uuid.NewString(), Title: "Parking and bag drop", Excerpt: "The car park opens at 6:00."}}))
	m := must(mail.WriteNotice(userdb.Mail{Kind: userdb.MailKind(notice.PostPublished), Language: "en", About: about}, notice.Unsubscriber{}, "https://results.example.org"))
	connections := make(chan *smtpclient.Client, sentAtOnce)
	for range sentAtOnce {
		connections <- must(client.DialToSMTPClientWithContext(ctx))
	}
	fmt.Println(each(ctx, must(strconv.Atoi(args[1])), sentAtOnce, func(context.Context, int) error {
		connection := <-connections
		defer func() { connections <- connection }()
		id := uuid.NewString()
		msg := gomail.NewMsg()
		check(msg.From("Mrmrthon <no-reply@example.org>"))
		check(msg.To(id + "@example.org"))
		msg.SetMessageIDWithValue(id + "@example.org")
		msg.SetDate()
		msg.Subject(m.Subject)
		msg.SetGenHeader("Auto-Submitted", "auto-generated")
		msg.SetGenHeader("List-Unsubscribe", "<"+m.Unsubscribe+">")
		msg.SetGenHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
		msg.SetBodyString(gomail.TypeTextPlain, m.Text)
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
		return client.SendWithSMTPClient(connection, msg)
	}))
}

// delivered has n events delivered to a receiver, and returns the rate from the first
// noted attempt to the last.
func (b *bench) delivered(ctx context.Context, receiver string, n int) (rate float64) {
	raceID, ids, now := b.race(ctx, 1), newIDs(n), time.Now().UTC()
	var made struct {
		WebhookID string `json:"webhook_id"`
	}
	hook := map[string]any{"url": receiver, "events": []string{"result.corrected"}}
	check(b.organizer.JSON(ctx, http.MethodPost, "/v1/races/"+raceID+"/webhooks", hook, &made))
	check(insertAll(ctx, b.mainDB, "webhook_delivery", "delivery_id, webhook_id, position, type, happened_at, data, state, attempts, due_at, created_at", n, func(i int) []any {
		return []any{ids[i], made.WebhookID, -1 - i, "result.corrected", now, webhookData, "waiting", 0, now, now}
	}))
	b.quiet(ctx)
	must(b.mainDB.ExecContext(ctx, "UPDATE webhook SET wake_at = ? WHERE webhook_id = ?", now, made.WebhookID))
	until(ctx, 10*time.Minute, 100*time.Millisecond, thousands(n)+" deliveries", func() (done bool) {
		check(b.mainDB.QueryRowContext(ctx, "SELECT NOT EXISTS (SELECT 1 FROM webhook_delivery WHERE webhook_id = ? AND state = 'waiting')", made.WebhookID).Scan(&done))
		return done
	})
	sent, first, last := 0, time.Time{}, time.Time{}
	check(b.mainDB.QueryRowContext(ctx, "SELECT COUNT(*), MIN(attempted_at), MAX(attempted_at) FROM webhook_delivery WHERE webhook_id = ? AND state = 'delivered'", made.WebhookID).
		Scan(&sent, &first, &last))
	if sent != n {
		check(fmt.Errorf("%d of %d deliveries arrived", sent, n))
	}
	return perSecond(n, last.Sub(first))
}

const webhookData = `{"race_id":"01960000-0000-7000-8000-000000000000","record_ids":["01960000-0000-7000-8000-000000000001"]}`

// runReceiver is the child that takes calls of webhooks.
func runReceiver(ctx context.Context, _ []string) {
	listener := must((&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"))
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Println("http://" + listener.Addr().String())
	if err := server.Serve(listener); ctx.Err() == nil {
		check(err)
	}
}

// runCaller is the child `caller URL COUNT`: it signs and sends the same bodies.
func runCaller(ctx context.Context, args []string) {
	key, url := make([]byte, 32), args[0]
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: sentAtOnce}}
	fmt.Println(each(ctx, must(strconv.Atoi(args[1])), sentAtOnce, func(ctx context.Context, _ int) error {
		id, at := uuid.NewString(), time.Now()
		body := must(json.Marshal(map[string]any{"type": "result.corrected", "timestamp": at.UTC(), "data": json.RawMessage(webhookData)}))
		mac := hmac.New(sha256.New, key)
		_, _ = fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body)) //nolint:gosec // the bench's own receiver
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Webhook-Id", id)
		request.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
		request.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		answer, err := client.Do(request) //nolint:gosec // likewise
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.Body.Close()
	}))
}
