package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

const (
	// publicationPatience is how long after its protest window a publication waits
	// for pending credits, so that one that is stuck does not hold it up for ever.
	publicationPatience = 10 * time.Minute
	// ThinAfter is how long the rows of every version are kept, so that a client
	// that reads a version page by page can finish.
	ThinAfter = 30 * time.Second
	// recomputeTries is how often a recompute starts again at once because another
	// one wrote a version in the meantime.
	recomputeTries = 5
)

// StandingsStore is what a recompute reads and writes in main_db.
type StandingsStore interface {
	// StandingsInputs returns race.ErrNotFound if there is no such race.
	StandingsInputs(ctx context.Context, raceID string) (maindb.StandingsInputs, error)
	// AddStandings returns maindb.ErrOvertaken when the inputs are no longer the latest.
	AddStandings(ctx context.Context, n maindb.NewStandings) error
	MarkStandings(ctx context.Context, raceID string, mark maindb.StandingsMark) error
	// Standings returns race.ErrNotFound if there is no such version.
	Standings(ctx context.Context, raceID string, version int) (maindb.StandingsHead, []standings.Row, error)
	RevisionReasons(ctx context.Context, recordIDs []string) (map[string][]maindb.RevisionReason, error)
	// ThinStandings may be repeated and interrupted.
	ThinStandings(ctx context.Context, raceID string, before time.Time) (maindb.Thinned, error)
}

// RaceCredits returns the credits of a race, by record ID.
type RaceCredits interface {
	RaceCredits(ctx context.Context, raceID string) (map[string]race.Credit, error)
}

// Standings recompute the places of a race.
type Standings struct {
	// Series are woken when a race of theirs has a new version; nil: there are none.
	Series *Series

	store   StandingsStore
	credits RaceCredits
	now     func() time.Time
	metrics *StandingsMetrics
}

// NewStandings returns the recompute over main_db and user_db; now is the clock
// by which protest windows end.
func NewStandings(store StandingsStore, credits RaceCredits, now func() time.Time, metrics *StandingsMetrics) *Standings {
	return &Standings{store: store, credits: credits, now: now, metrics: metrics}
}

// RecomputeInput names a race.
type RecomputeInput struct {
	RaceID string `json:"race_id"`
	// PublishApart leaves publishing to PublishStandings. Workflows that began
	// before that step existed do not set it.
	PublishApart bool `json:"publish_apart,omitempty"`
}

// Recomputed is the state of a race's standings after a recompute.
type Recomputed struct {
	Version int         `json:"version,omitempty"` // the latest; 0 if there is none and nothing to rank
	Status  race.Status `json:"status,omitempty"`
	Entries int         `json:"entries"`
	Changed bool        `json:"changed,omitempty"` // this recompute wrote the version
	Pending int         `json:"pending,omitempty"` // records whose latest revision has no credit yet
	// PublishAt is when the open protest window ends; zero: none is open. It is
	// in the past while the publication waits for pending credits.
	PublishAt time.Time `json:"publish_at,omitzero"`
	// Disputes is how many open disputes publication waits for. After the window it
	// waits for nothing else: the answer to the last of them wakes the workflow.
	Disputes int `json:"disputes,omitempty"`
	// Due means that the standings should be published now: the window has ended,
	// and publication does not wait for credits. Only with PublishApart.
	Due bool `json:"due,omitempty"`
	// Race is the name of the race, which is public.
	Race string `json:"race,omitempty"`
	// Elapsed is how long reading, ranking and writing took, in nanoseconds. The
	// name took_ns must not be used again: see separateSteps in
	// workflows/finalize.go.
	Elapsed time.Duration `json:"elapsed_ns,omitempty"`
}

// ThinInput names a race.
type ThinInput struct {
	RaceID string `json:"race_id"`
}

// RecomputeStandings updates the standings of a race from the databases: it ranks,
// writes a new version if that differs from the latest, and, unless PublishApart is
// set, publishes when a protest window has ended. Repeating it, even concurrently,
// changes nothing more. A race that no longer exists has no standings.
func (s *Standings) RecomputeStandings(ctx context.Context, in RecomputeInput) (Recomputed, error) {
	ctx = asWorkflow(ctx)
	defer keepAlive(ctx)()
	for range recomputeTries {
		result, err := s.recompute(ctx, in)
		switch {
		case errors.Is(err, maindb.ErrOvertaken):
			continue
		case errors.Is(err, race.ErrNotFound):
			return Recomputed{}, nil
		}
		if err == nil && result.Changed && s.Series != nil {
			s.Series.wakeOfRace(ctx, in.RaceID)
		}
		return result, err
	}
	return Recomputed{}, fmt.Errorf("race %s: %w", in.RaceID, maindb.ErrOvertaken)
}

