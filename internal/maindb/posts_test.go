package maindb_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/mysql/mysqltest"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// post adds a post to the race, with what edit changes.
func (b *entryBundle) post(t *testing.T, edit func(*race.Post)) race.Post {
	t.Helper()
	p := race.Post{ID: newID(), RaceID: b.race.ID, State: race.PostPublished, Title: "Parking", Body: "None.", Comments: true, CreatedBy: newID()}
	edit(&p)
	added, err := b.store.AddPost(t.Context(), p)
	require.NoError(t, err)
	return added
}

func planned(p *race.Post) {
	p.State, p.PublishAt = race.PostPlanned, time.Now().UTC().Add(time.Hour).Truncate(time.Second)
}

func toState(state race.PostState) func(*race.Post) error {
	return func(p *race.Post) error {
		p.State = state
		return nil
	}
}

// logged returns the actions of a thing in the change log, the first one first.
func (b *entryBundle) logged(t *testing.T, id string) (actions []string) {
	t.Helper()
	changes, err := b.store.Changes(t.Context(), maindb.ChangeFilter{Subject: id}, "", 100)
	require.NoError(t, err)
	for _, c := range changes {
		actions = append([]string{c.Action}, actions...)
	}
	return actions
}

func TestPostsFromDraftToWithdrawal(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(2))
	ctx := t.Context()
	p := b.post(t, func(p *race.Post) { p.State, p.Notify = race.PostDraft, true })
	require.Equal(t, 1, p.Revision)
	again, err := b.store.AddPost(ctx, race.Post{ID: p.ID, RaceID: b.race.ID, State: race.PostPublished, Title: "Other"})
	require.NoError(t, err)
	require.Equal(t, "Parking", again.Title, "a retry changes nothing")

	change := func(revision int, edit func(*race.Post) error) (race.Post, error) {
		return b.store.ChangePost(ctx, b.race.ID, p.ID, revision, edit)
	}
	retitle := func(p *race.Post) error {
		p.Title = "Parking and trains"
		return nil
	}
	changed, err := change(1, retitle)
	require.NoError(t, err)
	require.Equal(t, 2, changed.Revision)
	_, err = change(1, retitle)
	require.ErrorIs(t, err, race.ErrStale, "another editor was faster")
	same, err := change(2, retitle)
	require.NoError(t, err)
	require.Equal(t, 2, same.Revision, "nothing changed")
	_, err = b.store.ChangePost(ctx, newID(), p.ID, 2, retitle)
	require.ErrorIs(t, err, race.ErrNotFound)

	var conflict *race.ConflictError
	_, err = change(2, toState(race.PostWithdrawn))
	require.ErrorAs(t, err, &conflict)
	_, err = change(2, func(p *race.Post) error {
		p.State, p.PublishAt = race.PostPlanned, time.Now().Add(-time.Minute)
		return nil
	})
	require.ErrorAs(t, err, &conflict)
	published, err := change(2, toState(race.PostPublished))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), published.PublishedAt, time.Minute)
	_, err = change(3, toState(race.PostDraft))
	require.ErrorAs(t, err, &conflict)
	_, err = change(3, func(p *race.Post) error {
		p.Notify = false
		return nil
	})
	require.ErrorAs(t, err, &conflict, "people were mailed")
	withdrawn, err := change(3, toState(race.PostWithdrawn))
	require.NoError(t, err)
	republished, err := change(withdrawn.Revision, toState(race.PostPublished))
	require.NoError(t, err)
	require.Equal(t, published.PublishedAt, republished.PublishedAt)
	require.ErrorIs(t, b.store.RemovePost(ctx, b.race.ID, p.ID, 1), race.ErrStale)
	require.NoError(t, b.store.RemovePost(ctx, b.race.ID, p.ID, republished.Revision))
	_, err = b.store.Post(ctx, b.race.ID, p.ID)
	require.ErrorIs(t, err, race.ErrNotFound)
	require.Equal(t, []string{"post.created", "post.changed", "post.published", "post.withdrawn", "post.published", "post.removed"}, b.logged(t, p.ID))
	changes, err := b.store.Changes(ctx, maindb.ChangeFilter{Subject: p.ID, Action: "post.published"}, "", 2)
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprintf("%s", changes[0].After), "first", "people are mailed once")
	require.Contains(t, fmt.Sprintf("%s", changes[1].After), `"first":true`)
	require.NotContains(t, fmt.Sprintf("%s", changes), "Parking", "the text may name people: it is not in the log")
}

