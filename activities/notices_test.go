package activities_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/activities"
	"github.com/mrmrthon/mrmrthon/internal/mail"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// postbox is a provider that loses some answers after it has accepted the mail, as when a
// process dies between the two.
type postbox struct {
	mu      sync.Mutex
	loses   int // the answer to every n-th mail; 0: none
	took    []mail.Message
	lost    map[string]int // by mail
	refuses bool
}

var errLost = errors.New("connection reset by peer")

func (p *postbox) Send(_ context.Context, m mail.Message) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuses {
		return "", errLost
	}
	p.took = append(p.took, m)
	if p.loses > 0 && len(p.took)%p.loses == 0 {
		p.lost[m.ID]++
		return "", errLost
	}
	return m.ID, nil
}

// taken returns who got which mails, by subject and address, since the last call. Mails
// whose answer was lost may come once more for each such answer, and none else.
func (p *postbox) taken(t *testing.T) map[string][]string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	times, by := map[string]int{}, map[string][]string{}
	for _, m := range p.took {
		times[m.ID]++
		if times[m.ID] == 1 {
			by[m.Subject] = append(by[m.Subject], m.To)
		}
		require.NotContains(t, m.Subject, "춘천")
	}
	for id, n := range times {
		require.Equal(t, 1+p.lost[id], n, "a mail comes again only when nobody could know that it had come")
	}
	for _, list := range by {
		slices.Sort(list)
		require.Equal(t, slices.Compact(slices.Clone(list)), list, "nobody is told twice")
	}
	p.took, p.lost = nil, map[string]int{}
	return by
}

type noticesBundle struct {
	t      *testing.T
	mainAt func(now func() time.Time) *maindb.Outcomes // main by another clock
	main   *maindb.Outcomes                            // all rights, for what the API does
	worker *maindb.Outcomes
	user   *userdb.Ledger
	userAt func(now func() time.Time) *userdb.Ledger // user by another clock
	exec   func(statement string, args ...any)       // in user_db
	inMain func(statement string, args ...any)

	accounts *userdb.Accounts
	box      *postbox
	steps    *activities.Notices
	raceID   string
	users    []string // by bib - 1
}

const (
	fieldOf    = 90
	withEmail  = 3 // every third runner has an address
	organizer  = "00000000-0000-7000-8000-00000000000a"
	addressFor = "runner%d@example.org"
)

