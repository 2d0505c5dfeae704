package activities

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
)

const (
	// auditRaces is how many races the audit compares at once, by their sums.
	auditRaces = 500
	// maxSummed is how many credits one audit compares by the sums of their races,
	// about a second's work; when there are more the next audit continues from there.
	maxSummed = 1_000_000
	// orphanMarkLifetime is how long the mark of an orphan is valid after the
	// grace. An older mark belongs to an earlier loss, and the grace begins again.
	orphanMarkLifetime = 6 * time.Hour
)

// aheadProgress is the heartbeat of CheckAhead.
type aheadProgress struct {
	Recent    maindb.LatestRevision `json:"recent"`
	AllRecent bool                  `json:"all_recent"` // the next phase compares the races by their sums
	Races     lap                   `json:"races"`
	Tally     Tally                 `json:"tally"`
}

// CheckAhead looks for records that the ledger is ahead of, as after main_db was
// restored or failed over to a server that lacked its last seconds: the ledger
// holds a revision that main_db has lost, or whose number main_db has used again.
// The ordinary path cannot repair that, because the ledger accepts only newer
// revisions. So the record gets a revision above the ledger's.
//
// Records changed within the look-back are compared by the fingerprints of their
// inputs, all others by the sums of their revisions.
func (a *Audits) CheckAhead(ctx context.Context) (Tally, error) {
	now := a.now()
	races, err := a.beginLap(ctx, string(LedgerAhead)+"_races")
	if err != nil {
		return Tally{}, err
	}
	p := aheadProgress{Recent: maindb.LatestRevision{ChangedAt: now.Add(-a.cfg.LookBack)}, Races: races, Tally: Tally{Kind: LedgerAhead}}
	if err := resume(ctx, &p); err != nil {
		return Tally{}, err
	}
	for !p.AllRecent {
		page, err := a.records.LatestRevisions(ctx, p.Recent, now.Add(-a.cfg.Grace), auditPage)
		if err != nil {
			return Tally{}, err
		}
		if p.AllRecent = len(page) == 0; !p.AllRecent {
			if err := a.raiseAll(ctx, idsOf(page), &p.Tally); err != nil {
				return Tally{}, err
			}
			p.Recent = page[len(page)-1]
		}
		activity.RecordHeartbeat(ctx, p)
	}
	err = a.eachUnequalRace(ctx, LedgerAhead, &p.Races, func(balance reconcile.Balance) (more bool, err error) {
		if err := a.raiseAll(ctx, keysOf(balance.Ahead), &p.Tally); err != nil {
			return false, err
		}
		return true, a.requeueOld(ctx, balance, now)
	}, func() { activity.RecordHeartbeat(ctx, p) })
	return p.Tally, err
}

// eachUnequalRace calls check for the races whose records and credits do not add
// up to the same, as far as one audit goes or check wants more, and beat after each.
func (a *Audits) eachUnequalRace(ctx context.Context, kind FindingKind, races *lap, check func(reconcile.Balance) (more bool, err error), beat func()) error {
	for more := true; more; beat() {
		sums, next, err := a.databases.SumsAfter(ctx, races.After, auditRaces)
		if err != nil {
			return err
		}
		for _, raceID := range sums.Races() {
			if !more || sums.Agree(raceID) {
				continue
			}
			balance, err := a.databases.Balance(ctx, sums, raceID)
			if err != nil {
				return err
			}
			if more, err = check(balance); err != nil {
				return err
			}
			races.After = raceID
			beat()
		}
		more = more && !races.advance(next, sums.Credits(), maxSummed)
	}
	return a.endLap(ctx, string(kind)+"_races", *races)
}

