package ops

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

type recordHistory interface {
	latestRevisions
	standingsReader
	// RecordByID returns race.ErrNotFound when there is no such record.
	RecordByID(ctx context.Context, recordID string) (race.Record, error)
	// Revisions returns them all, the first one first.
	Revisions(ctx context.Context, recordID string) ([]race.Revision, error)
}

type creditHistory interface {
	creditReader
	// CreditOf returns race.ErrNotFound when the record has none.
	CreditOf(ctx context.Context, recordID string) (userdb.CommittedCredit, error)
}

type standingsReader interface {
	// StandingsAround returns the last version computed before a time and those
	// after it.
	StandingsAround(ctx context.Context, raceID string, at time.Time, limit int) ([]maindb.StandingsHead, error)
	// Standings returns race.ErrNotFound when there is no such version.
	Standings(ctx context.Context, raceID string, version int) (maindb.StandingsHead, []standings.Row, error)
}

// story tells everything that is known of a record's credit. It needs main_db;
// what another part does not say it leaves out, and says so.
type story struct {
	records   recordHistory
	ledger    creditHistory
	workflows Workflows
	links     links
	log       *slog.Logger
}

type storyInput struct {
	RecordID string `path:"record_id"`
}

type storyOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         tale
}

func (s story) register(api huma.API) {
	register(api, huma.Operation{
		OperationID: "explain-credit", Method: http.MethodGet, Path: creditPath,
		Summary: "Tell the whole story of a record and its credit",
		Description: "Revisions, outbox, workflow runs with what they wait for or failed of, ledger lines, and the standings that took it in. " +
			"Answers without Temporal and without user_db too, and says what is missing.",
		Errors: []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, s.handle)
}

func (s story) handle(ctx context.Context, in *storyInput) (*storyOutput, error) {
	if err := checkID(in.RecordID); err != nil {
		return nil, err
	}
	k, err := s.gather(ctx, in.RecordID)
	if err != nil {
		return nil, err
	}
	return &storyOutput{CacheControl: "no-store", Body: s.tell(k)}, nil
}

// known is what was gathered of a record.
type known struct {
	evidence
	live        race.Record
	revisions   []race.Revision
	unsent      []maindb.Unsent
	committed   *userdb.CommittedCredit
	executions  map[int]Execution // the latest run of each revision's workflow
	runs        []Run
	standings   *maindb.StandingsHead // that took the credit in
	unavailable []string
}

func (k *known) without(part string) { k.unavailable = append(k.unavailable, part) }

// has tells whether a part has answered.
func (k *known) has(part string) bool {
	return !slices.Contains(k.unavailable, part)
}

func (s story) gather(ctx context.Context, recordID string) (*known, error) {
	k := &known{}
	var err error
	if k.live, err = s.records.RecordByID(ctx, recordID); err != nil {
		return nil, err
	}
	if k.revisions, err = s.records.Revisions(ctx, recordID); err != nil {
		return nil, err
	}
	if k.unsent, err = s.records.OutboxOf(ctx, []string{recordID}); err != nil {
		return nil, err
	}
	k.record = maindb.LatestRevision{RecordID: recordID, RaceID: k.live.RaceID, Revision: k.live.Revision}
	k.findUnsent(k.unsent)
	s.askTemporal(ctx, k) // before the ledger, which has what completed
	s.askLedger(ctx, k)
	if k.has(partUserDB) && k.condition() == Damaged {
		s.askLedger(ctx, k) // a commit between two reads looks like damage
	}
	if k.standings, err = s.takenIn(ctx, k); err != nil {
		return nil, err
	}
	return k, nil
}

func (s story) askLedger(ctx context.Context, k *known) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	lines, err := s.ledger.LinesOfRecords(ctx, []string{k.live.ID})
	if err == nil {
		var credit userdb.CommittedCredit
		credit, err = s.ledger.CreditOf(ctx, k.live.ID)
		if err == nil {
			k.committed = &credit
		}
		if errors.Is(err, race.ErrNotFound) {
			err = nil
		}
	}
	if err != nil {
		s.log.WarnContext(ctx, "the ledger cannot be read", "record_id", k.live.ID, "error", err)
		k.without(partUserDB)
		return
	}
	k.ledgerEntry = ledgerEntry{lines: lines[k.live.ID]}
	if k.committed != nil {
		k.credit = k.committed.Credit
	}
}

// askTemporal describes the latest run of each revision's workflow, and lists
// earlier runs as far as search has them.
func (s story) askTemporal(ctx context.Context, k *known) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	executions := make([]*Execution, len(k.revisions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, revision := range k.revisions {
		group.Go(func() error {
			found, err := s.workflows.Latest(ctx, s.links.workflowID(k.live.RaceID, k.live.ID, revision.Number))
			if errors.Is(err, race.ErrNotFound) {
				return nil
			}
			executions[i] = &found
			return err
		})
	}
	group.Go(func() (err error) {
		k.runs, err = s.workflows.RunsOf(ctx, k.live.ID)
		return err
	})
	if err := group.Wait(); err != nil {
		s.log.WarnContext(ctx, "workflows cannot be described", "record_id", k.live.ID, "error", err)
		k.without(partTemporal)
		k.runs = nil
		return
	}
	k.executions = map[int]Execution{}
	for i, execution := range executions {
		if execution != nil {
			k.executions[k.revisions[i].Number] = *execution
		}
	}
	if latest, ok := k.executions[k.live.Revision]; ok {
		k.workflow = &latest
	}
}

// versionsLookedAt bounds the search for the standings that took a credit in:
// the version whose inputs were read first after the commit has it, unless
// clocks differ.
const versionsLookedAt = 4

// takenIn returns the first version of the standings that has the settled
// revision, nil when there is none yet.
func (s story) takenIn(ctx context.Context, k *known) (*maindb.StandingsHead, error) {
	if k.committed == nil || k.committed.Revision < k.live.Revision {
		return nil, nil //nolint:nilnil // none is an answer
	}
	heads, err := s.records.StandingsAround(ctx, k.live.RaceID, k.committed.CommittedAt, versionsLookedAt)
	if err != nil {
		return nil, err
	}
	for _, head := range heads {
		_, rows, err := s.records.Standings(ctx, k.live.RaceID, head.Version)
		if err != nil {
			return nil, err
		}
		if k.isIn(rows) {
			return &head, nil
		}
	}
	return nil, nil //nolint:nilnil // likewise
}

// isIn tells whether standings have the record as it is: not at all when it was
// removed, else with its latest revision and its points.
func (k *known) isIn(rows []standings.Row) bool {
	for _, row := range rows {
		if row.RecordID != k.live.ID {
			continue
		}
		return !k.live.Removed && row.Revision == k.live.Revision &&
			row.Credited == (k.credit.Status == race.Credited) && row.Points == k.credit.Points
	}
	return k.live.Removed
}
