// Package browser opens pages in a headless Chromium, for tests of the pages and for
// pictures of them.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// names are what the program is called on Debian, on Ubuntu, and by Google.
var names = []string{"chromium", "chromium-browser", "google-chrome"}

// startLimit is how long Chromium may take to start, on a machine that is busy with
// tests. chromedp gives up after 20 s by itself.
const startLimit = time.Minute

// Browser is a running Chromium.
type Browser struct {
	context.Context //nolint:containedctx // chromedp keeps a browser in a context
	stop            func()
}

// Start starts a browser. Stop it when it is done.
func Start(ctx context.Context) (*Browser, error) {
	path := ""
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, errors.New("there is no Chromium: install it by `deploy/local/setup.sh chromium`")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Flag("hide-scrollbars", true),
		chromedp.WSURLReadTimeout(startLimit))
	if os.Getuid() == 0 { // Chromium does not confine its pages as root, as containers of CI run it
		options = append(options, chromedp.NoSandbox)
	}
	allocated, release := chromedp.NewExecAllocator(ctx, options...)
	opened, leave := chromedp.NewContext(allocated)
	b := &Browser{Context: opened, stop: func() { leave(); release() }}
	if err := chromedp.Run(opened); err != nil {
		b.Stop()
		return nil, fmt.Errorf("start Chromium: %w", err)
	}
	return b, nil
}

// Stop ends the browser.
func (b *Browser) Stop() { b.stop() }

// View is how a page is looked at.
type View struct {
	Width, Height int64
	Dark          bool
	NoScript      bool
	Forced        bool // the reader's own colours
}

// Tab is an open page.
type Tab struct {
	context.Context //nolint:containedctx // chromedp keeps a tab in a context
	Close           func()

	mu   sync.Mutex
	said []string
}

// Open opens an empty tab.
func (b *Browser) Open(v View) (*Tab, error) {
	ctx, closeTab := chromedp.NewContext(b.Context)
	tab := &Tab{Context: ctx, Close: closeTab}
	chromedp.ListenTarget(ctx, tab.listen)
	scheme, forced := "light", "none"
	if v.Dark {
		scheme = "dark"
	}
	if v.Forced {
		forced = "active"
	}
	err := chromedp.Run(ctx, log.Enable(), chromedp.EmulateViewport(v.Width, v.Height),
		emulation.SetScriptExecutionDisabled(v.NoScript),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}, {Name: "forced-colors", Value: forced},
		}))
	if err != nil {
		closeTab()
		return nil, fmt.Errorf("open a tab: %w", err)
	}
	return tab, nil
}

// listen notes what a page complains about: what the content policy forbids, what
// cannot be loaded, and errors of its modules.
func (t *Tab) listen(event any) {
	said := ""
	switch event := event.(type) {
	case *log.EventEntryAdded:
		if event.Entry.Level == log.LevelError || event.Entry.Level == log.LevelWarning {
			said = event.Entry.Text + " " + event.Entry.URL
		}
	case *runtime.EventExceptionThrown:
		said = event.ExceptionDetails.Error()
	}
	if said != "" {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.said = append(t.said, said)
	}
}

// Complaints returns what pages of the tab have complained about, and forgets it.
func (t *Tab) Complaints() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	said := t.said
	t.said = nil
	return said
}

// Run does something in the tab.
func (t *Tab) Run(actions ...chromedp.Action) error { return chromedp.Run(t, actions...) }

// Violation is a rule of accessibility that a page breaks.
type Violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

func (v Violation) String() string {
	lines := []string{v.ID + ": " + v.Help}
	for _, node := range v.Nodes {
		lines = append(lines, "  "+node.HTML, "    "+strings.ReplaceAll(node.Summary, "\n", "\n    "))
	}
	return strings.Join(lines, "\n")
}

// runAxe checks the rules of WCAG 2.2 up to level AA, and good practice.
const runAxe = `axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"], resultTypes: ["violations"]})
	.then((found) => found.violations)`

// Violations returns the rules of accessibility that the page breaks, by axe-core,
// whose source is given.
func (t *Tab) Violations(axe string) ([]Violation, error) {
	var found []Violation
	err := t.Run(chromedp.Evaluate(axe+";0", nil), chromedp.Evaluate(runAxe, &found,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return found, err
}
