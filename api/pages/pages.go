// Package pages serves what people see in a browser: races, standings, results,
// certificates, and behind a login what is theirs. Pages are rendered here from the same
// stores and rules as the API's answers; those for everyone read and set no cookie, so
// that any cache may keep them. Everything works without JavaScript; small modules add
// live updates.
//
// A page for everyone is a builder, registered by page in Register. A page behind the
// login, and any form, is an action, registered by visit. To add one:
//
//   - Route: s.visit(http.MethodGet, "/my/things", s.things), and the same path with
//     MethodPost for its form, so that a refused form can be reloaded. s.upload takes
//     files. Runners' pages are below /my, organizers' below /organize, operators' below
//     /operate, and coming in below /account: nothing else reaches us through the CDN
//     with its cookie.
//
//   - Access: "GET /{lang}/my/things" in server.Access says who may see it, as for calls:
//     {Who: Runner}, {Who: Editor} with {race_id} in the path, {Who: Operator}. Creates
//     makes a form count once, however often it is sent: put once(v) in it, and create
//     with server.ResourceID(ctx). Nobody who has not logged in gets as far as the action.
//
//   - Caller: v.caller, or server.CallerFrom(ctx), server.RaceFrom(ctx) and
//     server.RoleFrom(ctx), which are what they are in a call. So an action calls stores,
//     and what packages of calls export for both, such as accounts.Service. A handler's
//     logic that a page needs too moves into an exported function that both call, which
//     takes the body of the call and begins with server.Valid(body).
//
//   - Form: formHead(v) says what is wrong, inputOf, radios and tick draw fields, named as
//     in the API, press a button that does something. An action reads v.form.get("name"),
//     and after a call does
//
//     if v.refused(err) { return s.thingsForm(ctx, v) } // 422, with what would be right
//     if err != nil { return page{}, err }
//     return v.done("/my/things", "thing-added") // says the text "done.thing-added" there
//
//     v.blame(field, text) is for what only the page can know. A download or JSON for a
//     module is a &reply{} as the error.
//
//   - Texts: texts/<area>.en.json and .ko.json; what the API's errors say in Korean is in
//     texts/says.ko.json, by the English text. Styles: static/own.css, which pages for
//     everyone do not load.
//
//   - Navigation: a line in visit.sections.
//
//   - Test: b.loggedIn(t, "uta").visit(path), .post(path, page.fill("main form",
//     "name", "value")...) in visit_test.go.
package pages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"

	"github.com/mrmrthon/mrmrthon/api/accounts"
	"github.com/mrmrthon/mrmrthon/api/changes"
	"github.com/mrmrthon/mrmrthon/api/claims"
	"github.com/mrmrthon/mrmrthon/api/disputes"
	"github.com/mrmrthon/mrmrthon/api/keys"
	"github.com/mrmrthon/mrmrthon/api/leaderboard"
	"github.com/mrmrthon/mrmrthon/api/ops"
	"github.com/mrmrthon/mrmrthon/api/plans"
	"github.com/mrmrthon/mrmrthon/api/posts"
	"github.com/mrmrthon/mrmrthon/api/races"
	"github.com/mrmrthon/mrmrthon/api/records"
	"github.com/mrmrthon/mrmrthon/api/series"
	"github.com/mrmrthon/mrmrthon/api/server"
	"github.com/mrmrthon/mrmrthon/api/splits"
	"github.com/mrmrthon/mrmrthon/api/staff"
	"github.com/mrmrthon/mrmrthon/api/standings"
	"github.com/mrmrthon/mrmrthon/api/webhooks"
	"github.com/mrmrthon/mrmrthon/internal/cache"
	"github.com/mrmrthon/mrmrthon/internal/maindb"
	"github.com/mrmrthon/mrmrthon/internal/race"
	ranking "github.com/mrmrthon/mrmrthon/internal/standings"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

