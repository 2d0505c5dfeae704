package stack

import (
	"fmt"
	"slices"
	"strings"
)

// Part names one process of the stack.
type Part string

// The parts, in the order in which they start; they stop in reverse.
const (
	MariaDB  Part = "mariadb"
	SQS      Part = "sqs"
	Temporal Part = "temporal"
	API      Part = "api"
	Worker   Part = "worker"
	// Those that watch the others, started when named.
	Alertmanager Part = "alerts"
	Prometheus   Part = "metrics"
)

// launcher stands before the lines that the stack itself prints, migrate and
// operator before those of the API program's one-off commands.
const (
	launcher Part = "stack"
	migrate  Part = "migrate"
	operator Part = "operator"
)

// AllParts lists the parts of the system in the order of their start.
func AllParts() []Part { return []Part{MariaDB, SQS, Temporal, API, Worker} }

// Monitors lists the parts that watch the others.
func Monitors() []Part { return []Part{Alertmanager, Prometheus} }

func known() []Part { return slices.Concat(AllParts(), Monitors()) }

// ParseParts reads a list such as "mariadb,sqs".
func ParseParts(list string) ([]Part, error) {
	var parts []Part
	for name := range strings.SplitSeq(list, ",") {
		part := Part(strings.TrimSpace(name))
		if !contains(known(), part) {
			return nil, fmt.Errorf("no part is called %q; there are %v", part, known())
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// inOrder returns the parts once each, in the order of their start; all of
// the system when none is named.
func inOrder(parts []Part) []Part {
	if len(parts) == 0 {
		return AllParts()
	}
	return slices.DeleteFunc(known(), func(p Part) bool { return !contains(parts, p) })
}

func contains(parts []Part, part Part) bool { return slices.Contains(parts, part) }
