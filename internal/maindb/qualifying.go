package maindb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/maindb/gen"
	"github.com/mrmrthon/mrmrthon/internal/mysql"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/scoring"
)

// BestTimes returns the best times of runners that can meet a standard, by user ID: those
// of official results over its distance since its date, by the clock that ranks the race
// overall. Only results count that the runner has entered for or claimed, in races of
// organizers whom operators vouch for, so that nobody can make up a race to qualify.
func (s *Store) BestTimes(ctx context.Context, standard race.Standard, userIDs []string) (map[string]race.Time, error) {
	return bestTimes(ctx, s.queries, standard, userIDs)
}

func bestTimes(ctx context.Context, q *gen.Queries, standard race.Standard, userIDs []string) (map[string]race.Time, error) {
	best := make(map[string]race.Time, len(userIDs))
	for part := range slices.Chunk(userIDs, chunk) {
		rows, err := q.ResultsOfRunners(ctx, part, int64(standard.Distance), standard.Since.Midnight())
		if err != nil {
			return nil, fmt.Errorf("read the results of %d runners: %w", len(part), err)
		}
		for _, row := range rows {
			r := race.Race{Distance: standard.Distance, Ranking: race.Ranking{
				Basis: race.Basis(row.RankingBasis), DivisionsBasis: race.Basis(row.DivisionsBasis), Ties: race.Ties(row.Ties),
			}}
			result := race.Result{Gun: race.Time(row.GunMs.Int64), Net: race.Time(row.NetMs.Int64), Status: race.Finished}
			entrant := race.Participant{Field: race.Runner, Sex: race.Sex(row.Sex)}
			t := r.Ranking.RankingTime(result)
			if t == 0 || !row.TimeConfirmed && scoring.Implausible(r, &entrant, result) != "" {
				continue
			}
			if known, ok := best[row.UserID]; !ok || t < known {
				best[row.UserID] = t
			}
		}
	}
	return best, nil
}

// qualified returns which of those who ask for a place of the pool may have one, with how
// their entries come to be. Whoever is missing does not meet the pool's standard.
func (l *line) qualified(ctx context.Context, entries []Entry) (map[string]race.EntryOrigin, error) {
	if l.pool.Standard.IsZero() || len(entries) == 0 {
		return nil, nil //nolint:nilnil // nothing is demanded
	}
	users, hashes := make([]string, len(entries)), make([]string, len(entries))
	for i, e := range entries {
		users[i], hashes[i] = e.UserID, e.LoginHash
	}
	best, err := bestTimes(ctx, l.q, l.pool.Standard, users)
	if err != nil {
		return nil, err
	}
	hashes = slices.DeleteFunc(hashes, func(hash string) bool { return hash == "" })
	var admitted []string
	if len(hashes) > 0 {
		if admitted, err = l.q.AdmittedLogins(ctx, l.race.ID, l.row.Pool, hashes); err != nil {
			return nil, fmt.Errorf("read who is admitted to race %s: %w", l.race.ID, err)
		}
	}
	origins := make(map[string]race.EntryOrigin, len(entries))
	for _, e := range entries {
		switch {
		case l.pool.Standard.MetBy(e.Sex, best[e.UserID]):
			origins[e.UserID] = race.EnteredByRequest
		case e.LoginHash != "" && slices.Contains(admitted, e.LoginHash):
			origins[e.UserID] = race.EnteredByAdmission
		}
	}
	return origins, nil
}

// qualify returns how an entry of one runner comes to be; ok is false when they do not
// meet the pool's standard.
func (l *line) qualify(ctx context.Context, userID string, a Account) (origin race.EntryOrigin, ok bool, err error) {
	origins, err := l.qualified(ctx, []Entry{{UserID: userID, Sex: a.Sex, LoginHash: a.LoginHash}})
	if err != nil || origins == nil {
		return race.EnteredByRequest, err == nil, err
	}
	origin, ok = origins[userID]
	return origin, ok, nil
}

// MarkUnqualified marks those entries of a race that have or want a place of a pool whose
// standard their runner does not meet now: because a result was disqualified or corrected
// since, or the standard has changed. Nobody loses a place by that; the organizer decides.
func (s *Store) MarkUnqualified(ctx context.Context, r race.Race, entries []LineEntry) error {
	for _, pool := range r.EntryPools() {
		if pool.Standard.IsZero() {
			continue
		}
		var users []string
		var asked []*LineEntry
		for i := range entries {
			e := &entries[i]
			if e.PoolKey == pool.Key && e.Seq != 0 && e.Origin == race.EnteredByRequest && !e.Status.Left() {
				users, asked = append(users, e.UserID), append(asked, e)
			}
		}
		if len(users) == 0 {
			continue
		}
		best, err := s.BestTimes(ctx, pool.Standard, users)
		if err != nil {
			return err
		}
		for _, e := range asked {
			e.Unqualified = !pool.Standard.MetBy(e.Sex, best[e.UserID])
		}
	}
	return nil
}

