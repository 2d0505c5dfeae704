package series

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/cache"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	ranking "github.com/mrmrthon/mrmrthon/internal/series"
)

// Query selects rows of a version. It is exported like RacePath.
type Query struct {
	Path
	Version  int    `query:"version" minimum:"1" maximum:"2147483647" doc:"An earlier version; the latest when left out."`
	Field    string `query:"field" enum:"runner,wheelchair,handcycle" default:"runner" doc:"Each field is ranked separately."`
	Sex      string `query:"sex" enum:"M,F,X" doc:"Only this sex category."`
	Division string `query:"division" maxLength:"100" doc:"Only this division."`
}

type seriesStandingsInput struct {
	Query
	server.Page
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of an earlier answer: 304 if it is still current."`
}

type seriesResult struct {
	RaceID     string      `json:"race_id" format:"uuid"`
	RecordID   string      `json:"record_id" format:"uuid"`
	Points     int64       `json:"points"`
	Multiplier float64     `json:"multiplier"`
	Score      float64     `json:"score" doc:"Points times multiplier."`
	Counts     bool        `json:"counts" doc:"Is part of the total."`
	Why        ranking.Why `json:"why,omitempty" enum:"beyond_best,no_finish,pending,second_bib" doc:"Why it does not count: better races fill the number that counts; not finished or disqualified; the points are not credited yet; another result of the runner in the same race is better."`
}

type seriesPlacing struct {
	Place         int            `json:"place,omitempty" doc:"Left out for a runner with too few races."`
	SexPlace      int            `json:"sex_place,omitempty"`
	Division      string         `json:"division,omitempty"`
	DivisionPlace int            `json:"division_place,omitempty"`
	UserID        string         `json:"user_id" format:"uuid"`
	Name          string         `json:"name" doc:"Empty for a runner whose account was erased."`
	Sex           string         `json:"sex,omitempty" enum:"M,F,X" doc:"As entered in the latest race."`
	Age           *int           `json:"age,omitempty"`
	Total         float64        `json:"total"`
	Races         int            `json:"races" doc:"How many races with points credited."`
	Results       []seriesResult `json:"results" nullable:"false" doc:"By the date of the race."`
}

type seriesStandingsOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Version    int             `json:"version" doc:"From 1; 0 while there is none."`
		Status     race.Status     `json:"status" enum:"provisional,official" doc:"The state of the series today: official once the results of all its races are, except those of void ones."`
		ComputedAt *time.Time      `json:"computed_at,omitempty"`
		Reason     string          `json:"reason,omitempty" doc:"Why the version was made."`
		Items      []seriesPlacing `json:"items" nullable:"false"`
		NextCursor string          `json:"next_cursor,omitempty"`
	}
}

// How long an answer may be cached: whoever hides their name is hidden within a minute,
// half of which is how long names are kept in memory.
const (
	cacheSeries      = "public, max-age=1, s-maxage=2"
	cacheSeriesFixed = "public, max-age=20"
	cacheNothing     = "no-store"
)

const (
	// currentLifetime has any number of readers of one series cost a few small queries
	// every half second.
	currentLifetime = 500 * time.Millisecond
	maxCurrent      = 1_000
	// maxSeriesResults is how many results of versions are kept in memory, some 200
	// bytes each.
	maxSeriesResults  = 300_000
	seriesLoadTimeout = 15 * time.Second
)

// latestVersion is a series with its latest version, as of at most currentLifetime ago.
type latestVersion struct {
	maindb.Series
	head maindb.SeriesHead // Version 0: there is none
}

// versionKey names a version of a series. After a restore another version may have the
// same number, so the hash of the latest is part of it.
type versionKey struct {
	seriesID string
	version  int
	latest   ranking.Hash // zero for earlier versions
}

// rankedVersion is a version in memory. It must not be changed.
type rankedVersion struct {
	maindb.SeriesHead
	rows []ranking.Row
}

