package settings

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Read fills a configuration, a pointer to a struct, from an environment such as
// os.Environ() returns. Its error names every setting that is missing or wrong
// and says what would be right; it shows no secret.
func Read(config any, environ []string) error {
	list, parts := walk(reflect.ValueOf(config).Elem(), "")
	values := env.ToMap(environ)
	var problems []error
	wrong := map[string]bool{}
	for _, s := range list {
		if err := s.settle(values); err != nil {
			problems, wrong[s.Name] = append(problems, err), true
			delete(values, s.Name)
		}
	}
	if err := env.ParseWithOptions(config, env.Options{Environment: values}); err != nil && len(problems) == 0 {
		return err
	}
	for _, part := range parts {
		if !slices.ContainsFunc(part.settings, func(s Setting) bool { return wrong[s.Name] }) {
			problems = append(problems, part.Check(part.prefix))
		}
	}
	return errors.Join(problems...)
}

// settle brings the value of a setting into values if a file has it, and says
// what is wrong with it.
func (s Setting) settle(values map[string]string) error {
	if s.File {
		if err := s.readFile(values); err != nil {
			return err
		}
	}
	value := values[s.Name]
	if value == "" && s.Required {
		missing := fmt.Sprintf("%s is not set: %s", s.Name, s.Help)
		if s.Unit != "text" {
			missing += " (" + s.Unit + ")"
		}
		if s.File {
			missing += fmt.Sprintf("; or name a file that holds it by %s%s", s.Name, FileSuffix)
		}
		return errors.New(missing)
	}
	if value == "" {
		delete(values, s.Name) // is as good as not set
		value = s.Default
	}
	wish := s.fault(value)
	switch {
	case value == "" || wish == "":
		return nil
	case s.Secret:
		return fmt.Errorf("%s must be %s", s.Name, wish)
	default:
		return fmt.Errorf("%s must be %s, not %q", s.Name, wish, shortened(value))
	}
}

// readFile puts what the file of a setting holds in the place of its value. The
// last line break is an editor's, not the secret's.
func (s Setting) readFile(values map[string]string) error {
	path := values[s.Name+FileSuffix]
	switch {
	case path == "":
		return nil
	case values[s.Name] != "":
		return fmt.Errorf("%s and %s%s are both set: one of them is to go", s.Name, s.Name, FileSuffix)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator names it
	if err != nil {
		return fmt.Errorf("%s%s: %w", s.Name, FileSuffix, err)
	}
	if values[s.Name] = strings.TrimRight(string(text), "\r\n"); values[s.Name] == "" {
		return fmt.Errorf("%s%s: %s is empty", s.Name, FileSuffix, path)
	}
	return nil
}

func shortened(value string) string {
	const most = 80
	if len(value) > most {
		return value[:most] + "…"
	}
	return value
}

// Strays returns, for each variable that is no setting but looks like one
// misspelled, what it may be meant to be.
func Strays(environ []string, known []Setting) map[string]string {
	names := make([]string, 0, 2*len(known))
	for _, s := range known {
		names = append(names, s.Name)
		if s.File {
			names = append(names, s.Name+FileSuffix)
		}
	}
	strays := map[string]string{}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if slices.Contains(names, name) {
			continue
		}
		for _, meant := range names {
			if len(meant) > 2*typos && distance(name, meant) <= typos {
				strays[name] = meant
			}
		}
	}
	return strays
}

// typos is how many letters a misspelled name is off at most.
const typos = 2

// distance is how many letters have to be put in, taken out or replaced to make
// one text of the other (Levenshtein).
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
