package auth

import "time"

// debts holds, per key, the moment at which all that was counted against it
// will have worn off (the generic cell rate algorithm). A moment that has
// passed is no debt. It holds max keys at most.
type debts struct {
	max   int
	until map[uint64]time.Time
}

func newDebts(limit int) *debts { return &debts{max: limit, until: map[uint64]time.Time{}} }

func (d *debts) has(key uint64, now time.Time) bool { return d.until[key].After(now) }

// wait returns how long until the allowance lets one more through; 0 is now.
func (d *debts) wait(key uint64, a allowance, now time.Time) time.Duration {
	if !d.has(key, now) {
		return 0
	}
	room := time.Duration(a.burst-1) * a.refill
	return max(0, d.until[key].Sub(now)-room)
}

// add moves the moment by cost, which is negative to take something back.
func (d *debts) add(key uint64, cost time.Duration, now time.Time) {
	from := now
	if d.has(key, now) {
		from = d.until[key]
	}
	d.set(key, from.Add(cost), now)
}

func (d *debts) set(key uint64, until, now time.Time) {
	if !until.After(now) {
		d.clear(key)
		return
	}
	if _, there := d.until[key]; !there && len(d.until) >= d.max {
		d.evict()
	}
	d.until[key] = until
}

func (d *debts) clear(key uint64) { delete(d.until, key) }

// evict drops the smallest debt of eight that the map's random order yields:
// who has the most against them is forgotten last.
func (d *debts) evict() {
	var smallest uint64
	var soonest time.Time
	drawn := 0
	for key, until := range d.until {
		if drawn == 0 || until.Before(soonest) {
			smallest, soonest = key, until
		}
		drawn++
		if drawn == 8 {
			break
		}
	}
	delete(d.until, smallest)
}
