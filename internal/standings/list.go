package standings

import (
	"cmp"
	"slices"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// fields is the order in which the fields of a race are listed.
var fields = []race.Field{race.Runner, race.Wheelchair, race.Handcycle}

// statuses is the order of those without a place.
var statuses = []race.ResultStatus{race.Finished, race.Overtime, race.DidNotFinish, race.Disqualified, race.DidNotStart}

// listed is what an entry is sorted by, worked out once: a sort compares it some
// fifteen times.
type listed struct {
	entry  *Entry
	field  int // in fields
	placed bool
	status int    // in statuses; only without a place
	bib    string // as bibs are compared
}

func (r *Rules) list(e *Entry) listed {
	l := listed{entry: e, field: slices.Index(fields, e.Field), placed: r.placed(e), bib: race.BibKey(e.Result.Bib)}
	if !l.placed {
		l.status = slices.Index(statuses, e.Result.Status)
	}
	return l
}

// compare is a total order: entries that share a place stand by bib, so that a
// list of the same race always reads the same.
func (l *listed) compare(other *listed, better order) int {
	if c := cmp.Compare(l.field, other.field); c != 0 {
		return c
	}
	if l.placed != other.placed {
		if l.placed {
			return -1
		}
		return 1
	}
	byOutcome := cmp.Compare(l.status, other.status)
	if l.placed {
		byOutcome = better(&l.entry.Result, &other.entry.Result)
	}
	if byOutcome != 0 {
		return byOutcome
	}
	// 9 stands before 10.
	return cmp.Or(cmp.Compare(len(l.bib), len(other.bib)), cmp.Compare(l.bib, other.bib),
		cmp.Compare(l.entry.RecordID, other.entry.RecordID))
}
