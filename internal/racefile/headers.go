package racefile

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Meaning is what a column holds. Its text is the name that the API uses.
type Meaning string

// The meanings of columns.
const (
	IgnoredColumn    Meaning = "ignored"
	BibColumn        Meaning = "bib"
	NameColumn       Meaning = "name"
	FirstNameColumn  Meaning = "first_name"
	MiddleNameColumn Meaning = "middle_name"
	LastNameColumn   Meaning = "last_name"
	SexColumn        Meaning = "sex"
	IdentifiedColumn Meaning = "identified_sex" // goes before sex where it is filled
	ClassSexColumn   Meaning = "class_sex"      // of the division, when the row has none
	AgeColumn        Meaning = "age"
	BirthDateColumn  Meaning = "birth_date"
	BirthYearColumn  Meaning = "birth_year"
	GunTimeColumn    Meaning = "gun_time"
	NetTimeColumn    Meaning = "net_time"
	TimeColumn       Meaning = "time" // the clock is not named
	StatusColumn     Meaning = "status"
	RemarksColumn    Meaning = "remarks" // read for words of status only
	PaceColumn       Meaning = "pace"    // read for words of status only
	PlaceColumn      Meaning = "place"
	TeamColumn       Meaning = "team"
	DivisionColumn   Meaning = "division"
	EventColumn      Meaning = "event"
	FieldColumn      Meaning = "field"
	SplitColumn      Meaning = "split"
	RemovedColumn    Meaning = "removed" // True: the entry is cancelled
	LoginIDColumn    Meaning = "login_id"
	SequenceColumn   Meaning = "sequence"
	intervalColumn   Meaning = "interval" // of a file with a row for each athlete and interval
)

// Meanings lists what Options.Mapping may name.
func Meanings() []Meaning {
	return []Meaning{
		IgnoredColumn, BibColumn, NameColumn, FirstNameColumn, MiddleNameColumn, LastNameColumn, SexColumn,
		IdentifiedColumn, ClassSexColumn, AgeColumn, BirthDateColumn, BirthYearColumn, GunTimeColumn, NetTimeColumn,
		TimeColumn, StatusColumn, RemarksColumn, PaceColumn, PlaceColumn, TeamColumn, DivisionColumn, EventColumn,
		FieldColumn, SplitColumn, RemovedColumn, LoginIDColumn, SequenceColumn,
	}
}

