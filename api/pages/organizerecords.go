package pages

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/mrmrthon/mrmrthon/api/records"
	"github.com/mrmrthon/mrmrthon/api/server"
	apisplits "github.com/mrmrthon/mrmrthon/api/splits"
	apistandings "github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// officialPages adds the pages on which an organizer looks for a result and puts it right.
func (s *site) officialPages() {
	const list = "/organize/races/{race_id}/records"
	const one = list + "/{record_id}"
	s.visit(http.MethodGet, list, s.officials)
	s.visit(http.MethodGet, list+"/new", s.newOfficialForm)
	s.visit(http.MethodPost, list+"/new", s.addOfficial)
	for path, act := range map[string]action{"": s.editOfficial, "/swap": s.swapBibs, "/remove": s.removeOfficial} {
		s.visit(http.MethodGet, one+path, act)
		s.visit(http.MethodPost, one+path, act)
	}
}

func officialsPath(raceID string) string { return officePath(raceID, "/records") }

func officialPath(raceID, recordID string) string { return officialsPath(raceID) + "/" + recordID }

// newOfficialView is the form by which somebody at the finish adds one result.
type newOfficialView struct {
	office
	implausible string        // why the time needs to be confirmed
	added       *officialItem // the one before
}

func (s *site) newOfficialForm(ctx context.Context, v *visit) (page, error) {
	return s.newOfficialPage(ctx, v, newOfficialView{office: officeOf(ctx, "records")})
}

func (s *site) newOfficialPage(ctx context.Context, v *visit, view newOfficialView) (page, error) {
	if id := v.get("added"); server.IsID(id) && !v.form.sent {
		found, err := s.Records.ByID(ctx, []string{id})
		if err != nil {
			return page{}, err
		}
		items, err := s.named(ctx, found)
		if err != nil {
			return page{}, err
		}
		if len(items) > 0 && items[0].RaceID == v.raceID {
			view.added = &items[0]
		}
	}
	return page{title: v.T("newrecord.title"), body: newOfficialBody(v, view)}, nil
}

// addOfficial adds a result. A time that nobody can have run is said, and taken when
// whoever wrote it confirms it with a reason.
func (s *site) addOfficial(ctx context.Context, v *visit) (page, error) {
	v.path = officialsPath(v.raceID) + "/new"
	id, err := s.Records.Post(ctx, records.New{
		Bib: v.form.get("bib"), GunTime: v.form.get("gun_time"), NetTime: v.form.get("net_time"), Sequence: v.form.get("sequence"),
		Status: race.ResultStatus(v.form.get("status")), Reason: v.form.get("reason"), Confirmed: v.form.get("confirm_time") != "",
	})
	view := newOfficialView{office: officeOf(ctx, "records")}
	if doubt, ok := errors.AsType[*records.Implausible](err); ok {
		view.implausible = doubt.Why
		v.blame("confirm_time", v.T("newrecord.implausible"))
		return s.newOfficialPage(ctx, v, view)
	}
	if v.refused(err) {
		if v.form.get("confirm_time") != "" {
			view.implausible = v.form.get("doubt")
		}
		return s.newOfficialPage(ctx, v, view)
	}
	if err != nil {
		return page{}, err
	}
	return page{}, &redirect{to: with(v.link(v.path), "added", id), said: "result-added"}
}

// officialsView is a list of records.
type officialsView struct {
	office
	q, status, credit string
	removed           bool
	items             []officialItem
	next              string
	tally             *creditProgress
	more              bool // the search has more hits than are shown
}

type officialItem struct {
	records.Record
	name string
}

// officialsPerPage is how many records a page lists.
const officialsPerPage = 50

var resultStatuses = []race.ResultStatus{race.Finished, race.DidNotFinish, race.DidNotStart, race.Disqualified, race.Overtime}

