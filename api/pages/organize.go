package pages

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mrmrthon/mrmrthon/api/records"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/staff"
	"github.com/mrmrthon/mrmrthon/api/tasks"
	"github.com/mrmrthon/mrmrthon/internal/auth"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/reconcile"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

const (
	organizePath = "/organize"
	// ofRace is the pattern of the pages of those who run a race.
	ofRace = organizePath + "/races/{race_id}"
)

// organizedPath is the page of a race for those who run it.
func organizedPath(raceID string) string { return organizePath + "/races/" + raceID }

// organizerPages adds the pages by which people run races.
func (s *site) organizerPages() {
	get := func(path string, act action) { s.visit(http.MethodGet, path, act) }
	post := func(path string, act action) { s.visit(http.MethodPost, path, act) }
	get(organizePath, s.dashboard)
	post(organizePath+"/invitations/{invitation_id}", s.answerInvitation)
	get(organizePath+"/races/new", s.newRaceForm)
	post(organizePath+"/races/new", s.createRace)
	get(ofRace, s.organizedRace)
	get(ofRace+"/participants", s.participants)
	get(ofRace+"/versions", s.versions)
	get(ofRace+"/exports", s.exports)
	get(ofRace+"/changes", s.changes)
	get(ofRace+"/changes/export", s.changesFile)
	get(ofRace+"/settings/{part}", s.settingsForm)
	post(ofRace+"/settings/{part}", s.changeSettings)
	get(ofRace+"/publish", s.publishForm)
	post(ofRace+"/publish", s.publish)
	get(ofRace+"/void", s.voidForm)
	post(ofRace+"/void", s.voidRace)
	s.ownSeriesPages(get, post)
	s.peoplePages(get, post)
	s.raceEntriesPages(get, post)
	s.webhookPages(get, post)
	get(ofRace+"/notices", s.noticePreviews)
	get(ofRace+"/notices/{kind}", s.framedNotice)
	s.racePostsPages(get, post)
	s.taskPages(get, post)
}

// mayOrganize reports whether the caller can have races of their own.
func (v *visit) mayOrganize() bool { return v.caller.Type == auth.Organizer }

// part returns a part of a list, from the cursor in the address on.
func (v *visit) part(limit int) server.Page { return server.Page{Limit: limit, Cursor: v.get("after")} }

// next is the address of the next part of a list, empty after the last.
func (v *visit) next(cursor string) string {
	if cursor == "" {
		return ""
	}
	return v.here("after", cursor)
}

// runRace is a race as those who run it see it.
type runRace struct {
	*raceView
	role        race.Role
	tally       records.Tally
	tallyKnown  bool // the ledger could be read
	claims      int  // that wait for the owner; at most countedClaims
	disputes    int  // open
	tasks       maindb.TaskCounts
	publication maindb.Publication
	now         time.Time
}

// countedClaims is up to which number waiting claims are counted.
const countedClaims = 100

// may reports whether the reader's role allows something.
func (r *runRace) may(role race.Role) bool { return r.role.Includes(role) }

// busy reports whether credits are on their way, or a window is open.
func (r *runRace) busy() bool { return r.tallyKnown && r.tally.Pending > 0 }

// held reports whether publication waits for open disputes.
func (r *runRace) held() bool {
	return r.publication.Open() && !r.now.Before(r.publication.EndsAt) && r.disputes > 0 && !r.publication.DespiteDisputes
}

// refresh is after how many seconds the module reads the page again.
func (r *runRace) refresh() int {
	if r.busy() || r.publication.Open() {
		return 3
	}
	return 20
}

// readRun reads what those who run a race see of it first.
func (s *site) readRun(ctx context.Context, found race.Race, role race.Role) (*runRace, error) {
	view, err := s.readRaceOf(ctx, found)
	if err != nil {
		return nil, err
	}
	r := &runRace{raceView: view, role: role, now: s.Now()}
	counts, err := s.Races.CountTasks(ctx, []string{found.ID})
	if err != nil {
		return nil, err
	}
	r.tasks = counts[found.ID]
	if role.Includes(race.Owner) {
		waiting, err := s.Races.ClaimsOfRace(ctx, found.ID, race.Requested, "", countedClaims)
		if err != nil {
			return nil, err
		}
		r.claims = len(waiting)
	}
	if found.Status == race.Scheduled {
		return r, nil
	}
	if r.disputes, err = s.Races.OpenDisputes(ctx, found.ID); err != nil {
		return nil, err
	}
	if r.publication, err = s.Races.Publication(ctx, found.ID); err != nil {
		return nil, err
	}
	r.publishedAt = r.publication.PublishedAt
	if r.tally, err = s.CountCredits(ctx, found.ID); err == nil {
		r.tallyKnown = true
	} else {
		s.Log.WarnContext(ctx, "cannot count the credits of a race: the page comes without them", "race_id", found.ID, "error", err)
	}
	return r, nil
}

