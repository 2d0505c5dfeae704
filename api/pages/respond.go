package pages

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
)

// freshness is how long caches keep a page.
type freshness int

const (
	keepNone   freshness = iota // not at all: something is wrong that may be right again
	keepShort                   // results and names, which a runner may hide at any time
	keepStatic                  // texts
)

// header is the Cache-Control of a page. A cache between us and the readers keeps a
// page longer than they do (s-maxage), shows an old one while it asks for the new
// one, and for long when we are down. A name that is hidden is gone within a minute:
// at most 30 seconds here (api/standings), then max-age, s-maxage and
// stale-while-revalidate together.
func (f freshness) header() string {
	switch f {
	case keepShort:
		return "public, max-age=5, s-maxage=10, stale-while-revalidate=15, stale-if-error=600"
	case keepStatic:
		return "public, max-age=300, s-maxage=3600, stale-while-revalidate=86400, stale-if-error=86400"
	case keepNone:
	}
	return "no-store"
}

// policy lets a page load only what comes from this origin, and no inline scripts or
// styles. It has no nonce, so that pages can be cached.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// rendered is a page as it is sent, with its compressed forms.
type rendered struct {
	status       int
	tag          string // weak: the compressed forms have the same one
	cacheControl string
	language     string
	frames       bool // it may show other pages of this origin
	body         []byte
	gzip, brotli func() []byte
}

// render renders a page in its frame.
func (s *site) render(ctx context.Context, r *request, p page, status int) (*rendered, error) {
	var out bytes.Buffer
	if err := frame(s.frameOf(r, p)).Render(ctx, &out); err != nil {
		return nil, fmt.Errorf("render a page: %w", err)
	}
	made := renderedBody(r.tag, p.keep, p.version, out.Bytes())
	made.status, made.frames = status, p.frames
	return made, nil
}

// renderedBody returns a body with what is sent along with it. Texts that were stored
// before they were checked lose what would turn around the text after them.
func renderedBody(language string, keep freshness, version int, body []byte) *rendered {
	body = race.WithoutOverrides(body)
	sum := sha256.Sum256(body)
	return &rendered{
		status: http.StatusOK, body: body, language: language, cacheControl: keep.header(), tag: fmt.Sprintf(`W/"%d-%x"`, version, sum[:8]),
		gzip:   sync.OnceValue(func() []byte { return gzipped(body, gzip.DefaultCompression) }),
		brotli: sync.OnceValue(func() []byte { return brotlied(body, brotliLevel) }),
	}
}

// brotliLevel takes some 2 ms for a page of 100 rows, a third of the highest level,
// and is 2 % larger.
const brotliLevel = 5

// weight is about what a page takes with its compressed forms.
func (p *rendered) weight() int { return len(p.body) + len(p.body)/2 }

func (p *rendered) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", p.language)
	h.Set("Content-Security-Policy", policy)
	if p.frames {
		h.Set("Content-Security-Policy", policy+"; frame-src 'self'")
	}
	h.Set("Cache-Control", p.cacheControl)
	h.Set("Referrer-Policy", "same-origin")
	if p.status == http.StatusOK && p.tag != "" {
		h.Set("ETag", p.tag)
	}
	send(w, r, p.status, p.tag, variants{p.body, p.gzip, p.brotli})
}

// variants are the forms of a body.
type variants struct {
	plain        []byte
	gzip, brotli func() []byte
}

// minCompressed is the size below which compression gains nothing.
const minCompressed = 1 << 10

// send answers with the form of a body that the reader understands, or that their
// copy is still current.
func send(w http.ResponseWriter, r *http.Request, status int, tag string, body variants) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	if status == http.StatusOK && tag != "" && matches(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	sent := body.plain
	if len(sent) >= minCompressed {
		switch accepted := r.Header.Get("Accept-Encoding"); {
		case accepts(accepted, "br"):
			sent = body.brotli()
			h.Set("Content-Encoding", "br")
		case accepts(accepted, "gzip"):
			sent = body.gzip()
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(sent)))
	w.WriteHeader(status)
	_, _ = w.Write(sent) // the reader may have gone away
}

// accepts reports whether an Accept-Encoding header names a coding, other than to
// refuse it.
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		_, weight, weighted := strings.Cut(strings.ReplaceAll(parameters, " ", ""), "q=")
		if q, err := strconv.ParseFloat(weight, 64); weighted && err == nil && q == 0 {
			return false
		}
		return true
	}
	return false
}

