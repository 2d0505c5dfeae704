package pages

import (
	"context"
	"time"
)

// part is a part of the service with its state.
type part struct {
	name  string // key
	works bool
	late  time.Duration // how long the oldest waits; zero: nothing does
}

const (
	// checkTimeout is how long a part may take to answer.
	checkTimeout = 2 * time.Second
	// late is when points are later than promised.
	late = 30 * time.Second
)

// status asks the parts that pages need, and how long points have to wait.
func (s *site) status(ctx context.Context, r *request) (page, error) {
	asking, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	_, oldest, err := s.Races.OutboxDepth(asking)
	results := part{name: "status.results", works: err == nil}
	_, err = s.Accounts.Runners(asking, []string{"00000000-0000-0000-0000-000000000000"})
	names := part{name: "status.names", works: err == nil}
	points := part{name: "status.points", works: results.works && names.works && oldest < late}
	if oldest >= late {
		points.late = oldest.Truncate(time.Second)
	}
	return page{title: r.T("nav.status"), body: statusBody(r, []part{results, names, points}), keep: keepShort, hidden: true}, nil
}

func (s *site) privacy(_ context.Context, r *request) (page, error) {
	return page{title: r.T("nav.privacy"), body: privacyBody(r), keep: keepStatic}, nil
}

// sections are those of the page about privacy.
var sections = []string{"public", "cookies", "names", "hidden", "kept", "rights"}