// Config is what the pages need.
type Config struct {
	Standings *standings.Reader
	Seasons   *leaderboard.Reader
	Races     *maindb.Store
	Accounts  *userdb.Store
	People    *accounts.Service
	Files     *plans.Service
	Records   *records.Service
	Claims    *claims.Service
	Disputes  *disputes.Service
	Settings  *races.Service
	Splits    *splits.Reader
	Series    *series.Service
	Staff     *staff.Service
	APIKeys   *keys.Service
	Changes   *changes.Reader
	Webhooks  *webhooks.Service
	Posts     *posts.Service
	// Operations is what operators do.
	Operations *ops.Service
	// CountCredits counts the credits of a race, cheaply enough for a progress bar.
	CountCredits func(ctx context.Context, raceID string) (records.Tally, error)
	Keys         server.KeyStore // of forms that were sent before
	// Fingerprint is the keyed hash of forms, which may hold passwords.
	Fingerprint func(data []byte) server.Hash
	// PublicURL is where readers reach the pages, for links in QR codes and link
	// cards; when it is empty the address that they asked for stands in.
	PublicURL string
	// GrafanaURL is where operators find Grafana; empty: nowhere.
	GrafanaURL string
	Log        *slog.Logger
	Now        func() time.Time
}

// site holds what all pages share.
type site struct {
	Config
	languages map[string]*locale
	assets    *assets
	rendered  *cache.Cache[string, *rendered]
	router    chi.Router
	origins   *http.CrossOriginProtection
	secure    bool // people reach the pages over https
}

const (
	// renderedLifetime is how long readers get the same rendered page: with the age
	// of the cached head of a race, a page is at most 1.25 s old.
	renderedLifetime = time.Second
	// maxRendered is how many bytes of rendered pages are kept, with their
	// compressed forms.
	maxRendered = 64 << 20
	// renderTimeout bounds a page that several readers wait for.
	renderTimeout = 20 * time.Second
)

// Register adds the pages to the router.
func Register(router *chi.Mux, cfg Config) error {
	languages, err := loadLanguages()
	if err != nil {
		return err
	}
	assets, err := loadAssets()
	if err != nil {
		return err
	}
	cfg.PublicURL = strings.TrimSuffix(cfg.PublicURL, "/")
	s := &site{
		Config: cfg, languages: languages, assets: assets, router: router, origins: http.NewCrossOriginProtection(),
		secure: strings.HasPrefix(cfg.PublicURL, "https://"),
		rendered: cache.New[string](cache.Config[*rendered]{
			Limit: maxRendered, Weight: (*rendered).weight, Lifetime: renderedLifetime, LoadTimeout: renderTimeout, Now: cfg.Now,
		}),
	}
	if cfg.PublicURL != "" {
		if err := s.origins.AddTrustedOrigin(originOf(cfg.PublicURL)); err != nil {
			return fmt.Errorf("API_PUBLIC_URL: %w", err)
		}
	}
	get := func(path string, handler http.HandlerFunc) { router.Method(http.MethodGet, path, handler) }
	get("/", s.chooseLanguage)
	get("/assets/*", s.assets.serve)
	page := func(path string, build builder, parameters ...string) {
		get("/{lang}"+path, s.handler(build, parameters))
	}
	page("", s.redirectToRaces)
	page("/races", s.races, "q", "show", "after")
	page("/races/{race_id}", s.race)
	page("/races/{race_id}/standings", s.standings, "field", "sex", "division", "q", "bib", "list", "page", "rows", "version")
	page("/races/{race_id}/results/{bib}", s.result)
	page("/races/{race_id}/teams", s.teams, "list", "page")
	page("/races/{race_id}/awards", s.awards)
	page("/races/{race_id}/compare", s.compare, "from", "to", "page")
	page("/races/{race_id}/draw", s.drawPage)
	page("/races/{race_id}/posts", s.postsPage, "after")
	page("/races/{race_id}/posts/{post_id}", s.postPage, "after")
	get("/{lang}/races/{race_id}/posts.atom", s.feed)
	page("/races/{race_id}/announcer", s.announcer, "bib")
	page("/races/{race_id}/certificate/{bib}", s.certificate)
	page("/races/{race_id}/verify/{bib}", s.verify, "version")
	page("/leaderboard", s.leaderboard, "season", "sex", "age_group", "best", "page")
	page("/series", s.seriesList, "after")
	page("/series/{series_id}", s.seriesStandings, "field", "sex", "division", "page", "version")
	page("/series/{series_id}/runners/{user_id}", s.seriesRunner, "field", "version")
	page("/status", s.status)
	page("/privacy", s.privacy)
	s.accountPages()
	s.myPages()
	s.filePages()
	s.officialPages()
	s.organizerPages()
	s.operatePages()
	notFound := router.NotFoundHandler()
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		if lang := s.languageOf(r.URL.Path); lang != nil {
			s.fail(w, r, lang, race.ErrNotFound)
			return
		}
		notFound(w, r)
	})
	return nil
}

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

