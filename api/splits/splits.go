// Package splits shows the readings of runners at the timing points of a race: the
// pace of each segment and the place at each point.
package splits

import (
	"context"
	"time"

	"github.com/mrmrthon/mrmrthon/internal/cache"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// Split is a reading at a timing point, or at the finish.
type Split struct {
	Point         string  `json:"point" example:"Half"`
	DistanceM     float64 `json:"distance_m" doc:"From the start." example:"21097.5"`
	Time          string  `json:"time,omitempty" doc:"Since the start, by the clock that ranks the race." example:"1:05:02"`
	Missing       bool    `json:"missing,omitempty" doc:"There is no reading at this point."`
	Note          string  `json:"note,omitempty" example:"no reading at 25 km"`
	From          string  `json:"from,omitempty" doc:"Where the segment that ends here begins: the point with the reading before, or start." example:"20 km"`
	SegmentTime   string  `json:"segment_time,omitempty" example:"0:03:22"`
	Pace          string  `json:"pace,omitempty" doc:"The pace over the segment, per kilometre, as M:SS[.f]." example:"3:04.7"`
	Place         int     `json:"place,omitempty" doc:"Among those of the same field with a reading at this point, finished or not, by the latest standings. At the finish: the place in the standings."`
	SexPlace      int     `json:"sex_place,omitempty"`
	DivisionPlace int     `json:"division_place,omitempty"`
}

// Reading is a reading as a caller states it.
type Reading struct {
	Point string  `json:"point" minLength:"1" maxLength:"50" example:"Half" doc:"The name of a timing point of the race; its distance, such as 10 km, 10K or Half, will do."`
	Time  *string `json:"time" example:"1:05:02" doc:"Since the start, by the clock that ranks the race. Null clears it."`
}

// Store is what is read of main_db.
type Store interface {
	// LatestStandings returns the zero value when there is no version.
	LatestStandings(ctx context.Context, raceID string) (maindb.StandingsHead, error)
	Standings(ctx context.Context, raceID string, version int) (maindb.StandingsHead, []standings.Row, error)
	SplitsOfRecord(ctx context.Context, raceID, recordID string) ([]maindb.SplitsRevision, error)
	SplitsOfRace(ctx context.Context, raceID string) (map[string]race.Splits, error)
	SplitsMark(ctx context.Context, raceID string) (maindb.SplitsMark, error)
}

const (
	// markLifetime is how old the places at timing points may be. While records are
	// posted they change all the time, and ranking 30,000 runners at 10 points took
	// 0.35 s of a busy machine.
	markLifetime = 5 * time.Second
	// maxReadings is how many readings are kept ranked in memory, some 120 bytes each.
	maxReadings = 1_000_000
	loadTimeout = 15 * time.Second
)

// Reader reads splits. Places at timing points are computed when they are asked
// for, once for every version of the standings and state of the splits.
type Reader struct {
	store  Store
	states *cache.Cache[string, state] // by race ID
	ranked *cache.Cache[state, ranked]
}

// state is what places at timing points depend on.
type state struct {
	raceID  string
	version int
	mark    maindb.SplitsMark
}

// ranked is the places of a state. It never changes.
type ranked struct {
	passages standings.Passages
	finish   map[string]standings.Passage // by record
	readings int
}

// NewReader returns a reader over store.
func NewReader(store Store, now func() time.Time) *Reader {
	return &Reader{
		store:  store,
		states: cache.New[string](cache.Config[state]{Limit: 10_000, Lifetime: markLifetime, LoadTimeout: loadTimeout, Now: now}),
		ranked: cache.New[state](cache.Config[ranked]{
			Limit: maxReadings, Weight: func(r ranked) int { return r.readings }, LoadTimeout: loadTimeout,
		}),
	}
}

// Of returns the splits of a record, nil for a race without timing points and for a
// record without any reading. Places are left out while the standings do not have
// the record as it is.
func (r *Reader) Of(ctx context.Context, of race.Race, recordID string, result race.Result) ([]Split, error) {
	if len(of.Course.Points) == 0 {
		return nil, nil
	}
	history, err := r.store.SplitsOfRecord(ctx, of.ID, recordID)
	if err != nil || len(history) == 0 {
		return nil, err
	}
	segments := race.Segments(of, history[len(history)-1].Splits, result)
	if segments == nil {
		return nil, nil
	}
	places, err := r.places(ctx, of.ID)
	if err != nil {
		return nil, err
	}
	shown := make([]Split, len(segments))
	for i, segment := range segments {
		passage := places.passages[segment.Point.Key][recordID]
		if segment.Finish {
			passage = places.finish[recordID]
		}
		shown[i] = splitOf(segment, passage)
	}
	return shown, nil
}

// History returns the readings that every revision of a record set, by its number.
func (r *Reader) History(ctx context.Context, of race.Race, recordID string) (map[int][]Split, error) {
	history, err := r.store.SplitsOfRecord(ctx, of.ID, recordID)
	if err != nil || len(history) == 0 {
		return nil, err
	}
	shown := make(map[int][]Split, len(history))
	for _, at := range history {
		list := []Split{}
		for _, p := range of.Course.Points {
			if t := at.Splits[p.Key]; t != 0 {
				list = append(list, Split{Point: p.Name, DistanceM: p.Distance.Metres(), Time: t.String()})
			}
		}
		shown[at.Revision] = list
	}
	return shown, nil
}

func splitOf(s race.Segment, passage standings.Passage) Split {
	shown := Split{Point: s.Point.Name, DistanceM: s.Point.Distance.Metres()}
	if s.Reading == 0 {
		shown.Missing, shown.Note = true, "no reading at "+s.Point.Name
		return shown
	}
	shown.Time, shown.From, shown.SegmentTime, shown.Pace = s.Reading.String(), s.From, s.Elapsed.String(), s.Pace.PaceString()
	if passage.Reading == s.Reading {
		shown.Place, shown.SexPlace, shown.DivisionPlace = passage.Place, passage.SexPlace, passage.DivisionPlace
	}
	return shown
}

func (r *Reader) places(ctx context.Context, raceID string) (ranked, error) {
	now, err := r.states.Get(ctx, raceID, func(ctx context.Context) (state, error) {
		ctx = maindb.FromWriter(ctx) // what is ranked is kept under the state, so both must be of one server
		head, err := r.store.LatestStandings(ctx, raceID)
		if err != nil {
			return state{}, err
		}
		mark, err := r.store.SplitsMark(ctx, raceID)
		return state{raceID, head.Version, mark}, err
	})
	if err != nil || now.version == 0 {
		return ranked{}, err
	}
	return r.ranked.Get(ctx, now, func(ctx context.Context) (ranked, error) {
		ctx = maindb.FromWriter(ctx)
		head, rows, err := r.store.Standings(ctx, raceID, now.version)
		if err != nil {
			return ranked{}, err
		}
		rules, err := head.Rules()
		if err != nil {
			return ranked{}, err
		}
		splits, err := r.store.SplitsOfRace(ctx, raceID)
		if err != nil {
			return ranked{}, err
		}
		made := ranked{passages: standings.RankSplits(rows, splits), finish: make(map[string]standings.Passage, len(rows)), readings: len(rows)}
		for _, places := range made.passages {
			made.readings += len(places)
		}
		for i := range rows {
			made.finish[rows[i].RecordID] = standings.Passage{
				Reading: rules.Ranking.RankingTime(rows[i].Result),
				Place:   rows[i].Place, SexPlace: rows[i].SexPlace, DivisionPlace: rows[i].DivisionPlace,
			}
		}
		return made, nil
	})
}
