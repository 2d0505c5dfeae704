package maindb

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// PlaceMove is an entry whose place changes. A place that is left out means no
// place.
type PlaceMove struct {
	Bib                 string `json:"bib"`
	RecordID            string `json:"record_id"`
	PlaceBefore         int    `json:"place_before,omitempty"`
	PlaceAfter          int    `json:"place_after,omitempty"`
	SexPlaceBefore      int    `json:"sex_place_before,omitempty"`
	SexPlaceAfter       int    `json:"sex_place_after,omitempty"`
	DivisionBefore      string `json:"division_before,omitempty"`
	DivisionAfter       string `json:"division_after,omitempty"`
	DivisionPlaceBefore int    `json:"division_place_before,omitempty"`
	DivisionPlaceAfter  int    `json:"division_place_after,omitempty"`
}

// placesMoved returns the first entries whose places would change if the revisions
// were written, in the new order, and how many there are.
func placesMoved(ctx context.Context, q *gen.Queries, r race.Race, revisions []revision, entrants map[string]gen.EnteredBibsRow) ([]PlaceMove, int, error) {
	rows, err := q.StandingsEntries(ctx, r.ID)
	if err != nil {
		return nil, 0, fmt.Errorf("read the entries of race %s: %w", r.ID, err)
	}
	revised := make(map[string]revision, len(revisions))
	for _, next := range revisions {
		revised[next.ID] = next
	}
	var before, after []standings.Entry
	for _, row := range rows {
		if !row.Removed {
			before = append(before, standingsEntry(&r, &row))
		}
		if next, isRevised := revised[row.RecordID]; isRevised {
			delete(revised, row.RecordID)
			revise(&row, next)
		}
		if !row.Removed {
			after = append(after, standingsEntry(&r, &row))
		}
	}
	for _, next := range revised {
		var row gen.StandingsEntriesRow
		revise(&row, next)
		if who, entered := entrants[race.BibKey(next.Result.Bib)]; entered {
			row.UserID, row.Age = nullString(who.UserID), who.Age
			row.Sex, row.Field = sql.NullString{String: who.Sex, Valid: true}, nullString(who.Field)
		}
		after = append(after, standingsEntry(&r, &row))
	}
	if len(before) == 0 { // nobody has a place yet
		return nil, 0, nil
	}
	rules := standings.Rules{Ranking: r.Ranking, Divisions: r.Divisions}
	moves, total := []PlaceMove{}, 0
	for _, change := range standings.Compare(standings.Rank(rules, before), standings.Rank(rules, after)).Changes {
		if move, moved := moveOf(change); moved {
			list(&moves, &total, move)
		}
	}
	return moves, total, nil
}

// revise updates row to the next revision of its record.
func revise(row *gen.StandingsEntriesRow, next revision) {
	result := next.Result
	row.RecordID, row.Revision, row.Bib = next.ID, count32(next.Revision), result.Bib
	row.GunMs, row.NetMs, row.FinishSequence = nullTime(result.Gun), nullTime(result.Net), nullSequence(result.Sequence)
	row.Status, row.Removed, row.TimeConfirmed = string(result.Status), next.Removed, next.TimeConfirmed
}

func moveOf(c standings.Change) (move PlaceMove, moved bool) {
	var from, to standings.Row
	if c.From != nil {
		from = *c.From
	}
	if c.To != nil {
		to = *c.To
	}
	move = PlaceMove{
		Bib: c.Row().Result.Bib, RecordID: c.Row().RecordID,
		PlaceBefore: from.Place, PlaceAfter: to.Place, SexPlaceBefore: from.SexPlace, SexPlaceAfter: to.SexPlace,
		DivisionPlaceBefore: from.DivisionPlace, DivisionPlaceAfter: to.DivisionPlace,
	}
	if move.DivisionPlaceBefore != 0 {
		move.DivisionBefore = from.Division
	}
	if move.DivisionPlaceAfter != 0 {
		move.DivisionAfter = to.Division
	}
	return move, from.Place != to.Place || from.SexPlace != to.SexPlace ||
		from.DivisionPlace != to.DivisionPlace || move.DivisionBefore != move.DivisionAfter
}