// page is a page before it is rendered.
type page struct {
	title       string
	description string // for link cards and search engines
	body        templ.Component
	keep        freshness
	version     int    // of the standings that it shows; 0: none
	follow      string // the race whose new versions the page announces; empty: none
	module      string // the page's own module; empty: none
	feed        string // the address of a feed with what the page lists; empty: none
	bare        bool   // without the site's header and footer
	hidden      bool   // search engines are asked not to list it
	visit       *visit // who it is for; nil: anyone
}

// builder makes a page. It returns race.ErrNotFound and whatever the stores return.
type builder func(ctx context.Context, r *request) (page, error)

// redirect is returned by a builder instead of a page.
type redirect struct {
	to   string
	said string // the key of what the page there says first, behind "done."; empty: nothing
}

func (e *redirect) Error() string { return "see " + e.to }

// maxParameter is how long a parameter of a page may be, in bytes.
const maxParameter = 300

// handler serves the pages that build makes. Parameters that a page does not have
// are ignored: links that were shared through other sites come back with more.
func (s *site) handler(build builder, parameters []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		asked, err := s.ask(r, parameters)
		if asked.locale == nil {
			s.fail(w, r, s.preferred(r), race.ErrNotFound)
			return
		}
		if err != nil {
			s.fail(w, r, asked.locale, err)
			return
		}
		key := asked.tag + "\x00" + asked.path + "\x00" + asked.query.Encode()
		if s.PublicURL == "" {
			key += "\x00" + asked.base
		}
		found, err := s.rendered.Get(r.Context(), key, func(ctx context.Context) (*rendered, error) {
			p, err := build(ctx, asked)
			if err != nil {
				return nil, err
			}
			if asked.nameless {
				p.keep = keepNone
			}
			return s.render(ctx, asked, p, http.StatusOK)
		})
		if elsewhere, ok := errors.AsType[*redirect](err); ok {
			w.Header().Set("Cache-Control", keepStatic.header())
			http.Redirect(w, r, elsewhere.to, http.StatusFound)
			return
		}
		if err != nil {
			s.fail(w, r, asked.locale, err)
			return
		}
		found.write(w, r)
	}
}

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

// chooseLanguage sends a reader who has not said more to the races in the language
// that they prefer.
func (s *site) chooseLanguage(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept-Language")
	w.Header().Set("Cache-Control", keepStatic.header())
	http.Redirect(w, r, "/"+s.preferred(r).tag+"/races", http.StatusFound)
}

func (s *site) redirectToRaces(_ context.Context, r *request) (page, error) {
	return page{}, &redirect{to: r.link("/races")}
}

// names returns the names of the runners of some rows. When they cannot be read, the
// page comes without them, as the API's answer does: places and times are what most
// readers came for.
func (s *site) names(ctx context.Context, r *request, version standings.Version, rows []*ranking.Row) standings.Names {
	names, err := s.Standings.Names(ctx, version, rows)
	if err != nil {
		s.withoutNames(ctx, r, err)
	}
	return names
}

func (s *site) withoutNames(ctx context.Context, r *request, err error) {
	r.nameless = true
	s.Log.WarnContext(ctx, "cannot read names from user_db: the page comes without them", "error", err)
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
	path     string // of the standings whose version is gone
	versions []int  // the nearest that can be read
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
