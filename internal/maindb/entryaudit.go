package maindb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// WrongPool is a pool whose counters did not agree with its entries: how many entered,
// are offered a place, and wait.
type WrongPool struct {
	RaceID          string
	Pool            int
	Counted, Actual [3]int
}

// RecountPools counts the entries of every pool of races without results, and corrects
// the counters that differ. It returns the pools that were wrong.
func (s *Outcomes) RecountPools(ctx context.Context) ([]WrongPool, error) {
	pools, err := s.queries.PoolsToAudit(ctx)
	if err != nil {
		return nil, fmt.Errorf("list pools: %w", err)
	}
	var found []WrongPool
	for _, p := range pools {
		var wrong *WrongPool
		err := s.inLine(ctx, p.RaceID, int(p.Pool), func(l *line) error {
			var err error
			wrong, err = l.recount(ctx)
			return err
		})
		if err != nil && !errors.Is(err, race.ErrNotFound) {
			return found, err
		}
		if err == nil && wrong != nil {
			found = append(found, *wrong)
		}
	}
	return found, nil
}

func (l *line) recount(ctx context.Context) (*WrongPool, error) {
	rows, err := l.q.CountEntries(ctx, l.race.ID, l.row.Pool)
	if err != nil {
		return nil, fmt.Errorf("count the entries of pool %d of race %s: %w", l.row.Pool, l.race.ID, err)
	}
	wrong := WrongPool{RaceID: l.race.ID, Pool: int(l.row.Pool), Counted: [3]int{int(l.row.Taken), int(l.row.Offered), int(l.row.Waiting)}}
	for _, row := range rows {
		switch race.EntryStatus(row.State) {
		case race.Entered:
			wrong.Actual[0] = int(row.Entries)
		case race.Offered:
			wrong.Actual[1] = int(row.Entries)
		case race.Waiting:
			wrong.Actual[2] = int(row.Entries)
		case race.Cancelled, race.Dropped, race.OfferDeclined, race.OfferExpired:
		}
	}
	last, err := l.q.LastNumber(ctx, l.race.ID, l.row.Pool)
	if err != nil {
		return nil, fmt.Errorf("read the last number of pool %d of race %s: %w", l.row.Pool, l.race.ID, err)
	}
	if wrong.Actual == wrong.Counted && last < l.row.NextSeq {
		return nil, nil //nolint:nilnil // nothing is wrong
	}
	l.row.Taken, l.row.Offered, l.row.Waiting = int32(wrong.Actual[0]), int32(wrong.Actual[1]), int32(wrong.Actual[2]) //nolint:gosec // far below
	l.row.NextSeq = max(l.row.NextSeq, last+1)
	return &wrong, l.serve(ctx)
}

// OpenOffer is an offer that nobody has answered.
type OpenOffer struct {
	Offer
	Overdue bool // its deadline has passed
}

// OpenOffers returns up to limit offers that have been open for a time and whose
// workflow is not about to be started, the one that ends first in front.
func (s *Outcomes) OpenOffers(ctx context.Context, heldBefore time.Duration, limit int) ([]OpenOffer, error) {
	var now time.Time
	if err := s.db.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&now); err != nil {
		return nil, fmt.Errorf("read the database's clock: %w", err)
	}
	rows, err := s.queries.OpenOffers(ctx, now.Add(-heldBefore), count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list open offers: %w", err)
	}
	offers := make([]OpenOffer, len(rows))
	for i, row := range rows {
		offers[i] = OpenOffer{
			Offer:   Offer{RaceID: row.RaceID, Pool: int(row.Pool), Seq: row.Seq, No: int(row.OfferNo)},
			Overdue: row.OfferExpiresAt.Valid && now.Sub(row.OfferExpiresAt.Time) > heldBefore,
		}
	}
	return offers, nil
}

// RequeueOffer has the workflow of an offer started again.
func (s *Outcomes) RequeueOffer(ctx context.Context, o Offer) error {
	err := s.queries.RequeueOffer(ctx, gen.RequeueOfferParams{
		RaceID: o.RaceID, Pool: int16(o.Pool), Seq: o.Seq, OfferNo: int32(o.No), CreatedAt: s.now(), //nolint:gosec // keys and counts are small
	})
	if err != nil && !mysql.IsDuplicate(err) {
		return fmt.Errorf("queue an offer of race %s again: %w", o.RaceID, err)
	}
	return nil
}
