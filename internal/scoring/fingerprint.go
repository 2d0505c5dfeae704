package scoring

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// fingerprintForm is the first byte of every fingerprint. Change it together with
// what Fingerprint hashes: fingerprints of different forms are not compared.
const fingerprintForm = 2

// Fingerprint identifies the inputs of Judge, so that a credit can be matched to
// the record that it was computed from even after a restore has reused revision
// numbers. It covers the result, the race's rule and, of a record that holds its
// bib, the entrant. The entrant's ID, which is random and never leaves main_db with
// the fingerprint, keeps sex and age from being guessed from it.
func (f Facts) Fingerprint() race.Fingerprint {
	text := make([]byte, 0, 192)
	add := func(value string) { text = strconv.AppendQuote(text, value) }
	number := func(value int64) { text = strconv.AppendInt(append(text, '|'), value, 10) }
	if f.Record.Removed { // nothing else matters for a removed record
		add("removed")
	} else {
		result := f.Record.Result
		add(race.BibKey(result.Bib))
		add(string(result.Status))
		text = strconv.AppendBool(text, f.Record.TimeConfirmed)
		number(int64(result.Gun))
		number(int64(result.Net))
		add(f.Race.Scoring)
		text = strconv.AppendBool(text, f.Race.Status == race.Void)
		add(string(f.Race.Ranking.Basis))
		for _, clock := range Clocks(f.Race.Ranking) { // whose times must be plausible
			add(string(clock))
		}
		number(int64(f.Race.Distance))
		number(f.Race.Points)
		switch entrant := f.Entrant; {
		case !f.Record.HoldsBib:
			add("waits for its bib")
		case entrant != nil:
			add(entrant.ID)
			add(entrant.UserID)
			add(string(entrant.Sex))
			add(string(entrant.Field))
			number(int64(entrant.Age))
		}
	}
	sum := sha256.Sum256(text)
	sum[0] = fingerprintForm
	return race.Fingerprint(hex.EncodeToString(sum[:race.FingerprintBytes]))
}
