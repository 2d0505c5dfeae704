package racefile

import (
	"fmt"
	"regexp"
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
		dossard ndossard nodossard numdossard numerodossard numerodedossard 배번 배번호 참가번호 riderbib plate platenumber dorsal
		numerodorsal pettorale npettorale numeropettorale competitornumber runnernumber athletenumber
		| number no nr num numero 번호 n | id`,
	NameColumn: `name fullname runner runnername athlete athletename participant participantname 이름 성명 선수명 참가자 coureur atleta
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
	AgeColumn:        `age ageonraceday ageonday raceage ageatrace 나이 연령 만나이 alter eta edad agedujour`,
	BirthDateColumn: `dateofbirth dob birthdate birthday birth geburtstag geburtsdatum gebdatum gebdat 생년월일 datedenaissance
		datenaissance naissance nele neele datadinascita datanascita nascita natoil fechadenacimiento fechanacimiento fnacimiento
		nacimiento fechadenac fechanac`,
	BirthYearColumn: `jahrgang jg yearofbirth birthyear yob geburtsjahr gebjahr yb anneedenaissance anneenaissance annee
		annodinascita annonascita anodenacimiento anonacimiento anonac 출생년도 출생연도 생년 | year anno ano jahr`,
	GunTimeColumn: `guntime gun gunelapsed gunfinish gunfinishtime clocktime clock grosstime gross officialtime brutto bruttozeit
		zielbrutto zeitbrutto tpsgun tpsofficiel tempsofficiel tempsbrut tempsgun 총기록gun 총기록건 건타임 건기록 gun기록 gun타임 tempoufficiale
		tempolordo tempogun tiempooficial tiempobruto tiempogun bruttotempo`,
	NetTimeColumn: `chiptime chip chipelapsed chipfinish chipfinishtime nettime nettotime net netto nettozeit zielnetto zeitnetto tpsnet
		tpsreel tempsnet tempsreel tempspuce tempschip 총기록net 총기록넷 넷타임 넷기록 net기록 net타임 tempochip temponetto temporeale temponet
		tiempochip tiemponeto tiemporeal tiemponet realtime`,
	TimeColumn: `time finishtime finishertime totaltime zeit endzeit zielzeit laufzeit gesamtzeit temps tempstotal tempsdecourse tempsfinal
		완주시간 기록 완주기록 총기록 tempo tempofinale tempototale tiempo tiempototal tiempofinal elapsedtime elapsed racetime overalltime
		resulttime timeelapsed tps marca
		| finish ziel arrivee arrivo meta llegada result resultat ergebnis risultato resultado`,
	StatusColumn:  `status statustext irm statut stato estado finishstatus racestatus resultstatus finisherstatus 상태 완주여부 statusname`,
	RemarksColumn: `remarks remark 비고 comment comments kommentar bemerkung bemerkungen observation observations observaciones remarque remarques note notes osservazioni 메모`,
	PaceColumn: `pace netpace gunpace avgpace averagepace chippace pacemi pacekm minkm minmi allure 페이스 ritmo ritmomedio passo passomedio schnitt
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
	heat lane wave info1 info2 titel title 지역 국적 total`)

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
		if rest, found := strings.CutSuffix(plain, noise); found && rest != "" {
			a, known := aliases[rest]
			return a, known
		}
	}
	return alias{}, false
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

// layout is what the columns of a table mean.
type layout struct {
	header   []string
	meanings []Meaning
	splits   []string // the name of each split column
}

// column is what the cells of a column look like.
type columnContent struct {
	filled, sexes, numbers, times, statuses, ranges, zeros int
	fractions                                              int // small numbers, which are times of a workbook if the name says so
	different                                              map[string]bool
}

const inspectedRows = 2000

func inspect(lines []line, place int, workbook bool) columnContent {
	c := columnContent{different: make(map[string]bool)}
	for _, l := range lines[:min(len(lines), inspectedRows)] {
		if place >= len(l.cells) || l.cells[place] == "" {
			continue
		}
		cell := l.cells[place]
		if noTime(cell) && !allDigits(cell) {
			if strings.Contains(cell, "0") {
				c.filled++
				c.zeros++
				c.times++
			}
			continue
		}
		c.filled++
		if len(c.different) < 3 {
			c.different[cell] = true
		}
		if _, known := parseSex(cell); known {
			c.sexes++
		}
		if numberForm.MatchString(cell) {
			c.numbers++
		}
		if _, _, known := statusWord(cell); known {
			c.statuses++
		} else if looksLikeTime(cell, workbook) {
			c.times++
		} else if workbook && fractionForm.MatchString(cell) {
			c.fractions++
		}
		if ageRange.MatchString(cell) {
			c.ranges++
		}
	}
	return c
}