// Admission lets a runner enter a pool whose standard they do not meet. Whose it is only
// shows when they use it: no more than a hash of their login is kept.
type Admission struct {
	ID      string
	RaceID  string
	PoolKey int
	Pool    string // empty when the race has it no more
	Reason  string
	By      string // who admits them
	At      time.Time
}

func admissionOf(r race.Race, row gen.EntryAdmission) Admission {
	pool, _ := r.EntryPoolWith(int(row.Pool))
	return Admission{
		ID: row.AdmissionID, RaceID: row.RaceID, PoolKey: int(row.Pool), Pool: pool.Name, Reason: row.Reason, By: row.AdmittedBy,
		At: row.AdmittedAt,
	}
}

// Admit lets the runner with a login enter a pool. A login that is admitted already keeps
// its admission, which is returned. It returns race.ErrNotFound, and a
// *race.InvalidError when the race has no such pool or the pool demands nothing.
func (s *Store) Admit(ctx context.Context, raceID, admissionID, pool, loginHash, reason string) (admitted Admission, err error) {
	err = s.inRace(ctx, raceID, func(tx *sql.Tx) error {
		q, now := s.queries.WithTx(tx), s.now()
		r, err := lockRace(ctx, q, raceID)
		if err != nil {
			return err
		}
		to, err := demandingPool(r, pool)
		if err != nil {
			return err
		}
		key := int16(to.Key) //nolint:gosec // keys are small
		row, err := q.AdmissionOf(ctx, raceID, key, loginHash)
		if err == nil {
			admitted = admissionOf(r, row)
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read who is admitted to race %s: %w", raceID, err)
		}
		add := gen.InsertAdmissionParams{
			RaceID: raceID, AdmissionID: admissionID, Pool: key, LoginHash: loginHash, Reason: reason, AdmittedBy: race.ActorFrom(ctx).AccountID, AdmittedAt: now,
		}
		if err := q.InsertAdmission(ctx, add); err != nil {
			return fmt.Errorf("admit a runner to race %s: %w", raceID, err)
		}
		admitted = admissionOf(r, gen.EntryAdmission(add))
		return writeChanges(ctx, tx, now, ofAdmission(admitted, "admission.added"))
	})
	return admitted, err
}

func demandingPool(r race.Race, name string) (race.EntryPool, error) {
	wrong := func(message string) error {
		return &race.InvalidError{Fields: []race.FieldError{{Field: "pool", Message: message}}}
	}
	for _, p := range r.EntryPools() {
		switch {
		case race.Visible(p.Name) != race.Visible(name):
		case p.Standard.IsZero():
			return p, wrong("demands no qualifying time: anybody whom it is for can enter it")
		default:
			return p, nil
		}
	}
	return race.EntryPool{}, wrong("is not a pool of this race")
}

// ofAdmission is a change of an admission. Its reason says who the runner is, and has to
// go with the admission when they leave, so that it is not in the change log.
func ofAdmission(a Admission, action string) race.Change {
	return race.Change{
		Action: action, RaceID: a.RaceID, Subject: race.Subject{Kind: "admission", ID: a.ID}, After: map[string]any{"pool": a.Pool},
	}
}

// Admissions returns up to limit admissions to the pools of a race after one of them, in
// the order in which they were made.
func (s *Store) Admissions(ctx context.Context, r race.Race, afterID string, limit int) ([]Admission, error) {
	rows, err := s.queries.AdmissionsAfter(ctx, r.ID, afterID, count32(limit))
	if err != nil {
		return nil, fmt.Errorf("list who is admitted to race %s: %w", r.ID, err)
	}
	list := make([]Admission, len(rows))
	for i, row := range rows {
		list[i] = admissionOf(r, row)
	}
	return list, nil
}

// EndAdmission takes an admission back. Whoever has entered by it keeps their place.
// Repeating it changes nothing.
func (s *Store) EndAdmission(ctx context.Context, r race.Race, admissionID string) error {
	return mysql.InTx(ctx, s.db, func(tx *sql.Tx) error {
		q := s.queries.WithTx(tx)
		if _, err := lockRace(ctx, q, r.ID); err != nil {
			return err
		}
		row, err := q.Admission(ctx, r.ID, admissionID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read an admission to race %s: %w", r.ID, err)
		}
		if err := q.DeleteAdmission(ctx, r.ID, admissionID); err != nil {
			return fmt.Errorf("take an admission to race %s back: %w", r.ID, err)
		}
		return writeChanges(ctx, tx, s.now(), ofAdmission(admissionOf(r, row), "admission.removed"))
	})
}