func (s *site) officials(ctx context.Context, v *visit) (page, error) {
	view := &officialsView{office: officeOf(ctx, "records"), q: v.get("q"), removed: v.get("removed") != ""}
	statuses := make([]string, len(resultStatuses))
	for i, status := range resultStatuses {
		statuses[i] = string(status)
	}
	var err error
	if view.status, err = v.oneOf("status", statuses...); err != nil {
		return page{}, err
	}
	if view.credit, err = v.oneOf("credit", string(race.Pending), string(race.Credited), string(race.Rejected)); err != nil {
		return page{}, err
	}
	var found []records.Record
	if view.q != "" {
		found, err = s.findRecords(ctx, view)
	} else {
		found, view.next, err = s.Records.List(ctx, records.Search{
			Page: server.Page{Limit: officialsPerPage, Cursor: v.get("after")}, Status: race.ResultStatus(view.status), Credit: race.CreditStatus(view.credit), Removed: view.removed,
		})
	}
	if err != nil {
		return page{}, err
	}
	if view.items, err = s.named(ctx, found); err != nil {
		return page{}, err
	}
	if view.tally, err = s.creditProgress(ctx, view.Race); err != nil {
		return page{}, err
	}
	return page{title: v.T("records.title") + " · " + view.Name, body: officialsBody(v, view), module: "files.js"}, nil
}