var (
	numberForm   = regexp.MustCompile(`^\d+([.,]\d+)?$`)
	fractionForm = regexp.MustCompile(`^[0-4](\.\d+)?$`)
	ageRange     = regexp.MustCompile(`^\d{1,2}\s*(-|–|to|bis|à|a)\s*\d{1,2}$|^\d{2}\+$`)
	measure      = regexp.MustCompile(`(?i)^\d+[.,]\d+\s*(k|km|m|mi|miles?)?$`)
	splitSuffix  = regexp.MustCompile(`(?i)^(.+?)[ _]time$`)
	splitParts   = regexp.MustCompile(`(?i)^split - (.+) - (.+)$`)
	pointParts   = regexp.MustCompile(`(?i)^(.+)\.(netto|brutto|net|gun|chip|uhr|tod|abschnitt|sector|gaptop|gap|platz|rank|place|pace|.*pl)$`)
	splitName    = regexp.MustCompile(`(?i)^((first|last|1st|2nd|3rd|\dth)?[ ._-]?\d+([.,]\d+)?[ _]?(k|km|m|mi|miles?)\b.*|(km|mile|lap|split|aid|cp|tp|vp|runde|tour|giro|vuelta|checkpoint|kontrolle)[ ._-]?\d+.*|half(way|marathon|[ -]marathon)?|halb(marathon)?|hm|semi|mezza|media|하프|반환점?|중간)$`)
	notSplit     = regexp.MustCompile(`(?i)pace|speed|rank|place|posi|\bpos\b|gap|behind|start|registr|order|date|diff|ecart|écart|rückstand|tempo medio|schnitt`)
)

// layOut assigns a meaning to every column of a header, by names first and then by content.
func (b *builder) layOut(header []string, lines []line) (*layout, error) {
	width := len(header)
	l := &layout{header: header, meanings: make([]Meaning, width), splits: make([]string, width)}
	content := make([]columnContent, width)
	ranks := make([]int, width)
	mapped := make([]bool, width)
	workbook := b.file.Container == "xlsx"
	for i, title := range header {
		content[i] = inspect(lines, i, workbook)
		l.meanings[i] = IgnoredColumn
		if meaning, given := b.options.Mapping[HeaderKey(title)]; given {
			if !slices.Contains(Meanings(), meaning) {
				return nil, &FileError{fmt.Sprintf("the mapping of %q names no meaning that a column can have", shorten(title))}
			}
			l.meanings[i], mapped[i] = meaning, true
			l.splits[i] = title
			continue
		}
		if a, known := findAlias(title); known {
			l.meanings[i], ranks[i] = a.meaning, a.rank
		}
	}
	l.settleNames(mapped, lines)
	for i := range header {
		if !mapped[i] {
			l.meanings[i] = checked(l.meanings[i], header[i], content[i], ranks[i])
		}
	}
	if err := l.choose(mapped, ranks, content, lines); err != nil {
		return nil, err
	}
	l.settleClocks(mapped)
	if l.isResult() {
		l.findSplits(mapped, content)
	}
	l.findSex(mapped, content)
	return l, nil
}

func (l *layout) has(m Meaning) bool { return slices.Contains(l.meanings, m) }

func (l *layout) isResult() bool {
	return l.has(TimeColumn) || l.has(GunTimeColumn) || l.has(NetTimeColumn)
}

// settleNames tells whole names from parts: "Nom" beside "Prénom" is the family
// name, and so is "Name" beside "Vorname" unless it holds the first name too.
func (l *layout) settleNames(mapped []bool, lines []line) {
	for i, title := range l.header {
		if mapped[i] || l.meanings[i] != NameColumn {
			continue
		}
		switch plainName(title) {
		case "nombre", "nome":
			if l.has(LastNameColumn) && !l.has(FirstNameColumn) {
				l.meanings[i] = FirstNameColumn
				continue
			}
		}
		first := slices.Index(l.meanings, FirstNameColumn)
		if first < 0 || l.has(LastNameColumn) {
			continue
		}
		whole, all := 0, 0
		for _, row := range lines[:min(len(lines), inspectedRows)] {
			if first < len(row.cells) && i < len(row.cells) && row.cells[first] != "" && row.cells[i] != "" {
				all++
				if strings.Contains(row.cells[i], row.cells[first]) && row.cells[i] != row.cells[first] {
					whole++
				}
			}
		}
		if whole*2 <= all {
			l.meanings[i] = LastNameColumn
		}
	}
}

// checked drops a meaning that the cells of the column contradict: a column
// named Sex or Div with numbers holds places.
func checked(m Meaning, header string, c columnContent, rank int) Meaning {
	switch {
	case c.filled == 0:
		return m
	case m == SexColumn && (c.sexes*2 < c.filled || rank > 0 && c.sexes < c.filled):
		return IgnoredColumn
	case m == DivisionColumn && c.numbers == c.filled && plainName(header) != "ak":
		return IgnoredColumn
	case m == AgeColumn && c.ranges*2 > c.filled:
		return DivisionColumn
	case m == EventColumn && rank > 0 && onlyMeasures(c):
		return IgnoredColumn
	case m == TeamColumn && c.numbers == c.filled && plainName(header) == "team":
		return IgnoredColumn
	case plainName(header) == "chip" && c.numbers == c.filled && c.fractions+c.times == 0: // the number of the transponder
		return IgnoredColumn
	}
	return m
}