func TestPostsAreListed(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(2))
	ctx := t.Context()
	var ids []string
	for i := range 7 {
		ids = append(ids, b.post(t, func(p *race.Post) { p.Pinned = i == 2 || i == 4 }).ID)
	}
	draft := b.post(t, func(p *race.Post) { p.State = race.PostDraft }).ID
	want := []string{ids[4], ids[2], ids[6], ids[5], ids[3], ids[1], ids[0]}
	for _, limit := range []int{1, 2, 3, 10} {
		var got []string
		var after race.Post
		for {
			page, err := b.store.PublishedPosts(ctx, b.race.ID, after, limit)
			require.NoError(t, err)
			if len(page) == 0 {
				break
			}
			for _, p := range page {
				got = append(got, p.ID)
			}
			after = page[len(page)-1]
		}
		require.Equal(t, want, got)
	}
	newest, err := b.store.NewestPosts(ctx, b.race.ID, 2)
	require.NoError(t, err)
	require.Equal(t, []string{ids[6], ids[5]}, []string{newest[0].ID, newest[1].ID})
	all, err := b.store.PostsOfRace(ctx, b.race.ID, "", "", 100)
	require.NoError(t, err)
	require.Len(t, all, 8)
	require.Equal(t, draft, all[0].ID)
	drafts, err := b.store.PostsOfRace(ctx, b.race.ID, race.PostDraft, "", 100)
	require.NoError(t, err)
	require.Len(t, drafts, 1)
}

// TestPlannedPosts: the database's clock decides, whatever the clock of the worker says.
func TestPlannedPosts(t *testing.T) {
	t.Parallel()
	b, cfg := setupPlans(t)
	ctx := t.Context()
	p := b.post(t, planned)
	worker := maindb.NewOutcomes(mysqltest.As(t, cfg, maindb.Grants(), mysql.Worker), func() time.Time { return time.Now().Add(300 * 24 * time.Hour) })
	progress, err := worker.PublishPost(ctx, b.race.ID, p.ID)
	require.NoError(t, err)
	require.Equal(t, race.PostPlanned, progress.State)
	require.InDelta(t, time.Hour, progress.Left, float64(2*time.Minute))
	b.exec(t, "UPDATE post SET publish_at = UTC_TIMESTAMP(6) WHERE post_id = ?", p.ID)
	for range 2 {
		progress, err = worker.PublishPost(ctx, b.race.ID, p.ID)
		require.NoError(t, err)
		require.Equal(t, maindb.PostProgress{State: race.PostPublished}, progress)
	}
	require.Equal(t, []string{"post.created", "post.published"}, b.logged(t, p.ID))
	gone, err := worker.PublishPost(ctx, b.race.ID, newID())
	require.NoError(t, err)
	require.Zero(t, gone)

	void := b.post(t, planned)
	_, _, err = b.store.VoidRace(ctx, b.race.ID, maindb.Change{By: newID(), Reason: "storm"})
	require.NoError(t, err)
	progress, err = worker.PublishPost(ctx, b.race.ID, void.ID)
	require.NoError(t, err)
	b.exec(t, "DELETE FROM post_outbox")
	open, err := worker.PlannedPosts(ctx, 0, 10)
	require.NoError(t, err)
	require.Empty(t, open, "its workflow has ended for good: the audit does not start it again every time")
	require.True(t, progress.Void)
	var conflict *race.ConflictError
	_, err = b.store.AddPost(ctx, race.Post{ID: newID(), RaceID: b.race.ID, State: race.PostPublished, Title: "a", Body: "b"})
	require.ErrorAs(t, err, &conflict)
}