// matches reports whether an If-None-Match header names the tag.
func matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || candidate != "" && strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

func gzipped(body []byte, level int) []byte {
	var out bytes.Buffer
	zipper, err := gzip.NewWriterLevel(&out, level)
	if err != nil {
		panic(err) // only an unknown level fails
	}
	_, _ = zipper.Write(body) // writing to a buffer never fails
	_ = zipper.Close()
	return out.Bytes()
}

func brotlied(body []byte, level int) []byte {
	var out bytes.Buffer
	zipper := brotli.NewWriterLevel(&out, level)
	_, _ = zipper.Write(body) // writing to a buffer never fails
	_ = zipper.Close()
	return out.Bytes()
}

// fail answers with a page that says what is wrong and what would be right.
func (s *site) fail(w http.ResponseWriter, r *http.Request, lang *locale, err error) {
	asked := &request{locale: lang, path: "/races", query: url.Values{}, base: s.base(r)}
	v := failure{status: http.StatusUnprocessableEntity}
	bad, isBad := errors.AsType[*badParameter](err)
	gone, isGone := errors.AsType[*maindb.NotKeptError](err)
	unofficial, isUnofficial := errors.AsType[*unofficialError](err)
	switch {
	case isBad:
		v.text = lang.T(bad.text, "Name", bad.name)
		if slices.Contains(listPositions, bad.name) {
			v.first = lang.firstPage(r.URL)
		}
	case isGone:
		v.status, v.versions = http.StatusGone, []int{gone.Before, gone.After}
		v.text = lang.T("error.gone", "Version", gone.Version)
		v.path = lang.link(racePath(chi.URLParam(r, "race_id")) + "/standings")
	case isUnofficial:
		v.status, v.text = http.StatusNotFound, lang.T("error.unofficial")
		v.path = lang.link(racePath(unofficial.raceID))
	default:
		problem, headers := server.Problem(r.Context(), err) // which logs what nobody expected
		v.status = problem.Status
		maps.Copy(w.Header(), headers)
		if slices.ContainsFunc(problem.Errors, func(e *huma.ErrorDetail) bool { return e.Location == "query.cursor" }) {
			given := slices.DeleteFunc(slices.Clone(listPositions), func(name string) bool { return !r.URL.Query().Has(name) })
			v.text, v.first = lang.T("error.cursor", "Name", strings.Join(given, "”, “")), lang.firstPage(r.URL)
		}
	}
	shown := failurePage(lang, v)
	if w.Header().Get("Cache-Control") == keepNone.header() { // as of a page for one reader
		shown.keep = keepNone
	}
	made, err := s.render(context.WithoutCancel(r.Context()), asked, shown, v.status)
	if err != nil {
		s.Log.ErrorContext(r.Context(), "cannot render an error page: answering without one", "error", err)
		http.Error(w, http.StatusText(v.status), v.status)
		return
	}
	made.write(w, r)
}

// failure is what an error page says.
type failure struct {
	status   int
	text     string // what would be right, when there is more to say than its status does
	first    string // the address of the list's first page, of a list that does not go on as asked
	path     string // of the standings whose version is gone
	versions []int  // the nearest that can be read
}

// listPositions are the parameters that say where a page of a list begins.
var listPositions = []string{"after", "cursor", "notices", "page"}

// firstPage is an address without what says where in a list it begins.
func (l *locale) firstPage(asked *url.URL) string {
	first, query := l.link(strings.TrimPrefix(asked.EscapedPath(), "/"+l.tag)), asked.Query()
	for _, name := range listPositions {
		query.Del(name)
	}
	if len(query) > 0 {
		first += "?" + query.Encode()
	}
	return first
}

func failurePage(lang *locale, v failure) page {
	key := "error.500"
	keep := keepNone
	switch v.status {
	case http.StatusNotFound, http.StatusGone, http.StatusUnprocessableEntity:
		key, keep = fmt.Sprintf("error.%d", v.status), keepShort
	case http.StatusServiceUnavailable, http.StatusForbidden, http.StatusConflict, http.StatusTooManyRequests, http.StatusRequestEntityTooLarge:
		key = fmt.Sprintf("error.%d", v.status)
	}
	return page{title: lang.T(key + ".title"), body: errorBody(lang, v, key), keep: keep, hidden: true}
}