// onlyMeasures reports whether a column holds exact lengths such as "42.20 km",
// which name no race.
func onlyMeasures(c columnContent) bool {
	for value := range c.different {
		if !measure.MatchString(value) {
			return false
		}
	}
	return len(c.different) > 0
}

// choose keeps one column of each meaning that can have only one.
func (l *layout) choose(mapped []bool, ranks []int, content []columnContent, lines []line) error {
	taken := make(map[Meaning]int)
	for i, m := range l.meanings {
		if m == IgnoredColumn || m == SplitColumn || m == RemarksColumn || m == PaceColumn {
			continue
		}
		j, twice := taken[m]
		if !twice {
			taken[m] = i
			continue
		}
		keep, drop := j, i
		switch {
		case mapped[i] && mapped[j]:
			return sameMeaning(l.header[j], l.header[i], m)
		case mapped[i] || !mapped[j] && content[j].filled == 0 && content[i].filled > 0,
			!mapped[j] && ranks[i] < ranks[j] && content[i].filled > 0:
			keep, drop = i, j
		case !mapped[j] && ranks[i] == ranks[j] && content[i].filled > 0 && matters(m) && !agree(lines, i, j):
			return sameMeaning(l.header[j], l.header[i], m)
		}
		taken[m] = keep
		l.meanings[drop] = IgnoredColumn
	}
	return nil
}

// matters reports whether a column of the meaning says who ran or how fast.
func matters(m Meaning) bool {
	return slices.Contains([]Meaning{BibColumn, NameColumn, FirstNameColumn, LastNameColumn, GunTimeColumn, NetTimeColumn, TimeColumn}, m)
}

func agree(lines []line, i, j int) bool {
	for _, l := range lines[:min(len(lines), inspectedRows)] {
		if i < len(l.cells) && j < len(l.cells) && l.cells[i] != "" && l.cells[j] != "" && l.cells[i] != l.cells[j] {
			return false
		}
	}
	return true
}

func sameMeaning(one, other string, m Meaning) error {
	return &FileError{fmt.Sprintf("the columns %q and %q both mean %s and disagree: say by the mapping which one to take",
		shorten(one), shorten(other), m)}
}

// settleClocks: an unnamed time beside a named clock is the other clock.
func (l *layout) settleClocks(mapped []bool) {
	i := slices.Index(l.meanings, TimeColumn)
	if i < 0 || mapped[i] {
		return
	}
	switch gun, net := l.has(GunTimeColumn), l.has(NetTimeColumn); {
	case gun && net:
		l.meanings[i] = IgnoredColumn
	case gun:
		l.meanings[i] = NetTimeColumn
	case net:
		l.meanings[i] = GunTimeColumn
	}
}

// findSplits takes for splits what is named like one or holds nothing but times.
func (l *layout) findSplits(mapped []bool, content []columnContent) {
	netto := make(map[string]bool)
	for _, title := range l.header {
		if m := pointParts.FindStringSubmatch(title); len(m) > 2 && strings.HasPrefix(strings.ToLower(m[2]), "net") {
			netto[m[1]] = true
		}
	}
	for i, title := range l.header {
		if mapped[i] || l.meanings[i] != IgnoredColumn || title == "" {
			continue
		}
		c := content[i]
		if splitName.MatchString(title) {
			c.times += c.fractions
		}
		timed := c.filled == 0 || c.times+c.statuses == c.filled && c.times > 0
		if plainName(title) == "start" && c.zeros > 0 && timed {
			l.meanings[i], l.splits[i] = SplitColumn, title
			continue
		}
		if _, known := findAlias(title); known || !timed {
			continue
		}
		name, isSplit := splitOf(title, c, netto)
		if isSplit {
			l.meanings[i], l.splits[i] = SplitColumn, name
		}
	}
}

// splitOf returns the name of the split that a column holds.
func splitOf(title string, c columnContent, netto map[string]bool) (name string, isSplit bool) {
	if m := splitParts.FindStringSubmatch(title); m != nil {
		return m[1], strings.HasPrefix(plainName(m[2]), "cumulative")
	}
	if m := pointParts.FindStringSubmatch(title); m != nil {
		kind := strings.ToLower(m[2])
		return m[1], kind == "netto" || kind == "net" || (kind == "brutto" || kind == "gun") && !netto[m[1]]
	}
	if notSplit.MatchString(title) {
		return "", false
	}
	name = title
	if m := splitSuffix.FindStringSubmatch(title); m != nil {
		name = m[1]
	}
	return name, splitName.MatchString(name) || c.times > 0
}

// findSex takes a column of an unknown name that holds nothing but sexes.
func (l *layout) findSex(mapped []bool, content []columnContent) {
	if l.has(SexColumn) {
		return
	}
	for i := range l.header {
		if _, known := findAlias(l.header[i]); known || mapped[i] || l.meanings[i] != IgnoredColumn {
			continue
		}
		if c := content[i]; c.filled > 1 && c.sexes == c.filled && len(c.different) > 1 {
			l.meanings[i] = SexColumn
			return
		}
	}
}

func shorten(s string) string {
	const longest = 40
	letters := []rune(s)
	return string(letters[:min(len(letters), longest)])
}
