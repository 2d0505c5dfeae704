package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/markdown"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// telling is one page of the recipients of an event.
type telling struct {
	*Notices
	event      notice.Event
	definition notice.Definition
	race       race.Race
	after      string
	page       NoticePage
	reachable  map[string]userdb.Recipient
	mails      []userdb.NewNotice
	noticed    []userdb.Noticed
}

// facts are what every notice of the event says.
func (t *telling) facts() notice.Facts {
	about := notice.Facts{RaceID: t.race.ID, Race: t.race.Name, Date: t.race.Date.String()}
	if t.race.Entry != nil {
		about.Zone = t.race.Entry.Zone
	}
	return about
}

// tell writes a notice to an account, if it can be reached and wants to know.
func (t *telling) tell(userID string, kind notice.Kind, about notice.Facts, expires time.Time) {
	recipient, ok := t.reachable[userID]
	definition, _ := notice.Of(kind)
	if !ok || recipient.Withhold(definition, t.now()) != "" {
		return
	}
	if expires.IsZero() {
		expires = t.now().Add(definition.UsefulFor)
	}
	t.mails = append(t.mails, userdb.NewNotice{UserID: userID, Recipient: recipient, Kind: kind, About: about, ExpiresAt: expires})
}

// entries tells runners about their entries, unless that is no longer how things are.
func (t *telling) entries(ctx context.Context) (err error) {
	t.page.Done = true
	var users []string
	for _, s := range t.event.Subjects {
		if s.User != "" && !slices.Contains(users, s.User) {
			users = append(users, s.User)
		}
	}
	if len(users) == 0 {
		return nil
	}
	if t.reachable, err = t.user.Reachable(ctx, users); err != nil {
		return err
	}
	entries, err := t.main.NoticeEntries(ctx, t.race.ID, users)
	if err != nil {
		return err
	}
	for _, userID := range users {
		about, entry := t.facts(), entries[userID]
		switch t.event.Kind {
		case notice.OfferMade, notice.OfferEnding:
			if entry.Status != race.Offered || !entry.Until.After(t.now()) {
				continue
			}
			about.Until = entry.Until
			t.tell(userID, t.event.Kind, about, entry.Until)
		default:
			if entry.Status == race.Entered {
				t.tell(userID, t.event.Kind, about, time.Time{})
			}
		}
	}
	return nil
}

// resultsOfPage returns the next results that the event may be about, with those of their
// runners who can be reached.
func (t *telling) resultsOfPage(ctx context.Context) ([]maindb.NoticeResult, error) {
	ids, all := t.event.Records()
	if all {
		ids = nil
	}
	results, err := t.main.NoticeResults(ctx, t.race.ID, ids, t.after, noticePage)
	if err != nil {
		return nil, err
	}
	t.page.Done = !all || len(results) < noticePage
	if !t.page.Done {
		t.page.After = results[len(results)-1].RecordID
	}
	users := make([]string, len(results))
	for i, r := range results {
		users[i] = r.UserID
	}
	if t.reachable, err = t.user.Reachable(ctx, users); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(results, func(r maindb.NoticeResult) bool {
		_, ok := t.reachable[r.UserID]
		return !ok
	}), nil
}

// own reports whether the runner made the change of a record themselves.
func (t *telling) own(recordID, userID string) bool {
	for _, s := range t.event.Subjects {
		if (s.ID == recordID || s.Kind != "record") && s.Actor != userID {
			return false
		}
	}
	return true
}

func resultIDs(results []maindb.NoticeResult) (records, users []string) {
	for _, r := range results {
		records, users = append(records, r.RecordID), append(users, r.UserID)
	}
	return records, users
}

