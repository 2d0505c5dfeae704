package maindb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/notice"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// noticesAtOnce is how many changes or events are taken in one go.
const noticesAtOnce = 500

// ConsumeNotices writes an event for what the change log says that people are told
// about, and returns how many changes it took. Changes of one kind in one race that
// follow each other make one event; settle is that of notice.Event.GathersUntil.
func (s *Outcomes) ConsumeNotices(ctx context.Context, settle time.Duration) (n int, err error) {
	return s.ConsumeChanges(ctx, "notices", noticesAtOnce, func(ctx context.Context, tx *sql.Tx, changes []SealedChange) error {
		events, err := s.joinGathering(ctx, s.queries.WithTx(tx), gather(changes))
		if err != nil {
			return err
		}
		const into = `INSERT INTO notice_event (position, kind, race_id, subjects, first_at, happened_at, gathers_until) VALUES `
		var failed error
		err = insertRows(ctx, tx, into, events, func(args []any, e notice.Event) []any {
			subjects, err := json.Marshal(e.Subjects)
			failed = errors.Join(failed, err)
			return append(args, e.Position, string(e.Kind), e.RaceID, string(subjects), e.First, e.At, nullMoment(e.GathersUntil(settle)))
		})
		return errors.Join(failed, err)
	})
}

// joinGathering adds events to those that still gather changes of their kind and race, and
// returns the others.
func (s *Outcomes) joinGathering(ctx context.Context, q *gen.Queries, events []notice.Event) (others []notice.Event, err error) {
	var raceIDs []string
	for _, e := range events {
		if !slices.Contains(raceIDs, e.RaceID) {
			raceIDs = append(raceIDs, e.RaceID)
		}
	}
	if len(raceIDs) == 0 {
		return nil, nil
	}
	rows, err := q.GatheringNotices(ctx, raceIDs)
	if err != nil {
		return nil, fmt.Errorf("read the events that gather changes: %w", err)
	}
	open := map[[2]string]notice.Event{} // the latest of each kind and race
	for _, row := range rows {
		e, err := eventOf(gen.NoticeRow(row))
		if err != nil {
			return nil, err
		}
		open[[2]string{e.RaceID, string(e.Kind)}] = e
	}
	for _, later := range events {
		e, ok := open[[2]string{later.RaceID, string(later.Kind)}]
		if !ok || !e.Join(later) {
			others = append(others, later)
			continue
		}
		subjects, err := json.Marshal(e.Subjects)
		if err != nil {
			return nil, err
		}
		err = q.JoinNotice(ctx, gen.JoinNoticeParams{Subjects: string(subjects), HappenedAt: e.At, Position: e.Position, Kind: string(e.Kind)})
		if err != nil {
			return nil, fmt.Errorf("add changes to notice %d: %w", e.Position, err)
		}
	}
	return others, nil
}

// gather makes events of changes. What has an end of its own is an event by itself, and so
// is each post.
func gather(changes []SealedChange) []notice.Event {
	type key struct {
		kind   notice.Kind
		raceID string
		until  time.Time
		post   string
	}
	at := map[key]int{}
	var events []notice.Event
	for _, c := range changes {
		for _, kind := range notice.KindsOf(c.Change) {
			subject := notice.SubjectOf(c.Change)
			k := key{kind: kind, raceID: c.RaceID, until: subject.Until}
			if kind == notice.PostPublished {
				k.post = subject.ID
			}
			i, begun := at[k]
			if !begun {
				i = len(events)
				at[k] = i
				events = append(events, notice.Event{Position: c.Position, Kind: kind, RaceID: c.RaceID, First: c.At})
			}
			events[i].At, events[i].Subjects = c.At, append(events[i].Subjects, subject)
		}
	}
	return events
}

// noticeLost is how long after the start of its workflow an event that is not told is
// started again, in case Temporal has lost the workflow. One that still runs is not
// started twice.
const noticeLost = 10 * time.Minute

// StartNotices calls start for each event that gathers no more changes and whose workflow
// has not been started, the oldest first. Of several processes that do so at once, each
// may start the same workflows, which must do no harm.
func (s *Outcomes) StartNotices(ctx context.Context, start func(ctx context.Context, e notice.Event) error) error {
	if err := s.queries.CloseNotices(ctx, nullMoment(s.now())); err != nil {
		return fmt.Errorf("end the gathering of changes: %w", err)
	}
	rows, err := s.queries.NoticesToStart(ctx, sql.NullTime{Time: s.now().Add(-noticeLost), Valid: true}, noticesAtOnce)
	if err != nil {
		return fmt.Errorf("list notices: %w", err)
	}
	for _, row := range rows {
		e, err := eventOf(gen.NoticeRow(row))
		if err != nil {
			return err
		}
		if err := start(ctx, e); err != nil {
			return fmt.Errorf("start notice %d: %w", e.Position, err)
		}
		if err := s.queries.NoticeStarted(ctx, sql.NullTime{Time: s.now(), Valid: true}, e.Position, string(e.Kind)); err != nil {
			return fmt.Errorf("note that notice %d was started: %w", e.Position, err)
		}
	}
	return nil
}

