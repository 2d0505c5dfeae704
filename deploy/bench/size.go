package main

import (
	"fmt"
	"time"
)

// Size is how much is measured.
type Size struct {
	Name        string        `json:"name"`
	Repetitions int           `json:"repetitions"`
	WarmUp      int           `json:"warm_up"` // records before the first repetition
	Credits     int           `json:"credits"` // records in one import
	Engine      int           `json:"engine"`  // workflows
	Lifted      int           `json:"engine_limits_lifted"`
	Plain       int           `json:"plain"` // records of the plain design, which is slow
	Latency     int           `json:"latency"`
	Import      int           `json:"import"` // rows
	Memory      int           `json:"memory"` // rows of the import whose memory is looked at
	Finishers   int           `json:"finishers"`
	Readers     int           `json:"readers"` // of events
	For         time.Duration `json:"for_ns"`  // how long pages are read and logins made
	Curve       []int         `json:"curve,omitempty"`
	Standings   []int         `json:"curve_finishers,omitempty"`
	Ledger      int           `json:"curve_ledger,omitempty"` // lines that are there already
}

// sizes by name. small is for the CI, which wants to know that the bench works;
// full adds the curves and takes most of an hour on two cores.
func sizes() map[string]Size {
	small := Size{
		Name: "small", Repetitions: 1, WarmUp: 50, Credits: 300, Engine: 300, Lifted: 200, Plain: 60, Latency: 30,
		Import: 500, Memory: 500, Finishers: 500, Readers: 20, For: time.Second,
		Curve: []int{50}, Standings: []int{100}, Ledger: 2000,
	}
	usual := Size{
		Name: "default", Repetitions: 3, WarmUp: 1000, Credits: 10_000, Engine: 10_000, Lifted: 3000, Plain: 500, Latency: 300,
		Import: 30_000, Memory: 50_000, Finishers: 30_000, Readers: 200, For: 5 * time.Second,
	}
	full := usual
	full.Name = "full"
	full.Curve, full.Standings, full.Ledger = []int{1000, 10_000, 100_000}, []int{1000, 30_000, 50_000}, 1_000_000
	return map[string]Size{small.Name: small, usual.Name: usual, full.Name: full}
}

// turns is how often an import of the curve is measured: once where that takes
// minutes.
func (s Size) turns(records int) int {
	if records > s.Credits {
		return 1
	}
	return s.Repetitions
}

// climbs is how many imports the curve has.
func (s Size) climbs() int {
	n := 0
	for _, records := range s.Curve {
		n += s.turns(records)
	}
	return n
}

func sizeOf(name string) (Size, error) {
	size, known := sizes()[name]
	if !known {
		return Size{}, fmt.Errorf("BENCH is %q: it should be small, default or full", name)
	}
	return size, nil
}