// results tells runners what their results are, or were and are: by how they differ from
// what each of them was told last, or was there before.
func (t *telling) results(ctx context.Context) error {
	results, err := t.resultsOfPage(ctx)
	if err != nil || len(results) == 0 {
		return err
	}
	records, users := resultIDs(results)
	told, err := t.user.Noticed(ctx, users)
	if err != nil {
		return err
	}
	known := map[string]int64{}
	for _, r := range results {
		if revision, ok := told[[2]string{"result/" + r.RecordID, r.UserID}]; ok {
			known[r.RecordID] = revision
		}
	}
	before, err := t.main.KnownRevisions(ctx, records, known, t.event.First.Add(-baselineSlack))
	if err != nil {
		return err
	}
	for _, r := range results {
		if told, ok := known[r.RecordID]; !ok || told != int64(r.Revision) {
			t.noticed = append(t.noticed, userdb.Noticed{UserID: r.UserID, Thing: "result/" + r.RecordID, State: int64(r.Revision), Was: told, Known: ok})
		}
		was, knew := before[r.RecordID]
		about := t.facts()
		about.Bib, about.Now = r.Bib, figuresOf(r.NoticeRevision)
		switch {
		case t.own(r.RecordID, r.UserID), knew && was == r.NoticeRevision:
		case !knew || was.Removed:
			if !r.Removed && r.Status != race.DidNotStart {
				t.tell(r.UserID, notice.ResultPosted, about, time.Time{})
			}
		default:
			about.Before = figuresOf(was)
			t.tell(r.UserID, notice.ResultCorrected, about, time.Time{})
		}
	}
	return nil
}

func figuresOf(r maindb.NoticeRevision) *notice.Figures {
	f := &notice.Figures{Gun: r.Gun.String(), Net: r.Net.String(), Status: string(r.Status)}
	if r.Removed {
		f.Status = "removed"
	}
	return f
}

// points tells runners how many points they have for a race, if that is not what they
// were told last.
func (t *telling) points(ctx context.Context) error {
	results, err := t.resultsOfPage(ctx)
	if err != nil || len(results) == 0 {
		return err
	}
	records, users := resultIDs(results)
	told, err := t.user.Noticed(ctx, users)
	if err != nil {
		return err
	}
	credits, err := t.user.Credits(ctx, records)
	if err != nil {
		return err
	}
	for _, r := range results {
		credit := credits[r.RecordID]
		if credit.Status == "" || credit.Status == race.Credited && credit.UserID != r.UserID {
			continue
		}
		thing := "points/" + r.RecordID
		was, knew := told[[2]string{thing, r.UserID}]
		if was == credit.Points {
			continue // also nothing where nothing was
		}
		t.noticed = append(t.noticed, userdb.Noticed{UserID: r.UserID, Thing: thing, State: credit.Points, Was: was, Known: knew})
		about := t.facts()
		about.Bib, about.Now = r.Bib, &notice.Figures{Points: credit.Points}
		if knew {
			about.Before = &notice.Figures{Points: was}
		}
		t.tell(r.UserID, notice.PointsCredited, about, time.Time{})
	}
	return nil
}

// places tells runners that a race is official, or that their place has moved between
// two official versions because of somebody else's correction. Whose own result changed
// is told by results.
func (t *telling) places(ctx context.Context) error {
	from, to, err := t.main.NoticeVersions(ctx, t.event)
	t.page.Done = true
	if err != nil || to == 0 || from >= to {
		return err
	}
	_, now, err := t.main.Standings(ctx, t.race.ID, to)
	if err != nil {
		return err
	}
	if t.event.Kind == notice.RaceOfficial {
		changes := make([]standings.Change, len(now))
		for i := range now {
			changes[i] = standings.Change{To: &now[i]}
		}
		return t.eachPlace(ctx, changes, func(c standings.Change) {
			about := t.facts()
			about.Bib, about.Now, about.Official = c.To.Result.Bib, placesOf(c.To), true
			t.tell(c.To.UserID, notice.RaceOfficial, about, time.Time{})
		})
	}
	if from == 0 {
		return nil
	}
	_, was, err := t.main.Standings(ctx, t.race.ID, from)
	if err != nil {
		return err
	}
	compared := standings.Compare(was, now)
	moved := slices.DeleteFunc(slices.Clone(compared.Changes), func(c standings.Change) bool { return !movedByOthers(c) })
	return t.eachPlace(ctx, moved, func(c standings.Change) {
		about := t.facts()
		about.Bib, about.Before, about.Now = c.To.Result.Bib, placesOf(c.From), placesOf(c.To)
		for _, cause := range compared.Because(c) {
			if bib := cause.Row().Result.Bib; cause.Row().RecordID != c.To.RecordID && len(about.Causes) < 3 {
				about.Causes = append(about.Causes, bib)
			}
		}
		t.tell(c.To.UserID, notice.PlaceMoved, about, time.Time{})
	})
}