// setupNotices makes a race whose runners are on its start list, with the worker's own
// rights on the databases.
func setupNotices(t *testing.T) *noticesBundle {
	t.Helper()
	mainDB, mainCfg := mysqltest.New(t, maindb.Migrations())
	userDB, userCfg := mysqltest.New(t, userdb.Migrations())
	b := &noticesBundle{
		t: t, mainAt: func(now func() time.Time) *maindb.Outcomes { return maindb.NewOutcomes(mainDB, now) }, box: &postbox{lost: map[string]int{}}, main: maindb.NewOutcomes(mainDB, time.Now),
		worker: maindb.NewOutcomes(mysqltest.As(t, mainCfg, maindb.Grants(), mysql.Worker), time.Now),
		user:   userdb.NewLedger(mysqltest.As(t, userCfg, userdb.Grants(), mysql.Worker), time.Now),
		userAt: func(now func() time.Time) *userdb.Ledger { return userdb.NewLedger(userDB, now) },
		exec: func(statement string, args ...any) {
			_, err := userDB.ExecContext(t.Context(), statement, args...)
			require.NoError(t, err)
		},
	}
	b.inMain = func(statement string, args ...any) {
		_, err := mainDB.ExecContext(t.Context(), statement, args...)
		require.NoError(t, err)
	}
	registry := prometheus.NewRegistry()
	mails := activities.NewMails(b.user, b.box, "https://results.example.org", registry)
	b.steps = activities.NewNotices(activities.NoticesConfig{}, b.worker, b.user, mails, time.Now, registry)
	r, err := b.main.CreateRace(t.Context(), race.Race{
		ID: uuid.NewString(), OrganizerID: organizer, Name: "춘천 <b>", Date: race.Date{Year: 2026, Month: 4, Day: 20}, Distance: 42_195_000,
		Ranking: race.Ranking{Basis: race.Gun, DivisionsBasis: race.Gun, Ties: race.TiesShare}, Divisions: []race.Division{{Name: "M", Sex: race.Male}, {Name: "F", Sex: race.Female}},
	})
	require.NoError(t, err)
	b.raceID = r.ID
	b.accounts = userdb.NewAccounts(userDB, time.Now)
	var list []maindb.StartListRow
	var runners []userdb.Runner
	for i := range fieldOf {
		sex := []race.Sex{race.Male, race.Female}[i%2]
		b.users = append(b.users, uuid.NewString())
		runners = append(runners, userdb.Runner{UserID: b.users[i], Name: "Runner", Sex: sex})
		list = append(list, maindb.StartListRow{Bib: fmt.Sprint(i + 1), Sex: sex, Age: 30, Field: race.Runner, StandIn: maindb.RunnerAccount{UserID: b.users[i], Sex: sex}})
	}
	require.NoError(t, b.accounts.EnsureRunners(t.Context(), runners))
	for i := 0; i < fieldOf; i += withEmail {
		b.exec("UPDATE user SET email = ?, language = ? WHERE user_id = ?", fmt.Sprintf(addressFor, i+1), []string{"en", "ko"}[i%2], b.users[i])
	}
	planned, err := b.main.PlanStartList(t.Context(), b.raceID, list)
	require.NoError(t, err)
	_, err = b.main.ImportStartList(t.Context(), b.raceID, list, planned)
	require.NoError(t, err)
	return b
}

// address returns the address of a bib, empty for runners without one.
func (b *noticesBundle) address(userID string) string {
	i := slices.Index(b.users, userID)
	if i < 0 || i%withEmail != 0 {
		return ""
	}
	return fmt.Sprintf(addressFor, i+1)
}

// recompute does what the race's workflow does, eleven minutes later, when a publication
// waits for credits no longer.
func (b *noticesBundle) recompute() {
	b.t.Helper()
	steps := activities.NewStandings(b.worker, b.user, func() time.Time { return time.Now().Add(11 * time.Minute) }, activities.NewStandingsMetrics(prometheus.NewRegistry()))
	_, err := steps.RecomputeStandings(b.t.Context(), activities.RecomputeInput{RaceID: b.raceID})
	require.NoError(b.t, err)
}

func (b *noticesBundle) patch(bib int, patch maindb.RecordPatch) {
	b.t.Helper()
	results, err := b.main.NoticeResults(b.t.Context(), b.raceID, nil, "", 1000)
	require.NoError(b.t, err)
	for _, r := range results {
		if r.Bib == fmt.Sprint(bib) {
			_, _, err := b.main.PatchRecord(b.t.Context(), b.raceID, r.RecordID, r.Revision, patch, maindb.Change{By: organizer, Reason: "jury"})
			require.NoError(b.t, err)
			return
		}
	}
	require.Fail(b.t, "no such bib")
}

// tell does what the worker and its workflows do with what is in the change log, and
// everything twice, as after crashes. kinds are the events that it found.
func (b *noticesBundle) tell() (kinds []notice.Kind) {
	b.t.Helper()
	ctx := b.t.Context()
	for {
		n, err := b.worker.SealChanges(ctx, 100)
		require.NoError(b.t, err)
		if n == 0 {
			break
		}
	}
	for {
		n, err := b.worker.ConsumeNotices(ctx, 0)
		require.NoError(b.t, err)
		if n == 0 {
			break
		}
	}
	require.NoError(b.t, b.worker.StartNotices(ctx, func(ctx context.Context, e notice.Event) error {
		kinds = append(kinds, e.Kind)
		if e.Kind == notice.PointsCredited || e.Kind == notice.ImportApplied {
			return nil // due with the digest
		}
		in := activities.NoticeInput{Position: e.Position, Kind: e.Kind}
		for range 2 {
			for page := (activities.NoticePage{}); !page.Done; {
				var err error
				in.After = page.After
				if page, err = b.steps.FindRecipients(ctx, in); err != nil {
					return err
				}
			}
			in.After = ""
		}
		for more := true; more; {
			sent, err := b.steps.SendNotices(ctx, in)
			if err != nil && !errors.Is(err, errLost) {
				return err
			}
			more = err != nil || sent.More
		}
		return b.steps.FinishNotice(ctx, in)
	}))
	return kinds
}