// readRaceOf is readRace for a race that has been read.
func (s *site) readRaceOf(ctx context.Context, found race.Race) (*raceView, error) {
	latest, err := s.Standings.Latest(ctx, found.ID)
	return &raceView{Race: found, latest: latest}, err
}

// run reads the race of a visit.
func (s *site) run(ctx context.Context) (*runRace, error) {
	return s.readRun(ctx, server.RaceFrom(ctx), server.RoleFrom(ctx))
}

// today is the date by which upcoming races are told from past ones.
func (s *site) today() race.Date { return race.DateOf(s.Now().UTC()) }

// racesOnDashboard is how many races one page of the dashboard has: each costs some
// queries.
const racesOnDashboard = 10

type dashboardView struct {
	races       []*runRace
	invitations []staff.MyInvitation
	tasks       []tasks.MyTask // the caller's own, in all races
	now         time.Time
	unverified  bool
	next        string
	today       race.Date
}

// dashboard lists the caller's races with what there is to do in each.
func (s *site) dashboard(ctx context.Context, v *visit) (page, error) {
	part := v.part(racesOnDashboard)
	var before string
	if err := part.Seek(&before); err != nil {
		return page{}, err
	}
	found, err := s.Races.RacesOf(ctx, v.caller.UserID, before, racesOnDashboard+1)
	if err != nil {
		return page{}, err
	}
	view := dashboardView{today: s.today(), now: s.Now()}
	found, cursor := server.Cut(part, found, func(last maindb.OwnRace) []any { return []any{last.Race.ID} })
	view.next = v.next(cursor)
	for _, own := range found {
		r, err := s.readRun(ctx, own.Race, own.Role)
		if err != nil {
			return page{}, err
		}
		view.races = append(view.races, r)
	}
	if view.invitations, err = s.Staff.Invitations(ctx); err != nil {
		return page{}, err
	}
	if view.tasks, err = s.Tasks.Mine(ctx); err != nil {
		return page{}, err
	}
	if v.mayOrganize() {
		verified, err := s.Races.VerifiedOrganizers(ctx, []string{v.caller.UserID})
		if err != nil {
			return page{}, err
		}
		view.unverified = !verified[v.caller.UserID]
	}
	return page{title: v.T("organize.title"), body: dashboardBody(v, view), module: "organize.js"}, nil
}

// answerInvitation accepts or declines an invitation to work on a race.
func (s *site) answerInvitation(ctx context.Context, v *visit) (page, error) {
	said, to := "invitation-declined", organizePath
	var err error
	if v.form.get("answer") == "decline" {
		err = s.Staff.Decline(ctx, v.param("invitation_id"))
	} else {
		var raceID string
		raceID, err = s.Staff.Accept(ctx, v.param("invitation_id"))
		said, to = "invitation-accepted", organizedPath(raceID)
	}
	if isNotFound(err) { // withdrawn meanwhile, or answered on another page
		return v.done(organizePath, "invitation-ended")
	}
	if err != nil {
		return page{}, err
	}
	return v.done(to, said)
}

// rejectedRow is a record that is worth no points, and why.
type rejectedRow struct {
	race.Record
	reason string
	kind   string // of what is wrong, for the texts that say so and what to do
}

// rejectedShown is how many rejected records the page of a race shows; the page of the
// records has all.
const rejectedShown = 10

