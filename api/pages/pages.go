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
	"net/http"
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
	"github.com/mrmrthon/mrmrthon/api/tasks"
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
	Tasks     *tasks.Service
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
		lang := s.languageOf(r.URL.Path)
		switch {
		case lang == nil:
			notFound(w, r)
		case !s.redirectFromSlash(w, r):
			s.fail(w, r, lang, race.ErrNotFound)
		}
	})
	return nil
}

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
	frames      bool   // other pages of this origin are shown in it
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

// redirectFromSlash sends a reader whose address ends with a slash to the page without it,
// if there is one. The path begins with a language.
func (s *site) redirectFromSlash(w http.ResponseWriter, r *http.Request) bool {
	path := strings.TrimRight(r.URL.EscapedPath(), "/")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !reads || path == r.URL.EscapedPath() || !s.router.Match(chi.NewRouteContext(), http.MethodGet, path) {
		return false
	}
	if r.URL.RawQuery != "" {
		path += "?" + r.URL.RawQuery
	}
	w.Header().Set("Cache-Control", keepNone.header())     // a cache may ignore parameters, which the answer repeats
	http.Redirect(w, r, path, http.StatusMovedPermanently) //nolint:gosec // it begins with a language: no other host
	return true
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