// raiseAll revises those of the records that the ledger is ahead of, above the
// ledger's revision.
func (a *Audits) raiseAll(ctx context.Context, recordIDs []string, tally *Tally) error {
	for ids := range slices.Chunk(recordIDs, auditPage) {
		credits, err := a.ledger.Credits(ctx, ids)
		if err != nil {
			return err
		}
		facts, err := a.records.FactsOf(ctx, ids) // after the ledger
		if err != nil {
			return err
		}
		ahead := map[string]map[string]int{} // the ledger's revision by record, by race
		for _, id := range ids {
			f, exists := facts[id]
			credit := credits[id]
			if !exists || reconcile.Of(f.Record.Revision, f.Fingerprint(), credit) != reconcile.Ahead {
				continue
			}
			if ahead[f.Record.RaceID] == nil {
				ahead[f.Record.RaceID] = map[string]int{}
			}
			ahead[f.Record.RaceID][id] = credit.Revision
		}
		for _, raceID := range keysOf(ahead) {
			_, err := a.records.RaiseAbove(ctx, raceID, ahead[raceID])
			for _, id := range keysOf(ahead[raceID]) {
				finding := Finding{ID: id, Repaired: err == nil, Detail: aheadInWords(facts[id].Record.Revision, ahead[raceID][id])}
				if err != nil {
					finding.Detail += ". Not revised: " + err.Error()
				} else {
					finding.Detail += fmt.Sprintf(". Revised as %d", ahead[raceID][id]+1)
				}
				tally.note(ctx, a.metrics, finding)
			}
		}
	}
	return nil
}

// aheadInWords says in what way the ledger is ahead of a record.
func aheadInWords(record, ledger int) string {
	if record == ledger {
		return fmt.Sprintf("the record and the ledger are both at revision %d, but the credit was computed from other data", record)
	}
	return fmt.Sprintf("the ledger holds revision %d, but the record is at revision %d", ledger, record)
}

// requeueOld sends those pending revisions of a race again that are too old for the
// look-back of RequeueLostCredits, as after user_db was restored from an old
// backup.
func (a *Audits) requeueOld(ctx context.Context, balance reconcile.Balance, now time.Time) error {
	for ids := range slices.Chunk(keysOf(balance.Pending), auditPage) {
		latest, err := a.records.LatestRevisionsByID(ctx, ids)
		if err != nil {
			return err
		}
		var old []maindb.LatestRevision
		for _, id := range ids {
			if revision := latest[id]; revision.Revision > 0 && revision.ChangedAt.Before(now.Add(-a.cfg.LookBack)) && balance.Ahead[id] == 0 {
				old = append(old, revision)
			}
		}
		requeued, err := a.records.Requeue(ctx, old)
		if err != nil {
			return err
		}
		a.metrics.auditedPage(0, len(old), requeued)
	}
	return nil
}

// orphanProgress is the heartbeat of CheckOrphans.
type orphanProgress struct {
	Races lap      `json:"races"`
	Count int      `json:"count"` // credits whose record has been missing for long enough
	Due   []string `json:"due"`   // the record IDs of those that may be reversed
	Tally Tally    `json:"tally"`
}

// CheckOrphans looks for credits whose record does not exist, as after main_db lost
// it, and reverses their points: a lost record that is posted again is a new
// record, which would give the points twice. If the record comes back, the ledger
// is ahead of it, and CheckAhead gets it credited again.
//
// It is cautious. A record must have been missing for a while, counted from the
// first audit that noticed. Nothing is reversed while main_db is a replica, which
// may lag, or when very many records are missing, since main_db may then be the
// wrong database.
func (a *Audits) CheckOrphans(ctx context.Context) (Tally, error) {
	races, err := a.beginLap(ctx, string(OrphanedCredit)+"_races")
	if err != nil {
		return Tally{}, err
	}
	p := orphanProgress{Races: races, Tally: Tally{Kind: OrphanedCredit}}
	if err := resume(ctx, &p); err != nil {
		return Tally{}, err
	}
	readOnly, err := a.records.IsReadOnly(ctx)
	if err != nil {
		return Tally{}, err
	}
	if readOnly {
		activity.GetLogger(ctx).Warn("main_db is read-only and may be a lagging replica: skipping the check for credits without a record; the next audit tries again")
		p.Tally.Partial = true
		return p.Tally, nil
	}
	err = a.eachUnequalRace(ctx, OrphanedCredit, &p.Races, func(balance reconcile.Balance) (more bool, err error) {
		return true, a.markOrphans(ctx, balance.Strays, &p)
	}, func() { activity.RecordHeartbeat(ctx, p) })
	if err != nil {
		return Tally{}, err
	}
	if p.Count > a.cfg.MaxOrphans {
		p.Tally.count(a.metrics, p.Count, 0)
		p.Tally.show(Finding{ID: p.Due[0], Detail: fmt.Sprintf(
			"this and %d other credits have no record in main_db: more than AUDIT_MAX_ORPHANS, %d. Nothing was reversed: is this the right database?",
			p.Count-1, a.cfg.MaxOrphans)})
		return p.Tally, nil
	}
	for _, recordID := range p.Due {
		if err := a.reverse(ctx, recordID, &p.Tally); err != nil {
			return Tally{}, err
		}
		activity.RecordHeartbeat(ctx, p)
	}
	return p.Tally, nil
}

