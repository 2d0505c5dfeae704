package settings

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"

	"github.com/mrmrthon/mrmrthon/internal/spelling"
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
		if err := s.resolve(values); err != nil {
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

// resolve puts the value of a setting that a file holds into values, and reports
// what is wrong with the setting.
func (s Setting) resolve(values map[string]string) error {
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
		delete(values, s.Name) // empty means not set
		value = s.Default
	}
	wish := s.unmet(value)
	switch {
	case value == "" || wish == "":
		return nil
	case s.Secret:
		return fmt.Errorf("%s must be %s", s.Name, wish)
	default:
		return fmt.Errorf("%s must be %s, not %q", s.Name, wish, shortened(value))
	}
}

// readFile reads the value of a setting from the file that NAME_FILE names. A
// line break at the end of the file is not part of the value.
func (s Setting) readFile(values map[string]string) error {
	path := values[s.Name+FileSuffix]
	switch {
	case path == "":
		return nil
	case values[s.Name] != "":
		return fmt.Errorf("%s and %s%s are both set: unset one of them", s.Name, s.Name, FileSuffix)
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

// Strays returns, for each variable that is not a setting but looks like a
// misspelled one, the setting that it may be meant to be. Settings with short names
// look like too many variables of other programs.
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
		if meant := spelling.Nearest(name, names); len(meant) > shortName {
			strays[name] = meant
		}
	}
	return strays
}

// shortName is the length up to which a name is not taken for a misspelled one.
const shortName = 4
