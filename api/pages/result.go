package pages

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"rsc.io/qr"

	"github.com/mrmrthon/mrmrthon/api/splits"
	apistandings "github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/standings"
)

// resultView is one runner's result in a version of the standings.
type resultView struct {
	*raceView
	version  apistandings.Version
	row      *standings.Row
	name     string
	basis    race.Basis // of the clock that ranks overall
	time     race.Time  // by that clock
	field    int        // who have a place in the field
	sex      int        // of the same sex
	group    int        // in the division
	parts    *race.Parts
	showsAge bool
	bars     []bar
	slower   int // finishers of the field behind the runner, in percent

	splits []splits.Split // with a reading at one timing point at least

	corrections []race.Revision
}

// bar is a column of the histogram: who finished in a span of time.
type bar struct {
	from, to race.Time
	n        int
	own      bool
}

// readResult finds the result of a bib. A version of 0 is the latest.
func (s *site) readResult(ctx context.Context, r *request, number int) (*resultView, error) {
	found, err := s.readRace(ctx, r.raceID)
	if err != nil {
		return nil, err
	}
	v := &resultView{raceView: found}
	number = cmp.Or(number, found.latest.Version)
	if number == 0 {
		return nil, race.ErrNotFound
	}
	if v.version, err = s.Standings.Version(ctx, found.ID, number); err != nil {
		return nil, err
	}
	for _, i := range v.version.Select(apistandings.Query{Bib: r.bib}) {
		// Of two records with one bib, the one that counts has a runner.
		if row := &v.version.Rows[i]; v.row == nil || v.row.UserID == "" {
			v.row = row
		}
	}
	if v.row == nil {
		return nil, race.ErrNotFound
	}
	rules, err := v.version.Rules()
	if err != nil {
		return nil, err
	}
	v.basis, v.time = rules.Ranking.Basis, rules.Ranking.RankingTime(v.row.Result)
	names := s.names(ctx, r, v.version, []*standings.Row{v.row})
	v.name = names[v.row.UserID]
	if v.showsAge, err = s.Standings.ShowsAge(ctx, v.version, v.row); err != nil {
		s.withoutNames(ctx, r, err)
		v.showsAge = false
	}
	if !v.showsAge {
		row := *v.row
		row.Age = race.UnknownAge
		v.row = &row
	}
	v.count(rules.Ranking)
	return v, nil
}

// count finds out how many the runner is compared with.
func (v *resultView) count(ranking race.Ranking) {
	var times []race.Time
	behind := 0
	for i := range v.version.Rows {
		row := &v.version.Rows[i]
		if row.Field != v.row.Field || row.Place == 0 {
			continue
		}
		v.field++
		times = append(times, ranking.RankingTime(row.Result))
		if row.Place > v.row.Place {
			behind++
		}
		if row.Sex == v.row.Sex && row.SexPlace != 0 {
			v.sex++
		}
		if row.Division == v.row.Division && row.DivisionPlace != 0 {
			v.group++
		}
	}
	if v.row.Place == 0 {
		return
	}
	if v.field > 1 {
		v.slower = 100 * behind / (v.field - 1)
	}
	v.bars = histogram(times, v.time)
}

const (
	maxBars = 36
	// minOfField is how many finishers make a picture.
	minOfField = 5
)

// histogram sorts times into spans of whole minutes, at most maxBars of them.
func histogram(times []race.Time, own race.Time) []bar {
	if len(times) < minOfField {
		return nil
	}
	const minute = race.Time(60_000)
	first, last := slices.Min(times), slices.Max(times)
	// A few who take far longer than the others would squeeze the picture.
	slices.Sort(times)
	last = min(last, times[len(times)*995/1000])
	last = max(last, own)
	width := minute
	for _, minutes := range []race.Time{1, 2, 5, 10, 15, 30, 60, 120, 300} {
		width = minutes * minute
		if (last-first)/width < maxBars-1 {
			break
		}
	}
	start := first / width * width
	bars := make([]bar, (last-start)/width+1)
	for i := range bars {
		bars[i].from, bars[i].to = start+race.Time(i)*width, start+race.Time(i+1)*width
		bars[i].own = own >= bars[i].from && own < bars[i].to
	}
	for _, t := range times {
		bars[min(int((t-start)/width), len(bars)-1)].n++
	}
	return bars
}

// tallest returns the height of the highest column.
func tallest(bars []bar) int {
	n := 1
	for _, b := range bars {
		n = max(n, b.n)
	}
	return n
}

// span writes the times of a column.
func (b bar) span(l *locale) string {
	return l.T("result.span", "From", b.from.String(), "To", b.to.String())
}

func (s *site) result(ctx context.Context, r *request) (page, error) {
	v, err := s.readResult(ctx, r, 0)
	if err != nil {
		return page{}, err
	}
	if v.showsAge { // the parts say it
		if v.parts, err = s.Standings.Parts(ctx, v.row); err != nil {
			return page{}, err
		}
	}
	if apistandings.ReasonsArePublic(v.Race) {
		if v.corrections, err = s.Races.Revisions(ctx, v.row.RecordID); err != nil {
			return page{}, err
		}
	}
	if v.splits, err = s.Splits.Of(ctx, v.Race, v.row.RecordID, v.row.Result); err != nil {
		return page{}, err
	}
	description := r.describe(v.raceView)
	switch status := v.row.Result.Status; {
	case status != race.Finished:
		description = r.word("status", string(status)) + " · " + description
	case v.time > 0 && v.row.Place > 0:
		description = v.time.String() + " · " + r.T("place.of", "Place", r.Number(v.row.Place), "Total", r.Number(v.field)) + " · " + description
	}
	return page{
		title: r.shown(v.name) + " · " + v.Name, description: description, body: resultBody(r, v), keep: keepShort,
		version: v.version.Version, follow: v.ID,
	}, nil
}