// headerNames are the names by which headers call each meaning, in their plain
// form: letters and digits in lower case, without accents. Groups are separated
// by |: where columns of several groups are there, the earlier one is taken;
// two of one group must agree.
var headerNames = map[Meaning]string{
	BibColumn: `bib bibnumber bibno bibnum bibnr racebib startnr startnummer stnr startnumber startno racenumber racenr raceno
		dossard dos ndossard nodossard numdossard numerodossard numerodedossard 배번 배번호 참가번호 riderbib plate platenumber dorsal
		numerodorsal pettorale pett npettorale numeropettorale competitornumber runnernumber athletenumber
		| number no nr num numero 번호 n | id`,
	NameColumn: `name fullname lastnamefirstname lastfirst namelastfirst namelastnamefirstname firstnamelastname surnamefirstname surnamename runner runnername athlete athletename participant participantname 이름 성명 선수명 참가자 coureur atleta
		corredor corridore nominativo cognomeenome cognomenome nomecognome nomeecognome apellidosynombre apellidosnombre
		nombreyapellidos nombreapellidos nombrecompleto nomprenom nometprenom prenomnom prenometnom laufer lauferin teilnehmer
		namevorname nachnamevorname vornamenachname vornamename competitor 선수 concurrent concorrente nom nombre nome nominativoatleta`,
	FirstNameColumn:  `firstname first fname forename forenames given givenname givennames vorname prenom prenoms nombres primernombre`,
	MiddleNameColumn: `middlename middle middleinitial mi`,
	LastNameColumn: `lastname last lname surname familyname family nachname familienname apellidos apellido primerapellido cognome
		nomdefamille zuname`,
	SexColumn:        `sex gender geschlecht sexe 성별 sesso sexo genero genere genre mf mw hf fm wm | s g m geschl`,
	IdentifiedColumn: `identifiedgender identifiedsex genderidentity`,
	ClassSexColumn:   `classsex classgender categorysex categorygender`,
	AgeColumn:        `age ageonraceday ageonday raceage ageatrace 나이 연령 만나이 alter eta edad agedujour | ag`,
	BirthDateColumn: `dateofbirth dob birthdate birthday birth geburtstag geburtsdatum gebdatum gebdat 생년월일 datedenaissance
		datenaissance naissance nele neele datadinascita datanascita nascita natoil fechadenacimiento fechanacimiento fnacimiento
		nacimiento fechadenac fechanac`,
	BirthYearColumn: `jahrgang jg yearofbirth birthyear yob geburtsjahr gebjahr yb anneedenaissance anneenaissance annee
		annodinascita annonascita anodenacimiento anonacimiento anonac 출생년도 출생연도 생년 | year anno ano jahr`,
	GunTimeColumn: `guntime gun gunelapsed clocktime clock grosstime gross officialtime brutto bruttozeit
		zielbrutto zeitbrutto tpsgun tpsofficiel tempsofficiel tempsbrut tempsgun 총기록gun 총기록건 건타임 건기록 gun기록 gun타임 tempoufficiale
		tempolordo tempogun tiempooficial tiempobruto tiempogun bruttotempo | gunfinish gunfinishtime`,
	NetTimeColumn: `chiptime chip chipelapsed nettime nettotime net netto nettozeit zielnetto zeitnetto tpsnet
		tpsreel tempsnet tempsreel tempspuce tempschip 총기록net 총기록넷 넷타임 넷기록 net기록 net타임 tempochip temponetto temporeale temponet
		tiempochip tiemponeto tiemporeal tiemponet realtime | chipfinish chipfinishtime`,
	TimeColumn: `time finishtime finishertime totaltime zeit endzeit zielzeit laufzeit gesamtzeit temps tempstotal tempsdecourse tempsfinal tiempometa tiempodemeta tempoarrivo tempsarrivee
		완주시간 기록 완주기록 총기록 tempo tempofinale tempototale tiempo tiempototal tiempofinal elapsedtime elapsed racetime overalltime
		resulttime timeelapsed tps marca
		| finish ziel arrivee arrivo meta llegada result resultat ergebnis risultato resultado`,
	StatusColumn:  `status statustext irm statut stato estado finishstatus racestatus resultstatus finisherstatus 상태 완주여부 statusname`,
	RemarksColumn: `remarks remark 비고 comment comments kommentar bemerkung bemerkungen observation observations observaciones remarque remarques note notes osservazioni 메모`,
	PaceColumn: `pace moy moyenne netpace gunpace avgpace averagepace chippace pacemi pacekm minkm minmi allure 페이스 ritmo ritmomedio passo passomedio schnitt
		temposchnitt pacemin`,
	PlaceColumn: `overallplace overallposition overallrank overall place pos position rank ranking pla gespl gesamtplatz platz rang clt
		classement clsscr scratch 순위 등수 전체순위 posizione posizioneassoluta classifica assoluta posto puesto clasificacion posicion pl
		finishposition placeoverall rankoverall posgeneral clasificaciongeneral generale general`,
	TeamColumn: `team teamname teamclub mannschaft equipe squadra equipo 팀 팀명 | club clubname verein societa 클럽 vereinort clubteam clubequipe
		associazione | 소속 단체 단체명 organisation organization affiliation | sponsor`,
	DivisionColumn: `division div divisionname agegroup agegrp ageclass altersklasse ak agecategory 부문 연령대 categoriaedad grupodeedad
		| category cat categorie kategorie categoria catage 카테고리 categoryname | class classbracket klasse classe clase classname
		| bracket bracketname primarybracketname primarybracket`,
	EventColumn: `event eventname race racename contest wettbewerb bewerb 종목 대회종목 gara prueba epreuve carrera course 코스 competition
		| distance distanz strecke distanza percorso recorrido parcours distancia 거리`,
	FieldColumn:    `field`,
	RemovedColumn:  `removed`,
	LoginIDColumn:  `loginid login account`,
	SequenceColumn: `sequence finishsequence seq`,
	intervalColumn: `intervalname`,
}