// markOrphans records since when the records of credits have been missing, and adds
// those that have been missing for long enough to p.
func (a *Audits) markOrphans(ctx context.Context, strays []string, p *orphanProgress) error {
	for ids := range slices.Chunk(strays, auditPage) {
		orphans, err := a.orphans(ctx, ids)
		if err != nil {
			return err
		}
		now := a.now()
		since, err := a.ledger.MarkOrphans(ctx, keysOf(orphans), now.Add(-a.cfg.OrphanGrace-orphanMarkLifetime))
		if err != nil {
			return err
		}
		for _, id := range keysOf(orphans) {
			if missing, marked := since[id]; !marked || now.Sub(missing) < a.cfg.OrphanGrace {
				continue
			}
			p.Count++
			if len(p.Due) <= a.cfg.MaxOrphans {
				p.Due = append(p.Due, id)
			}
		}
	}
	return nil
}

// orphans returns, by record ID, those of the credits that give points for a record
// that does not exist.
func (a *Audits) orphans(ctx context.Context, recordIDs []string) (map[string]race.Credit, error) {
	credits, err := a.ledger.Credits(ctx, recordIDs)
	if err != nil {
		return nil, err
	}
	latest, err := a.records.LatestRevisionsByID(ctx, recordIDs) // after the ledger
	if err != nil {
		return nil, err
	}
	orphans := map[string]race.Credit{}
	for id, credit := range credits {
		if reconcile.Of(latest[id].Revision, "", credit) == reconcile.Orphaned {
			orphans[id] = credit
		}
	}
	return orphans, nil
}

// reverse takes back the points of a credit whose record is missing, by a revision
// that exists only in the ledger. Applying it twice has no effect.
func (a *Audits) reverse(ctx context.Context, recordID string, tally *Tally) error {
	ctx, cancel := context.WithTimeout(ctx, repairTimeout)
	defer cancel()
	orphans, err := a.orphans(ctx, []string{recordID}) // the record may be back, or another audit may have reversed the credit
	if err != nil {
		return err
	}
	credit, still := orphans[recordID]
	if !still {
		return nil
	}
	finding := Finding{ID: recordID, Detail: fmt.Sprintf(
		"revision %d gave runner %s %d points in race %s, but main_db has no such record", credit.Revision, credit.UserID, credit.Points, credit.RaceID)}
	applied, err := a.ledger.ApplyCredit(ctx, race.Credit{
		RecordID: recordID, RaceID: credit.RaceID, Revision: credit.Revision + 1, Status: race.Reversed,
		Reason: "the record does not exist: main_db lost it", WorkflowID: activity.GetInfo(ctx).WorkflowExecution.ID,
	})
	switch {
	case err != nil:
		finding.Detail += ". Not reversed: " + err.Error()
	case !applied.Changed:
		return nil // another audit reversed it first
	default:
		finding.Repaired = true
		finding.Detail += fmt.Sprintf(". Reversed as revision %d", credit.Revision+1)
	}
	tally.note(ctx, a.metrics, finding)
	return nil
}

// keysOf returns the sorted keys of a map.
func keysOf[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
