// Package sample puts a real race through the public API as an organizer
// would: sign up, log in, create the race, import the start list and the
// results, and watch the points arrive. Running it again changes nothing; after an
// interruption it continues where it stopped.
package sample

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/mrmrthon/mrmrthon/deploy/apiclient"
)

// Options say where the sample is loaded.
type Options struct {
	API      string // base URL
	Login    string // of the organizer, who is signed up when new
	Password string
	Race     Race
	Out      io.Writer
	Terminal bool // Out can redraw a line
}

// Credits counts the revisions of a race's records by their state.
type Credits struct {
	Pending    int `json:"pending"`
	Credited   int `json:"credited"`
	Rejected   int `json:"rejected"`
	Superseded int `json:"superseded"`
	Total      int `json:"total"`
}

const (
	// patience is how long to wait for an API that is restarting, or whose databases are.
	patience = 2 * time.Minute
	// callTimeout allows for an import of 50,000 rows.
	callTimeout = 5 * time.Minute
)

// Load imports the race, waits until every record has its credit, and has the
// results published.
func Load(ctx context.Context, opts Options) (Summary, error) {
	l := loader{Options: opts, client: &apiclient.Client{
		Base: opts.API, Login: opts.Login, Password: opts.Password, Patience: patience,
		HTTP: &http.Client{Timeout: callTimeout},
	}}
	if err := l.logIn(ctx); err != nil {
		return Summary{}, err
	}
	raceID, err := l.race(ctx)
	if err != nil {
		return Summary{}, err
	}
	l.path = "/v1/races/" + url.PathEscape(raceID)

	before, err := l.credits(ctx)
	if err != nil {
		return Summary{}, err
	}
	began := time.Now()
	if before.Total < opts.Race.Rows {
		if err := l.imports(ctx); err != nil {
			return Summary{}, err
		}
	}
	imported := time.Since(began)
	after, err := l.watch(ctx, before, began)
	if err != nil {
		return Summary{}, err
	}
	took := time.Since(began)
	if err := l.publish(ctx); err != nil {
		return Summary{}, err
	}
	return l.summarize(ctx, raceID, before, after, imported, took)
}

// loader is one run of Load.
type loader struct {
	Options
	client *apiclient.Client
	path   string // of the race
}

// publish makes the results official, as those of a race of years ago are, so that
// its pages show all there is. A race that somebody has voided meanwhile stays void.
func (l *loader) publish(ctx context.Context) error {
	err := l.client.JSON(ctx, http.MethodPost, l.path+"/finalize", map[string]int{"protest_window_s": 0}, nil)
	if p, ok := errors.AsType[*apiclient.Problem](err); err != nil && (!ok || p.Status != http.StatusConflict) {
		return fmt.Errorf("publish the results: %w", err)
	}
	return nil
}

// logIn signs the organizer up, or finds that an earlier run did.
func (l *loader) logIn(ctx context.Context) error {
	err := l.client.SignUp(ctx, "organizer", l.Race.Create.Name+" (sample)")
	if p, ok := errors.AsType[*apiclient.Problem](err); err != nil && (!ok || p.Status != http.StatusConflict) {
		return fmt.Errorf("sign up the sample's organizer: %w", err)
	}
	err = l.client.LogIn(ctx)
	if p, ok := errors.AsType[*apiclient.Problem](err); ok && p.Status == http.StatusUnauthorized {
		return fmt.Errorf("the login %s exists with another password: choose another login, or give its password: %w", l.Login, err)
	}
	return err
}

func (l *loader) say(format string, args ...any) {
	_, _ = fmt.Fprintf(l.Out, "sample   | "+format+"\n", args...)
}

