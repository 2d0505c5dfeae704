package racefile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/unicode"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// brief writes the filled cells of a row in one line: their form shows which they are.
func brief(r Row) string {
	age := ""
	if r.Age != race.UnknownAge {
		age = fmt.Sprint(r.Age)
	}
	born := r.BirthDate.String()
	if r.BirthYear != 0 {
		born = fmt.Sprint(r.BirthYear)
	}
	var splits []string
	for _, s := range r.Splits {
		splits = append(splits, s.Name+"="+s.Time.String())
	}
	filled := slices.DeleteFunc([]string{
		r.Bib, r.Name, string(r.Sex), age, born, r.Gun.String(), r.Net.String(), r.Time.String(), string(r.Status), r.Team, r.Division, r.Event,
		strings.Join(splits, " "),
	}, func(cell string) bool { return cell == "" })
	return strings.Join(filled, "|")
}

func TestVariants(t *testing.T) {
	t.Parallel()
	raceDate := race.Date{Year: 2026, Month: 10, Day: 11}
	for _, c := range []struct {
		name, file, text string
		format           string
		rows             []string
		errors           []string // row and field
	}{
		{
			name: "sporthive as CSV, other order, no gun time", format: "sporthive_results",
			text: "Name,Bib,Gender,Overall Position,Time,Category,Category Position,Gender Position,Status,Split - 10k - Duration,Split - 10k - Cumulative time,Split - 10k - Rank\n" +
				"Ann Elk,7,f,1,03:00:00,F40,1,1,Finished,00:40:00,00:40:00,3\nBo Elk,8,m,,00:00:00,M40,1,1,DNF,,,\n",
			rows: []string{"7|Ann Elk|F|3:00:00|OK|F40|10k=0:40:00", "8|Bo Elk|M|DNF|M40"},
		},
		{
			name: "RACE RESULT in English with numbers of status", format: "raceresult_startlist",
			text: "Bib;Lastname;Firstname;YearOfBirth;Gender;Nation;Contest;Club;Status;Ziel.Brutto;Ziel.Netto;10K.Netto;10K.Brutto;10K.Abschnitt\n" +
				"1;Elk;Ann;1984;f;GBR;Marathon;Elks;0;3:00:00,1;2:59:59,5;0:40:00,0;0:40:01,0;0:40:00,0\n2;Elk;Bo;1985;m;GBR;Marathon;;3;;;;;\n" +
				"3;Elk;Cy;1985;m;GBR;Marathon;;2;3:10:00,0;;;;\n4;Elk;Di;1985;d;GBR;Marathon;;1;3:10:00,0;;;;\n5;Elk;Ed;1985;m;GBR;Marathon;;5;;;;;\n",
			rows: []string{
				"1|Ann Elk|F|1984|3:00:00.1|2:59:59.5|OK|Elks|Marathon|10K=0:40:00", "2|Bo Elk|M|1985|DNF|Marathon",
				"3|Cy Elk|M|1985|3:10:00|DQ|Marathon", "4|Di Elk|X|1985|3:10:00|OK|Marathon", "5|Ed Elk|M|1985|DNS|Marathon",
			},
		},
		{
			name: "Spanish", format: "generic_csv",
			text: "Puesto;Dorsal;Apellidos;Nombre;Sexo;Categoría;Club;Tiempo oficial;Tiempo chip;Ritmo\n" +
				"1;7;Alce Ruiz;Ana;Mujer;Veterana F;C.A. Alce;3:00:00;2:59:30;4:16\n;8;Alce;Beto;Hombre;Senior;;Abandono;;\n;9;Alce;Cruz;H;Senior;;;;\n",
			rows:   []string{"7|Ana Alce Ruiz|F|3:00:00|2:59:30|OK|C.A. Alce|Veterana F", "8|Beto Alce|M|DNF|Senior"},
			errors: []string{"4 time"},
		},
		{
			name: "Italian", format: "generic_csv",
			text: "Pos.;Pettorale;Cognome e Nome;Sesso;Anno;Società;Tempo ufficiale;Real time;Distacco\r\n" +
				"1;7;ALCE Anna;F;1984;Pod. Alce;3:00:00;2:59:30;\r\n2;8;DE ALCE Bruno;M;1970;;3:10:00;3:09:00;+10:00\r\nRIT;9;ALCE Carlo;M;1975;;;;\r\n",
			rows: []string{
				"7|Anna ALCE|F|1984|3:00:00|2:59:30|OK|Pod. Alce", "8|Bruno DE ALCE|M|1970|3:10:00|3:09:00|OK", "9|Carlo ALCE|M|1975|DNF",
			},
		},
		{
			name: "French with a name in one column and hommes and dames", format: "generic_csv",
			text: "Position;Dossard;Nom;Sexe;Catégorie;Temps;Vitesse;Statut\n1;7;ÉLAN Anne;D;V1F;3h00'05;14,0;\n2;8;LE CERF Bruno;H;SEH;1j 2h03'04\";10,1;\nNP;9;CERF Luc;H;SEH;;;\n",
			rows: []string{"7|Anne ÉLAN|F|3:00:05|OK|V1F", "8|Bruno LE CERF|M|26:03:04|OK|SEH", "9|Luc CERF|M|DNS|SEH"},
		},
		{
			name: "German with Name beside Vorname, and a Jg of two digits", format: "raceresult_results",
			text: "Platz;Startnr;Name;Vorname;Jg;m/w;AK;Verein;Brutto;Netto;Status\n1;7;Elch;Anne;84;w;W40;TSV;3:00:00;2:59:00;Regulär\n2;8;Elch;Bo;05;m;MHK;;;;aufgegeben\n" +
				"3;9;Elch;Ute;70;d;W55;;;;nicht angetreten\n",
			rows: []string{
				"7|Anne Elch|F|1984|3:00:00|2:59:00|OK|TSV|W40", "8|Bo Elch|M|2005|DNF|MHK", "9|Ute Elch|X|1970|DNS|W55",
			},
		},
		{
			name: "Korean with tabs", format: "korean_cp949",
			text: "배번\t이름\t성별\t생년월일\t부문\t건타임\t넷타임\t10km\t하프\n1\t도담슬\t남자\t1990.04.12\t남자 30대\t02:31:07\t02:31:05\t00:35:00\t01:15:00\n2\t온새빛\t여성\t19950302\t여자 30대\t\t중도포기\t\t\n",
			rows: []string{"1|도담슬|M|1990-04-12|2:31:07|2:31:05|OK|남자 30대|10km=0:35:00 하프=1:15:00", "2|온새빛|F|1995-03-02|DNF|여자 30대"},
		},
		{
			name: "UltraSignup with unranked order and six finishers", format: "ultrasignup_results",
			text: "bib,first,last,status,time,place,age,gender\n1,Ann,Elk,1,26:03:04,1,31,F\n2,Bo,Elk,2,0,,40,M\n3,Cy,Elk,6,27:00:00,2,0,M\n",
			rows: []string{"1|Ann Elk|F|31|26:03:04|OK", "2|Bo Elk|M|40|DNF", "3|Cy Elk|M|27:00:00|OK"},
		},
		{
			name: "The Race Director by sex, names in two columns, chip only", format: "racedirector_results",
			text: "Race\n\n*** Female Overall ***\nPlace,Bib No,First Name,Last Name,Name,Age,Total Time,Pace\n1,7,Ann,Elk,Ann Elk,31,3:00:00,6:52\n\n*** Male 40 to 49 ***\n" +
				"Place,Bib No,First Name,Last Name,Name,Age,Total Time,Pace\n1,8,Bo,Elk,Bo Elk,44,3:10:00*,7:00\n\nResults by Elk Timing\n",
			rows: []string{"7|Ann Elk|F|31|3:00:00|OK|Female Overall", "8|Bo Elk|M|44|3:10:00|OK|Male 40 to 49"},
		},
		{
			name: "ChronoTrack: lower case with underscores", format: "chronotrack_gru",
			text: "chrono_id,bib,name,sex,age,hometown,division,chip_time,gun_time,split_10k_time\n1,7,\"Elk, Ann\",F,31,Quill,F 30-34,3:00:00,3:00:10,40:00\n",
			rows: []string{"7|Ann Elk|F|31|3:00:10|3:00:00|OK|F 30-34|split_10k=0:40:00"},
		},
		{
			name: "FinishLynx results without a name, tenths and a status in the time", format: "finishlynx_lif", file: "",
			text: "3,1,1,10000 Metres,,,,,,,19:30:00\n1,7,3,Elk,Ann,QUI,31:40.55,,31:40.55,0.2,\"3:10.1 (3:10.1)\"\n,8,,Elk,Bo,QUI,DNF\nNP,9,,Elk,Cy\n",
			rows: []string{"7|Ann Elk|0:31:40.55|OK|QUI|1=0:03:10.1", "8|Bo Elk|DNF|QUI", "9|Cy Elk|DNS"},
		},
		{
			name: "FinishLynx start list with tabs", format: "finishlynx_evt", file: "LYNX.EVT",
			text: "1\t1\t1\t5 km\r\n\t7\t1\tElk\tAnn\tQUI\r\n\t8\t2\tElk\tBo\t\r\n",
			rows: []string{"7|Ann Elk|QUI|5 km", "8|Bo Elk|5 km"},
		},
		{
			name: "HY-TEK with an entry that has no date", format: "hytek_semicolon", file: "x.txt",
			text: "D;Elk;Ann;;F;;QUI;Quill;31;;5000;17:00.1;M;;0007\nI;Elk;Bo;;M;01/02/2000;QUI;Quill;26\n",
			rows: []string{"0007|Ann Elk|F|31|Quill|5000"}, errors: []string{"2 bib"},
		},
		{
			name: "RunScore: other columns, a ruler, and a title", format: "runscore_fixed",
			text: "Quill 10k results\n\nPlace No.   Name               Age S City        Gun Time Net Time\n" +
				"===== ===== ================== === = =========== ======== ========\n" +
				"    1     7 Ann Elk             31 F Quill          40:00    39:58\n    2   128 Bo van der Elk      44 M Port Hollow  1:00:05    59:58\n",
			rows: []string{"7|Ann Elk|F|31|0:40:00|0:39:58|OK", "128|Bo van der Elk|M|44|1:00:05|0:59:58|OK"},
		},
		{
			name: "RunScore: few rows, in which a blank runs through the names", format: "runscore_fixed",
			text: "Place Bib   Name           Age S Guntime Nettime\n    1    12 Ann Elk         31 F 1:40:00 1:39:58\n" +
				"    2   128 Bo Elk          44 M 1:50:05 1:49:58\n    3     9 Cy Long Elkson  50 M   DNF     DNF  \n\nResults by Elk Timing\n",
			rows: []string{"12|Ann Elk|F|31|1:40:00|1:39:58|OK", "128|Bo Elk|M|44|1:50:05|1:49:58|OK", "9|Cy Long Elkson|M|50|DNF"},
		},
		{
			name: "nothing but bib and time, with a pipe", format: "runsignup_timing_app",
			text: "Bib|Finish Time\n7|3:00:00\n8|59:59.5\n9|60:61\n",
			rows: []string{"7|3:00:00|OK", "8|0:59:59.5|OK"}, errors: []string{"4 time"},
		},
		{
			name: "bibs and duplicates", format: "generic_csv",
			text: "Bib #,Runner,Time\n#12,Ann,1:00:00\n12.0,Bo,1:01:00\nNone,Cy,1:02:00\nW 4,Di,1:03:00\n0,Ed,1:04:00\n",
			rows: []string{"W 4|Di|1:03:00|OK"}, errors: []string{"2 bib", "3 bib", "4 bib", "6 bib"},
		},
		{
			name: "dates that nothing decides", format: "generic_csv",
			text: "Bib,Name,DOB\n1,Ann,03/02/1995\n2,Bo,1995-03-02\n3,Cy,04/04/1990\n",
			rows: []string{"2|Bo|1995-03-02", "3|Cy|1990-04-04"}, errors: []string{"2 birth_date"},
		},
		{
			name: "dates that the ages decide", format: "generic_csv",
			text: "Bib,Name,Age,DOB\n1,Ann,31,12/09/1995\n2,Bo,30,11/12/1995\n",
			rows: []string{"1|Ann|31|1995-09-12", "2|Bo|30|1995-12-11"},
		},
		{
			name: "dates that another row decides", format: "generic_csv",
			text: "Bib,Name,Geburtstag,DOB2\n1,Ann,3.2.95,\n2,Bo,25.12.06,\n3,Cy,31/12/1990,\n4,Di,2/1/1990,\n",
			rows: []string{"1|Ann|1995-02-03", "2|Bo|2006-12-25", "3|Cy|1990-12-31", "4|Di|1990-01-02"},
		},
		{
			name: "a web page behind a table, and an unclosed quote", format: "generic_csv",
			text: "Bib,Name,Time\n1,\"Oz\" Elk,1:00:00\n2,\"Bo,1:01:00\n3,Cy,2:10:11 AM\n<html lang=\"x\">\n<p>a,b,c\n",
			rows: []string{`1|"Oz" Elk|1:00:00|OK`, `2|"Bo|1:01:00|OK`, "3|Cy|2:10:11|OK"},
		},
		{
			name: "numbers in a status column that show nothing", format: "generic_csv",
			text: "Bib,Name,Time,Status\n1,Ann,1:00:00,9\n2,Bo,,DNF\n", rows: []string{"2|Bo|DNF"}, errors: []string{"2 status"},
		},
		{
			name: "Webscorer relay with tabs: Leg 1 name is no name of a fixed column", format: "generic_csv",
			text: "Place\tBib\tTeam name\tCategory\tTime\tDifference\tLeg 1\tLeg 1 name\tLeg 2\tLeg 2 name\n" +
				"1\t7\tElks\tMixed\t2:00:00.1\t-\t1:00:00.0\tAnn Elk\t1:00:00.1\tBo Elk\n",
			rows: []string{"7|2:00:00.1|OK|Elks|Mixed|Leg 1=1:00:00 Leg 2=1:00:00.1"},
		},
		{
			name: "RACE RESULT list of two races, with groups of those who did not finish", format: "raceresult_results",
			text: "Platz;Stnr;Name, Vorname;AK;Zielzeit (brutto);Zielzeit (netto)\nMarathon Frauen;;;;;\n1;7;Elk, Änne;W35;3:00:10;3:00:00\n\n10 km Männer;;;;;\n" +
				"1;8;Elk, Bo;M35;40:10;40:00\n2;9;Elk, Cy;M35;41:10;41:00\ndisqualifiziert;;;;;\n;10;Elk, Dan;M35;40:10;40:00\nnicht im Ziel (DNF);;;;;\n;11;Elk, Ed;M35;;\n",
			rows: []string{
				"7|Änne Elk|F|3:00:10|3:00:00|OK|W35|Marathon", "8|Bo Elk|M|0:40:10|0:40:00|OK|M35|10 km", "9|Cy Elk|M|0:41:10|0:41:00|OK|M35|10 km",
				"10|Dan Elk|M|0:40:10|0:40:00|DQ|M35", "11|Ed Elk|M|DNF|M35",
			},
		},
		{
			name: "The Race Director in fixed columns: a group line with two numbers is no row", format: "racedirector_results",
			text: "Quill 5K\n\n*** Female Open Winners ***\nPlace Name                 Bib No Age Gender City             Total Time Chip Time Pace\n" +
				"    1 Ann Elk                   7  31 F      Quill               20:03.0   20:00.1 6:26/M\n\n*** Male 40 to 44 ***\n" +
				"Place Name                 Bib No Age Gender City             Total Time Chip Time Pace\n" +
				"    1 Bo Elk                   18  41 M      Port Hollow         21:03.0   21:00.1 6:46/M\n",
			rows: []string{"7|Ann Elk|F|31|0:20:03|0:20:00.1|OK|Female Open Winners", "18|Bo Elk|M|41|0:21:03|0:21:00.1|OK|Male 40 to 44"},
		},
		{
			name: "The Race Director with headings of two lines", format: "racedirector_results",
			text: "*** Female Open Winners ***\n                                            Chip     Total\n" +
				"Place Name                 Bib No Age State Time     Time     Pace\n----- -------------------- ------ --- ----- -------- -------- --------\n" +
				"    1 Ann Elk                   7  31 OR     20:00.1  20:03.0   6:26/M\n\n*** Male 40 to 44 ***\n" +
				"                                            Chip     Total\nPlace Name                 Bib No Age State Time     Time     Pace\n" +
				"    1 Bo van der Elk          107  41        20:10.1  20:13.0   6:29/M\n",
			rows: []string{"7|Ann Elk|F|31|0:20:03|0:20:00.1|OK|Female Open Winners", "107|Bo van der Elk|M|41|0:20:13|0:20:10.1|OK|Male 40 to 44"},
		},
		{
			name: "RunScore with pages that repeat title, header and footer", format: "runscore_fixed",
			text: "              Quill Half Marathon, October 11, 2026\nPlace Name          Bib  Age S 1st 5k  2nd 5k  Time\n" +
				"  1   Ann Elk         7   31 F   16:00   16:10 1:10:00\n  2   Bo Elk        118   40 M   16:00   16:20 1:11:00\n" +
				"Page 1 of 2    10/11/2026 15:45:10\n              Quill Half Marathon, October 11, 2026\nPlace Name          Bib  Age S 1st 5k  2nd 5k  Time\n" +
				"  3   Cy Elk         19   40 M   16:00   16:30 1:12:00\n",
			rows: []string{
				"7|Ann Elk|F|31|1:10:00|OK|1st 5k=0:16:00 2nd 5k=0:16:10", "118|Bo Elk|M|40|1:11:00|OK|1st 5k=0:16:00 2nd 5k=0:16:20",
				"19|Cy Elk|M|40|1:12:00|OK|1st 5k=0:16:00 2nd 5k=0:16:30",
			},
		},
		{
			name: "Korean in fixed columns, aligned by width", format: "runscore_fixed",
			text: "순위  배번   성명      성별  소속          기록\n   1   11   도담슬    남    나래마라톤    2:31:07\n   2   12   온새빛    여                  2:44:50\n" +
				"   3  113   남궁한솔  남    강뜰          2:59:00\n",
			rows: []string{"11|도담슬|M|2:31:07|OK|나래마라톤", "12|온새빛|F|2:44:50|OK", "113|남궁한솔|M|2:59:00|OK|강뜰"},
		},
		{
			name: "Korean results with both clocks, times of day and resident numbers", format: "korean_cp949",
			text: "배번호,성명,코스,성별,생년월일,주민번호,출발시간,10km,도착시간,완주시간(Gun),완주시간(Net),비고\n" +
				"1007,김철수,풀,남,900412,900412-1234567,08:00:01,40:00,11:00:00,2:59:10,2:59:00,\n8,이영희,하프,여,05/03/02,,08:00:01,,09:30:00,1:30:10,1:29:00,\n" +
				"9,박,하프,여,15.03.02,,,,,,,DNF\n10,최,하프,여,050302-4******,,,,,,,미참가\n",
			rows: []string{
				"1007|김철수|M|1990-04-12|2:59:10|2:59:00|OK|풀|10km=0:40:00", "8|이영희|F|2005-03-02|1:30:10|1:29:00|OK|하프",
				"9|박|F|2015-03-02|DNF|하프", "10|최|F|2005-03-02|DNS|하프",
			},
		},
		{
			name: "years first", format: "generic_csv",
			text: "Bib,Name,DOB\n1,Ann Elk,85/03/02\n2,Bo Elk,05/03/02\n3,Cy Elk,15/03/02\n",
			rows: []string{"1|Ann Elk|1985-03-02", "2|Bo Elk|2005-03-02", "3|Cy Elk|2015-03-02"},
		},
		{
			name: "LiveTrail with the time of day of the start, and where somebody stopped", format: "livetrail_results",
			text: "Clt;Dossard;Nom;Prénom;Sexe;Départ;km 12 - Lac;Temps\n1;5;ÉLAN;Anne;F;06:00;01h02m03s;5h04m03s\n;7;ÉLAN;Cy;H;06:00;1h30;Abandon (Lac)\n",
			rows: []string{"5|Anne ÉLAN|F|5:04:03|OK|km 12 - Lac=1:02:03", "7|Cy ÉLAN|M|DNF|km 12 - Lac=1:30:00"},
		},
		{
			name: "ChronoTrack by its grammar of names", format: "generic_csv",
			text: "CHRONO ID,ENTRY BIB,FIRST NAME,LAST NAME,entry_sex,AGE,AG,FULL COURSE CHIP TIME,FULL COURSE GUN TIME,HALF CHIP TIME,HALF GUN TIME\n" +
				"1,7,Ann,Elk,F,31,F30,3:00:00,3:00:10,1:29:50,1:30:00\n",
			rows: []string{"7|Ann Elk|F|31|3:00:10|3:00:00|OK|F30|HALF=1:29:50"},
		},
		{
			name: "ChronoTrack with a row for each interval of two races", format: "chronotrack_ctlive",
			text: "race_name,bracket_name,interval_name,bib,first_name,last_name,sex,gun_time,chip_time\n5K,Overall,1 Mile,7,Ann,Elk,F,0:06:00,0:05:58\n" +
				"5K,Overall,5K,7,Ann,Elk,F,0:20:00,0:19:58\n10K,Overall,1 Mile,9,Cy,Elk,M,0:07:00,0:06:58\n10K,Overall,10K,9,Cy,Elk,M,0:50:00,0:49:58\n",
			rows: []string{"7|Ann Elk|F|0:20:00|0:19:58|OK|5K|1 Mile=0:05:58", "9|Cy Elk|M|0:50:00|0:49:58|OK|10K|1 Mile=0:06:58"},
		},
		{
			name: "Agee with times of day, and a sex that is not said", format: "agee_results",
			text: "Place,Bib,Name,Gender,Gun Elapsed,Chip Elapsed,Chip Start,Chip Finish,Gun Finish,10K Elapsed\n" +
				"1,7,Ann Elk,Prefer not to say,20:03.1,20:00.1,07:00:03,07:20:03,07:20:03,10:00.0\n",
			rows: []string{"7|Ann Elk|0:20:03.1|0:20:00.1|OK|10K=0:10:00"},
		},
		{
			name: "a header of one letter that comes again", format: "generic_csv",
			text: "Bib,Name,S,Time\n7,Ann Elk,F,40:00\n\nBib,Name,S,Time\n8,Bo Elk,M,41:00\n",
			rows: []string{"7|Ann Elk|F|0:40:00|OK", "8|Bo Elk|M|0:41:00|OK"},
		},
		{
			name: "marks in columns named DNF and DQ", format: "generic_csv",
			text: "Bib,Name,Gender (M/F),Time,DNF,DQ\n7,Ann,F,3:10:11,,\n8,Bo,M,2:00:00,X,\n9,Cy,M,2:10:00,,x\n",
			rows: []string{"7|Ann|F|3:10:11|OK", "8|Bo|M|2:00:00|DNF", "9|Cy|M|2:10:00|DQ"},
		},
		{
			name: "fractions of a day in text, one of them short", format: "generic_csv",
			text: "Bib,Name,Time\n7,Ann,0.03125\n8,Bo,0.0315\n", rows: []string{"7|Ann|0:45:00|OK", "8|Bo|0:45:21.6|OK"},
		},
		{
			name: "FinishLynx results of two events", format: "finishlynx_lif", file: "a.lif",
			text: "1,1,1,Women 5K,,,,,,,10:02:33\n1,7,1,Elk,Ann,QUI,16:40.12\n\n2,1,1,Men 5K,,,,,,,11:02:33\n1,7,1,Elk,Bo,QUI,15:40.12\n",
			rows: []string{"7|Ann Elk|0:16:40.12|OK|QUI|Women 5K", "7|Bo Elk|0:15:40.12|OK|QUI|Men 5K"},
		},
		{
			name: "family names first, by the header", format: "generic_csv",
			text: "Pett.,Cognome e Nome,T. Ufficiale,T. Real\n7,Alce Anna,40:00,39:50\n8,De Alce Bo,41:00,40:50\n",
			rows: []string{"7|Anna Alce|0:40:00|0:39:50|OK", "8|De Alce Bo|0:41:00|0:40:50|OK"},
		},
		{
			name: "HY-TEK with a record of the meet first", format: "hytek_semicolon", file: "x.txt",
			text: "A;01;Quill Meet\nD;Elk;Ann;;F;04/12/1990;QUI;Quill;36;;MARA;2:31:00;M;;7\n", rows: []string{"7|Ann Elk|F|36|1990-04-12|Quill|MARA"},
		},
		{
			name: "IOF XML 2", format: "iof_xml_results",
			text: "<ResultList><IOFVersion version=\"2.0.3\"/><ClassResult><ClassShortName>H21</ClassShortName>\n" +
				"<PersonResult><Person sex=\"M\"><PersonName><Family>Elk</Family><Given sequence=\"1\">Bo</Given></PersonName><BirthDate><Date>1990-04-12</Date></BirthDate></Person>" +
				"<Club><Name>Elks</Name></Club><Result><BibNumber>7</BibNumber><Time>1:00:00</Time><CompetitorStatus value=\"OK\"/>" +
				"<SplitTime sequence=\"1\"><ControlCode>31</ControlCode><Time>10:00</Time></SplitTime></Result></PersonResult>\n" +
				"<PersonResult><Person sex=\"M\"><PersonName><Family>Elk</Family><Given>Cy</Given></PersonName></Person>" +
				"<Result><BibNumber>8</BibNumber><Time>1:10:00</Time><CompetitorStatus value=\"MisPunch\"/></Result></PersonResult></ClassResult></ResultList>",
			rows: []string{"7|Bo Elk|M|1990-04-12|1:00:00|OK|Elks|H21|31=0:10:00", "8|Cy Elk|M|1:10:00|DQ|H21"},
		},
		{
			name: "IOF XML 3 with two races and a control beside the course", format: "iof_xml_results",
			text: "<i:ResultList xmlns:i=\"http://www.orienteering.org/datastandard/3.0\" iofVersion=\"3.0\"><i:ClassResult><i:Class><i:Name>H21</i:Name></i:Class>" +
				"<i:PersonResult><i:Person><i:Name><i:Given>Bo</i:Given><i:Family>Elk</i:Family></i:Name></i:Person>" +
				"<i:Result raceNumber=\"1\"><i:Status>OK</i:Status><i:Time>1800</i:Time><i:BibNumber>7</i:BibNumber><i:SplitTime status=\"Additional\">" +
				"<i:ControlCode>99</i:ControlCode><i:Time>60</i:Time></i:SplitTime></i:Result>" +
				"<i:Result raceNumber=\"2\"><i:BibNumber>7</i:BibNumber><i:Time>1900</i:Time><i:Status>OK</i:Status></i:Result></i:PersonResult></i:ClassResult></i:ResultList>",
			rows: []string{"7|Bo Elk|0:30:00|OK|H21|race 1", "7|Bo Elk|0:31:40|OK|H21|race 2"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, err := Read(c.file, strings.NewReader(c.text), Options{RaceDate: raceDate})
			require.NoError(t, err)
			var rows, wrong []string
			for _, r := range f.Rows {
				rows = append(rows, brief(r))
			}
			for _, e := range f.Errors {
				wrong = append(wrong, fmt.Sprint(e.Row, " ", e.Field))
			}
			require.Equal(t, c.rows, rows, "%+v", f.Errors)
			require.Equal(t, c.errors, wrong, "%+v", f.Errors)
			require.Equal(t, c.format, f.Format)
		})
	}
}

