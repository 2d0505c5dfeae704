package standings

import (
	"context"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"github.com/mrmrthon/mrmrthon/internal/userdb"
)

const (
	// nameLifetime and then pageLifetime are how long a name may still be shown
	// after its runner has left: half a minute.
	nameLifetime = 30*time.Second - pageLifetime
	maxNames     = 200_000
)

type nameStore interface {
	// Runners leaves out accounts that do not exist; the name of who has left is empty.
	Runners(ctx context.Context, userIDs []string) (map[string]userdb.Runner, error)
}

// names joins runners' names to standings, which never hold them: who leaves
// takes their name along, out of old versions too.
type names struct {
	store nameStore
	now   func() time.Time

	mu    sync.Mutex
	known map[string]name
}

type name struct {
	plain  string
	folded string // as it is searched
	at     time.Time
}

func newNames(store nameStore, now func() time.Time) *names {
	return &names{store: store, now: now, known: map[string]name{}}
}

// of returns the names of users by ID. Nobody, the empty ID, has none.
func (n *names) of(ctx context.Context, userIDs []string) (map[string]name, error) {
	found := make(map[string]name, len(userIDs))
	var missing []string
	now := n.now()
	n.mu.Lock()
	for _, id := range userIDs {
		if known, ok := n.known[id]; ok && now.Sub(known.at) < nameLifetime {
			found[id] = known
		} else if id != "" {
			missing = append(missing, id)
		}
	}
	n.mu.Unlock()
	if len(missing) == 0 {
		return found, nil
	}
	runners, err := n.store.Runners(ctx, missing)
	if err != nil {
		return found, err
	}
	for _, id := range missing {
		plain := runners[id].Name
		found[id] = name{plain: plain, folded: fold(plain), at: now}
	}
	n.keep(missing, found)
	return found, nil
}

func (n *names) keep(userIDs []string, found map[string]name) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.known)+len(userIDs) > maxNames {
		clear(n.known)
	}
	for _, id := range userIDs {
		n.known[id] = found[id]
	}
}

// fold writes a name as it is searched: without case and accents, so that
// "nunez" finds Núñez.
func fold(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] < 0x80
	}
	if plain {
		return strings.ToLower(s)
	}
	folder := transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), cases.Fold(), norm.NFC)
	folded, _, err := transform.String(folder, s)
	if err != nil {
		return strings.ToLower(s)
	}
	return folded
}