// found has the event of a kind in the change log find its recipients.
func (b *noticesBundle) found(kind notice.Kind) (in activities.NoticeInput) {
	b.t.Helper()
	ctx := b.t.Context()
	_, err := b.worker.SealChanges(ctx, 100)
	require.NoError(b.t, err)
	_, err = b.worker.ConsumeNotices(ctx, 0)
	require.NoError(b.t, err)
	require.NoError(b.t, b.worker.StartNotices(ctx, func(_ context.Context, e notice.Event) error {
		if e.Kind == kind {
			in = activities.NoticeInput{Position: e.Position, Kind: e.Kind}
		}
		return nil
	}))
	page, err := b.steps.FindRecipients(ctx, in)
	require.NoError(b.t, err)
	require.True(b.t, page.Done)
	require.Positive(b.t, page.Written)
	return in
}

// version returns the latest standings by user.
func (b *noticesBundle) version() map[string]standings.Row {
	b.t.Helper()
	head, err := b.main.LatestStandings(b.t.Context(), b.raceID)
	require.NoError(b.t, err)
	_, rows, err := b.main.Standings(b.t.Context(), b.raceID, head.Version)
	require.NoError(b.t, err)
	by := map[string]standings.Row{}
	for _, r := range rows {
		by[r.UserID] = r
	}
	return by
}

// everybody returns the addresses of all runners who have one and are chosen.
func (b *noticesBundle) everybody(chosen func(userID string) bool) []string {
	var list []string
	for _, userID := range b.users {
		if address := b.address(userID); address != "" && chosen(userID) {
			list = append(list, address)
		}
	}
	slices.Sort(list)
	return list
}

// in gathers what was told in both languages.
func in(told map[string][]string, subjects ...string) []string {
	var list []string
	for _, subject := range subjects {
		list = append(list, told[subject]...)
		delete(told, subject)
	}
	slices.Sort(list)
	return list
}

var (
	posted    = []string{"Your result was posted", "내 기록이 등록되었습니다"}
	corrected = []string{"Your result was corrected", "내 기록이 정정되었습니다"}
	moved     = []string{"Your place has moved", "내 순위가 바뀌었습니다"}
	official  = []string{"The results of a race are official", "대회 공식 결과가 확정되었습니다"}
)