func eventOf(row gen.NoticeRow) (notice.Event, error) {
	e := notice.Event{
		Position: row.Position, Kind: notice.Kind(row.Kind), RaceID: row.RaceID, First: row.HappenedAt, At: row.HappenedAt,
		FromVersion: int(row.FromVersion.Int32), ToVersion: int(row.ToVersion.Int32),
	}
	if row.FirstAt.Valid { // not written by the version before
		e.First = row.FirstAt.Time
	}
	if err := json.Unmarshal([]byte(row.Subjects), &e.Subjects); err != nil {
		return e, fmt.Errorf("read notice %d: %w", e.Position, err)
	}
	return e, nil
}

// Notice returns an event. It returns race.ErrNotFound when there is none.
func (s *Store) Notice(ctx context.Context, position int64, kind notice.Kind) (notice.Event, error) {
	row, err := s.queries.Notice(ctx, position, string(kind))
	if errors.Is(err, sql.ErrNoRows) {
		return notice.Event{}, race.ErrNotFound
	}
	if err != nil {
		return notice.Event{}, fmt.Errorf("read notice %d: %w", position, err)
	}
	return eventOf(row)
}

// FinishNotice notes that an event has been told.
func (s *Outcomes) FinishNotice(ctx context.Context, position int64, kind notice.Kind) error {
	err := s.queries.NoticeFinished(ctx, sql.NullTime{Time: s.now(), Valid: true}, position, string(kind))
	if err != nil {
		return fmt.Errorf("finish notice %d: %w", position, err)
	}
	return nil
}

// noticeKept is how long an event is kept after it has been told.
const noticeKept = 90 * 24 * time.Hour

// TidyNotices deletes up to 1,000 events that were told long ago, and returns how long the
// oldest one waits that gathers no more changes and whose workflow has not been started; 0
// when none does.
func (s *Outcomes) TidyNotices(ctx context.Context) (oldest time.Duration, err error) {
	now := s.now()
	if _, err := s.queries.ExpireNotices(ctx, sql.NullTime{Time: now.Add(-noticeKept), Valid: true}); err != nil {
		return 0, fmt.Errorf("delete old notices: %w", err)
	}
	at, err := s.queries.OldestUnstartedNotice(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the oldest notice: %w", err)
	}
	return max(0, now.Sub(at)), nil
}

// OpenNotice is an event that has not been told yet.
type OpenNotice struct {
	Position   int64
	Kind       notice.Kind
	RaceID     string
	HappenedAt time.Time
	Gathers    time.Time // until when it takes in changes before it is told; zero: it does not
	StartedAt  time.Time // of its workflow; zero: not yet
}

// OpenNotices returns up to limit events that have not been told, the oldest first, after
// the one given.
func (s *Store) OpenNotices(ctx context.Context, after OpenNotice, limit int) ([]OpenNotice, error) {
	rows, err := s.queries.OpenNotices(ctx, gen.OpenNoticesParams{
		AfterPosition: after.Position, AtPosition: after.Position, AfterKind: string(after.Kind), Limit: count32(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("list notices: %w", err)
	}
	found := make([]OpenNotice, len(rows))
	for i, row := range rows {
		found[i] = OpenNotice{Position: row.Position, Kind: notice.Kind(row.Kind), RaceID: row.RaceID, HappenedAt: row.HappenedAt, Gathers: row.GathersUntil.Time, StartedAt: row.StartedAt.Time}
	}
	return found, nil
}

// ErrNotRanked says that the standings do not have all records of a race yet.
var ErrNotRanked = errors.New("the standings do not have all records of the race yet")

// NoticeVersions returns which versions of the official standings an event compares: from
// the one that the race's event before it has told to the latest. Once returned they stay.
// Both are zero in a race that is not official. It returns ErrNotRanked while a recompute
// is due.
func (s *Outcomes) NoticeVersions(ctx context.Context, e notice.Event) (from, to int, err error) {
	marks, err := s.StandingsMarks(ctx, []string{e.RaceID})
	if err != nil {
		return 0, 0, err
	}
	if m, ok := marks[e.RaceID]; ok && m.Marked.RecordRevisions != m.Current.RecordRevisions {
		return 0, 0, ErrNotRanked
	}
	err = mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		status, err := holdRace(ctx, q, e.RaceID)
		if err != nil || status != race.Official {
			return err
		}
		row, err := q.Notice(ctx, e.Position, string(e.Kind))
		if err != nil {
			return err
		}
		if row.ToVersion.Valid {
			from, to = int(row.FromVersion.Int32), int(row.ToVersion.Int32)
			return nil
		}
		latest, err := q.LatestStandings(ctx, e.RaceID)
		if err != nil {
			return err
		}
		last, err := q.LastNoticedVersion(ctx, e.RaceID)
		if err != nil {
			return err
		}
		if last == 0 { // it was published before notices existed
			version, err := q.OfficialVersionBefore(ctx, e.RaceID, e.At)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			last = int64(version)
		}
		from, to = int(last), int(latest.Version)
		if e.Kind == notice.RaceOfficial {
			from = 0 // whoever was told before that a place moved is told this too
		}
		versions := gen.SetNoticeVersionsParams{
			FromVersion: sql.NullInt32{Int32: count32(from), Valid: true}, ToVersion: sql.NullInt32{Int32: count32(to), Valid: true},
			Position: e.Position, Kind: string(e.Kind),
		}
		return q.SetNoticeVersions(ctx, versions)
	})
	if errors.Is(err, race.ErrNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("choose the versions that notice %d compares: %w", e.Position, err)
	}
	return from, to, nil
}