// race finds the organizer's race by its name and date, or creates it.
func (l *loader) race(ctx context.Context) (string, error) {
	var me struct {
		UserID string `json:"user_id"`
	}
	if err := l.client.Get(ctx, "/v1/me", &me); err != nil {
		return "", err
	}
	for cursor, more := "", true; more; {
		var page struct {
			Items []struct {
				RaceID string `json:"race_id"`
				Name   string `json:"name"`
				Date   string `json:"date"`
			} `json:"items"`
			NextCursor string `json:"next_cursor"`
		}
		query := url.Values{"organizer_id": {me.UserID}, "limit": {"1000"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		if err := l.client.Get(ctx, "/v1/races?"+query.Encode(), &page); err != nil {
			return "", err
		}
		for _, r := range page.Items {
			if r.Name == l.Race.Create.Name && r.Date == l.Race.Create.Date {
				return r.RaceID, nil
			}
		}
		cursor, more = page.NextCursor, page.NextCursor != ""
	}
	var created struct {
		RaceID string `json:"race_id"`
	}
	err := l.client.JSON(ctx, http.MethodPost, "/v1/races", l.Race.Create, &created, "Idempotency-Key", l.key("race"))
	if err == nil {
		l.say("created the race %s", l.Race.Create.Name)
	}
	return created.RaceID, err
}

// key is the idempotency key of a step: the same in every run.
func (l *loader) key(step string) string {
	return strings.ReplaceAll(strings.ToLower(l.Race.Create.Name), " ", "-") + "/" + step
}

// imports sends the start list, then the results. Both change nothing the
// second time.
func (l *loader) imports(ctx context.Context) error {
	if err := l.importCSV(ctx, "the start list", "/participants/import", l.Race.StartList); err != nil {
		return err
	}
	return l.importCSV(ctx, "the official results", "/official-records/import", l.Race.Results)
}

func (l *loader) importCSV(ctx context.Context, what, path string, text []byte) error {
	began := time.Now()
	answer, err := l.client.ImportCSV(ctx, l.path+path, text)
	if err != nil {
		return err
	}
	l.say("imported %s in %s: %d added, %d changed, %d unchanged, %d rows with errors",
		what, time.Since(began).Round(10*time.Millisecond), answer.Added, answer.Changed, answer.Unchanged, len(answer.Errors))
	for i, e := range answer.Errors {
		if i == 10 {
			l.say("  and %d more", len(answer.Errors)-i)
			break
		}
		l.say("  row %d, %s: %s", e.Row, e.Field, e.Message)
	}
	return nil
}

func (l *loader) credits(ctx context.Context) (Credits, error) {
	var c Credits
	err := l.client.Get(ctx, l.path+"/credits", &c)
	return c, err
}

const (
	askEvery  = 250 * time.Millisecond // how often the credits are counted
	tellEvery = 5 * time.Second        // how often a log gets a line
)

// progress shows how many credits are done: a bar for a person, lines for a
// log.
type progress interface {
	show(done int)
	finish()
}

// watch counts the credits until none is pending.
func (l *loader) watch(ctx context.Context, now Credits, began time.Time) (Credits, error) {
	total := max(l.Race.Rows, now.Total)
	if now.Pending == 0 && now.Total >= total {
		return now, nil
	}
	p := l.progress(total, now.Total-now.Pending, began)
	defer p.finish()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		c, err := l.credits(ctx)
		if err != nil {
			return Credits{}, err
		}
		p.show(c.Total - c.Pending)
		if c.Pending == 0 {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return Credits{}, ctx.Err()
		case <-tick.C:
		}
	}
}

func (l *loader) progress(total, already int, began time.Time) progress {
	if !l.Terminal {
		return &lines{loader: l, total: total, already: already, began: began, told: began}
	}
	return &bar{loader: l, bar: progressbar.NewOptions(total,
		progressbar.OptionSetWriter(l.Out),
		progressbar.OptionSetDescription("sample   | credits"),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("credits"),
		progressbar.OptionSetElapsedTime(true),
		progressbar.OptionSetPredictTime(true),
	)}
}

type bar struct {
	loader *loader
	bar    *progressbar.ProgressBar
}

// show draws even without progress: a line of a part may have overwritten the bar
// was.
func (b *bar) show(done int) {
	_ = b.bar.Set(min(done, b.bar.GetMax()))
	_ = b.bar.RenderBlank()
}

func (b *bar) finish() {
	_ = b.bar.Exit()
	_, _ = fmt.Fprintln(b.loader.Out)
}

type lines struct {
	loader         *loader
	total, already int
	began, told    time.Time
}

func (p *lines) show(done int) {
	if time.Since(p.told) < tellEvery && done < p.total {
		return
	}
	p.told = time.Now()
	rate := float64(done-p.already) / time.Since(p.began).Seconds()
	p.loader.say("credits: %d of %d (%d %%), %.0f/s", done, p.total, 100*done/max(p.total, 1), rate)
}

func (p *lines) finish() {}