func (r *rankedVersion) weight() int {
	n := len(r.rows)
	for i := range r.rows {
		n += len(r.rows[i].Results)
	}
	return n
}

func newCalls(cfg Config) calls {
	return calls{
		Config: cfg,
		current: cache.New[string](cache.Config[latestVersion]{
			Limit: maxCurrent, Lifetime: currentLifetime, LoadTimeout: seriesLoadTimeout, Now: cfg.Now,
		}),
		ranked: cache.New[versionKey](cache.Config[*rankedVersion]{
			Limit: maxSeriesResults, Weight: (*rankedVersion).weight, LoadTimeout: seriesLoadTimeout,
		}),
	}
}

// load returns the version that was asked for and the rows that are selected. Without
// any version the head is zero.
func (s calls) load(ctx context.Context, q Query) (now latestVersion, head maindb.SeriesHead, rows []*ranking.Row, err error) {
	if !server.IsID(q.SeriesID) {
		return now, head, nil, race.ErrNotFound
	}
	now, err = s.current.Get(ctx, q.SeriesID, func(ctx context.Context) (found latestVersion, err error) {
		if found.Series, err = s.Store.Series(ctx, q.SeriesID); err != nil {
			return found, err
		}
		heads, err := s.Store.SeriesVersions(ctx, q.SeriesID, 0, 1)
		if len(heads) > 0 {
			found.head = heads[0]
		}
		return found, err
	})
	if err != nil || q.Version == 0 && now.head.Version == 0 {
		return now, head, nil, err
	}
	key := versionKey{seriesID: q.SeriesID, version: q.Version}
	if key.version == 0 || key.version == now.head.Version {
		key.version, key.latest = now.head.Version, now.head.InputsHash
	}
	ranked, err := s.ranked.Get(ctx, key, func(ctx context.Context) (*rankedVersion, error) {
		head, rows, err := s.Store.SeriesStandings(ctx, key.seriesID, key.version)
		if err == nil && !head.RowsKept {
			err = huma.Error410Gone(fmt.Sprintf("the rows of version %d are no longer kept", key.version))
		}
		return &rankedVersion{head, rows}, err
	})
	if err != nil {
		return now, head, nil, err
	}
	for i := range ranked.rows {
		r := &ranked.rows[i]
		if string(r.Field) == q.Field && (q.Sex == "" || q.Sex == string(r.Sex)) && (q.Division == "" || q.Division == r.Division) {
			rows = append(rows, r)
		}
	}
	return now, ranked.SeriesHead, rows, nil
}

// people returns what the public may read of the runners of rows, and how long the
// answer may be cached. While names cannot be read it has neither names nor ages.
func (s calls) people(ctx context.Context, rows []*ranking.Row, fixed bool) (people map[string]standings.Person, cacheControl string) {
	appearances := map[string][]standings.Appearance{}
	for _, row := range rows {
		for _, r := range row.Results {
			appearances[r.RaceID] = append(appearances[r.RaceID], standings.Appearance{UserID: row.UserID, Age: r.Age})
		}
	}
	people, err := s.Reader.People(ctx, appearances)
	switch {
	case err != nil:
		s.Log.WarnContext(ctx, "cannot read the names of a series' runners: answering without names and ages", "error", err)
		return nil, cacheNothing
	case fixed:
		return people, cacheSeriesFixed
	}
	return people, cacheSeries
}

