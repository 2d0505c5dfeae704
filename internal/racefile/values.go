package racefile

import (
	"regexp"
	"strings"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// Status

// outcome is a status word: one of the statuses, or one of these.
const (
	unranked = race.ResultStatus("unranked") // finished outside of the ranking
	noEntry  = race.ResultStatus("no entry")
)

var statusWords = map[race.ResultStatus]string{
	race.Finished: `ok finished finisher finishers regular regulaer regolare arrive arrivee arrivees 완주 classified classe classifie
		classificato ranked finalizado finalizada llegado arrivato inwertung`,
	race.DidNotFinish: `dnf didnotfinish sportingwithdrawal sportingwithdr dropped dropout retired ret pul pulled abandon abandonne abandonnee aband ab abd
		aufgegeben aufgabe ausgeschieden 기권 중도포기 포기 ritirato ritirata rit retirado retirada abandono abandona dnp notfinished nichtimziel`,
	race.DidNotStart: `dns didnotstart notstarted notstart noshow nonpartant nonpartante np nichtangetreten nichtgestartet ngest 미출발
		불참 미참가 nonpartito nonpartita nopresentado nopresentada nosepresento nosalio nosale absent absente scr scratched`,
	race.Disqualified: `dq dsq disq disqualified disqualifie disqualifiee disqualifiziert disqu 실격 missingpunch mispunch mp squalificato squalificata
		sq descalificado descalificada desc dqf`,
	race.Overtime: `otl overtime overtimelimit overthetimelimit horsdelai horsdelais hd 제한시간초과 시간초과 fuoritempomassimo fuoritempo ftm
		fueradecontrol fueradetiempo zeituberschreitung zeitlimit uberzeit unofficialfinish`,
	unranked: `ausserkonkurrenz außerkonkurrenz notcompeting horsconcours ak`,
	noEntry:  `cancelled canceled didnotenter moved movedup inactive removed`,
}

var statuses = func() map[string]race.ResultStatus {
	found := make(map[string]race.ResultStatus)
	for status, words := range statusWords {
		for word := range strings.FieldsSeq(words) {
			found[word] = status
		}
	}
	return found
}()

var wordWithPlace = regexp.MustCompile(`^(.+?)\s*(?:\(|\s[-–]\s|:\s)`)

// statusWord reads a word of status. Words that mean different things to
// different programs come with the reason for doubt.
func statusWord(cell string) (status race.ResultStatus, undecided string, known bool) {
	if cell == "" || len(cell) > 60 || cell[0] >= '0' && cell[0] <= '9' {
		return "", "", false
	}
	plain := plainName(cell)
	if status, known = statuses[plain]; !known { // Abandon (Lac), DNF - 30 km
		if m := wordWithPlace.FindStringSubmatch(cell); m != nil {
			plain = plainName(m[1])
			status, known = statuses[plain]
		}
	}
	switch {
	case !known:
	case plain == "dnp":
		undecided = "DNP covers pulled, over the time limit and not placed"
	case status == unranked:
		undecided = "outside of the ranking: finished, and not ranked"
	}
	return status, undecided, known
}

// remarkStatus reads a status from a remark, which may continue after it.
func remarkStatus(cell string) (status race.ResultStatus, undecided string, known bool) {
	if status, undecided, known = statusWord(cell); known {
		return status, undecided, true
	}
	first, _, _ := strings.Cut(strings.NewReplacer(",", " ", ";", " ", ":", " ", "(", " ", "-", " ").Replace(cell), " ")
	switch first {
	case "DNF", "DNS", "DQ", "DSQ", "OTL", "실격", "기권", "미출발", "불참":
		return statusWord(first)
	}
	return "", "", false
}

// Sex

var sexWords = func() map[string]race.Sex {
	found := make(map[string]race.Sex)
	for sex, words := range map[race.Sex]string{
		race.Male: `m male males man men mens boy boys h homme hommes masculin maschile maschio uomo uomini mann manner herr herren mannlich hombre
			hombres masculino varon varones 남 남자 남성 남자부 herre herrer messieurs`,
		race.Female: `f w female females woman women womens girl girls lady ladies femme femmes feminin feminine femminile femmina donna donne frau frauen
			damen dame dames weiblich mujer mujeres femenino femenina 여 여자 여성 여자부 dam d`,
		race.NonBinary: `x nb n nonbinary divers diverse enby other offen nonbinaire nonbinario nobinario`,
	} {
		for word := range strings.FieldsSeq(words) {
			found[word] = sex
		}
	}
	return found
}()

// parseSex reads a cell of a sex column. A d is for the column to decide.
func parseSex(cell string) (race.Sex, bool) {
	if len(cell) > 24 {
		return "", false
	}
	sex, known := sexWords[plainName(cell)]
	return sex, known
}

// isUnstated reports whether a cell says that the sex is not said.
func isUnstated(cell string) bool {
	switch plainName(cell) {
	case "", "u", "unknown", "unspecified", "notspecified", "undisclosed", "prefernottosay", "keineangabe", "ka", "nonrenseigne", "미상":
		return true
	}
	return false
}

var (
	frenchClass = regexp.MustCompile(`^(?:SE|ES|JU|CA|MI|BE|PO|EA|VE|V[1-5]|M(?:10|\d))([MHF])$`)
	leadingSex  = regexp.MustCompile(`^(?:S|V|MV|FV)?([MFWX])(?:[ _-]?U?\d{2}|V\d{2}|SEN|JUN|HK|MEN|JA|JB|JU|U\d|ST)`)
	loneSex     = regexp.MustCompile(`^([MFWX])[ _/.-]+\S`)
	seniorSex   = regexp.MustCompile(`^[SJVU]([MFWL])$`)
	trailingSex = regexp.MustCompile(`^[A-Z0-9]+_([MFWX])$|^OV[A-Z]+([MF])$`)
	womenClass  = regexp.MustCompile(`(W)OM(?:EN)?$`)
	wordEdges   = regexp.MustCompile(`[^\p{L}\p{N}-]+`)
)

// sexOfDivision reads the sex that a division, a group line or a sheet names.
func sexOfDivision(division string) race.Sex {
	if division == "" {
		return ""
	}
	if sex, known := parseSex(division); known {
		return sex
	}
	found := race.Sex("")
	for _, word := range wordEdges.Split(division, -1) {
		plain := plainName(word)
		if sex, known := sexWords[plain]; known && len(plain) > 1 {
			if found != "" && found != sex {
				return "" // "Men and Women"
			}
			found = sex
		}
	}
	if found != "" {
		return found
	}
	code := strings.ToUpper(strings.TrimSpace(division))
	if first, rest, cut := strings.Cut(code, " "); cut && allDigits(first) { // the place in the group: 1 M40-44
		code = rest
	}
	for _, form := range []*regexp.Regexp{frenchClass, womenClass, seniorSex, leadingSex, loneSex, trailingSex} {
		if m := form.FindStringSubmatch(code); m != nil {
			sex, _ := parseSex(strings.Join(m[1:], ""))
			return sex
		}
	}
	return ""
}

// fieldOfDivision reads the field that a division names.
func fieldOfDivision(division string) race.Field {
	plain := plainName(division)
	switch {
	case strings.Contains(plain, "handcycle"), strings.Contains(plain, "handbike"):
		return race.Handcycle
	case strings.Contains(plain, "pushrim"), strings.Contains(plain, "wheelchair"), strings.Contains(plain, "rollstuhl"),
		strings.Contains(plain, "fauteuil"):
		return race.Wheelchair
	}
	return ""
}

// Bibs

var wholeNumber = regexp.MustCompile(`^(\d+)[.,]0+$`)

// parseBib returns the bib in a cell; empty when there is none.
func parseBib(cell string) string {
	cell = strings.TrimSpace(strings.TrimLeft(cell, "#№"))
	if m := wholeNumber.FindStringSubmatch(cell); m != nil {
		cell = m[1]
	}
	switch strings.ToLower(cell) {
	case "none", "n/a", "na", "nan", "null", "-", "–", "—", "?", "tbd", "tba":
		return ""
	}
	if strings.Trim(cell, "0") == "" {
		return ""
	}
	return cell
}