// TestWhoIsToldWhat imports a race, publishes it, and disqualifies its third: exactly those
// whose place moved are told so, by an independent comparison of the two versions. A
// provider that loses answers repeats what it alone cannot know.
func TestWhoIsToldWhat(t *testing.T) {
	t.Parallel()
	b := setupNotices(t)
	b.box.loses = 7
	var results []race.Result
	for i := range fieldOf {
		results = append(results, race.Result{Bib: fmt.Sprint(i + 1), Gun: race.Time(9_000_000 + 1000*i), Status: race.Finished})
	}
	_, err := b.main.ImportResults(t.Context(), rows(b.raceID, results), maindb.Change{By: organizer})
	require.NoError(t, err)
	b.recompute()
	require.Contains(t, b.tell(), notice.ResultPosted)
	told := b.box.taken(t)
	require.Equal(t, b.everybody(func(string) bool { return true }), in(told, posted...))
	require.Empty(t, told)

	_, err = b.main.OpenPublication(t.Context(), b.raceID, organizer, 0)
	require.NoError(t, err)
	b.recompute()
	require.Equal(t, []notice.Kind{notice.RaceOfficial}, b.tell())
	told = b.box.taken(t)
	require.Equal(t, b.everybody(func(string) bool { return true }), in(told, official...))
	require.Empty(t, told)

	// Bib 4 has an address and its kinds on; bib 7 wants no notices of places, 10 pauses.
	b.exec("INSERT INTO notice_choice (user_id, kind, channel, state, chosen_at) VALUES (?, 'place-moved', 'email', 'off', NOW(6))", b.users[6])
	b.exec("UPDATE user SET notices_paused_until = DATE_ADD(NOW(6), INTERVAL 1 DAY) WHERE user_id = ?", b.users[9])
	before, dq := b.version(), race.Disqualified
	b.patch(4, maindb.RecordPatch{Status: &dq})
	b.recompute()
	after := b.version()
	b.tell()
	told = b.box.taken(t)
	require.Equal(t, []string{fmt.Sprintf(addressFor, 4)}, in(told, corrected...))
	want := b.everybody(func(userID string) bool {
		was, is := before[userID], after[userID]
		return userID != b.users[3] && userID != b.users[6] && userID != b.users[9] &&
			(was.Place != is.Place || was.SexPlace != is.SexPlace || was.DivisionPlace != is.DivisionPlace)
	})
	require.Len(t, want, fieldOf/withEmail-4, "those behind bib 4, but for two")
	require.Equal(t, want, in(told, moved...))
	require.Empty(t, told)

	b.patch(13, maindb.RecordPatch{Status: &dq}) // and back again before anybody is told
	ok := race.Finished
	b.patch(13, maindb.RecordPatch{Status: &ok})
	b.recompute()
	b.tell()
	require.Empty(t, b.box.taken(t), "it comes to nothing")

	b.patch(4, maindb.RecordPatch{Status: &ok})
	b.recompute()
	b.tell()
	told = b.box.taken(t)
	require.Equal(t, want, in(told, moved...), "everybody is where they were")
	require.Equal(t, []string{fmt.Sprintf(addressFor, 4)}, in(told, corrected...))
	require.Empty(t, told)
	require.Empty(t, b.tell(), "nothing is left to tell")
}

// TestNoticesOfOneResultAndOfAWebhook: the runner of a result that is posted by itself is
// told, and the owner of a race whose webhook was switched off. What was told is deleted
// after a time.
func TestNoticesOfOneResultAndOfAWebhook(t *testing.T) {
	t.Parallel()
	b := setupNotices(t)
	_, _, err := b.main.PostRecord(t.Context(), b.raceID, uuid.NewString(), race.Result{Bib: "1", Gun: 9_000_000, Status: race.Finished}, maindb.Change{By: organizer})
	require.NoError(t, err)
	b.recompute()
	b.tell()
	require.Equal(t, []string{fmt.Sprintf(addressFor, 1)}, in(b.box.taken(t), posted...))

	owner := b.users[3] // has an address
	_, _, err = b.main.HandOver(t.Context(), b.raceID, owner, "they organize it")
	require.NoError(t, err)
	require.NoError(t, b.main.AddChange(t.Context(), race.Change{Action: "webhook.switched_off", RaceID: b.raceID, Subject: race.Subject{Kind: "webhook", ID: uuid.NewString()}}))
	open, err := b.worker.TidyNotices(t.Context())
	require.NoError(t, err)
	require.Zero(t, open, "nothing waits for its workflow")
	require.Contains(t, b.tell(), notice.WebhookOff)
	require.Equal(t, []string{fmt.Sprintf(addressFor, 4)}, in(b.box.taken(t), "A webhook was switched off", "웹훅이 꺼졌습니다"))

	waiting, err := b.main.OpenNotices(t.Context(), maindb.OpenNotice{}, 100)
	require.NoError(t, err)
	require.Equal(t, []notice.Kind{notice.PointsCredited}, []notice.Kind{waiting[0].Kind}, "the digest is not due")
	further, err := b.main.OpenNotices(t.Context(), waiting[0], 100)
	require.NoError(t, err)
	require.Len(t, further, len(waiting)-1)
	_, err = b.mainAt(func() time.Time { return time.Now().AddDate(0, 4, 0) }).TidyNotices(t.Context())
	require.NoError(t, err)
	_, err = b.main.Notice(t.Context(), waiting[0].Position, notice.ResultPosted)
	require.ErrorIs(t, err, race.ErrNotFound)
	_, err = b.main.Notice(t.Context(), waiting[0].Position, notice.PointsCredited)
	require.NoError(t, err, "what was not told stays")
}