func (s calls) standings(ctx context.Context, in *seriesStandingsInput) (*seriesStandingsOutput, error) {
	version, position := in.Version, 0
	if err := server.ReadCursor(in.Cursor, &version, &position); err != nil {
		return nil, err
	}
	if in.Cursor != "" && (version < 1 || position < 0 || in.Version != 0 && in.Version != version) {
		return nil, server.BadCursor()
	}
	fixed := version != 0
	in.Version = version
	now, head, rows, err := s.load(ctx, in.Query)
	if err != nil {
		return nil, err
	}
	out := &seriesStandingsOutput{CacheControl: cacheSeries}
	out.Body.Version, out.Body.Status, out.Body.Reason, out.Body.Items = head.Version, now.Status(), head.Reason, []seriesPlacing{}
	if head.Version > 0 {
		out.Body.ComputedAt = &head.ComputedAt
	}
	rows = rows[min(position, len(rows)):]
	if len(rows) > in.Limit {
		rows = rows[:in.Limit]
		out.Body.NextCursor = server.Cursor(head.Version, position+in.Limit)
	}
	var people map[string]standings.Person
	people, out.CacheControl = s.people(ctx, rows, fixed)
	out.ETag = seriesTagOf(in, position, now.Status(), head, rows, people)
	if standings.Matches(in.IfNoneMatch, out.ETag) {
		return nil, standings.NotModified(out.ETag, out.CacheControl)
	}
	for _, row := range rows {
		out.Body.Items = append(out.Body.Items, seriesPlacingOf(row, people))
	}
	return out, nil
}

// seriesTagOf identifies an answer: by the version, the query, and what is shown of
// people, since nothing else can differ for the same version.
func seriesTagOf(in *seriesStandingsInput, position int, status race.Status, head maindb.SeriesHead, rows []*ranking.Row, people map[string]standings.Person) string {
	sum := fnv.New64a()
	_, _ = fmt.Fprintf(sum, "%+v %d %d %s %x %s\n", in.Query, position, in.Limit, status, head.InputsHash, head.ComputedAt) // writing to a hash never fails
	for _, row := range rows {
		who, known := people[row.UserID]
		_, _ = fmt.Fprintf(sum, "%q %t %t\n", who.Name, who.HidesAge, known)
	}
	return fmt.Sprintf(`"%d-%016x"`, head.Version, sum.Sum64())
}

// shownAge returns the age of a runner if the public may read it.
func shownAge(row *ranking.Row, people map[string]standings.Person) *int {
	who, known := people[row.UserID]
	if !known || who.HidesAge || row.Age == race.UnknownAge {
		return nil
	}
	return &row.Age
}

func seriesPlacingOf(row *ranking.Row, people map[string]standings.Person) seriesPlacing {
	shown := seriesPlacing{
		Place: row.Place, SexPlace: row.SexPlace, Division: row.Division, DivisionPlace: row.DivisionPlace, UserID: row.UserID, Name: people[row.UserID].Name,
		Sex: string(row.Sex), Age: shownAge(row, people), Total: inWhole(row.Total), Races: row.Races, Results: []seriesResult{},
	}
	for _, r := range row.Results {
		shown.Results = append(shown.Results, seriesResult{
			RaceID: r.RaceID, RecordID: r.RecordID, Points: r.Points, Multiplier: inWhole(r.Multiplier), Score: inWhole(r.Score()),
			Counts: r.Why == ranking.Counts, Why: r.Why,
		})
	}
	return shown
}

type seriesExportOutput struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	CacheControl       string `header:"Cache-Control"`
	Body               []byte
}

func (s calls) export(ctx context.Context, in *Query) (*seriesExportOutput, error) {
	now, head, rows, err := s.load(ctx, *in)
	if err != nil {
		return nil, err
	}
	people, cacheControl := s.people(ctx, rows, in.Version != 0)
	columns := []string{"place", "sex_place", "division", "division_place", "name", "sex", "age", "total", "races"}
	for _, r := range head.Rules.Races {
		columns = append(columns, server.SpreadsheetText(nameOfRace(now, head, r.ID)))
	}
	body := bytes.NewBufferString("\ufeff")
	table := csv.NewWriter(body)
	if err := table.Write(columns); err != nil {
		return nil, err
	}
	for _, row := range rows {
		if err := table.Write(seriesCells(row, people, head.Rules.Races)); err != nil {
			return nil, err
		}
	}
	table.Flush()
	return &seriesExportOutput{
		ContentType: "text/csv; charset=utf-8", CacheControl: cacheControl, Body: body.Bytes(),
		ContentDisposition: `attachment; filename="series-v` + strconv.Itoa(head.Version) + `.csv"`,
	}, table.Error()
}

