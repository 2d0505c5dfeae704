package terraform_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	// "| `worker` | 1.9 |" defines a word of GROWING.md's formulas.
	definition = regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| ([0-9.]+) \\|")
	// "`2 × worker = 3.8`" is a formula with its result.
	formula = regexp.MustCompile("`([^`=]+ [×÷+] [^`=]+) = ([0-9.,]+)`")
)

// TestGrowing computes every formula of GROWING.md again, from the figures at
// its top: who changes one learns which results follow.
func TestGrowing(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../GROWING.md")
	require.NoError(t, err)
	words := map[string]float64{}
	for _, found := range definition.FindAllStringSubmatch(string(text), -1) {
		words[found[1]] = number(t, found[2])
	}
	require.Greater(t, len(words), 10)
	used := map[string]bool{}
	formulas := 0
	for _, found := range formula.FindAllStringSubmatch(string(text), -1) {
		formulas++
		want, got := number(t, found[2]), evaluate(t, found[1], words, used)
		require.InDelta(t, want, got, 0.02*got+rounding(found[2]), "%s: is %.4g", found[0], got)
	}
	require.Greater(t, formulas, 40)
	for _, word := range []string{"machine", "temporal", "worker", "databases", "api", "accepted", "pages", "version", "record", "credit"} {
		require.True(t, used[word], "no formula rests on %s", word)
	}
}

// evaluate computes sums of products and quotients, from left to right.
func evaluate(t *testing.T, expression string, words map[string]float64, used map[string]bool) float64 {
	t.Helper()
	sum := 0.0
	for term := range strings.SplitSeq(expression, " + ") {
		product := 1.0
		for factor := range strings.SplitSeq(strings.ReplaceAll(term, " ÷ ", " × ÷"), " × ") {
			name, divides := strings.CutPrefix(factor, "÷")
			value, defined := words[name]
			if defined {
				used[name] = true
			} else {
				value = number(t, name)
			}
			if divides {
				value = 1 / value
			}
			product *= value
		}
		sum += product
	}
	return sum
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	value, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
	require.NoError(t, err, "%q is neither a number nor a word of the first table", text)
	return value
}

// rounding is half of a result's last digit.
func rounding(text string) float64 {
	_, decimals, _ := strings.Cut(text, ".")
	return 0.5 * math.Pow(10, -float64(len(decimals)))
}