// NoticeResult is a result whose runner may be told about it.
type NoticeResult struct {
	RecordID string
	UserID   string
	Revision int
	Bib      string
	NoticeRevision
}

// NoticeRevision is what a revision of a result says.
type NoticeRevision struct {
	Gun, Net race.Time
	Status   race.ResultStatus
	Removed  bool
}

// NoticeResults returns up to limit results of a race with their runners, by record ID,
// after the one named; of the records named alone, if there are any.
func (s *Store) NoticeResults(ctx context.Context, raceID string, recordIDs []string, after string, limit int) ([]NoticeResult, error) {
	var rows []gen.NoticeResultsRow
	var err error
	if recordIDs == nil {
		rows, err = s.queries.NoticeResults(ctx, raceID, after, count32(limit))
	} else {
		var some []gen.NoticeResultsOfRow
		some, err = s.queries.NoticeResultsOf(ctx, raceID, recordIDs)
		for _, row := range some {
			rows = append(rows, gen.NoticeResultsRow(row))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the results of race %s: %w", raceID, err)
	}
	found := make([]NoticeResult, len(rows))
	for i, row := range rows {
		found[i] = NoticeResult{RecordID: row.RecordID, UserID: row.UserID, Revision: int(row.Revision), Bib: row.Bib, NoticeRevision: NoticeRevision{
			Gun: race.Time(row.GunMs.Int64), Net: race.Time(row.NetMs.Int64), Status: race.ResultStatus(row.Status), Removed: row.Removed,
		}}
	}
	return found, nil
}

// KnownRevisions returns for each record what its runner knew: the revision in known, or
// else the latest from before a time; the zero value with a false when there was none.
func (s *Store) KnownRevisions(ctx context.Context, recordIDs []string, known map[string]int64, before time.Time) (map[string]NoticeRevision, error) {
	found := make(map[string]NoticeRevision, len(recordIDs))
	for ids := range slices.Chunk(recordIDs, chunk) {
		rows, err := s.queries.NoticeRevisions(ctx, ids)
		if err != nil {
			return nil, fmt.Errorf("read the revisions of %d records: %w", len(ids), err)
		}
		for _, row := range rows { // in their order: the last that fits counts
			revision, told := known[row.RecordID]
			if told && int64(row.Revision) != revision || !told && !row.ChangedAt.Before(before) {
				continue
			}
			found[row.RecordID] = NoticeRevision{
				Gun: race.Time(row.GunMs.Int64), Net: race.Time(row.NetMs.Int64), Status: race.ResultStatus(row.Status), Removed: row.Removed,
			}
		}
	}
	return found, nil
}

// NoticeEntry is the entry of somebody in a race.
type NoticeEntry struct {
	Status race.EntryStatus
	Until  time.Time // of an offer
}

// NoticeEntries returns the entries of accounts in a race.
func (s *Store) NoticeEntries(ctx context.Context, raceID string, userIDs []string) (map[string]NoticeEntry, error) {
	rows, err := s.queries.NoticeEntries(ctx, raceID, userIDs)
	if err != nil {
		return nil, fmt.Errorf("read entries of race %s: %w", raceID, err)
	}
	found := make(map[string]NoticeEntry, len(rows))
	for _, row := range rows {
		found[row.UserID] = NoticeEntry{Status: race.EntryStatus(row.State), Until: row.OfferExpiresAt.Time}
	}
	return found, nil
}

// NoticeStaff returns who is told what waits in a race: claims and webhooks concern its owner alone,
// the rest also those who may correct results.
func (s *Store) NoticeStaff(ctx context.Context, r race.Race, kind notice.Kind) ([]string, error) {
	if kind == notice.ClaimWaiting || kind == notice.WebhookOff {
		return []string{r.OrganizerID}, nil
	}
	rows, err := s.queries.NoticeStaff(ctx, r.ID)
	if err != nil {
		return nil, fmt.Errorf("read the staff of race %s: %w", r.ID, err)
	}
	return append(rows, r.OrganizerID), nil
}

// StillWaiting returns how many of an event's claims or disputes wait for an answer.
func (s *Store) StillWaiting(ctx context.Context, e notice.Event) (int, error) {
	ids := make([]string, len(e.Subjects))
	for i, subject := range e.Subjects {
		ids[i] = subject.ID
	}
	read := s.queries.OpenDisputesOf
	if e.Kind == notice.ClaimWaiting {
		read = s.queries.WaitingClaimsOf
	}
	waiting, err := read(ctx, ids)
	if err != nil {
		return 0, fmt.Errorf("look what waits in race %s: %w", e.RaceID, err)
	}
	return len(waiting), nil
}