// movedByOthers reports whether a place moved although the runner's own result did not
// change.
func movedByOthers(c standings.Change) bool {
	if c.From == nil || c.To == nil || c.To.UserID == "" || c.From.UserID != c.To.UserID {
		return false
	}
	was, is := c.From.Result, c.To.Result
	was.Sequence = is.Sequence
	return was == is && (c.From.Place != c.To.Place || c.From.SexPlace != c.To.SexPlace || c.From.Division == c.To.Division && c.From.DivisionPlace != c.To.DivisionPlace)
}

func placesOf(r *standings.Row) *notice.Figures {
	return &notice.Figures{
		Gun: r.Result.Gun.String(), Net: r.Result.Net.String(), Status: string(r.Result.Status),
		Place: r.Place, SexPlace: r.SexPlace, Division: r.Division, DivisionPlace: r.DivisionPlace, Points: r.Points,
	}
}

// eachPlace calls tell for the changes of one page whose runners can be reached.
func (t *telling) eachPlace(ctx context.Context, changes []standings.Change, tell func(standings.Change)) (err error) {
	begin := 0
	if t.after != "" {
		if _, err := fmt.Sscan(t.after, &begin); err != nil {
			return fmt.Errorf("where the page begins: %w", err)
		}
	}
	changes = changes[min(begin, len(changes)):]
	if t.page.Done = len(changes) <= noticePage; !t.page.Done {
		changes = changes[:noticePage]
		t.page.After = fmt.Sprint(begin + noticePage)
	}
	var users []string
	for _, c := range changes {
		if c.To.UserID != "" {
			users = append(users, c.To.UserID)
		}
	}
	if t.reachable, err = t.user.Reachable(ctx, users); err != nil {
		return err
	}
	for _, c := range changes {
		if c.To.UserID != "" {
			tell(c)
		}
	}
	return nil
}

// staff tells those who run a race what waits for them, or what was done.
func (t *telling) staff(ctx context.Context) error {
	t.page.Done = true
	count := 0
	for _, s := range t.event.Subjects {
		count += max(1, s.Count)
	}
	var err error
	if t.event.Kind == notice.ClaimWaiting || t.event.Kind == notice.DisputeWaiting {
		if count, err = t.main.StillWaiting(ctx, t.event); err != nil || count == 0 {
			return err
		}
	}
	users, err := t.main.NoticeStaff(ctx, t.race, t.event.Kind)
	if err != nil {
		return err
	}
	if t.reachable, err = t.user.Reachable(ctx, users); err != nil {
		return err
	}
	for _, userID := range users {
		if !slices.ContainsFunc(t.event.Subjects, func(s notice.Subject) bool { return s.Actor != userID }) {
			continue // they did it all themselves
		}
		about := t.facts()
		about.Count = count
		t.tell(userID, t.event.Kind, about, time.Time{})
	}
	return nil
}

// excerptLength is how much of a post is in its mail, in characters.
const excerptLength = 600

// post tells everyone who is entered in the race, and those who wait if the writer wants
// so, that a post was published, unless it was taken back meanwhile.
func (t *telling) post(ctx context.Context) error {
	t.page.Done = true
	if len(t.event.Subjects) == 0 {
		return nil
	}
	subject := t.event.Subjects[0]
	p, err := t.main.Post(ctx, t.race.ID, subject.ID)
	if errors.Is(err, race.ErrNotFound) || err == nil && p.State != race.PostPublished {
		return nil
	}
	if err != nil {
		return err
	}
	users, err := t.main.PostReaders(ctx, t.race.ID, subject.Waiting, t.after, noticePage)
	if err != nil || len(users) == 0 {
		return err
	}
	if t.page.Done = len(users) < noticePage; !t.page.Done {
		t.page.After = users[len(users)-1]
	}
	if t.reachable, err = t.user.Reachable(ctx, users); err != nil {
		return err
	}
	about := t.facts()
	about.Post = &notice.Post{ID: p.ID, Title: p.Title, Excerpt: markdown.Lines(p.Body, excerptLength)}
	for _, userID := range users {
		t.tell(userID, t.event.Kind, about, time.Time{})
	}
	return nil
}
