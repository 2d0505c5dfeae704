package pages

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/mrmrthon/mrmrthon/api/claims"
	"github.com/mrmrthon/mrmrthon/api/disputes"
	"github.com/mrmrthon/mrmrthon/api/server"
	apistandings "github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/api/tasks"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	get  = http.MethodGet
	post = http.MethodPost
)

// myPages adds the pages of somebody about themselves.
func (s *site) myPages() {
	s.visit(get, "/my", s.overview)
	s.visit(get, "/my/results", s.myResults)
	s.visit(get, "/my/results/{race_id}/{record_id}/dispute", s.disputeForm)
	s.visit(post, "/my/results/{race_id}/{record_id}/dispute", s.dispute)
	s.visit(post, "/my/disputes/{dispute_id}/withdraw", s.withdrawDispute)
	s.visit(get, "/my/points", s.myPoints)
	s.visit(get, "/my/races", s.myRaces)
	s.entryPages()
	s.threadPages()
	s.visit(get, "/my/claims", s.myClaims)
	s.visit(get, "/my/claims/new", s.claimForm)
	s.visit(post, "/my/claims/new", s.claim)
	s.visit(post, "/my/claims/{claim_id}/accept", s.acceptClaim)
	s.visit(post, "/my/claims/{claim_id}/end", s.endClaim)
	s.visit(get, "/my/records", s.myRecords)
	s.visit(get, "/my/records/new", s.newRecordForm)
	s.visit(post, "/my/records/new", s.addRecord)
	s.visit(get, "/my/records/{record_id}", s.recordForm)
	s.visit(post, "/my/records/{record_id}", s.changeRecord)
	s.visit(post, "/my/records/{record_id}/delete", s.deleteRecord)
	s.settingsPages()
}

const (
	// onOverview is how many results the overview shows.
	onOverview = 5
	// onList is how many rows a page of a list has.
	onList = 50
	// maxEntries is how many of a runner's races are listed.
	maxEntries = 200
)

// overviewView is what somebody sees first.
type overviewView struct {
	tasks    []tasks.MyTask // in races that they work on
	now      time.Time
	account  userdb.Account
	waiting  []claims.MyClaim // for an answer of theirs
	entries  []maindb.OwnEntry
	line     []maindb.OwnLineEntry // where they wait or are offered a place
	handed   []handedOver          // places that change hands
	results  []apistandings.OwnResult
	disputes []disputes.Dispute // that are open
}

func (s *site) overview(ctx context.Context, v *visit) (page, error) {
	view := overviewView{now: s.Now()}
	var err error
	if view.account, err = s.Accounts.Account(ctx, v.caller.UserID); err != nil {
		return page{}, err
	}
	if view.tasks, err = s.Tasks.Mine(ctx); err != nil {
		return page{}, err
	}
	if v.caller.Type == auth.Runner {
		if err := s.overviewOfRunner(ctx, &view); err != nil {
			return page{}, err
		}
	}
	return page{title: v.T("nav.my"), body: overviewBody(v, view)}, nil
}

func (s *site) overviewOfRunner(ctx context.Context, view *overviewView) error {
	claimed, _, err := s.Claims.Mine(ctx, server.Page{Limit: onList})
	if err != nil {
		return err
	}
	for _, c := range claimed {
		if c.Yours && c.State == race.Invited {
			view.waiting = append(view.waiting, c)
		}
	}
	entries, err := s.Races.EntriesOf(ctx, view.account.UserID, onList)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Race.Status == race.Scheduled {
			view.entries = append(view.entries, entry)
		}
	}
	if view.line, err = s.Races.InLine(ctx, view.account.UserID); err != nil {
		return err
	}
	if view.handed, err = s.handedOvers(ctx, view.account.UserID); err != nil {
		return err
	}
	if view.results, _, err = s.Standings.Own(ctx, onOverview, ""); err != nil {
		return err
	}
	disputed, _, err := s.Disputes.Mine(ctx, server.Page{Limit: onList})
	for _, d := range disputed {
		if d.State == race.DisputeOpen {
			view.disputes = append(view.disputes, d)
		}
	}
	return err
}

