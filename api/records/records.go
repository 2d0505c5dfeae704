// Package records answers the calls about official records: posting, importing,
// correcting, removing and reading them, and counting their credits.
//
// Records are in main_db and their credits in user_db. Calls that change a record
// need only main_db; a credit that cannot be read is "unknown".
package records

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/splits"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	// tag groups these calls in the API's description.
	tag = "Official records"

	recordsPath = "/v1/races/{race_id}/official-records"
	recordPath  = recordsPath + "/{record_id}"

	// maxBody is far above any body of these calls but the import's, in bytes.
	maxBody = 16 << 10
)

// Config holds the dependencies of the calls.
type Config struct {
	Store  *maindb.Store
	Ledger *userdb.Store
	// Poke tells the relay that there are new outbox rows. It does not block.
	Poke func()
	// Ahead estimates how long pending records wait; nil means unknown.
	Ahead Ahead
	// WorkflowID names the workflow that credits a revision, TraceURL its page.
	WorkflowID func(raceID, recordID string, revision int) string
	TraceURL   func(workflowID string) string
	// Splits shows readings at timing points.
	Splits *splits.Reader
	Log    *slog.Logger
}

// Register adds the calls to the API, and returns the service for pages.
func Register(api huma.API, cfg Config) *Service {
	trace := func(r race.Record) string { return cfg.TraceURL(cfg.WorkflowID(r.RaceID, r.ID, r.Revision)) }
	databases := reconcile.Databases{Records: cfg.Store, Ledger: cfg.Ledger}
	credits := credits{databases: databases, trace: trace, log: cfg.Log}
	times := times{store: cfg.Store, log: cfg.Log}
	gate := gate{races: cfg.Store}
	posting := post{store: cfg.Store, times: times, credits: credits, poke: cfg.Poke}
	posting.register(api)
	importing{store: cfg.Store, poke: cfg.Poke}.register(api)
	s := &Service{
		post:   posting,
		list:   list{store: cfg.Store, ledger: cfg.Ledger, credits: credits, gate: gate},
		get:    get{store: cfg.Store, credits: credits, gate: gate, times: times, splits: cfg.Splits},
		change: change{store: cfg.Store, times: times, credits: credits, poke: cfg.Poke},
		count:  progress{databases: databases, ahead: cfg.Ahead},
	}
	s.list.register(api)
	s.get.register(api)
	s.change.register(api)
	s.count.register(api)
	return s
}

// gate decides who may read: only its owner and staff see a race's records until
// the race is official, and everybody from then on.
type gate struct {
	races *maindb.Store
}

// open returns the race, and whether the caller owns it or works on it. A caller who may not
// read gets 401 or 403; races are public, so an unknown one is 404 for everybody.
func (g gate) open(ctx context.Context, raceID string) (of race.Race, owner bool, err error) {
	if !server.IsID(raceID) {
		return of, false, race.ErrNotFound
	}
	if server.RoleFrom(ctx) != "" {
		return server.RaceFrom(ctx), true, nil
	}
	if of, err = g.races.Race(ctx, raceID); err != nil {
		return of, false, err
	}
	switch {
	case of.Status == race.Official:
		return of, false, nil
	case of.Status == race.Void:
		err = huma.Error403Forbidden("the race was voided: only its organizer sees its records")
	case server.CallerFrom(ctx).UserID == "":
		err = server.Unauthorized("the results of this race are not official yet; its organizer can log in at POST /v1/login")
	default:
		err = huma.Error403Forbidden("the results of this race are not official yet: until then only its organizer sees them")
	}
	return of, false, err
}

// text is a string in a body that may be absent, null or present, which mean
// different things in a correction.
type text struct {
	given bool
	null  bool
	value string
}

// UnmarshalJSON is called only when the field is there.
func (t *text) UnmarshalJSON(data []byte) error {
	t.given = true
	if t.null = bytes.Equal(data, []byte("null")); t.null {
		return nil
	}
	return json.Unmarshal(data, &t.value)
}

// number is the same for a whole number; null is 0.
type number struct {
	given bool
	value int
}

// UnmarshalJSON is called only when the field is there.
func (n *number) UnmarshalJSON(data []byte) error {
	n.given = true
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	return json.Unmarshal(data, &n.value)
}

// MarshalJSON writes what UnmarshalJSON reads.
func (t text) MarshalJSON() ([]byte, error) {
	if t.null {
		return []byte("null"), nil
	}
	return json.Marshal(t.value)
}

// MarshalJSON writes what UnmarshalJSON reads.
func (n number) MarshalJSON() ([]byte, error) {
	if n.value == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(n.value)
}

// Schema lets null pass, for the API's description and its validation.
func (text) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Nullable: true}
}

// Schema lets null pass, for the API's description and its validation.
func (number) Schema(huma.Registry) *huma.Schema {
	least := 1.0
	return &huma.Schema{Type: huma.TypeInteger, Nullable: true, Minimum: &least}
}

// fieldErrors collects what is wrong with a body, field by field.
type fieldErrors struct{ race.FieldErrors }

// addOthers adds errors of fields that have no error yet.
func (f *fieldErrors) addOthers(wrong []race.FieldError) {
	for _, w := range wrong {
		if !slices.ContainsFunc(f.FieldErrors, func(known race.FieldError) bool { return known.Field == w.Field }) {
			f.FieldErrors = append(f.FieldErrors, w)
		}
	}
}

// parseTime reads a time in the sport's notation. Null and absent mean no time; the
// empty string is an error.
func (f *fieldErrors) parseTime(field string, in text) race.Time {
	if !in.given || in.null {
		return 0
	}
	t, err := race.ParseTime(in.value)
	f.Add(field, err)
	return t
}

// parseSplits returns readings by the key of their timing point; zero for one that
// is cleared. It is nil when the body names none.
func (f *fieldErrors) parseSplits(r race.Race, stated []splits.Reading) race.Splits {
	if len(stated) == 0 {
		return nil
	}
	read := make(race.Splits, len(stated))
	for i, reading := range stated {
		field := fmt.Sprintf("splits[%d].", i)
		point, err := race.PointNamed(r.Course.Points, reading.Point)
		f.Add(field+"point", err)
		if err != nil {
			continue
		}
		if _, twice := read[point.Key]; twice {
			f.Add(field+"point", errors.New("must not be given twice: "+point.Name))
		}
		read[point.Key] = 0
		if reading.Time != nil {
			read[point.Key], err = race.ParseTime(*reading.Time)
			f.Add(field+"time", err)
		}
	}
	return read
}

// parseReason reads why a revision is made.
func (f *fieldErrors) parseReason(s string) string {
	reason := strings.TrimSpace(s)
	if reason == "" {
		f.Add("reason", errors.New("must say why, in 1 to 500 characters"))
	}
	return reason
}
