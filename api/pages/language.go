package pages

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

//go:embed texts
var texts embed.FS

// tags are the languages of the pages; the first is for readers who prefer none.
var tags = []string{"en", "ko"}

// locale says things in one language. It never changes, and every page holds the
// one of its own address, so that no reader gets another's.
type locale struct {
	tag   string
	local *i18n.Localizer
}

func loadLanguages() (map[string]*locale, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	languages := map[string]*locale{}
	for _, tag := range tags {
		files, err := fs.Glob(texts, "texts/*"+tag+".json")
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if path.Base(file) == saysFile {
				continue
			}
			if _, err := bundle.LoadMessageFileFS(texts, file); err != nil {
				return nil, fmt.Errorf("texts in %s: %w", file, err)
			}
		}
		languages[tag] = &locale{tag: tag, local: i18n.NewLocalizer(bundle, tag)}
	}
	return languages, nil
}

var byPreference = language.NewMatcher([]language.Tag{language.English, language.Korean})

// preferred returns the language that a browser asks for.
func (s *site) preferred(r *http.Request) *locale {
	asked, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		return s.languages[tags[0]]
	}
	_, index, _ := byPreference.Match(asked...)
	return s.languages[tags[index]]
}

// T returns a text. Data are names and values in turn. A test looks for texts that
// are missing; if one is all the same, its key is shown.
func (l *locale) T(key string, data ...any) string {
	return l.localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: pairs(data)})
}

// N returns a text in the form for a number, which it calls N.
func (l *locale) N(key string, n int, data ...any) string {
	return l.localize(&i18n.LocalizeConfig{
		MessageID: key, PluralCount: n, TemplateData: pairs(append([]any{"N", l.Number(n)}, data...)),
	})
}

func (l *locale) localize(c *i18n.LocalizeConfig) string {
	text, err := l.local.Localize(c)
	if err != nil {
		return c.MessageID
	}
	return text
}

func pairs(data []any) map[string]any {
	if len(data) == 0 {
		return nil
	}
	named := make(map[string]any, len(data)/2)
	for i := 0; i+1 < len(data); i += 2 {
		named[fmt.Sprint(data[i])] = data[i+1]
		if name, ok := data[i+1].(string); ok {
			named[fmt.Sprint(data[i])] = race.Within(name)
		}
	}
	return named
}

// has reports whether there is a text, for words that the data may hold but no text
// describes.
func (l *locale) has(key string) bool {
	_, err := l.local.Localize(&i18n.LocalizeConfig{MessageID: key})
	return err == nil
}

// word returns the text of a value, as "status.OK", or the value itself when it has
// none.
func (l *locale) word(group, value string) string {
	if key := group + "." + value; l.has(key) {
		return l.T(key)
	}
	return value
}

// Number writes an integer with groups of three digits, as both languages do.
func (l *locale) Number(n int) string {
	digits := strconv.Itoa(n)
	sign := ""
	if n < 0 {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Date writes a civil date with its weekday.
func (l *locale) Date(d race.Date) string {
	if d.IsZero() {
		return ""
	}
	if l.tag == "ko" {
		return fmt.Sprintf("%d년 %d월 %d일 (%s)", d.Year, int(d.Month), d.Day, koreanDays[d.Midnight().Weekday()])
	}
	return d.Midnight().Format("Mon 2 January 2006")
}

var koreanDays = [...]string{"일", "월", "화", "수", "목", "금", "토"}

// Month writes a month for the tile of a date.
func (l *locale) Month(d race.Date) string {
	if l.tag == "ko" {
		return fmt.Sprintf("%d월", int(d.Month))
	}
	return d.Midnight().Format("Jan")
}

// Moment writes a time in UTC; a module shows it in the reader's own time zone.
func (l *locale) Moment(t time.Time) string {
	t = t.UTC()
	if l.tag == "ko" {
		return fmt.Sprintf("%d년 %d월 %d일 %s UTC", t.Year(), int(t.Month()), t.Day(), t.Format("15:04"))
	}
	return t.Format("2 January 2006, 15:04") + " UTC"
}

// Distance writes a distance in kilometres, or in metres when it is short.
func (l *locale) Distance(d race.Distance) string {
	if d < 1_000_000 {
		return decimal(d.Metres()) + " m"
	}
	return decimal(d.Metres()/1000) + " km"
}

// Event names a distance that has a name, and writes the others.
func (l *locale) Event(d race.Distance) string {
	switch d {
	case 42_195_000:
		return l.T("event.marathon")
	case 21_097_500:
		return l.T("event.half")
	}
	return l.Distance(d)
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// Pace writes the time for a kilometre.
func (l *locale) Pace(t race.Time, d race.Distance) string {
	if t <= 0 || d <= 0 {
		return ""
	}
	seconds := int64(float64(t)/d.Metres() + 0.5) // milliseconds for a metre are seconds for a kilometre
	return fmt.Sprintf("%d:%02d /km", seconds/60, seconds%60)
}

// reason is why something was changed, as it was given; that of a file that came without
// one is in the reader's language.
func (l *locale) reason(given string) string {
	if given == maindb.ImportReason {
		return l.T("reason.import")
	}
	return given
}

// shown is a runner's name, or what stands for one that is not shown.
func (l *locale) shown(name string) string {
	if name == "" {
		return l.T("name.none")
	}
	return race.Within(name)
}

// organizer is the name of who to ask about a race.
func (l *locale) organizer(name string) string {
	if name == "" {
		return l.T("race.nobody")
	}
	return race.Within(name)
}

// scoring says by which rule a race gives points.
func (l *locale) scoring(r race.Race) string {
	if r.Scoring == "fixed" {
		return l.N("scoring.fixed", int(r.Points))
	}
	return l.word("scoring", r.Scoring)
}

// fieldOf is the field that a division is of, empty for the runners' own.
func (*locale) fieldOf(d race.Division) string {
	if d.Field == race.Runner {
		return ""
	}
	return string(d.Field)
}
