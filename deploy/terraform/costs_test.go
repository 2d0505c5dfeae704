package terraform_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCosts computes the README's tables of costs again: each cell, the sums,
// and that deploy/docs/deploying.md says the same.
func TestCosts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "<!-- costs:")
	require.True(t, found)
	tables, _, found := strings.Cut(rest, "<!-- /costs -->")
	require.True(t, found)

	page, err := os.ReadFile("../docs/deploying.md")
	require.NoError(t, err)
	onPage := func(title string, costs [3]float64) {
		row := "| " + strings.Trim(title, "*")
		for _, cost := range costs {
			row += " | $" + grouped(strconv.FormatFloat(cost, 'f', 0, 64))
		}
		found := strings.Contains(string(page), row+" |")
		require.True(t, found, "deploy/docs/deploying.md lacks the row %s |", row)
	}
	var part, all [3]float64
	rows := 0
	for line := range strings.Lines(tables) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 4 || strings.Contains(line, "$ a month") {
			continue
		}
		title := strings.TrimSpace(cells[0])
		switch {
		case title == "**In all**":
			require.Equal(t, dollars(all), bold(cells[1:]), title)
			onPage(title, all)
		case strings.HasPrefix(title, "**"):
			require.Equal(t, dollars(part), bold(cells[1:]), title)
			onPage(title, part)
			part = [3]float64{}
		default:
			rows++
			for i, cell := range cells[1:] {
				expression, value, found := strings.Cut(cell, " = ")
				require.True(t, found, "%s: %q", title, cell)
				cost := compute(t, expression)
				require.Equal(t, dollar(cost), strings.TrimSpace(value), "%s: %s", title, expression)
				part[i] += cent(cost)
				all[i] += cent(cost)
			}
		}
	}
	require.Greater(t, rows, 20)
}

// compute adds products, as in "2 × 0.25 + 5 × 1"; words such as units are left
// out.
func compute(t *testing.T, expression string) float64 {
	t.Helper()
	sum := 0.0
	for term := range strings.SplitSeq(expression, " + ") {
		product := 1.0
		for factor := range strings.SplitSeq(term, " × ") {
			number, err := strconv.ParseFloat(strings.Fields(factor)[0], 64)
			require.NoError(t, err, "%q in %q", factor, expression)
			product *= number
		}
		sum += product
	}
	return sum
}

// cent rounds to whole cents, as a bill does.
func cent(cost float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(cost, 'f', 2, 64), 64) // of what was just written
	return rounded
}

// dollar writes a sum as in 1,254.35.
func dollar(cost float64) string {
	whole, cents, _ := strings.Cut(strconv.FormatFloat(cost, 'f', 2, 64), ".")
	return grouped(whole) + "." + cents
}

func grouped(digits string) string {
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func dollars(costs [3]float64) []string {
	return []string{dollar(costs[0]), dollar(costs[1]), dollar(costs[2])}
}

func bold(cells []string) []string {
	var plain []string
	for _, cell := range cells {
		plain = append(plain, strings.Trim(strings.TrimSpace(cell), "*"))
	}
	return plain
}