type resultsView struct {
	results  []apistandings.OwnResult
	next     string
	disputes []disputes.Dispute
	names    map[string]race.Race // of the disputes' races
}

func (s *site) myResults(ctx context.Context, v *visit) (page, error) {
	var view resultsView
	var err error
	if view.results, view.next, err = s.Standings.Own(ctx, onList, v.get("after")); err != nil {
		return page{}, err
	}
	if view.disputes, _, err = s.Disputes.Mine(ctx, server.Page{Limit: onList}); err != nil {
		return page{}, err
	}
	var ids []string
	for _, d := range view.disputes {
		ids = append(ids, d.RaceID)
	}
	if view.names, err = s.racesByID(ctx, ids); err != nil {
		return page{}, err
	}
	return page{title: v.T("my.results"), body: myResultsBody(v, view)}, nil
}

// racesByID reads each race once. One that has been deleted is missing.
func (s *site) racesByID(ctx context.Context, ids []string) (map[string]race.Race, error) {
	found := map[string]race.Race{}
	for _, id := range ids {
		if _, known := found[id]; known {
			continue
		}
		r, err := s.Races.Race(ctx, id)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[id] = r
	}
	return found, nil
}

// pointsView is the ledger of a runner.
type pointsView struct {
	userdb.Points
	next  string
	races map[string]race.Race
	bibs  map[string]string // of the runner's results, by record
}

func (s *site) myPoints(ctx context.Context, v *visit) (page, error) {
	var before int64
	if err := server.ReadCursor(v.get("after"), &before); err != nil {
		return page{}, err
	}
	found, err := s.Accounts.Points(ctx, v.caller.UserID, before, onList+1)
	if err != nil {
		return page{}, err
	}
	view := pointsView{Points: found, bibs: map[string]string{}}
	if len(view.Lines) > onList {
		view.Lines = view.Lines[:onList]
		view.next = server.Cursor(view.Lines[onList-1].ID)
	}
	var ids []string
	for _, line := range view.Lines {
		ids = append(ids, line.RaceID)
	}
	if view.races, err = s.racesByID(ctx, ids); err != nil {
		return page{}, err
	}
	own, err := s.Races.ResultsOf(ctx, v.caller.UserID, maindb.RacePosition{}, maxEntries)
	if err != nil {
		return page{}, err
	}
	for _, result := range own {
		view.bibs[result.Record.ID] = result.Record.Result.Bib
	}
	return page{title: v.T("my.points"), body: myPointsBody(v, view)}, nil
}

func (s *site) myRaces(ctx context.Context, v *visit) (page, error) {
	entries, err := s.Races.EntriesOf(ctx, v.caller.UserID, maxEntries)
	if err != nil {
		return page{}, err
	}
	line, err := s.Races.InLine(ctx, v.caller.UserID)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("my.races"), body: myRacesBody(v, line, entries)}, nil
}

func (s *site) myClaims(ctx context.Context, v *visit) (page, error) {
	v.path = "/my/claims" // also after a button
	found, next, err := s.Claims.Mine(ctx, server.Page{Limit: onList, Cursor: v.get("after")})
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("my.claims"), body: myClaimsBody(v, found, next)}, nil
}

// claimForm asks for what proves that a result is somebody's. A result page leads here
// with its race and bib.
func (s *site) claimForm(ctx context.Context, v *visit) (page, error) {
	raceID := v.form.value("race_id", v.get("race_id"))
	if !server.IsID(raceID) {
		return page{}, race.ErrNotFound
	}
	found, err := s.Races.Race(ctx, raceID)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("claim.title"), body: claimBody(v, found)}, nil
}