func TestEncodingsAndLineEnds(t *testing.T) {
	t.Parallel()
	text := "Dossard;Nom;Prénom;Temps\n1;Élan;Anaïs;2:59:00\n2;Cerf;Zoë;3:01:00\n"
	koreanText := "배번,성명,기록\n1,펲한솔,2:59:00\n2,햏마루,3:01:00\n"
	for _, c := range []struct {
		encoding string
		from     encoding.Encoding
		text     string
	}{
		{"utf-8", encoding.Nop, text},
		{"utf-8", unicode.UTF8BOM, text},
		{"utf-16-le", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), text},
		{"utf-16-be", unicode.UTF16(unicode.BigEndian, unicode.UseBOM), text},
		{"utf-16-le", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), text},
		{"utf-16-be", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), text},
		{"windows-1252", charmap.Windows1252, text},
		{"windows-1252", charmap.ISO8859_1, text},
		{"cp949", korean.EUCKR, koreanText},
		{"utf-16-le", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), koreanText},
	} {
		for ends, end := range map[string]string{"LF": "\n", "CRLF": "\r\n", "CR": "\r", "CRCRLF": "\r\r\n"} {
			data, err := c.from.NewEncoder().String(strings.ReplaceAll(c.text, "\n", end))
			require.NoError(t, err)
			f, err := Read("", strings.NewReader(data), Options{})
			require.NoError(t, err, "%s %s", c.encoding, ends)
			require.Equal(t, c.encoding, f.Encoding)
			require.Equal(t, ends, f.LineEnds)
			require.Len(t, f.Rows, 2)
			require.Equal(t, race.Time(10740_000), f.Rows[0].Time)
			require.Contains(t, []string{"Anaïs Élan", "펲한솔"}, f.Rows[0].Name)
		}
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"1:23:45": "1:23:45", "01:23:45.67": "1:23:45.67", "83:45": "1:23:45", "183:20": "3:03:20", "2:35.19": "0:02:35.19",
		"9.232": "0:00:09.232", "59:59": "0:59:59", "100:00:00": "100:00:00", "2:41:09,3": "2:41:09.3", "2.59.00": "2:59:00",
		"46.51": "0:46:51", `2h31'07.40"`: "2:31:07.4", "12h34m56s": "12:34:56", "13h02'11''": "13:02:11", "30h05": "30:05:00",
		`4h59'59"`: "4:59:59", "1j 02:10:00": "26:10:00", "1d 02:03:04": "26:03:04", "05시간01분02초": "5:01:02", "2:59:00*": "2:59:00",
		"54:19.5 *": "0:54:19.5", "3h5'04.20\"": "3:05:04.2", "PT2H31M7S": "2:31:07", "2:10:11 AM": "2:10:11", "0.10494212962962964": "2:31:07",
		"-": "", "–": "", "--:--": "", "--:--:--": "", "0": "", "00:00:00": "", "NaN": "", "N/A": "", "0:00:00.0": "",
		"+0:14:20,7": "err", "-1 lap": "err", "-2 laps": "err", "1:60:00": "err", "1:23:60": "err", "12:61": "err", "23107": "err", "fast": "err", "2000:00:00": "err",
	} {
		got, err := parseTime(cell, timeStyle{})
		if want == "err" {
			require.Error(t, err, cell)
			continue
		}
		require.NoError(t, err, cell)
		require.Equal(t, want, got.String(), cell)
	}
}