// setupPlans returns a race in a database whose clock the store shares.
func setupPlans(t *testing.T) (*entryBundle, mysql.Config) {
	t.Helper()
	db, cfg := mysqltest.New(t, maindb.Migrations())
	bundle := &testBundle{store: maindb.NewOutcomes(db, time.Now), db: db, clock: &clock{}}
	return &entryBundle{testBundle: bundle, race: bundle.created(t, limited(2))}, cfg
}

// TestStartPosts: each change of a plan wakes the workflow, and what cannot be started
// waits.
func TestStartPosts(t *testing.T) {
	t.Parallel()
	b, _ := setupPlans(t)
	ctx := t.Context()
	p := b.post(t, planned)
	b.post(t, func(p *race.Post) { p.State = race.PostDraft })
	start := func() (started []maindb.PlannedPost, err error) {
		err = b.store.StartPosts(ctx, func(_ context.Context, p maindb.PlannedPost) error {
			started = append(started, p)
			return nil
		})
		return started, err
	}
	require.Error(t, b.store.StartPosts(ctx, func(context.Context, maindb.PlannedPost) error { return race.ErrUnavailable }))
	started, err := start()
	require.NoError(t, err)
	require.Equal(t, []maindb.PlannedPost{{RaceID: b.race.ID, PostID: p.ID}}, started)
	started, err = start()
	require.NoError(t, err)
	require.Empty(t, started)

	open, err := b.store.PlannedPosts(ctx, -time.Minute, 10)
	require.NoError(t, err)
	require.Equal(t, []maindb.PlannedPost{{RaceID: b.race.ID, PostID: p.ID}}, open)
	require.NoError(t, b.store.RequeuePost(ctx, open[0]))
	started, err = start()
	require.NoError(t, err)
	require.Len(t, started, 1)
	_, err = b.store.ChangePost(ctx, b.race.ID, p.ID, 1, toState(race.PostDraft))
	require.NoError(t, err)
	started, err = start()
	require.NoError(t, err)
	require.Len(t, started, 1, "its workflow ends")
}

// TestPublicationRacedByWithdrawal: either the editor takes the post back or it is
// published, never both.
func TestPublicationRacedByWithdrawal(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(2))
	ctx := t.Context()
	for range 20 {
		p := b.post(t, planned)
		b.exec(t, "UPDATE post SET publish_at = UTC_TIMESTAMP(6) WHERE post_id = ?", p.ID)
		var both sync.WaitGroup
		var progress maindb.PostProgress
		var takenBack, failed error
		both.Go(func() { progress, failed = b.store.PublishPost(ctx, b.race.ID, p.ID) })
		both.Go(func() { _, takenBack = b.store.ChangePost(ctx, b.race.ID, p.ID, p.Revision, toState(race.PostDraft)) })
		both.Wait()
		require.NoError(t, failed)
		now, err := b.store.Post(ctx, b.race.ID, p.ID)
		require.NoError(t, err)
		require.Equal(t, progress.State, now.State)
		if now.State == race.PostPublished {
			require.ErrorIs(t, takenBack, race.ErrStale)
		} else {
			require.NoError(t, takenBack)
			require.Zero(t, now.PublishedAt)
		}
		require.Len(t, b.logged(t, p.ID), 2)
	}
}

