package pages

import (
	"cmp"
	"context"
	"strconv"

	apistandings "github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
)

// maxVersions is how many versions are listed, the newest first.
const maxVersions = 200

type compareView struct {
	*raceView
	versions []maindb.StandingsHead // the newest first
	from, to int
	compared apistandings.Compared
	page     int
	pages    int
}

// compare shows what differs between two versions of the standings, and why.
func (s *site) compare(ctx context.Context, r *request) (page, error) {
	found, err := s.readRace(ctx, r.raceID)
	if err != nil {
		return page{}, err
	}
	v := &compareView{raceView: found}
	if v.from, err = r.number("from"); err != nil {
		return page{}, err
	}
	if v.to, err = r.number("to"); err != nil {
		return page{}, err
	}
	if v.page, err = r.number("page"); err != nil {
		return page{}, err
	}
	v.page = max(v.page, 1)
	if v.versions, err = s.Races.StandingsBefore(ctx, found.ID, 0, maxVersions); err != nil {
		return page{}, err
	}
	v.chooseVersions()
	if v.from >= v.to && v.to > 0 && v.from > 0 {
		return page{}, &badParameter{"to", "error.later"}
	}
	if v.from > 0 && v.to > 0 {
		v.compared, err = s.Standings.Compare(ctx, found.Race, v.from, v.to, (v.page-1)*rowsPerPage, rowsPerPage)
		if err != nil {
			return page{}, err
		}
		v.pages = max(1, (v.compared.Total+rowsPerPage-1)/rowsPerPage)
		if v.page > v.pages {
			return page{}, &badParameter{"page", "error.page"}
		}
	}
	return page{
		title: r.T("compare.of", "Race", found.Name), description: r.describe(found), body: compareBody(r, v), keep: keepShort,
		version: found.latest.Version, hidden: len(r.query) > 0,
	}, nil
}

// chooseVersions compares the latest version with the one before whose rows are
// kept, unless the reader says otherwise.
func (v *compareView) chooseVersions() {
	v.to = cmp.Or(v.to, v.latest.Version)
	for _, head := range v.versions {
		if v.from == 0 && head.Version < v.to && head.RowsKept {
			v.from = head.Version
		}
	}
}

// kept returns the versions that can be compared.
func (v *compareView) kept() (kept []maindb.StandingsHead) {
	for _, head := range v.versions {
		if head.RowsKept {
			kept = append(kept, head)
		}
	}
	return kept
}

// arrow says how a place changed: up, down, or empty.
func arrow(change apistandings.Change) string {
	switch {
	case change.From == nil || change.To == nil || change.From.Place == change.To.Place:
		return ""
	case change.To.Place != 0 && (change.From.Place == 0 || change.To.Place < change.From.Place):
		return "up"
	}
	return "down"
}

// placeText writes the place of an entry in a version, or its status.
func placeText(standing *apistandings.Standing) string {
	switch {
	case standing == nil:
		return "–"
	case standing.Place > 0:
		return strconv.Itoa(standing.Place)
	case standing.Status != "OK":
		return standing.Status
	}
	return "–"
}

// timeText writes the times of an entry in a version.
func timeText(standing *apistandings.Standing) string {
	if standing == nil {
		return ""
	}
	return cmp.Or(standing.GunTime, standing.NetTime)
}

// onlyPoints reports whether nothing but the points of an entry changed, as when they
// are credited.
func onlyPoints(change apistandings.Change) bool {
	if change.From == nil || change.To == nil || len(change.Because) > 0 {
		return false
	}
	from := *change.From
	from.Points, from.Revision = change.To.Points, change.To.Revision
	return from == *change.To
}