func TestSexOfDivision(t *testing.T) {
	t.Parallel()
	for division, want := range map[string]race.Sex{
		"M 40-44": "M", "M40-44": "M", "Male 40 to 44": "M", "M4044": "M", "F8099": "F", "Female 19 and under": "F", "Masters": "", "Open": "",
		"80+": "", "Athena": "", "PUSHRIM MALE": "M", "MSEN": "M", "FSEN": "F", "SM": "M", "SW": "F", "MV40": "M", "FV35": "F", "V40": "",
		"M65+": "M", "TBC": "", "MHK": "M", "WHK": "F", "W65": "F", "SEM": "M", "SEF": "F", "SEH": "M", "ESF": "F", "M0F": "F", "M10M": "M",
		"M1M": "M", "V1F": "F", "남자 40대": "M", "여자부": "F", "OVA_M": "M", "OVA_F": "F", "FLCL_M": "M", "X 45-49": "X", "Non-Binary 45-49": "X",
		"Männer": "M", "Frauen": "F", "Hommes": "M", "Femmes": "F", "MMEN": "M", "MWOM": "F", "1 M40-44": "M", "Men and Women": "", "F Masters": "F",
		"Senior Women": "F", "Marathon Men": "M", "Half Marathon": "", "M": "M", "Women": "F", "40-44": "", "U23": "",
	} {
		require.Equal(t, want, sexOfDivision(division), division)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"empty":               "",
		"blank":               " \r\n\r\n",
		"old workbook":        "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
		"broken workbook":     "PK\x03\x04nothing",
		"web page":            "<!DOCTYPE html><html><table><tr><td>Bib</td></tr></table></html>",
		"entities":            `<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "b">]><ResultList>&a;</ResultList>`,
		"XML of another kind": `<?xml version="1.0"?><Epreuve><E d="1"/></Epreuve>`,
		"no header":           "1,Ann,3:00:00\n2,Bo,3:01:00\n",
		"header only":         "Bib,Name\n",
		"two bibs":            "Bib,Start number,Name\n1,2,Ann\n2,3,Bo\n",
		"two clocks":          "Bib,Chip Time,Net Time\n1,1:00:00,1:00:01\n",
	} {
		_, err := Read("results.csv", strings.NewReader(data), Options{})
		require.True(t, isFileError(err), "%s: %v", name, err)
	}
	_, err := Read("", strings.NewReader("Bib,Name\n1,Ann\n2,Bo\n3,Cy\n"), Options{MaxRows: 2})
	require.EqualError(t, err, "the file has more than 2 rows")
	_, err = Read("", strings.NewReader("Bib,Name\n1,Ann\n"), Options{MaxBytes: 10})
	require.True(t, isFileError(err))
}

