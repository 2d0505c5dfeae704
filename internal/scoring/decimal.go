package scoring

import (
	"fmt"
	"strconv"
	"strings"
)

// fixedPoint reads a decimal as an integer count of 10^-digits, exactly:
// fixedPoint("0.7220", 6) is 722000. Digits beyond must be zeros.
func fixedPoint(s string, digits int) (int64, error) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(fraction) > digits {
		if strings.Trim(fraction[digits:], "0") != "" {
			return 0, fmt.Errorf("%q has more than %d decimals", s, digits)
		}
		fraction = fraction[:digits]
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read decimal %q: %w", s, err)
	}
	return n, nil
}
