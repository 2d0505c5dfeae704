package leaderboard

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/cache"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	// lifetime is how old a leaderboard may be: a season of 50 races with 20,000
	// runners each takes seconds to add up.
	lifetime    = time.Minute
	maxSeasons  = 8
	maxRankings = 32 // of a season
	// loadTimeout bounds a load that several callers wait for, since it must not
	// end when one of them goes away.
	loadTimeout = 45 * time.Second
)

// season holds everybody who has points in a calendar year.
type season struct {
	runners []runner
	at      time.Time

	mu       sync.Mutex
	rankings map[filter][]ranked
}

// ranking returns the runners that a filter selects, with their places. It must not
// be changed.
func (s *season) ranking(f filter) []ranked {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.rankings[f]; ok {
		return known
	}
	list := rank(s.runners, f)
	if len(s.rankings) < maxRankings {
		s.rankings[f] = list
	}
	return list
}

// seasons caches the seasons that are being read.
type seasons struct {
	store  *maindb.Store
	ledger *userdb.Store
	now    func() time.Time
	known  *cache.Cache[int, *season] // by year
}

func newSeasons(store *maindb.Store, ledger *userdb.Store, now func() time.Time) *seasons {
	return &seasons{store: store, ledger: ledger, now: now, known: cache.New[int](cache.Config[*season]{
		Limit: maxSeasons, Lifetime: lifetime, LoadTimeout: loadTimeout, Now: now,
	})}
}

func (s *seasons) of(ctx context.Context, year int) (*season, error) {
	return s.known.Get(ctx, year, func(ctx context.Context) (*season, error) { return s.load(ctx, year) })
}

// load adds up a season race by race, in the order of their dates.
func (s *seasons) load(ctx context.Context, year int) (*season, error) {
	at := s.now()
	races, err := s.store.RacesOfSeason(ctx, year)
	if err != nil {
		return nil, err
	}
	runners := map[string]*runner{}
	for _, raceID := range races {
		credits, err := s.ledger.RaceCredits(ctx, raceID)
		if err != nil {
			return nil, err
		}
		if len(credits) == 0 {
			continue
		}
		entrants, err := s.store.Entrants(ctx, raceID)
		if err != nil {
			return nil, err
		}
		add(runners, credits, entrants)
	}
	return &season{runners: settle(runners), at: at, rankings: map[filter][]ranked{}}, nil
}

// add adds the credits of a race that are worth points. Sex and age are those of the
// record's entry, whoever the points belong to while a claim moves them.
func add(runners map[string]*runner, credits map[string]race.Credit, entrants map[string]maindb.Entrant) {
	earned := map[string]int64{} // by user: somebody may have two bibs
	for recordID, credit := range credits {
		if credit.UserID == "" || credit.Points == 0 {
			continue
		}
		earned[credit.UserID] += credit.Points
		r := runners[credit.UserID]
		if r == nil {
			r = &runner{userID: credit.UserID, age: race.UnknownAge}
			runners[credit.UserID] = r
		}
		if e, entered := entrants[recordID]; entered {
			r.sex = cmp.Or(e.Sex, r.sex)
			if e.Age != race.UnknownAge {
				r.age = e.Age
			}
		}
	}
	for userID, points := range earned {
		r := runners[userID]
		r.races = append(r.races, points)
		r.total += points
	}
}

func settle(runners map[string]*runner) []runner {
	list := make([]runner, 0, len(runners))
	for _, userID := range slices.Sorted(maps.Keys(runners)) {
		r := runners[userID]
		slices.SortFunc(r.races, func(a, b int64) int { return cmp.Compare(b, a) })
		list = append(list, *r)
	}
	return list
}

// runner is a runner's season.
type runner struct {
	userID string
	sex    race.Sex // of the entry in the last race of the season that has one
	age    int      // on the day of the last race of the season with an age, or race.UnknownAge
	races  []int64  // points by race, the most first
	total  int64    // of all races
}

// filter selects runners and says how they are ranked.
type filter struct {
	sex            race.Sex // empty: any
	minAge, maxAge int      // inclusive, -1: no bound
	best           int      // races that count; 0: all
}

func (f filter) takes(r *runner) bool {
	if f.sex != "" && f.sex != r.sex {
		return false
	}
	if f.minAge < 0 && f.maxAge < 0 {
		return true
	}
	return r.age != race.UnknownAge && (f.minAge < 0 || r.age >= f.minAge) && (f.maxAge < 0 || r.age <= f.maxAge)
}

// ranked is a runner with a place.
type ranked struct {
	*runner
	place  int
	points int64 // of the races that count
}

// rank orders runners by the points of their best races. Among equal points the
// better best race decides, then the better second best, and so on over all races
// of the season; runners who are equal in all of them share the place, and the next
// place is skipped (1, 2, 2, 4).
func rank(runners []runner, f filter) []ranked {
	var list []ranked
	for i := range runners {
		if r := &runners[i]; f.takes(r) {
			list = append(list, ranked{runner: r, points: r.counted(f.best)})
		}
	}
	slices.SortFunc(list, func(a, b ranked) int { return cmp.Or(compare(a, b), cmp.Compare(a.userID, b.userID)) })
	for i := range list {
		list[i].place = i + 1
		if i > 0 && compare(list[i-1], list[i]) == 0 {
			list[i].place = list[i-1].place
		}
	}
	return list
}

func (r *runner) counted(best int) int64 {
	if best == 0 || best >= len(r.races) {
		return r.total
	}
	var sum int64
	for _, points := range r.races[:best] {
		sum += points
	}
	return sum
}

// compare is negative when a is better.
func compare(a, b ranked) int {
	return cmp.Or(cmp.Compare(b.points, a.points), slices.Compare(b.races, a.races))
}
