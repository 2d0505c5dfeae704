package activities

import (
	"encoding/json"
	"reflect"
	"strings"
)

// Results returns the type of the result of each activity, by its name. Workflows
// are replayed with results that have the fields of another release: those that
// record histories note with each the fields of the day.
func Results() map[string]reflect.Type {
	results := map[string]reflect.Type{}
	for _, steps := range []any{(*Credits)(nil), (*Notes)(nil), (*Audits)(nil), (*Standings)(nil), (*Sweeps)(nil)} {
		for method := range reflect.TypeOf(steps).Methods() {
			if method.Type.NumOut() == 2 { // a result and an error
				results[method.Name] = method.Type.Out(0)
			}
		}
	}
	return results
}

// JSONField is a field of a struct as JSON names it.
type JSONField struct {
	Name string
	Type reflect.Type
}

// JSONFields returns the fields of a struct that JSON has, those of embedded
// structs included. Of anything else, and of what writes its own JSON, there are
// none.
func JSONFields(of reflect.Type) (fields []JSONField) {
	marshaler := reflect.TypeFor[json.Marshaler]()
	if of.Kind() != reflect.Struct || of.Implements(marshaler) {
		return nil
	}
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "-" || field.Anonymous && name == "" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		fields = append(fields, JSONField{Name: name, Type: field.Type})
	}
	return fields
}

// JSONPaths lists the fields of a type and of the structs within it, as in
// "findings.detail".
func JSONPaths(of reflect.Type) (paths []string) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	for _, field := range JSONFields(of) {
		paths = append(paths, field.Name)
		for _, below := range JSONPaths(field.Type) {
			paths = append(paths, field.Name+"."+below)
		}
	}
	return paths
}
