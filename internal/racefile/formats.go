package racefile

import (
	"slices"
	"strings"
)

// signature is by which headers the export of a program is known.
type signature struct {
	format string
	all    string // plain names that must be there, separated by blanks; a|b is either
	only   bool   // and no others
}

// signatures are tried in order: the more particular ones stand first.
var signatures = []signature{
	{format: exportedFormat, all: "place sexplace divisionplace bib firstname lastname field teamname status guntime nettime sequence"},
	{format: "chronotrack_ctlive", all: "intervalname bib guntime|chiptime"},
	{format: "chronotrack_api", all: "resultsbib"},
	{format: "chronotrack_gru", all: "entryid|chronoid|ctliveid|chronotrackid bib|bibnumber guntime|chiptime|time"},
	{format: "ultrasignup_participants", all: "orderid firstname lastname ultrasignupfee|ordertotal"},
	{format: "ultrasignup_export", all: "bib place firstname lastname time dob status zip|address|email"},
	{format: "ultrasignup_results", all: "first last place|status time|distance status"},
	{format: "sporthive_results", all: "overallposition time|guntime categoryposition genderposition"},
	{format: "itra_results", all: "ranking familyname firstname time"},
	{format: "utmb_results", all: "rank bib runner categoryrank time"},
	{format: "livetrail_results", all: "clt dossard temps"},
	{format: "elogica_results", all: "dossard tpsgun|tpsnet"},
	{format: "agee_results", all: "gunelapsed|chipelapsed bib"},
	{format: "racedirector_results", all: "bibno totaltime chiptime|pace name"},
	{format: "runscore_delimited", all: "guntime nettime divplace|sexplace|netpace lastname|name"},
	{format: "racedb_startlist", all: "lastname firstname license|uciid natcode|teamcode|stateprov"},
	{format: "crossmgr_results", all: "pos bib lastname|name time gap"},
	{format: "raceresult_startlist", all: "startnr nachname|vorname wettbewerb|transponder1|jahrgang|geburtstag"},
	{format: "raceresult_startlist", all: "bib lastname firstname yearofbirth|dateofbirth contest|transponder1"},
	{format: "runsignup_participants", all: "registrationid firstname lastname"},
	{format: "runsignup_timing_app", all: "place bib name gender age city state finishtime", only: true},
	{format: "runsignup_timing_app", all: "bib finishtime", only: true},
	{format: "runsignup_results", all: "place|bib chiptime clocktime"},
	{format: "athlinks_results", all: "finishtime rank|bib classbracket|sponsor|class|bracket"},
	{format: "webscorer_startlist", all: "firstname|name lastname|name starttime info1|info2|teamname"},
	{format: "webscorer_results", all: "place bib lastname teamname time category distance"},
	{format: "webscorer_app", all: "place bib name time", only: true},
	{format: "opensplittime_finishers", all: "place time first last age gender bib"},
	{format: "opensplittime_elapsed", all: "firstname lastname bibnumber start finish"},
	{format: "opensplittime_startlist", all: "firstname|first lastname|last birthdate|birthdate bibnumber gender|sex"},
	{format: "smartchip_xlsx", all: "배번호|배번 이름|성명 코스 완주시간"},
	{format: "korean_cp949", all: "배번|배번호 성명|이름"},
	{format: "raceresult_results", all: "stnr|startnr brutto|netto|zeit|bruttozeit|nettozeit|zielzeit|zielzeitbrutto|zielzeitnetto|zeitbrutto|zeitnetto|zielbrutto|zielnetto|gespl|mwpl|akpl"},
}

// recognise names the program that wrote the file, where it shows.
func (b *builder) recognise() {
	f := b.file
	if f.Format != "" {
		return
	}
	headers := make([]string, 0, len(f.Columns))
	for _, c := range f.Columns {
		if plain := plainName(c.Header); plain != "" {
			headers = append(headers, plain)
		}
	}
	for _, s := range signatures {
		if !s.fits(headers) {
			continue
		}
		switch {
		case s.format == "webscorer_app" && f.Delimiter != "\t",
			strings.HasPrefix(s.format, "webscorer") && f.Delimiter != "\t" && f.Container != "xlsx",
			s.format == "crossmgr_results" && f.Container != "xlsx",
			s.format == "smartchip_xlsx" && f.Container != "xlsx":
			continue
		}
		f.Format = s.format
		break
	}
	signs := strings.Join(b.signs, " ")
	switch {
	case f.Container == "fixed" && f.Format != "racedirector_results":
		f.Format = "runscore_fixed"
	case strings.Contains(signs, "CrossMgr"):
		f.Format = "crossmgr_results"
	case f.Format != "":
	case f.Container == "xlsx":
		f.Format = "generic_xlsx"
	default:
		f.Format = "generic_csv"
	}
}

func (s signature) fits(headers []string) bool {
	wanted := strings.Fields(s.all)
	for _, either := range wanted {
		if !slices.ContainsFunc(strings.Split(either, "|"), func(name string) bool { return slices.Contains(headers, name) }) {
			return false
		}
	}
	return !s.only || len(headers) == len(wanted)
}