func (s *site) claim(ctx context.Context, v *visit) (page, error) {
	state, err := s.Claims.Claim(ctx, claims.NewClaim{
		RaceID: v.form.get("race_id"), Bib: v.form.get("bib"), Code: v.form.get("code"), BirthDate: v.form.get("birth_date"),
	})
	if v.refused(err) {
		return s.claimForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	if state == race.Accepted {
		return v.done("/my/claims", "claim-accepted")
	}
	return v.done("/my/claims", "claim-requested")
}

func (s *site) acceptClaim(ctx context.Context, v *visit) (page, error) {
	state, err := s.Claims.Accept(ctx, v.param("claim_id"))
	if v.refused(err) {
		return s.myClaims(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	if state == race.Accepted {
		return v.done("/my/claims", "claim-accepted")
	}
	return v.done("/my/claims", "claim-requested")
}

func (s *site) endClaim(ctx context.Context, v *visit) (page, error) {
	err := s.Claims.End(ctx, v.param("claim_id"))
	if v.refused(err) {
		return s.myClaims(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done("/my/claims", "claim-ended")
}

func (s *site) disputeForm(ctx context.Context, v *visit) (page, error) {
	if !server.IsID(v.raceID) || !server.IsID(v.param("record_id")) {
		return page{}, race.ErrNotFound
	}
	found, err := s.Races.Race(ctx, v.raceID)
	if err != nil {
		return page{}, err
	}
	return page{title: v.T("dispute.title"), body: disputeBody(v, found)}, nil
}

func (s *site) dispute(ctx context.Context, v *visit) (page, error) {
	err := s.Disputes.Open(ctx, v.raceID, v.param("record_id"), disputes.NewDispute{
		Wrong: v.form.get("wrong"), RightWouldBe: v.form.get("right_would_be"),
	})
	if v.refused(err) {
		return s.disputeForm(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done("/my/results", "dispute-opened")
}

func (s *site) withdrawDispute(ctx context.Context, v *visit) (page, error) {
	err := s.Disputes.Withdraw(ctx, v.param("dispute_id"))
	if v.refused(err) {
		v.path = "/my/results"
		return s.myResults(ctx, v)
	}
	if err != nil {
		return page{}, err
	}
	return v.done("/my/results", "dispute-withdrawn")
}

// ownTime returns the time of a result that a list shows, with its clock: the one that
// ranks in that race, or else the other.
func ownTime(r apistandings.OwnResult) (clock race.Basis, text string) {
	ranks, other := race.Net, race.Gun
	texts := map[race.Basis]string{race.Net: r.NetTime, race.Gun: r.GunTime}
	if r.Basis == string(race.Gun) {
		ranks, other = other, ranks
	}
	if texts[ranks] != "" {
		return ranks, texts[ranks]
	}
	return other, texts[other]
}

// civil writes a date that a call has written.
func (l *locale) civil(date string) string {
	d, err := race.ParseDate(date)
	if err != nil {
		return date
	}
	return l.Date(d)
}

// raceName is the name of a race that may have been deleted.
func (l *locale) raceName(known map[string]race.Race, id string) string {
	if r, ok := known[id]; ok {
		return r.Name
	}
	return l.T("race.deleted")
}

// signed writes points with their sign.
func (l *locale) signed(points int64) string {
	if points > 0 {
		return "+" + l.Number(int(points))
	}
	return l.Number(int(points))
}

// scoringOf is the rule of a line as races name it.
func scoringOf(line userdb.PointLine) string {
	if line.Rule == "fixed" {
		return "fixed.rule"
	}
	return line.Rule + "-" + line.Edition
}

func (l *locale) sexWord(sex string) string { return l.T("own.sex." + cmp.Or(sex, "none")) }

// claimText says what a claim means for its reader.
func (v *visit) claimText(c claims.MyClaim) string {
	if !c.Yours {
		return v.T("claim.others.text")
	}
	if c.State == race.Requested && c.Contested {
		return v.T("claim.contested.text")
	}
	return v.T("claim." + string(c.State) + ".text")
}

// orNew is the last part of the address of a record's form.
func orNew(id string) string { return cmp.Or(id, "new") }
