package pages

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// fedFinishers is how many of the latest finishers the announcer sees.
const fedFinishers = 40

type announcerView struct {
	*raceView
	asked  string      // the bib in the box
	person *resultView // nil: nobody has been asked for, or there is no result yet
	feed   []finisher  // the latest first
}

type finisher struct {
	*standings.Row
	name string
	time race.Time
}

// announcer shows the latest finishers in large type, and whoever is asked for.
func (s *site) announcer(ctx context.Context, r *request) (page, error) {
	found, err := s.readRace(ctx, r.raceID)
	if err != nil {
		return page{}, err
	}
	v := &announcerView{raceView: found, asked: r.get("bib")}
	if v.asked != "" && race.CheckBib(v.asked) == nil {
		person := *r
		person.bib = v.asked
		if v.person, err = s.readResult(ctx, &person, 0); err != nil && !isNotFound(err) {
			return page{}, err
		}
	}
	if found.latest.Version > 0 {
		if err := s.addFeed(ctx, r, v); err != nil {
			return page{}, err
		}
	}
	return page{
		title: r.T("announcer.of", "Race", found.Name), body: announcerBody(r, v), keep: keepShort, version: found.latest.Version,
		module: "announcer.js", bare: true, hidden: true,
	}, nil
}

// addFeed finds who came in last: record IDs are in the order in which records were
// posted.
func (s *site) addFeed(ctx context.Context, r *request, v *announcerView) error {
	version, err := s.Standings.Version(ctx, v.ID, v.latest.Version)
	if err != nil {
		return err
	}
	rules, err := version.Rules()
	if err != nil {
		return err
	}
	var newest []*standings.Row
	for i := range version.Rows {
		row := &version.Rows[i]
		if row.Result.Status != race.Finished || len(newest) == fedFinishers && row.RecordID < newest[fedFinishers-1].RecordID {
			continue
		}
		at, _ := slices.BinarySearchFunc(newest, row, func(a, b *standings.Row) int { return strings.Compare(b.RecordID, a.RecordID) })
		newest = slices.Insert(newest, at, row)
		newest = newest[:min(len(newest), fedFinishers)]
	}
	names := s.names(ctx, r, version, newest)
	for _, row := range newest {
		v.feed = append(v.feed, finisher{Row: row, name: names[row.UserID], time: rules.Ranking.RankingTime(row.Result)})
	}
	return nil
}

func isNotFound(err error) bool { return errors.Is(err, race.ErrNotFound) }