// notResults are known columns that hold nothing we read. Some of them look like
// splits.
var notResults = strings.Fields(`speed avgspeed averagespeed kmh mph vitesse vitessemoyenne vmoy 스피드 velocita velocitamedia velocidad
	geschwindigkeit gap ruckstand abstand deltatime delta difference diff behind timebehind ecart distacco distacchi scarto diferencia
	gunstart chipstart start starttime startzeit startgun chipstarttime gunstarttime wavestart wavetime wavestarttime startoffset
	heuredepart heuredarrivee departtime registrationtime registrationdate seedtime seed entrymark mark entrytime estimatedtime
	predictedtime goaltime targettime expectedtime timeofday tod uhrzeit uhr zieluhr clocktimeofday finishtimeofday raceendtime
	racestarttime reactiontime penalty penaltytime bonus categoryrank categoryposition categoryplace divplace divisionplace divrank
	divisionrank sexplace sexrank genderplace genderposition genderrank agegroupplace agegroupposition agegrouprank mwpl akpl clssexe clscat
	positioncategorie positionsexe categoryplacement agpl agplace catplace catpos genpl genplace transponder1 transponder2 tag tag2
	license lizenz licence uciid nation nationality nat natcode country pays paese pais city state st prov stateprov ort ville ciudad
	citta email phone address zip postcode teamcode price quantity shirtsize tshirtsize entryid chronoid ctliveid externalid regchoice
	heat lane wave info1 info2 출발시간 도착시간 출발시각 도착시각 주민번호 주민등록번호 titel title 지역 국적 total`)

type alias struct {
	meaning Meaning
	rank    int
}

// aliases finds a meaning by the plain form of a header.
var aliases = func() map[string]alias {
	found := make(map[string]alias)
	for meaning, groups := range headerNames {
		for rank, group := range strings.Split(groups, "|") {
			for name := range strings.FieldsSeq(group) {
				found[name] = alias{meaning, rank}
			}
		}
	}
	for _, name := range notResults {
		if _, known := found[name]; !known {
			found[name] = alias{IgnoredColumn, 0}
		}
	}
	return found
}()

