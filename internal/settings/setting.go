// Package settings reads a program's settings from its environment, reports every
// mistake in them, and lists the settings that exist.
//
// A setting is a field with the tags of caarlos0/env and these:
//
//	help    a line that explains it
//	unit    what its values are, where the type does not say so
//	check   the form of a text: host:port, :port, URL or PEM
//	min     the smallest number or duration; by default 1, or anything above zero
//	max     the largest
//	secret  "true": the value is never shown
//
// A secret, and anything in PEM, can come from a file: set NAME_FILE to its path
// instead of NAME. The tag file:"false" turns that off.
package settings

import (
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// Setting is one variable of the environment.
type Setting struct {
	Name     string `json:"name"`
	Help     string `json:"help"`
	Unit     string `json:"unit,omitempty"`
	Default  string `json:"default,omitempty"`
	Required bool   `json:"required,omitempty"`
	Secret   bool   `json:"secret,omitempty"`
	// File says that NAME_FILE can name a file that holds the value.
	File bool `json:"file,omitempty"`

	kind            reflect.Type
	check, min, max string
}

// FileSuffix ends the name of the variable that names the file of a setting.
const FileSuffix = "_FILE"

// Of lists the settings of a configuration, a pointer to a struct, in its order.
func Of(config any) []Setting {
	list, _ := walk(reflect.ValueOf(config).Elem(), "")
	return list
}

// part is a struct within a configuration that checks its settings together.
type part struct {
	checker
	prefix   string
	settings []Setting
}

// checker is a configuration whose settings depend on each other.
type checker interface {
	// Check returns what is wrong with the settings together, each of which is
	// valid by itself. The settings' names begin with prefix.
	Check(prefix string) error
}

// walk lists the settings of a struct and of the structs in it.
func walk(value reflect.Value, prefix string) (list []Setting, parts []part) {
	for i := range value.NumField() {
		field := value.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("env"), ",")
		switch {
		case name != "":
			list = append(list, settingOf(field, prefix+name, options))
		case field.Type.Kind() == reflect.Struct:
			inner, more := walk(value.Field(i), prefix+field.Tag.Get("envPrefix"))
			list, parts = append(list, inner...), append(parts, more...)
		}
	}
	if c, ok := reflect.TypeAssert[checker](value.Addr()); ok {
		parts = append(parts, part{c, prefix, list})
	}
	return list, parts
}

func settingOf(field reflect.StructField, name, options string) Setting {
	tag := field.Tag
	s := Setting{
		Name: name, Help: tag.Get("help"), Unit: tag.Get("unit"), Default: tag.Get("envDefault"),
		Required: strings.Contains(options, "required") || strings.Contains(options, "notEmpty"),
		Secret:   tag.Get("secret") == "true",
		kind:     field.Type, check: tag.Get("check"), min: tag.Get("min"), max: tag.Get("max"),
	}
	s.File = (s.Secret || s.check == pemForm) && tag.Get("file") != "false"
	if s.Unit == "" {
		s.Unit = unitOf(s)
	}
	return s
}

func unitOf(s Setting) string {
	switch {
	case s.check != "":
		return s.check
	case s.kind == reflect.TypeFor[time.Duration]():
		return "duration"
	case s.kind == reflect.TypeFor[slog.Level]():
		return "debug, info, warn, error"
	case s.kind == reflect.TypeFor[[]netip.Prefix]():
		return "CIDRs, with commas"
	case s.kind.Kind() == reflect.Bool:
		return "true, false"
	case s.kind.Kind() == reflect.Int:
		return "number"
	default:
		return "text"
	}
}