// PublishStandings makes the standings of a race official if its publication is
// due. If it no longer is, as after a correction whose credit is pending, it does
// what RecomputeStandings does.
func (s *Standings) PublishStandings(ctx context.Context, in RecomputeInput) (Recomputed, error) {
	in.PublishApart = false
	return s.RecomputeStandings(ctx, in)
}

// ThinStandings drops or shrinks the rows of old versions of a race.
func (s *Standings) ThinStandings(ctx context.Context, in ThinInput) (maindb.Thinned, error) {
	defer keepAlive(ctx)()
	return s.store.ThinStandings(ctx, in.RaceID, s.now().Add(-ThinAfter))
}

func (s *Standings) recompute(ctx context.Context, of RecomputeInput) (Recomputed, error) {
	raceID, timer := of.RaceID, newStopwatch()
	at := s.now().UTC().Truncate(time.Microsecond)
	in, waited, err := s.read(ctx, raceID)
	if err != nil {
		return Recomputed{}, err
	}
	timer.lap(&timer.read)
	rules := maindb.RulesetOf(in.Race)
	hash, err := standings.Hash(rules.Rules, in.Entries)
	if err != nil {
		return Recomputed{}, err
	}
	result := Recomputed{
		Version: in.Latest.Version, Status: in.Latest.Status, Entries: len(in.Entries), Pending: waited.pending,
		Race: in.Race.Name,
	}
	result.Disputes, result.PublishAt = in.HeldBy, publishAt(in, at)
	publish := isDue(in, waited.pending, at)
	if publish && of.PublishApart {
		result.Due = true // the publishing step ranks again; a provisional version right before it would be the same
		return result, nil
	}
	nothing := in.Latest.Version == 0 && len(in.Entries) == 0
	voided := in.Race.Status == race.Void && in.Latest.Version > 0 && in.Latest.Status != race.Void
	if !publish && !voided && (nothing || in.Latest.Version > 0 && in.Latest.InputsHash == hash) {
		s.metrics.recomputed(false, timer)
		result.Elapsed = timer.total()
		return result, s.store.MarkStandings(ctx, raceID, in.Mark)
	}
	rows := standings.Rank(rules.Rules, in.Entries)
	timer.lap(&timer.rank)
	next := maindb.NewStandings{
		RaceID: raceID, Version: in.Latest.Version + 1, Status: race.Provisional, ComputedAt: at, InputsHash: hash,
		Rules: rules, Rows: rows, Mark: in.Mark,
	}
	if publish {
		next.Status, next.Publishes, next.Reason = race.Official, &in.Publication, "published"
		result.PublishAt = time.Time{}
	} else {
		if in.Race.Status == race.Official || in.Race.Status == race.Void {
			next.Status = in.Race.Status
		}
		if next.Reason, err = s.reason(ctx, in, rows); err != nil {
			return Recomputed{}, err
		}
	}
	if err := s.store.AddStandings(ctx, next); err != nil {
		return Recomputed{}, err
	}
	timer.lap(&timer.write)
	s.metrics.recomputed(true, timer)
	s.metrics.waited(waited.first, s.now())
	result.Version, result.Status, result.Changed, result.Elapsed = next.Version, next.Status, true, timer.total()
	return result, nil
}

// waits is what the standings wait for, and since when a credit has waited for
// them.
type waits struct {
	pending int       // records that have no credit yet
	first   time.Time // the first credit since the latest version; zero: none
}

// asWorkflow has what an activity changes logged as a change by its workflow.
func asWorkflow(ctx context.Context) context.Context {
	if !activity.IsActivity(ctx) {
		return ctx
	}
	id := activity.GetInfo(ctx).WorkflowExecution.ID
	return race.WithActor(ctx, race.Actor{Kind: race.ByWorkflow, ID: id, WorkflowID: id})
}