func TestCommentsAndTheirModeration(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	ctx := t.Context()
	runner, waiting, stranger, editor := newID(), newID(), newID(), newID()
	b.enter(t, runner)
	b.enter(t, waiting)
	b.exec(t, "INSERT INTO race_staff (race_id, user_id, role, added_at) VALUES (?, ?, 'viewer', NOW(6))", b.race.ID, editor)
	p := b.post(t, func(*race.Post) {})
	say := func(userID, text string) (race.Comment, error) {
		return b.store.AddComment(ctx, race.Comment{ID: newID(), RaceID: b.race.ID, PostID: p.ID, UserID: userID, Text: text})
	}
	for _, nobody := range []string{waiting, stranger} {
		_, err := say(nobody, "let me in")
		require.ErrorIs(t, err, race.ErrNotOwn)
	}
	c, err := say(runner, "Where is the start?")
	require.NoError(t, err)
	again, err := b.store.AddComment(ctx, race.Comment{ID: c.ID, RaceID: b.race.ID, PostID: p.ID, UserID: runner, Text: "other"})
	require.NoError(t, err)
	require.Equal(t, "Where is the start?", again.Text)
	_, err = b.store.AddComment(ctx, race.Comment{ID: c.ID, RaceID: b.race.ID, PostID: p.ID, UserID: editor, Text: "other"})
	require.ErrorIs(t, err, race.ErrNotFound, "the ID is somebody else's")
	answer, err := say(editor, "At the stadium.")
	require.NoError(t, err)
	require.True(t, answer.ByStaff)

	edited := c
	edited.Text = "Where is the finish?"
	edited, err = b.store.EditComment(ctx, edited)
	require.NoError(t, err)
	require.NotZero(t, edited.EditedAt)
	other := edited
	other.UserID = editor
	_, err = b.store.EditComment(ctx, other)
	require.ErrorIs(t, err, race.ErrNotOwn)
	require.ErrorIs(t, b.store.DeleteComment(ctx, other), race.ErrNotOwn)

	for range 2 {
		require.NoError(t, b.store.ReportComment(race.WithActor(ctx, race.Actor{Kind: race.ByAccount, ID: stranger, AccountID: stranger}), c, stranger, "spam"))
	}
	ofRace, err := b.store.Changes(ctx, maindb.ChangeFilter{RaceID: b.race.ID, Actor: stranger}, "", 10)
	require.NoError(t, err)
	require.Empty(t, ofRace, "authors on the staff do not learn who reports them")
	require.NoError(t, b.store.ReportComment(ctx, c, waiting, ""))
	var conflict *race.ConflictError
	require.ErrorAs(t, b.store.ReportComment(ctx, c, runner, ""), &conflict)
	for _, of := range []string{b.race.ID, ""} {
		reported, err := b.store.ReportedComments(ctx, of, "", 10)
		require.NoError(t, err)
		require.Len(t, reported, 1)
		require.ElementsMatch(t, []string{"spam", ""}, reported[0].Reports)
		require.NotZero(t, reported[0].ReportedAt)
		require.Zero(t, reported[0].JudgedAt)
	}
	waits, _, err := b.store.CountReportedComments(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, waits, "two reports of one comment")
	by := maindb.Change{By: editor, Reason: "not here"}
	// A decision is about the text that was read.
	now, err := b.store.Comment(ctx, c.ID)
	require.NoError(t, err)
	asRead := c
	for _, away := range []time.Duration{-time.Hour, time.Microsecond} {
		asRead.EditedAt = now.EditedAt.Add(away)
		_, err = b.store.JudgeComment(ctx, asRead, race.CommentHidden, by)
		require.ErrorAs(t, err, &conflict)
	}
	for _, c.EditedAt = range []time.Time{now.WrittenAt(), now.WrittenAt().Truncate(time.Millisecond)} { // as clients in JavaScript read it
		hidden, err := b.store.JudgeComment(ctx, c, race.CommentHidden, by)
		require.NoError(t, err)
		require.Equal(t, "not here", hidden.HiddenReason)
	}
	_, err = b.store.EditComment(ctx, c)
	require.ErrorAs(t, err, &conflict)
	reported, err := b.store.ReportedComments(ctx, b.race.ID, "", 10)
	require.NoError(t, err)
	require.Empty(t, reported)
	waits, _, err = b.store.CountReportedComments(ctx)
	require.NoError(t, err)
	require.Zero(t, waits)
	one, err := b.store.Comment(ctx, c.ID)
	require.NoError(t, err)
	require.NotZero(t, one.JudgedAt)
	require.Empty(t, one.Reports)
	hidden, err := b.store.HiddenComments(ctx, b.race.ID, "", 10)
	require.NoError(t, err)
	require.Len(t, hidden, 1)
	shown, err := b.store.JudgeComment(ctx, c, race.CommentShown, maindb.Change{By: editor})
	require.NoError(t, err)
	require.Equal(t, "Where is the finish?", shown.Text)
	require.Equal(t, []string{"comment.posted", "comment.changed", "comment.reported", "comment.reported", "comment.hidden", "comment.shown"}, b.logged(t, c.ID))

	kept, err := b.store.Export(ctx, runner)
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(kept["post_comment"]), "Where is the finish?")
	_, err = b.store.Leave(ctx, runner)
	require.NoError(t, err)
	list, err := b.store.Comments(ctx, p.ID, "", 10)
	require.NoError(t, err)
	require.Equal(t, []string{string(race.CommentErased), ""}, []string{string(list[0].State), list[0].Text})
	require.Equal(t, "At the stadium.", list[1].Text)
	_, err = say(runner, "I am still here")
	require.ErrorIs(t, err, race.ErrLeft)
	b.exec(t, "DELETE FROM race_staff WHERE race_id = ? AND user_id = ?", b.race.ID, editor)
	answer.Text = "The race is cancelled."
	_, err = b.store.EditComment(ctx, answer)
	require.ErrorAs(t, err, &conflict, "they no longer speak for the race")
	require.NoError(t, b.store.DeleteComment(ctx, answer))
	require.ErrorIs(t, b.store.DeleteComment(ctx, answer), race.ErrNotFound)

	_, err = b.store.ChangePost(ctx, b.race.ID, p.ID, 1, func(p *race.Post) error {
		p.Comments = false
		return nil
	})
	require.NoError(t, err)
	_, err = say(editor, strings.Repeat("x", 10))
	require.ErrorAs(t, err, &conflict)
	require.NoError(t, b.store.DeleteRace(ctx, b.race.ID))
	for _, table := range []string{"post", "post_outbox", "post_comment", "comment_report"} {
		var left int
		require.NoError(t, b.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&left))
		require.Zero(t, left, table)
	}
}