// TestNoticesWhileTheProviderIsDown: nothing is lost, and the mails say what changed.
func TestNoticesWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	b := setupNotices(t)
	results := []race.Result{{Bib: "1", Gun: 9_000_000, Status: race.Finished}}
	_, err := b.main.ImportResults(t.Context(), rows(b.raceID, results), maindb.Change{By: organizer})
	require.NoError(t, err)
	in := b.found(notice.ResultPosted)
	b.box.refuses = true
	_, err = b.steps.SendNotices(t.Context(), in)
	require.ErrorIs(t, err, errLost, "the next attempt waits longer")
	b.box.refuses = false
	sent, err := b.steps.SendNotices(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, activities.NoticesSent{Sent: 1}, sent)
	require.Len(t, b.box.took, 1)
	m := b.box.took[0]
	require.Contains(t, m.Text, "2:30:00")
	require.Contains(t, m.HTML, "춘천 &lt;b&gt;")
	require.True(t, strings.HasPrefix(m.Unsubscribe, "https://results.example.org"+notice.UnsubscribePath), m.Unsubscribe)
	require.NotContains(t, m.Unsubscribe, b.users[0])
	require.Equal(t, fmt.Sprintf(addressFor, 1), m.To)
}

// TestChangesOfOneEventFarApart: an event of changes that happened one after the other,
// as while the worker was down, is told to the runner of the first as to that of the last.
func TestChangesOfOneEventFarApart(t *testing.T) {
	t.Parallel()
	b := setupNotices(t)
	for i, ago := range []time.Duration{time.Minute, 10 * time.Second, 0} {
		then := b.mainAt(func() time.Time { return time.Now().Add(-ago) })
		_, _, err := then.PostRecord(t.Context(), b.raceID, uuid.NewString(), race.Result{Bib: fmt.Sprint(1 + i*withEmail), Gun: 9_000_000, Status: race.Finished}, maindb.Change{By: organizer})
		require.NoError(t, err)
	}
	b.recompute()
	b.tell()
	require.Equal(t, b.everybody(func(userID string) bool { return slices.Index(b.users, userID) <= 2*withEmail }), in(b.box.taken(t), posted...))
}

// TestEventsGatherChanges: what changes while an event gathers is added to it, and its
// workflow starts once, afterwards; a digest gathers until it is due.
func TestEventsGatherChanges(t *testing.T) {
	t.Parallel()
	b := setupNotices(t)
	const settle = 4 * time.Minute // gathers for one
	at := time.Date(2026, 4, 20, 8, 0, 0, 0, time.UTC)
	store := b.mainAt(func() time.Time { return at })
	var started []string
	look := func() {
		_, err := store.SealChanges(t.Context(), 100)
		require.NoError(t, err)
		_, err = store.ConsumeNotices(t.Context(), settle)
		require.NoError(t, err)
		require.NoError(t, store.StartNotices(t.Context(), func(_ context.Context, e notice.Event) error {
			started = append(started, fmt.Sprintf("%s %d %s", e.Kind, len(e.Subjects), e.At.Sub(e.First)))
			return nil
		}))
	}
	for bib := range 8 { // one each 15 s
		_, _, err := store.PostRecord(t.Context(), b.raceID, uuid.NewString(), race.Result{Bib: fmt.Sprint(bib + 1), Gun: 9_000_000, Status: race.Finished}, maindb.Change{By: organizer})
		require.NoError(t, err)
		look()
		at = at.Add(15 * time.Second)
	}
	require.Equal(t, []string{"place-moved 5 1m0s", "result-posted 5 1m0s"}, started)
	started = nil
	at = at.Add(time.Minute)
	look()
	require.Equal(t, []string{"place-moved 3 30s", "result-posted 3 30s"}, started)
	oldest, err := store.TidyNotices(t.Context())
	require.NoError(t, err)
	require.Zero(t, oldest, "the digest does not wait for its workflow: it gathers")
	require.NotContains(t, strings.Join(started, ""), "points")
	at = at.Add(time.Hour)
	look()
	require.Contains(t, started, "points-credited 8 1m45s")
}