// rejected returns the first rejected records of a race.
func (s *site) rejected(ctx context.Context, raceID string) ([]rejectedRow, error) {
	credits, err := s.Accounts.CreditsOfRace(ctx, raceID, race.Rejected, "", rejectedShown)
	if err != nil {
		return nil, err
	}
	ids, byID := make([]string, len(credits)), make(map[string]race.Credit, len(credits))
	for i, c := range credits {
		ids[i], byID[c.RecordID] = c.RecordID, c
	}
	found, err := s.Races.RecordsByID(ctx, raceID, ids)
	if err != nil {
		return nil, err
	}
	list := make([]race.Record, 0, len(found))
	for _, id := range ids {
		if r, ok := found[id]; ok && !r.Removed {
			list = append(list, r)
		}
	}
	compared, err := reconcile.Databases{Records: s.Races, Ledger: s.Accounts}.Compare(ctx, list, byID)
	if err != nil {
		return nil, err
	}
	var rows []rejectedRow
	for i, r := range list {
		if compared[i].Status() == race.Rejected { // else a newer revision is on its way
			rows = append(rows, rejectedRow{r, compared[i].Reason, kindOf(compared[i].Reason)})
		}
	}
	return rows, nil
}

// kindOf returns the kind of a rejection.
func kindOf(reason string) string {
	switch {
	case strings.HasPrefix(reason, "no participant with bib"):
		return "bib"
	case strings.HasSuffix(reason, "is held by another record"):
		return "twice"
	case strings.HasPrefix(reason, "no gun time"), strings.HasPrefix(reason, "no net time"):
		return "time"
	case reason == scoring.ErrAgeUnknown.Reason:
		return "age"
	case reason == scoring.ErrSexUnknown.Reason:
		return "sex"
	case strings.HasPrefix(reason, scoring.ImplausiblePrefix):
		return "confirm"
	}
	return "other"
}

// organizedRace is the page from which everything about a race is reached.
func (s *site) organizedRace(ctx context.Context, v *visit) (page, error) {
	r, err := s.run(ctx)
	if err != nil {
		return page{}, err
	}
	var rows []rejectedRow
	if r.tallyKnown && r.tally.Rejected > 0 {
		if rows, err = s.rejected(ctx, r.ID); err != nil {
			return page{}, err
		}
	}
	verified, err := s.Races.VerifiedOrganizers(ctx, []string{r.OrganizerID})
	if err != nil {
		return page{}, err
	}
	return page{
		title: r.Name, body: organizedBody(v, r, rows, !verified[r.OrganizerID], s.today()), module: "organize.js",
	}, nil
}

const participantsPerPage = 100

type participantRow struct {
	race.Participant
	name string
}

// participants lists who takes part, in the order of entry.
func (s *site) participants(ctx context.Context, v *visit) (page, error) {
	r, part := server.RaceFrom(ctx), v.part(participantsPerPage)
	var after string
	if err := part.Seek(&after); err != nil {
		return page{}, err
	}
	found, err := s.Races.ListParticipants(ctx, r.ID, after, part.Limit+1)
	if err != nil {
		return page{}, err
	}
	found, cursor := server.Cut(part, found, func(last race.Participant) []any { return []any{last.ID} })
	userIDs := make([]string, len(found))
	for i, p := range found {
		userIDs[i] = p.UserID
	}
	known, err := s.Accounts.Runners(ctx, userIDs)
	if err != nil {
		return page{}, err
	}
	rows := make([]participantRow, len(found))
	for i, p := range found {
		rows[i] = participantRow{p, known[p.UserID].Name}
	}
	return page{title: v.T("organize.participants"), body: participantsBody(v, r, rows, v.next(cursor))}, nil
}

// versionRow is a version of the standings and the one before it.
type versionRow struct {
	maindb.StandingsHead
	before int // the nearest older version whose rows are kept; 0: none on this page
}

const versionsPerPage = 50

// versions lists the versions of the standings, with links to what each changed.
func (s *site) versions(ctx context.Context, v *visit) (page, error) {
	r, part, before := server.RaceFrom(ctx), v.part(versionsPerPage), 0
	if err := part.Seek(&before); err != nil {
		return page{}, err
	}
	heads, err := s.Races.StandingsBefore(ctx, r.ID, before, part.Limit+1)
	if err != nil {
		return page{}, err
	}
	heads, cursor := server.Cut(part, heads, func(last maindb.StandingsHead) []any { return []any{last.Version} })
	rows := make([]versionRow, len(heads))
	older := 0
	for i, head := range slices.Backward(heads) {
		rows[i] = versionRow{head, older}
		if head.RowsKept {
			older = head.Version
		}
	}
	return page{title: v.T("organize.versions"), body: versionsBody(v, r, rows, v.next(cursor))}, nil
}

// exports lists the files of a race.
func (s *site) exports(ctx context.Context, v *visit) (page, error) {
	return page{title: v.T("organize.exports"), body: exportsBody(v, server.RaceFrom(ctx), server.RoleFrom(ctx))}, nil
}