// plainName keeps the letters and digits of a name in lower case and without
// accents, so that "Bib No.", "bib-no" and "BIB_NO" are the same.
func plainName(name string) string {
	ascii := true
	for i := range len(name) {
		ascii = ascii && name[i] < 0x80
	}
	if !ascii {
		name = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, norm.NFKD.String(name))
		name = norm.NFC.String(name)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// MeaningOf says what a header means by its name alone, and whether it is known.
func MeaningOf(header string) (Meaning, bool) {
	a, known := findAlias(header)
	return a.meaning, known
}

// HeaderKey returns the form in which headers are compared with those of a mapping:
// without blanks around it and in lower case.
func HeaderKey(header string) string { return strings.ToLower(strings.TrimSpace(header)) }

// findAlias says what a header means by its name alone.
func findAlias(header string) (alias, bool) {
	plain := plainName(header)
	switch plain {
	case "resultstime": // the API of ChronoTrack: the chip time
		return alias{NetTimeColumn, 0}, true
	case "resultsentryid":
		return alias{IgnoredColumn, 0}, true
	}
	if a, known := aliases[plain]; known {
		return a, true
	}
	if rest, found := strings.CutPrefix(plain, "results"); found {
		a, known := aliases[rest]
		return a, known
	}
	for _, noise := range []string{"hmmss", "hhmmss", "ddmmyyyy", "mmddyyyy", "yyyymmdd", "kmh"} {
		if rest, found := strings.CutSuffix(plain, noise); found {
			if a, known := aliases[rest]; known {
				return a, true
			}
		}
	}
	for _, of := range []string{"entry", "athlete", "participant", "runner", "registrant", "competitor", "rider"} {
		rest, found := strings.CutPrefix(plain, of)
		if a, known := aliases[rest]; found && known && (isPerson(a.meaning) || strings.HasPrefix(rest, "bib")) {
			return a, true
		}
	}
	if clock := clockOf(header); clock != "" {
		return alias{clock, 1}, true
	}
	if before, _, found := strings.Cut(header, "("); found { // Gender (M/F)
		if a, known := aliases[plainName(before)]; known && (isPerson(a.meaning) || a.meaning == BibColumn) {
			return a, true
		}
	}
	return alias{}, false
}

// isPerson reports whether a meaning says who the runner is.
func isPerson(m Meaning) bool {
	return slices.Contains([]Meaning{NameColumn, FirstNameColumn, MiddleNameColumn, LastNameColumn, SexColumn, AgeColumn, BirthDateColumn, BirthYearColumn}, m)
}

// The words of headers such as "Full Course Chip Time", "Zielzeit (brutto)" and "완주시간(Net)".
var clockWords = map[string]Meaning{
	"gun": GunTimeColumn, "brutto": GunTimeColumn, "gross": GunTimeColumn, "clock": GunTimeColumn, "officiel": GunTimeColumn,
	"oficial": GunTimeColumn, "ufficiale": GunTimeColumn, "official": GunTimeColumn, "brut": GunTimeColumn, "bruto": GunTimeColumn,
	"lordo": GunTimeColumn, "건": GunTimeColumn,
	"chip": NetTimeColumn, "net": NetTimeColumn, "netto": NetTimeColumn, "reel": NetTimeColumn, "real": NetTimeColumn, "puce": NetTimeColumn, "neto": NetTimeColumn,
	"reale": NetTimeColumn, "넷": NetTimeColumn,
}

var (
	timeWords = strings.Fields(`t tps time zeit zielzeit endzeit laufzeit temps tempo tiempo finish ziel elapsed 기록 완주 완주시간 완주기록 총기록 시간`)
	fullWords = strings.Fields(`full meta course race overall total final finale finisher result de di della h hh hmmss hhmmss mm ss`)
)

// clockOf returns the clock that the words of a header name, when they name a time of
// the whole course and nothing else.
func clockOf(header string) Meaning {
	var clock Meaning
	timed := false
	for _, word := range wordEdges.Split(strings.ReplaceAll(header, "-", " "), -1) {
		word = plainName(word)
		meaning, named := clockWords[word]
		switch {
		case word == "", slices.Contains(fullWords, word):
		case named && (clock == "" || clock == meaning):
			clock = meaning
		case slices.Contains(timeWords, word):
			timed = true
		default:
			return ""
		}
	}
	if !timed {
		return ""
	}
	return clock
}

// namesTime reports whether a word of a header is time, as in "Time (min)".
func namesTime(header string) bool {
	return slices.ContainsFunc(wordEdges.Split(header, -1), func(word string) bool {
		return len(word) > 1 && slices.Contains(timeWords, plainName(word))
	})
}

// lastNameFirst reports whether a header says that the family name comes first.
func lastNameFirst(header string) bool {
	plain := plainName(header)
	for _, order := range []struct{ last, first string }{
		{"last", "first"},
		{"surname", "name"},
		{"familyname", "givenname"},
		{"nachname", "vorname"},
		{"cognome", "nome"},
		{"apellidos", "nombre"},
		{"nom", "prenom"},
	} {
		if at := strings.Index(plain, order.last); at >= 0 && strings.Contains(plain[at+len(order.last):], order.first) {
			return true
		}
	}
	return false
}

// findHeader returns the place of the row that names the columns, and how many
// of its cells are known; zero when there is none.
func findHeader(lines []line, mapping map[string]Meaning) (place, score int) {
	two := -1
	for i, l := range lines[:min(len(lines), probedRows)] {
		switch score := headerScore(l.cells, mapping); {
		case score >= 3:
			return i, score
		case score == 2 && two < 0:
			two = i
		}
	}
	if two >= 0 {
		return two, 2
	}
	return 0, 0
}

// headerScore counts the different meanings among the cells of a row. A row with
// none of bib, name and time is no header, nor is one with times or numbers among
// its known names.
func headerScore(cells []string, mapping map[string]Meaning) int {
	var seen []Meaning
	ignored, key := 0, false
	for _, cell := range cells {
		if cell == "" || len(cell) > 80 {
			continue
		}
		meaning, mapped := mapping[HeaderKey(cell)]
		if !mapped {
			a, known := findAlias(cell)
			if !known {
				continue
			}
			meaning = a.meaning
		}
		if meaning == IgnoredColumn {
			ignored++
			continue
		}
		if !slices.Contains(seen, meaning) {
			seen = append(seen, meaning)
		}
		key = key || matters(meaning)
	}
	if !key || len(seen) < 2 {
		return 0
	}
	return len(seen) + min(ignored, 3)
}
