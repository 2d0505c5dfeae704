package standings

import (
	"time"

	"github.com/mrmrthon/mrmrthon/api/server"
)

const (
	// pageLifetime is for how long readers get the bytes that another one got: a
	// crowd reads the same few pages.
	pageLifetime = time.Second
	// maxPages is how many pages of a version are kept, some 25 kB each.
	maxPages = 200
)

// pageKey is what makes one page of a version differ from another.
type pageKey struct {
	filter
	position, limit int
	protestUntil    time.Time
}

// answer is a page as it was written for its first reader.
type answer struct {
	body page
	tag  string
	at   time.Time
}

// EncodedJSON is the page as it was written for its first reader, or nil.
func (p page) EncodedJSON() []byte { return p.encoded }

var _ server.Encoded = page{}

// page returns what another reader got a moment ago.
func (l *loaded) page(key pageKey, now time.Time) (answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.pages[key]
	return known, ok && now.Sub(known.at) < pageLifetime
}

// keepPage remembers a page for the readers of the next moment.
func (l *loaded) keepPage(key pageKey, a answer) error {
	var err error
	if a.body.encoded, err = server.Encode(a.body); err != nil {
		return err
	}
	a.body.Items = nil // written
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pages) >= maxPages {
		clear(l.pages)
	}
	l.pages[key] = a
	return nil
}
