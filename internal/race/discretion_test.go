package race

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHides(t *testing.T) {
	t.Parallel()
	today, yes, no := Date{Year: 2026, Month: 11, Day: 21}, true, false
	for name, test := range map[string]struct {
		of        Discretion
		age       int
		country   string
		name, hid bool
	}{
		"adult":                        {of: Discretion{BirthDate: Date{Year: 1990, Month: 1, Day: 1}}, age: 36},
		"nothing known":                {age: UnknownAge},
		"minor on race day":            {age: 15, name: true, hid: true},
		"of age by the race's country": {age: 15, country: "KR"},
		"minor today":                  {of: Discretion{BirthDate: Date{Year: 2010, Month: 11, Day: 22}}, age: 16, name: true, hid: true},
		"of age today":                 {of: Discretion{BirthDate: Date{Year: 2010, Month: 11, Day: 21}}, age: 16},
		"minor who wants to be shown":  {of: Discretion{HideName: &no, HideAge: &no}, age: 12},
		"adult who hides the name":     {of: Discretion{HideName: &yes}, age: 40, name: true},
		"adult who hides the age":      {of: Discretion{HideAge: &yes}, age: 40, hid: true},
	} {
		hidesName, hidesAge := test.of.Hides(test.age, today, ConsentAge(test.country))
		require.Equal(t, [2]bool{test.name, test.hid}, [2]bool{hidesName, hidesAge}, name)
	}
}

func TestInitials(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"Uta  Pippig": "U. P.", "김철수": "김.", "émile": "É.", "": ""} {
		require.Equal(t, want, Initials(name))
	}
}
