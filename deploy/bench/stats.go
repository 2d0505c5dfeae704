package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// series is the values of one figure, one for each repetition.
type series []float64

// median is the middle value, or the mean of the two in the middle; NaN of none.
func (s series) median() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func (s series) lowest() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	return slices.Min(s)
}

func (s series) highest() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	return slices.Max(s)
}

// quotients divides repetition by repetition, so that what slows a whole
// repetition down is in both.
func quotients(of, by series) series {
	n := min(len(of), len(by))
	out := make(series, n)
	for i := range n {
		out[i] = of[i] / by[i]
	}
	return out
}

// sums adds repetition by repetition.
func sums(a, b series) series {
	n := min(len(a), len(b))
	out := make(series, n)
	for i := range n {
		out[i] = a[i] + b[i]
	}
	return out
}

// percentile is the smallest value that at least a share p (0 to 1) of the
// values does not exceed: the nearest rank. The zero value of none.
func percentile[T cmp.Ordered](values []T, p float64) T {
	var none T
	if len(values) == 0 {
		return none
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// milliseconds is a duration as the report has it.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// perSecond is a rate.
func perSecond(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }
