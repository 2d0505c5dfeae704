package pages

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// request is what somebody asked for. Only what is in it may go into a page, since
// a page is rendered once for all who ask for the same.
type request struct {
	*locale
	path   string // without the language, as /races
	query  url.Values
	raceID string
	series string // an ID
	runner string // a user ID
	post   string // an ID
	bib    string
	base   string // where the reader reaches us, without a slash at the end

	nameless bool // names could not be read: nobody may keep the page
}

// get returns a parameter of the query, empty when it is not there.
func (r *request) get(name string) string { return strings.TrimSpace(r.query.Get(name)) }

// number returns a parameter that counts from 1, 0 when it is not there.
func (r *request) number(name string) (int, error) {
	text := r.get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1<<31-1 {
		return 0, &badParameter{name, "error.number"}
	}
	return n, nil
}

// oneOf returns a parameter that must be one of some values, or empty.
func (r *request) oneOf(name string, values ...string) (string, error) {
	text := r.get(name)
	if text != "" && !slices.Contains(values, text) {
		return "", &badParameter{name, "error.choice"}
	}
	return text, nil
}

// badParameter is a parameter in an address that a page cannot use.
type badParameter struct {
	name string
	text string // the key of what would be right
}

func (e *badParameter) Error() string { return "parameter " + e.name + ": " + e.text }

// maxParameter is how long a parameter of a page may be, in bytes.
const maxParameter = 300

func (s *site) ask(r *http.Request, parameters []string) (*request, error) {
	asked := &request{
		locale: s.languages[chi.URLParam(r, "lang")], query: url.Values{}, raceID: chi.URLParam(r, "race_id"), base: s.base(r),
	}
	asked.path = strings.TrimPrefix(r.URL.EscapedPath(), "/"+chi.URLParam(r, "lang"))
	asked.series, asked.runner, asked.post = chi.URLParam(r, "series_id"), chi.URLParam(r, "user_id"), chi.URLParam(r, "post_id")
	for _, id := range []string{asked.raceID, asked.series, asked.runner, asked.post} {
		if id != "" && !server.IsID(id) {
			return asked, race.ErrNotFound
		}
	}
	if bib := chi.URLParam(r, "bib"); bib != "" {
		var err error
		if asked.bib, err = url.PathUnescape(bib); err != nil || race.CheckBib(asked.bib) != nil {
			return asked, race.ErrNotFound
		}
	}
	given := r.URL.Query()
	for _, name := range parameters {
		value := given.Get(name)
		if len(value) > maxParameter {
			return asked, &badParameter{name, "error.long"}
		}
		if value != "" {
			asked.query.Set(name, value)
		}
	}
	return asked, nil
}

// base returns where the reader reaches us. Without a configured address that is
// what they asked for, if it can be the name of a host.
func (s *site) base(r *http.Request) string {
	if s.PublicURL != "" {
		return s.PublicURL
	}
	for _, c := range []byte(r.Host) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune(".-:[]", rune(c)) {
			return ""
		}
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// languageOf returns the language of a path, nil when it is not that of a page.
func (s *site) languageOf(path string) *locale {
	tag, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return s.languages[tag]
}

// link is an address in the language of the page.
func (l *locale) link(path string) string { return "/" + l.tag + path }

// with returns a path with parameters: names and values in turn, without those that
// are empty.
func with(path string, parameters ...string) string {
	query := url.Values{}
	for pair := range slices.Chunk(parameters, 2) {
		if pair[1] != "" {
			query.Set(pair[0], pair[1])
		}
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// here returns the address of the page with some parameters changed; an empty value
// removes one.
func (r *request) here(other ...string) string {
	query := maps.Clone(r.query)
	for pair := range slices.Chunk(other, 2) {
		query.Set(pair[0], pair[1])
		if pair[1] == "" {
			query.Del(pair[0])
		}
	}
	path := r.link(r.path)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

func racePath(raceID string) string { return "/races/" + raceID }

func resultPath(raceID, bib string) string {
	return racePath(raceID) + "/results/" + pathBib(bib)
}

// pathBib writes a bib for a path: it may hold a slash.
func pathBib(bib string) string { return url.PathEscape(bib) }