// findRecords finds records by their bib, or by a part of the runner's name in the
// latest standings, which have every record that is not removed.
func (s *site) findRecords(ctx context.Context, view *officialsView) ([]records.Record, error) {
	if race.CheckBib(view.q) == nil {
		found, _, err := s.Records.List(ctx, records.Search{Page: server.Page{Limit: officialsPerPage}, Bib: view.q, Removed: view.removed})
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	latest, err := s.Standings.Latest(ctx, view.ID)
	if err != nil || latest.Version == 0 {
		return nil, err
	}
	version, err := s.Standings.Version(ctx, view.ID, latest.Version)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, field := range []race.Field{race.Runner, race.Wheelchair, race.Handcycle} {
		selected := version.Select(apistandings.Query{Field: string(field)})
		positions, err := s.Standings.Search(ctx, version, selected, view.q, officialsPerPage+1)
		if err != nil {
			return nil, err
		}
		for _, position := range positions {
			ids = append(ids, version.Rows[selected[position]].RecordID)
		}
	}
	if view.more = len(ids) > officialsPerPage; view.more {
		ids = ids[:officialsPerPage]
	}
	return s.Records.ByID(ctx, ids)
}

// named adds the names of the runners to records.
func (s *site) named(ctx context.Context, found []records.Record) ([]officialItem, error) {
	ids := make([]string, len(found))
	for i := range found {
		ids[i] = found[i].RecordID
	}
	facts, err := s.Races.FactsOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	users := make(map[string]bool)
	for _, f := range facts {
		if f.Entrant != nil && f.Entrant.UserID != "" { // whose bib is not on the start list has none
			users[f.Entrant.UserID] = true
		}
	}
	list := make([]string, 0, len(users))
	for id := range users {
		list = append(list, id)
	}
	runners, err := s.Accounts.Runners(ctx, list)
	if err != nil {
		return nil, err
	}
	items := make([]officialItem, len(found))
	for i, r := range found {
		items[i].Record = r
		if entrant := facts[r.RecordID].Entrant; entrant != nil {
			items[i].name = runners[entrant.UserID].Name
		}
	}
	return items, nil
}

// officialView is one record with what happened to it, and what a form would change.
type officialView struct {
	office
	records.Record
	story  records.Story
	name   string
	do     string // what the page does: correct, swap or remove
	points []splitField

	planned      bool // the reader has asked what the form leads to
	consequences *maindb.Consequences
	names        map[string]string
	chosen       string // the status that a link asks for
}

// splitField is a timing point of the race, with the record's reading there.
type splitField struct{ field, point, time string }

// readOfficial reads the record of the address.
func (s *site) readOfficial(ctx context.Context, v *visit, do string) (*officialView, error) {
	story, err := s.Records.Story(ctx, v.param("record_id"))
	if err != nil {
		return nil, err
	}
	view := &officialView{office: officeOf(ctx, "records"), Record: story.Record, story: story, do: do}
	items, err := s.named(ctx, []records.Record{story.Record})
	if err != nil {
		return nil, err
	}
	view.name = items[0].name
	for _, point := range view.Course.Points {
		read := splitField{field: "split-" + strconv.Itoa(point.Key), point: point.Name}
		if i := slices.IndexFunc(story.Splits, func(split apisplits.Split) bool { return split.Point == point.Name }); i >= 0 {
			read.time = story.Splits[i].Time
		}
		view.points = append(view.points, read)
	}
	return view, nil
}

// change shows a form, what it would lead to, or carries it out: the reader sees the
// consequences before anything is saved.
func (s *site) change(ctx context.Context, v *visit, do string, change func(view *officialView, revision int, plan bool) (*maindb.Consequences, error)) (page, error) {
	view, err := s.readOfficial(ctx, v, do)
	if err != nil {
		return page{}, err
	}
	show := func() (page, error) {
		title := v.T("record."+do) + " · " + view.Bib + " · " + view.Name
		return page{title: title, body: officialBody(v, view)}, nil
	}
	if !v.form.sent {
		if view.chosen, err = v.oneOf("status", statusNames()...); err != nil {
			return page{}, err
		}
		return show()
	}
	revision, err := strconv.Atoi(v.form.get("revision"))
	if err != nil || revision < 1 {
		revision = view.Revision
	}
	plan := v.form.get("step") != "save"
	consequences, err := change(view, revision, plan)
	if v.refused(err) {
		if v.form.status == http.StatusPreconditionFailed {
			v.form.problem = v.T("record.stale")
		}
		return show()
	}
	if err != nil {
		return page{}, err
	}
	if !plan {
		return v.done(officialPath(view.ID, view.RecordID), "record-"+do)
	}
	view.planned, view.consequences = true, cmp.Or(consequences, &maindb.Consequences{})
	if view.names, err = s.namesIn(ctx, v, view.consequences, nil); err != nil {
		return page{}, err
	}
	return show()
}

func statusNames() []string {
	names := make([]string, len(resultStatuses))
	for i, status := range resultStatuses {
		names[i] = string(status)
	}
	return names
}

func (s *site) editOfficial(ctx context.Context, v *visit) (page, error) {
	return s.change(ctx, v, "correct", func(view *officialView, revision int, plan bool) (*maindb.Consequences, error) {
		edit := records.Edit{
			Bib: v.form.get("bib"), GunTime: v.form.get("gun_time"), NetTime: v.form.get("net_time"), Sequence: v.form.get("sequence"),
			Status: race.ResultStatus(v.form.get("status")), Reason: v.form.get("reason"), PrivateNote: v.form.get("private_note"),
		}
		if view.Implausible != "" || view.TimeConfirmed {
			edit.ConfirmTime = new(v.form.get("confirm_time") != "")
		}
		for _, point := range view.points {
			if time := v.form.get(point.field); time != point.time {
				reading := apisplits.Reading{Point: point.point}
				if time != "" {
					reading.Time = &time
				}
				edit.Splits = append(edit.Splits, reading)
			}
		}
		return s.Records.Correct(ctx, view.RecordID, revision, edit, plan)
	})
}

func (s *site) swapBibs(ctx context.Context, v *visit) (page, error) {
	return s.change(ctx, v, "swap", func(view *officialView, revision int, plan bool) (*maindb.Consequences, error) {
		return s.Records.Swap(ctx, view.RecordID, revision, v.form.get("other_bib"), v.form.get("reason"), v.form.get("private_note"), plan)
	})
}

func (s *site) removeOfficial(ctx context.Context, v *visit) (page, error) {
	return s.change(ctx, v, "remove", func(view *officialView, revision int, plan bool) (*maindb.Consequences, error) {
		return s.Records.Remove(ctx, view.RecordID, revision, v.form.get("reason"), v.form.get("private_note"), plan)
	})
}

// statuses are the choices of a result's status.
func (v *visit) statuses() []option {
	list := []option{}
	for _, status := range resultStatuses {
		list = append(list, option{string(status), v.T("result." + string(status))})
	}
	return list
}

// filter is statuses with "any" first, for a search.
func (v *visit) filter(every string, options []option) []option {
	return append([]option{{"", v.T(every)}}, options...)
}

func (v *visit) creditStatuses() []option {
	list := []option{}
	for _, status := range []race.CreditStatus{race.Pending, race.Credited, race.Rejected} {
		list = append(list, option{string(status), v.T("credit." + string(status))})
	}
	return list
}

// action is where the form of a view is sent.
func (view *officialView) action() string {
	path := officialPath(view.ID, view.RecordID)
	if view.do != "correct" {
		path += "/" + view.do
	}
	return path
}

// revisionShown is the revision that a form is based on.
func (view *officialView) revisionShown(v *visit) string {
	if v.form.status == http.StatusPreconditionFailed {
		return strconv.Itoa(view.Revision)
	}
	return v.form.value("revision", strconv.Itoa(view.Revision))
}

func sequenceText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func confirmedText(confirmed bool) string {
	if confirmed {
		return "yes"
	}
	return ""
}