func TestMappingAndQuestions(t *testing.T) {
	t.Parallel()
	text := "Nr,Wer,Zeit1,Born\n1,Ann,1:00:00,03/02/1995\n2,Bo,1:01:00,04/02/1990\n"
	f, err := Read("", strings.NewReader(text), Options{
		Mapping:  map[string]Meaning{"Wer": NameColumn, "Zeit1": GunTimeColumn, "Born": BirthDateColumn},
		RaceDate: race.Date{Year: 2026, Month: 1, Day: 1},
	})
	require.NoError(t, err)
	require.Len(t, f.Questions, 1)
	require.Equal(t, []ErrorGroup{{Field: "birth_date", Message: errDateOrder.Error(), Count: 2, Rows: []int{2, 3}}}, GroupErrors(f.Errors))
	f, err = Read("", strings.NewReader(text), Options{
		Mapping:  map[string]Meaning{"Wer": NameColumn, "Zeit1": GunTimeColumn, "Born": BirthDateColumn},
		RaceDate: race.Date{Year: 2026, Month: 1, Day: 1}, DateOrder: "mdy",
	})
	require.NoError(t, err)
	require.Empty(t, f.Questions)
	require.Equal(t, "1995-03-02", f.Rows[0].BirthDate.String())
	require.Equal(t, race.Time(3600_000), f.Rows[0].Gun)
	require.Equal(t, Column{Header: "Wer", Meaning: NameColumn, Samples: []string{"Ann", "Bo"}}, f.Columns[1])
	_, err = Read("", strings.NewReader(text), Options{Mapping: map[string]Meaning{"Wer": "nonsense"}})
	require.True(t, isFileError(err))
}