// TestChangedCommentIsReportedAgain: a comment that was looked at and kept can be reported
// by the same readers once its author has changed it.
func TestChangedCommentIsReportedAgain(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	ctx := t.Context()
	runner, reader := newID(), newID()
	b.enter(t, runner)
	p := b.post(t, func(*race.Post) {})
	c, err := b.store.AddComment(ctx, race.Comment{ID: newID(), RaceID: b.race.ID, PostID: p.ID, UserID: runner, Text: "Good luck, all!"})
	require.NoError(t, err)
	reports := func() int {
		t.Helper()
		require.NoError(t, b.store.ReportComment(ctx, c, reader, "spam"))
		reported, err := b.store.ReportedComments(ctx, b.race.ID, "", 10)
		require.NoError(t, err)
		return len(reported)
	}
	require.Equal(t, 1, reports())
	_, err = b.store.JudgeComment(ctx, c, race.CommentShown, maindb.Change{By: newID()})
	require.NoError(t, err)
	require.Zero(t, reports(), "it is the same text")
	c.Text = "Buy my shoes."
	_, err = b.store.EditComment(ctx, c)
	require.NoError(t, err)
	require.Equal(t, 1, reports())
}

// TestReportOfWhoLeaves: a comment that is reported while its author leaves has no report
// afterwards, which nobody could close.
func TestReportOfWhoLeaves(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(1))
	ctx := t.Context()
	runner := newID()
	b.enter(t, runner)
	c, err := b.store.AddComment(ctx, race.Comment{ID: newID(), RaceID: b.race.ID, PostID: b.post(t, func(*race.Post) {}).ID, UserID: runner, Text: "spam"})
	require.NoError(t, err)
	report, err := b.db.BeginTx(ctx, nil)
	require.NoError(t, err)
	defer report.Rollback() //nolint:errcheck // it is committed below
	_, err = report.ExecContext(ctx, "SELECT * FROM post_comment WHERE comment_id = ? FOR UPDATE", c.ID)
	require.NoError(t, err)
	left := make(chan error, 1)
	go func() {
		_, err := b.store.Leave(ctx, runner)
		left <- err
	}()
	require.Eventually(t, func() bool {
		var n int
		err := b.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE() AND info LIKE '%post_comment%'").Scan(&n)
		return err == nil && n > 0
	}, time.Minute, 5*time.Millisecond)
	_, err = report.ExecContext(ctx, "INSERT INTO comment_report (comment_id, user_id, race_id, reason, created_at) VALUES (?, ?, ?, '', NOW(6))", c.ID, newID(), b.race.ID)
	require.NoError(t, err)
	require.NoError(t, report.Commit())
	require.NoError(t, <-left)
	reported, err := b.store.ReportedComments(ctx, "", "", 10)
	require.NoError(t, err)
	require.Empty(t, reported)
}