// resultsPosted posts a result of everyone and writes their mails.
func (b *noticesBundle) resultsPosted(t *testing.T) (event activities.NoticeInput) {
	t.Helper()
	var results []race.Result
	for i := range fieldOf {
		results = append(results, race.Result{Bib: fmt.Sprint(i + 1), Gun: 9_000_000, Status: race.Finished})
	}
	_, err := b.main.ImportResults(t.Context(), rows(b.raceID, results), maindb.Change{By: organizer})
	require.NoError(t, err)
	return b.found(notice.ResultPosted)
}

// TestTwoStepsAtOnce: a step goes on that Temporal takes for dead, while its successor
// sends the mails of the same event. Nobody gets one twice.
func TestTwoStepsAtOnce(t *testing.T) {
	t.Parallel()
	b := setupNotices(t)
	event := b.resultsPosted(t)
	var steps sync.WaitGroup
	for range 3 {
		steps.Go(func() {
			for {
				sent, err := b.steps.SendNotices(t.Context(), event)
				if err != nil || !sent.More { // an error says that the rest is under way
					return
				}
			}
		})
	}
	steps.Wait()
	require.Equal(t, b.everybody(func(string) bool { return true }), in(b.box.taken(t), posted...))
}

// TestSlowProvider: a step leaves others their turn, whose mails may be urgent, and the next
// goes on.
func TestSlowProvider(t *testing.T) {
	t.Parallel()
	b := setupNotices(t)
	event := b.resultsPosted(t)
	began, registry := time.Now(), prometheus.NewRegistry()
	slow := func() time.Time {
		b.box.mu.Lock()
		defer b.box.mu.Unlock()
		return began.Add(time.Duration(len(b.box.took)) * time.Second)
	}
	steps := activities.NewNotices(activities.NoticesConfig{}, b.worker, b.user, activities.NewMails(b.user, b.box, "https://results.example.org", registry), slow, registry)
	sent, err := steps.SendNotices(t.Context(), event)
	require.NoError(t, err)
	require.True(t, sent.More)
	require.Less(t, sent.Sent, 10+2*8, "those that are under way after ten seconds are the last")
	rest, err := b.steps.SendNotices(t.Context(), event)
	require.NoError(t, err)
	require.Equal(t, activities.NoticesSent{Sent: fieldOf/withEmail - sent.Sent}, rest)
	require.Equal(t, b.everybody(func(string) bool { return true }), in(b.box.taken(t), posted...))
}