// TestNothingIsReadWronglyInSilence has files that are easily taken for something else.
func TestNothingIsReadWronglyInSilence(t *testing.T) {
	t.Parallel()
	read := func(text string) *File {
		t.Helper()
		f, err := Read("results.csv", strings.NewReader(text), Options{RaceDate: race.Date{Year: 2026, Month: 4, Day: 19}})
		require.NoError(t, err)
		return f
	}
	one := func(field, message string, rows ...int) []ErrorGroup {
		return []ErrorGroup{{Field: field, Message: message, Count: len(rows), Rows: rows}}
	}

	f := read("Bib,Name,Time\n1,Ada Alm,3:00:00\n2,Bea Bok,30099\n3,Cy Can,3:20:00\n")
	require.Equal(t, one("time", errTimeUnit.Error(), 3), GroupErrors(f.Errors), "a typing error does not make times of seconds")
	f = read("Bib,Name,Time\n1,Ada Alm,30000\n2,Bea Bok,31015\n3,Cy Can,31599\n4,Di Dow,32010\n5,Ed Eck,32000\n")
	require.Equal(t, one("time", errTimeUnit.Error(), 2, 3, 4, 5, 6), GroupErrors(f.Errors), "H:MM:SS without colons")
	f = read("Bib,Name,Time\n1,Ada Alm,10872\n2,Bea Bok,11191\n3,Cy Can,11230\n")
	require.Equal(t, "1|Ada Alm|3:01:12|OK", brief(f.Rows[0]))
	require.NotEmpty(t, f.Rows[0].Undecided, "that numbers are seconds is said")

	f = read("Bib,Name,Time\n1,Ada Alm,3:10:00 PM\n")
	require.Contains(t, f.Rows[0].Undecided, "15:10:00")

	f = read("Bib,Name,Event,Time\n1,Ada Alm,Marathon,3:00:00\n1,Bea Bok,,3:10:00\n")
	require.Equal(t, one("bib", "several rows have this bib: only one of them can be right", 2, 3), GroupErrors(f.Errors))

	f = read("Bib,Name,Net Time (hh:mm:ss)\n1,Ada Alm,3:10:00\n")
	require.Equal(t, Results, f.Kind)
	require.Equal(t, "1|Ada Alm|3:10:00|OK", brief(f.Rows[0]))
	f = read("Bib,Name,Laufergebnis\n1,Ada Alm,3:10:00\n2,Bea Bok,DNF\n")
	require.Equal(t, StartList, f.Kind)
	require.Len(t, f.Questions, 1)
	require.Equal(t, "Laufergebnis", f.Questions[0].Column)

	f = read("Bib,Name,Time (min)\n1,Ada Alm,190.5\n2,Bea Bok,191.25\n")
	require.Equal(t, StartList, f.Kind)
	require.Len(t, f.Questions, 1, "numbers under a name of time are asked about")
	f = read("Bib,Name,Start Time,Finish Time\n1,Ada Alm,09:00:00,12:10:11\n2,Bea Bok,09:00:10,12:11:11\n")
	require.Len(t, f.Questions, 1)
	require.Contains(t, f.Rows[0].Undecided, "time of day")
	f = read("Bib,Name,Start Time,Finish Time\n1,Ada Alm,09:00:00,3:10:11\n")
	require.Empty(t, f.Questions)
	f = read("배번,성명,주민등록번호\n1,김,900412-1234567\n")
	require.Empty(t, f.Columns[2].Samples, "resident numbers are not shown")

	f = read("Bib,First Name,Last Name,DOB,Clock Time,Chip Time\n1,Ada,Alm,03/02/1995,3:00:00,2:59:00\n")
	require.Equal(t, one("birth_date", errDateOrder.Error(), 2), GroupErrors(f.Errors), "common headers do not make a file American")
	f = read("Bib,First Name,Last Name,DOB (dd/mm/yyyy),Clock Time,Chip Time\n1,Ada,Alm,03/02/1995,3:00:00,2:59:00\n")
	require.Equal(t, "1995-02-03", f.Rows[0].BirthDate.String())

	f = read("Bib,Name,Status,Time\n1,Ada Alm,OK,\n2,Bea Bok,OK,3:10:00\n")
	require.Contains(t, f.Errors[0].Message, "the status says that the runner finished")
	_, err := Read("x.csv", strings.NewReader("Bib,Name,Time,Time\n1,Ada,3:00:00,3:01:00\n"), Options{})
	require.EqualError(t, err, `two columns have the header "Time" and disagree: give one of them another name`)
	for start, message := range map[string]string{"%PDF-1.7\n": "a PDF", "\xFF\xD8\xFF\xE0\x00\x10JFIF": "a picture", "\x00\x00\x00\x18ftypheic\x00\x00": "a picture"} {
		_, err := Read("results.csv", strings.NewReader(start), Options{})
		require.ErrorContains(t, err, message)
	}
}

// TestHostileText: what has more lines or more headers than a table needs is
// refused soon.
func TestHostileText(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]struct{ name, text string }{
		"blank lines":         {"x.csv", "Bib,Name\n1,Ann\n" + strings.Repeat("\n", 3*maxOtherLines) + "2,Bo\n"},
		"blank lines of Lynx": {"x.ppl", "1,Ann\n" + strings.Repeat("\n", 3*maxOtherLines) + "2,Bo\n"},
		"headers": {"x.csv", func() string {
			var text strings.Builder
			for i := range 3 * maxLayouts {
				fmt.Fprintf(&text, "Bib,Name,Time,Sex,Column %d\n1,Ann,1:00:00,F,x\n", i)
			}
			return text.String()
		}()},
	} {
		_, err := Read(file.name, strings.NewReader(file.text), Options{})
		require.Error(t, err, name)
	}
}