// TestPostsThatMailAreFew: a race mails everyone some times a day, also when many posts are
// published at the same moment or planned for it.
func TestPostsThatMailAreFew(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(2))
	ctx := t.Context()
	mails := func(p *race.Post) { p.Notify = true }
	drafts := make([]race.Post, 8)
	for i := range drafts {
		drafts[i] = b.post(t, func(p *race.Post) { p.State, p.Notify = race.PostDraft, true })
	}
	var all sync.WaitGroup
	refused := make([]error, len(drafts))
	for i, p := range drafts {
		all.Go(func() {
			_, refused[i] = b.store.ChangePost(ctx, b.race.ID, p.ID, 1, toState(race.PostPublished))
		})
	}
	all.Wait()
	published, one := 0, ""
	for i, err := range refused {
		if err == nil {
			published, one = published+1, drafts[i].ID
			continue
		}
		var conflict *race.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Equal(t, "notify", conflict.Field)
	}
	require.Equal(t, 5, published)
	require.NoError(t, b.store.RemovePost(ctx, b.race.ID, one, 2), "what was mailed stays mailed")
	soon := race.Post{ID: newID(), RaceID: b.race.ID, Title: "Later", Body: "None."}
	planned(&soon)
	mails(&soon)
	_, err := b.store.AddPost(ctx, soon)
	require.Error(t, err, "it would be the sixth within a day")
	soon.PublishAt = soon.PublishAt.AddDate(0, 0, 2)
	for range 5 {
		soon.ID = newID()
		_, err = b.store.AddPost(ctx, soon)
		require.NoError(t, err)
	}
	soon.ID = newID()
	_, err = b.store.AddPost(ctx, soon)
	require.Error(t, err, "planned ones count")
	b.post(t, func(*race.Post) {}) // without mails it is published
}

// TestPostReaders goes through those who are entered, and those who wait, page by page.
func TestPostReaders(t *testing.T) {
	t.Parallel()
	b := setupEntry(t, limited(3))
	for range 7 {
		b.enter(t, newID())
	}
	read := func(waiting bool) (all []string) {
		for after := ""; ; {
			page, err := b.store.PostReaders(t.Context(), b.race.ID, waiting, after, 2)
			require.NoError(t, err)
			if all = append(all, page...); len(page) < 2 {
				return all
			}
			after = page[1]
		}
	}
	for waiting, want := range map[bool]int{false: 3, true: 7} {
		readers := read(waiting)
		require.Len(t, readers, want)
		require.IsIncreasing(t, readers)
	}
}
