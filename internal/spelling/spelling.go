// Package spelling finds the name that somebody meant when they misspelled it:
// a setting, a query parameter.
package spelling

// typos is the largest number of edits at which a name counts as misspelled.
const typos = 2

// Nearest returns the known name that is closest to a misspelled one, or "" when
// none is close. Names so short that two edits would turn any of them into any
// other are left alone.
func Nearest(name string, known []string) string {
	nearest, least := "", typos+1
	for _, candidate := range known {
		if d := distance(name, candidate); d < least && len(candidate) > d*2 {
			nearest, least = candidate, d
		}
	}
	return nearest
}

// distance is the number of bytes to insert, remove or replace to turn one text
// into the other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