// pointsText says how points came about, in one sentence.
func (l *locale) pointsText(p *race.Parts) string {
	switch {
	case p == nil:
		return ""
	case p.FixedPoints != nil:
		return l.N("points.fixed", int(*p.FixedPoints))
	case p.AgeGradePercent > 0 && p.Age != nil:
		return l.T("points.agegrade", "Percent", decimal(p.AgeGradePercent), "Standard", p.OpenStandard, "Factor", decimal(p.AgeFactor),
			"Time", p.Time, "Age", *p.Age)
	case p.Numerator > 0:
		return l.T("points.wa", "Numerator", l.Number(int(p.Numerator)), "Cutoff", p.Cutoff, "Time", p.Time, "Divisor", l.Number(int(p.Divisor)))
	}
	return ""
}

// change says what a revision made of a result.
func change(l *locale, before *race.Revision, after race.Revision) string {
	var parts []string
	add := func(key, from, to string) {
		if from != to {
			parts = append(parts, l.T("history.changed", "What", l.T(key), "From", cmp.Or(from, "–"), "To", cmp.Or(to, "–")))
		}
	}
	switch {
	case after.Removed:
		return l.T("history.removed")
	case before == nil:
		return l.T("history.first")
	}
	add("column.bib", before.Result.Bib, after.Result.Bib)
	add("column.net", before.Result.Net.String(), after.Result.Net.String())
	add("column.gun", before.Result.Gun.String(), after.Result.Gun.String())
	add("column.status", string(before.Result.Status), string(after.Result.Status))
	if after.TimeConfirmed && !before.TimeConfirmed {
		parts = append(parts, l.T("history.confirmed"))
	}
	if len(parts) == 0 {
		return l.T("history.same")
	}
	return strings.Join(parts, "; ")
}

// errUnofficial is the answer to a request for a certificate that nobody can have
// yet.
type unofficialError struct{ raceID string }

func (*unofficialError) Error() string { return "the results are not official yet" }

// certificateView is a certificate, or what its verification page compares.
type certificateView struct {
	*resultView
	code *qr.Code // nil when nobody knows where readers reach us
	link string   // that the code leads to
}

func (s *site) certificate(ctx context.Context, r *request) (page, error) {
	v, err := s.readResult(ctx, r, 0)
	if err != nil {
		return page{}, err
	}
	if v.Status != race.Official || v.version.Status != race.Official || v.row.Place == 0 {
		return page{}, &unofficialError{v.ID}
	}
	c := &certificateView{resultView: v}
	c.link = r.base + with(r.link(racePath(v.ID)+"/verify/"+pathBib(v.row.Result.Bib)), "version", strconv.Itoa(v.version.Version))
	if r.base != "" {
		if c.code, err = qr.Encode(c.link, qr.M); err != nil {
			return page{}, err
		}
	}
	return page{
		title: r.T("certificate.of", "Name", r.shown(v.name), "Race", v.Name), body: certificateBody(r, c), keep: keepShort,
		version: v.version.Version, bare: true, hidden: true,
	}, nil
}

// modules draws a QR code as the path of an SVG, a square for each dark module.
func modules(code *qr.Code) string {
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				path.WriteString("M" + strconv.Itoa(x) + " " + strconv.Itoa(y) + "h1v1h-1z")
			}
		}
	}
	return path.String()
}

// verifyView compares the result that a certificate was made from with today's.
type verifyView struct {
	then, today *resultView // today nil: there is no such result any more
}

// same reports whether the certificate says what the results say now.
func (v verifyView) same() bool {
	return v.today != nil && v.then.time == v.today.time && v.then.row.Place == v.today.row.Place && v.then.row.SexPlace == v.today.row.SexPlace &&
		v.then.row.Division == v.today.row.Division && v.then.row.DivisionPlace == v.today.row.DivisionPlace && v.then.row.RecordID == v.today.row.RecordID &&
		v.today.Status == race.Official
}

// verify says whether a certificate is genuine and still right. Rows of official
// versions are kept for ever, so that it can.
func (s *site) verify(ctx context.Context, r *request) (page, error) {
	number, err := r.number("version")
	if err != nil {
		return page{}, err
	}
	var v verifyView
	if v.then, err = s.readResult(ctx, r, number); err != nil {
		return page{}, err
	}
	if v.then.version.Status != race.Official {
		return page{}, &unofficialError{v.then.ID}
	}
	if v.today, err = s.readResult(ctx, r, 0); err != nil && !isNotFound(err) {
		return page{}, err
	}
	return page{
		title: r.T("verify.title"), body: verifyBody(r, v), keep: keepShort, version: v.then.latest.Version, hidden: true,
	}, nil
}

// height is that of a column in the histogram, which is 120 high. Who finished alone
// is seen, too.
func height(n int, bars []bar) int {
	if n == 0 {
		return 0
	}
	return max(2, 118*n/tallest(bars))
}

// standingsLink leads to the runner in a list.
func (v *resultView) standingsLink(r *request, parameters ...string) string {
	return with(r.link(racePath(v.ID)+"/standings"), append(parameters, "bib", v.row.Result.Bib)...) + "#found"
}

// fieldParameter is the parameter that selects the runner's field.
func (v *resultView) fieldParameter() string { return unless(string(v.row.Field), string(race.Runner)) }

func (l *locale) statusUnlessFinished(status race.ResultStatus) string {
	if status == race.Finished {
		return ""
	}
	return l.word("status", string(status))
}