// read returns the inputs with the credits of their entries, and what waits. Points
// count only if they are for the current result and runner, so that no row mixes a
// new time with old points. Those of an older revision stay while a new one that
// changes nothing that points depend on, as splits, is credited.
func (s *Standings) read(ctx context.Context, raceID string) (in maindb.StandingsInputs, waited waits, err error) {
	var credits map[string]race.Credit
	group, reading := errgroup.WithContext(ctx) // two servers at once
	group.Go(func() (err error) {
		in, err = s.store.StandingsInputs(reading, raceID)
		return err
	})
	group.Go(func() (err error) {
		credits, err = s.credits.RaceCredits(reading, raceID)
		return err
	})
	if err := group.Wait(); err != nil {
		return in, waits{}, err
	}
	for _, credit := range credits {
		in.Mark.CreditRevisions += int64(credit.Revision)
		if at := credit.AppliedAt; at.After(in.Latest.ComputedAt) && (waited.first.IsZero() || at.Before(waited.first)) {
			waited.first = at
		}
	}
	for i := range in.Entries {
		entry := &in.Entries[i]
		credit := credits[entry.RecordID]
		switch {
		case reconcile.Of(entry.Revision, in.Fingerprint(i), credit) == reconcile.Current:
		case credit.Fingerprint != "" && credit.Fingerprint == in.Fingerprint(i) && credit.Revision < entry.Revision:
			waited.pending++
		default:
			waited.pending++
			continue
		}
		if credit.Status == race.Credited && credit.UserID == entry.UserID {
			entry.Credited, entry.Points = true, credit.Points
		}
	}
	return in, waited, nil
}

// publishAt returns when to look at an open publication again, zero when an answer to
// a dispute decides that.
func publishAt(in maindb.StandingsInputs, now time.Time) time.Time {
	if p := in.Publication; p.Open() && (in.HeldBy == 0 || now.Before(p.EndsAt)) {
		return p.EndsAt
	}
	return time.Time{}
}

// isDue reports whether an open publication must be carried out now.
func isDue(in maindb.StandingsInputs, pending int, now time.Time) bool {
	p := in.Publication
	return in.HeldBy == 0 && p.Open() && !now.Before(p.EndsAt) && (pending == 0 || !now.Before(p.EndsAt.Add(publicationPatience)))
}

const (
	maxReasons      = 5   // records that the reason of a version names
	maxReasonLength = 500 // characters, as its column holds
)

// reason describes why standings changed: which rules did, or which records were
// revised and why. For provisional versions, of which a burst writes one every
// second, it describes only changes of the rules.
func (s *Standings) reason(ctx context.Context, in maindb.StandingsInputs, rows []standings.Row) (string, error) {
	if in.Race.Voided != nil {
		return shorten("race voided: "+in.Race.Voided.Reason, maxReasonLength), nil
	}
	rules, err := changedRules(in)
	if err != nil {
		return "", err
	}
	if in.Race.Status != race.Official {
		return rules, nil
	}
	_, earlier, err := s.store.Standings(ctx, in.Race.ID, in.Latest.Version)
	if err != nil {
		return "", err
	}
	revised := standings.Revised(earlier, rows)
	switch {
	case rules != "": // each record may have been revised because of it
		return rules, nil
	case len(revised) == 0:
		return "credits settled", nil
	}
	named := revised[:min(len(revised), maxReasons)]
	ids := make([]string, len(named))
	for i, change := range named {
		ids[i] = change.Row().RecordID
	}
	reasons, err := s.store.RevisionReasons(ctx, ids)
	if err != nil {
		return "", err
	}
	var parts []string
	for i, change := range named {
		parts = append(parts, inWords(change, reasons[ids[i]]))
	}
	if more := len(revised) - len(named); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return shorten(strings.Join(parts, "; "), maxReasonLength), nil
}

// changedRules names the settings that differ from those of the latest version,
// as in "divisions changed"; it is empty when none does.
func changedRules(in maindb.StandingsInputs) (string, error) {
	if in.Latest.Version == 0 {
		return "", nil
	}
	before, err := in.Latest.Rules()
	if err != nil {
		return "", fmt.Errorf("standings %d of race %s: %w", in.Latest.Version, in.Race.ID, err)
	}
	changed := before.Changed(maindb.RulesetOf(in.Race))
	if len(changed) == 0 {
		return "", nil
	}
	return strings.Join(changed, " and ") + " changed", nil
}

// inWords lists the reasons of a record's revisions between two rankings, each
// once.
func inWords(change standings.Change, revisions []maindb.RevisionReason) string {
	after := 0
	if change.From != nil {
		after = change.From.Revision
	}
	bib := "bib " + change.Row().Result.Bib
	var reasons []string
	for _, r := range revisions {
		if r.Revision <= after || r.Reason == "" || len(reasons) > 0 && reasons[len(reasons)-1] == r.Reason {
			continue
		}
		reasons = append(reasons, r.Reason)
	}
	switch {
	case len(reasons) > 0:
		return bib + ": " + strings.Join(reasons, ", ")
	case change.From == nil:
		return bib + ": new record"
	case change.To == nil:
		return bib + ": record removed"
	}
	return bib + ": record corrected"
}

// shorten cuts a text to limit characters.
func shorten(text string, limit int) string {
	characters := []rune(text)
	if len(characters) <= limit {
		return text
	}
	return string(characters[:limit-1]) + "…"
}