// nameOfRace returns the name of a race of a version: as it is today, or as it was when
// the race has left the series.
func nameOfRace(now latestVersion, head maindb.SeriesHead, raceID string) string {
	for _, r := range now.Races {
		if r.ID == raceID {
			return r.Name
		}
	}
	for _, source := range head.Sources {
		if source.RaceID == raceID {
			return source.Name
		}
	}
	return raceID
}

func seriesCells(row *ranking.Row, people map[string]standings.Person, races []ranking.Race) []string {
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	score := func(n int64) string { return strconv.FormatFloat(inWhole(n), 'f', -1, 64) }
	age := ""
	if shown := shownAge(row, people); shown != nil {
		age = strconv.Itoa(*shown)
	}
	cells := []string{
		number(row.Place), number(row.SexPlace), server.SpreadsheetText(row.Division), number(row.DivisionPlace),
		server.SpreadsheetText(people[row.UserID].Name), string(row.Sex), age, score(row.Total), strconv.Itoa(row.Races),
	}
	for _, of := range races {
		cell := ""
		for _, r := range row.Results {
			switch {
			case r.RaceID != of.ID:
			case r.Why == ranking.Counts:
				cell = score(r.Score())
			case cell == "" && r.Why == ranking.BeyondBest:
				cell = "(" + score(r.Score()) + ")"
			}
		}
		cells = append(cells, cell)
	}
	return cells
}

type seriesVersionsInput struct {
	Path
	server.Page
}

type seriesSource struct {
	RaceID  string `json:"race_id" format:"uuid"`
	Name    string `json:"name" doc:"The race's name, as it was then."`
	Version int    `json:"version" doc:"The version of the race's standings; 0 if it had none."`
}

type seriesVersion struct {
	Version    int            `json:"version"`
	ComputedAt time.Time      `json:"computed_at"`
	Reason     string         `json:"reason" doc:"Which races or settings changed."`
	Entries    int            `json:"entries" doc:"Rows of all fields."`
	InputsHash string         `json:"inputs_hash" doc:"SHA-256 of everything that the places depend on."`
	Rows       bool           `json:"rows" doc:"Whether the rows can be read: those of the latest 20 versions, and of ever fewer before them."`
	Races      []seriesSource `json:"races" nullable:"false" doc:"The version of each race's standings that it was ranked from."`
}

type seriesVersionsOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Items      []seriesVersion `json:"items" nullable:"false" doc:"The newest first."`
		NextCursor string          `json:"next_cursor,omitempty"`
	}
}

func (s calls) versions(ctx context.Context, in *seriesVersionsInput) (*seriesVersionsOutput, error) {
	if _, err := s.find(ctx, in.SeriesID); err != nil {
		return nil, err
	}
	before := 0
	if err := in.Seek(&before); err != nil {
		return nil, err
	}
	heads, err := s.Store.SeriesVersions(ctx, in.SeriesID, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &seriesVersionsOutput{CacheControl: cacheSeries}
	heads, out.Body.NextCursor = server.Cut(in.Page, heads, func(last maindb.SeriesHead) []any { return []any{last.Version} })
	out.Body.Items = []seriesVersion{}
	for _, head := range heads {
		shown := seriesVersion{
			Version: head.Version, ComputedAt: head.ComputedAt, Reason: head.Reason, Entries: head.Entries,
			InputsHash: hex.EncodeToString(head.InputsHash[:]), Rows: head.RowsKept, Races: []seriesSource{},
		}
		for _, source := range head.Sources {
			shown.Races = append(shown.Races, seriesSource{RaceID: source.RaceID, Name: source.Name, Version: source.Version})
		}
		out.Body.Items = append(out.Body.Items, shown)
	}
	return out, nil
}