// TestMessageToEveryoneEntered: a post with notify is told to who is entered when it is
// published, and to those who wait if its writer wants so; once, and by name of the race
// alone in the subject.
func TestMessageToEveryoneEntered(t *testing.T) {
	t.Parallel()
	b := setupNotices(t)
	ctx := t.Context()
	const wants, gone = 0, 3 // runners with an address: who switched it off, and whose entry ended
	waiting := uuid.NewString()
	accounts := []userdb.Runner{{UserID: waiting, Name: "Runner", Sex: race.Female}}
	require.NoError(t, b.accounts.EnsureRunners(ctx, accounts))
	b.exec("UPDATE user SET email = 'waiting@example.org' WHERE user_id = ?", waiting)
	b.inMain("INSERT INTO entry (race_id, pool, seq, entry_id, user_id, state, standing, sex, team, received_at, created_at, changed_at) VALUES (?, 1, 1, ?, ?, 'waiting', FALSE, '', '', NOW(6), NOW(6), NOW(6))",
		b.raceID, uuid.NewString(), waiting)
	b.inMain("UPDATE participant SET status = 'cancelled' WHERE user_id = ?", b.users[gone])
	b.exec("INSERT INTO notice_choice (user_id, kind, channel, state, chosen_at) VALUES (?, 'post-published', 'email', 'off', NOW(6))", b.users[wants])
	post := func(edit func(*race.Post)) race.Post {
		p := race.Post{ID: uuid.NewString(), RaceID: b.raceID, State: race.PostPublished, Title: "Parking <i>", Body: "**Bring** <b>money</b>.", Notify: true, CreatedBy: organizer}
		edit(&p)
		p, err := b.main.AddPost(ctx, p)
		require.NoError(t, err)
		return p
	}
	sent := func() (to []string) {
		b.box.mu.Lock()
		defer b.box.mu.Unlock()
		for _, m := range b.box.took {
			to = append(to, m.To)
		}
		slices.Sort(to)
		return to
	}
	entered := b.everybody(func(userID string) bool { return userID != b.users[wants] && userID != b.users[gone] })
	slices.Sort(entered)

	first, second := post(func(*race.Post) {}), post(func(p *race.Post) { p.NotifyWaiting = true })
	silent := post(func(p *race.Post) { p.Notify = false })
	taken := post(func(*race.Post) {})
	_, err := b.main.ChangePost(ctx, b.raceID, taken.ID, 1, func(p *race.Post) error {
		p.State = race.PostWithdrawn
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []notice.Kind{notice.PostPublished, notice.PostPublished, notice.PostPublished}, b.tell(), "each post is told by itself, the silent one is not")
	want := append(slices.Clone(entered), append(slices.Clone(entered), "waiting@example.org")...)
	slices.Sort(want)
	require.Equal(t, want, sent())
	for _, m := range b.box.took {
		require.Contains(t, []string{"춘천 <b>: a notice", "춘천 <b>: 공지가 있습니다"}, m.Subject)
		require.Contains(t, m.Text, "Parking <i>\n\nBring <b>money</b>.")
		require.Contains(t, m.HTML, "춘천 &lt;b&gt;")
		require.NotContains(t, m.HTML, "<b>money")
		require.NotContains(t, m.HTML, "<i>")
		require.NotContains(t, m.Text, silent.ID)
		require.NotEmpty(t, m.Unsubscribe)
		require.True(t, strings.Contains(m.Text, "/posts/"+first.ID) || strings.Contains(m.Text, "/posts/"+second.ID))
	}
	again, err := b.main.ChangePost(ctx, b.raceID, first.ID, 1, func(p *race.Post) error {
		p.State = race.PostWithdrawn
		return nil
	})
	require.NoError(t, err)
	_, err = b.main.ChangePost(ctx, b.raceID, first.ID, again.Revision, func(p *race.Post) error {
		p.State = race.PostPublished
		return nil
	})
	require.NoError(t, err)
	require.Empty(t, b.tell(), "nobody is mailed again")
}

// TestPostWithdrawnWhileMailsWait: those who have not been mailed are not mailed any more.
func TestPostWithdrawnWhileMailsWait(t *testing.T) {
	t.Parallel()
	b := setupNotices(t)
	ctx := t.Context()
	p, err := b.main.AddPost(ctx, race.Post{
		ID: uuid.NewString(), RaceID: b.raceID, State: race.PostPublished, Title: "Parking", Body: "None.", Notify: true, CreatedBy: organizer,
	})
	require.NoError(t, err)
	in := b.found(notice.PostPublished)
	_, err = b.main.ChangePost(ctx, b.raceID, p.ID, 1, func(p *race.Post) error {
		p.State = race.PostWithdrawn
		return nil
	})
	require.NoError(t, err)
	sent, err := b.steps.SendNotices(ctx, in)
	require.NoError(t, err)
	require.Equal(t, activities.NoticesSent{}, sent)
	sent, err = b.steps.SendNotices(ctx, in)
	require.NoError(t, err)
	require.Equal(t, activities.NoticesSent{}, sent)
	require.Empty(t, b.box.took)
}
