package pages

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/unofficial"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

const recordsPath = "/my/records"

// recordsView is a runner's own records, of all distances or of one.
type recordsView struct {
	distances []race.Distance // that there are records of, the most frequent first
	distance  race.Distance   // 0: all
	records   []race.UnofficialRecord
	chart     *progress // nil: too few for a picture
	all       bool      // these are all of them
}

// maxRecords is how many of a runner's own records one page shows.
const maxRecords = 500

func (s *site) myRecords(ctx context.Context, v *visit) (page, error) {
	found, err := s.Races.ListUnofficialRecords(ctx, v.caller.UserID, maindb.UnofficialPosition{}, maxRecords+1)
	if err != nil {
		return page{}, err
	}
	view := recordsView{all: len(found) <= maxRecords}
	found = found[:min(len(found), maxRecords)]
	counts := map[race.Distance]int{}
	for _, r := range found {
		counts[r.Distance]++
		if counts[r.Distance] == 1 {
			view.distances = append(view.distances, r.Distance)
		}
	}
	slices.SortStableFunc(view.distances, func(a, b race.Distance) int { return cmp.Compare(counts[b], counts[a]) })
	if asked := v.get("distance"); asked != "" {
		at := slices.IndexFunc(view.distances, func(d race.Distance) bool { return decimal(d.Metres()) == asked })
		if at < 0 {
			return page{}, &badParameter{"distance", "error.choice"}
		}
		view.distance = view.distances[at]
	}
	charted := view.distance
	if charted == 0 && len(view.distances) > 0 {
		charted = view.distances[0]
	}
	var shown, drawn []race.UnofficialRecord
	for _, r := range found {
		if view.distance == 0 || r.Distance == view.distance {
			shown = append(shown, r)
		}
		if r.Distance == charted {
			drawn = append(drawn, r)
		}
	}
	view.records, view.chart = shown, progressOf(drawn)
	return page{title: v.T("my.records"), body: myRecordsBody(v, view)}, nil
}

// progress is a chart of the times over one distance, drawn by date. Its points lie in a
// box of 600 by 200, faster times above.
type progress struct {
	distance      race.Distance
	points        []point
	first, last   race.Date
	best, slowest race.Time
}

type point struct {
	race.UnofficialRecord
	x, y int
	best bool
}

const (
	chartWidth, chartHeight, chartMargin = 600, 200, 12
	// minOfChart is how many records make a picture.
	minOfChart = 2
)

// progressOf draws records of one distance; nil when they are too few.
func progressOf(records []race.UnofficialRecord) *progress {
	if len(records) < minOfChart {
		return nil
	}
	list := slices.Clone(records)
	slices.SortStableFunc(list, func(a, b race.UnofficialRecord) int {
		return a.Date.Midnight().Compare(b.Date.Midnight())
	})
	p := &progress{distance: list[0].Distance, first: list[0].Date, last: list[len(list)-1].Date, best: list[0].Time, slowest: list[0].Time}
	for _, r := range list {
		p.best, p.slowest = min(p.best, r.Time), max(p.slowest, r.Time)
	}
	days := p.last.Midnight().Sub(p.first.Midnight())
	for _, r := range list {
		x, y := chartWidth/2, chartHeight/2
		if days > 0 {
			x = chartMargin + int(int64(chartWidth-2*chartMargin)*int64(r.Date.Midnight().Sub(p.first.Midnight())/1e9)/int64(days/1e9))
		}
		if p.slowest > p.best {
			y = chartMargin + int(int64(chartHeight-2*chartMargin)*int64(r.Time-p.best)/int64(p.slowest-p.best))
		}
		p.points = append(p.points, point{UnofficialRecord: r, x: x, y: y, best: r.Time == p.best})
	}
	return p
}

// line is the path through all points.
func (p *progress) line() string {
	var path strings.Builder
	for i, at := range p.points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&path, "%s%d %d", command, at.x, at.y)
	}
	return path.String()
}

// dot is a path of no length, which a round cap makes a dot of the same size whatever
// the shape of the picture.
func (at point) dot() string { return fmt.Sprintf("M%d %dh0", at.x, at.y) }

// recordView is the form of a record.
type recordView struct {
	id    string // empty: it is new
	there race.UnofficialRecord
}

func (v *visit) recordPage(view recordView) page {
	title := v.T("record.new")
	if view.id != "" {
		title = v.T("record.change")
	}
	return page{title: title, body: recordBody(v, view, title)}
}

func (s *site) newRecordForm(_ context.Context, v *visit) (page, error) {
	return v.recordPage(recordView{}), nil
}

// recordFields reads a form. Kilometres are what runners write; the call takes metres.
func (v *visit) recordFields() (in unofficial.NewRecord, ok bool) {
	in = unofficial.NewRecord{
		Date: v.form.get("date"), Time: v.form.get("time"), Title: v.form.get("title"), Note: v.form.get("note"),
	}
	kilometres, err := strconv.ParseFloat(strings.ReplaceAll(v.form.get("distance_m"), ",", "."), 64)
	if err != nil {
		v.blame("distance_m", v.T("record.distance.wrong"))
		return in, false
	}
	in.DistanceM = float64(int64(kilometres*1e6+0.5)) / 1e3
	return in, true
}

func (s *site) addRecord(ctx context.Context, v *visit) (page, error) {
	in, ok := v.recordFields()
	if !ok {
		return v.recordPage(recordView{}), nil
	}
	_, err := unofficial.Create(ctx, s.Races, in)
	if v.refused(err) {
		return v.recordPage(recordView{}), nil
	}
	if err != nil {
		return page{}, err
	}
	return v.done(recordsPath, "record-added")
}

func (s *site) readRecord(ctx context.Context, v *visit) (recordView, error) {
	id := v.param("record_id")
	if !server.IsID(id) {
		return recordView{}, race.ErrNotFound
	}
	found, err := s.Races.UnofficialRecord(ctx, v.caller.UserID, id)
	return recordView{id, found}, err
}

func (s *site) recordForm(ctx context.Context, v *visit) (page, error) {
	view, err := s.readRecord(ctx, v)
	if err != nil {
		return page{}, err
	}
	return v.recordPage(view), nil
}

func (s *site) changeRecord(ctx context.Context, v *visit) (page, error) {
	view, err := s.readRecord(ctx, v)
	if err != nil {
		return page{}, err
	}
	in, ok := v.recordFields()
	if !ok {
		return v.recordPage(view), nil
	}
	_, err = unofficial.Change(ctx, s.Races, view.id, unofficial.RecordChange{
		Date: &in.Date, DistanceM: &in.DistanceM, Time: &in.Time, Title: &in.Title, Note: &in.Note,
	})
	if v.refused(err) {
		return v.recordPage(view), nil
	}
	if err != nil {
		return page{}, err
	}
	return v.done(recordsPath, "record-changed")
}

// deleteRecord answers a second press like the first.
func (s *site) deleteRecord(ctx context.Context, v *visit) (page, error) {
	id := v.param("record_id")
	if !server.IsID(id) {
		return page{}, race.ErrNotFound
	}
	if err := s.Races.DeleteUnofficialRecord(ctx, v.caller.UserID, id); err != nil && !isNotFound(err) {
		return page{}, err
	}
	return v.done(recordsPath, "record-deleted")
}

// kilometres writes a distance as the form takes it.
func kilometres(d race.Distance) string {
	if d == 0 {
		return ""
	}
	return decimal(d.Metres() / 1000)
}
