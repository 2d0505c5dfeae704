package sample

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"time"
)

// Summary is the result of a run.
type Summary struct {
	Name    string
	RaceID  string
	Credits Credits
	Done    int           // credits of this run
	Import  time.Duration // start list and results
	Total   time.Duration // until the last credit
	Reasons map[string]int
	Example *Record // a runner with points
}

// Record is an official record with its credit, as the API lists it.
type Record struct {
	RecordID string `json:"record_id"`
	Bib      string `json:"bib"`
	GunTime  string `json:"gun_time"`
	NetTime  string `json:"net_time"`
	Credit   struct {
		Status   string `json:"status"`
		Points   int    `json:"points"`
		Reason   string `json:"reason"`
		TraceURL string `json:"trace_url"`
	} `json:"credit"`
}

func (l *loader) summarize(ctx context.Context, raceID string, before, after Credits, imported, total time.Duration) (Summary, error) {
	s := Summary{
		Name: l.Race.Create.Name, RaceID: raceID, Credits: after,
		Done: (after.Total - after.Pending) - (before.Total - before.Pending), Import: imported, Total: total,
	}
	var err error
	if s.Reasons, err = l.reasons(ctx); err != nil {
		return Summary{}, err
	}
	s.Example, err = l.example(ctx)
	return s, err
}

// bibInReason matches what differs between two rejections with the same cause.
var bibInReason = regexp.MustCompile(`bib \S+`)

// reasons counts the rejected records by cause.
func (l *loader) reasons(ctx context.Context) (map[string]int, error) {
	reasons := map[string]int{}
	for cursor, more := "", true; more; {
		items, next, err := l.records(ctx, url.Values{"credit_status": {"rejected"}, "limit": {"1000"}}, cursor)
		if err != nil {
			return nil, err
		}
		for _, r := range items {
			reasons[bibInReason.ReplaceAllString(r.Credit.Reason, "bib …")]++
		}
		cursor, more = next, next != ""
	}
	return reasons, nil
}

// example is the first record with points.
func (l *loader) example(ctx context.Context) (*Record, error) {
	items, _, err := l.records(ctx, url.Values{"credit_status": {"credited"}, "limit": {"100"}}, "")
	if err != nil {
		return nil, err
	}
	for _, r := range items {
		if r.Credit.Points > 0 {
			return &r, nil
		}
	}
	return nil, nil //nolint:nilnil // a race may have no points at all
}

func (l *loader) records(ctx context.Context, query url.Values, cursor string) (items []Record, next string, err error) {
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	var page struct {
		Items      []Record `json:"items"`
		NextCursor string   `json:"next_cursor"`
	}
	err = l.client.Get(ctx, l.path+"/official-records?"+query.Encode(), &page)
	return page.Items, page.NextCursor, err
}

// Print writes the summary as text.
func (s Summary) Print(out io.Writer) {
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	line("")
	line("  %s", s.Name)
	line("    credited   %6d", s.Credits.Credited)
	line("    rejected   %6d", s.Credits.Rejected)
	for _, reason := range slices.SortedFunc(maps.Keys(s.Reasons), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.Reasons[b], s.Reasons[a]), cmp.Compare(a, b))
	}) {
		line("               %6d  %s", s.Reasons[reason], reason)
	}
	if s.Credits.Superseded > 0 {
		line("    superseded %6d", s.Credits.Superseded)
	}
	if s.Done > 0 {
		line("    in %.1f s: %.0f records/s from the import to the last credit (imports %.1f s)",
			s.Total.Seconds(), float64(s.Done)/s.Total.Seconds(), s.Import.Seconds())
	} else {
		line("    was loaded before; nothing was done again")
	}
	if e := s.Example; e != nil {
		line("    bib %s ran %s: %d points", e.Bib, cmp.Or(e.GunTime, e.NetTime), e.Credit.Points)
		line("      how it came to them: %s", e.Credit.TraceURL)
	}
}
