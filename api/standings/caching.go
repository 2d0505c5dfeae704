package standings

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// How long an answer may be kept by whoever is between us and its reader. The
// latest version is asked for again at once; a version that was asked for by its
// number never changes, but the names on it may go.
const (
	cacheLatest = "public, max-age=1"
	cacheFixed  = "public, max-age=30"
	cacheNone   = "no-store"
)

func (r reading) cacheControl(ctx context.Context, named, fixed bool) string {
	switch {
	case !named:
		r.log.WarnContext(ctx, "standings are shown without names: user_db cannot be read")
		return cacheNone
	case fixed:
		return cacheFixed
	}
	return cacheLatest
}

// entityTag names an answer: the version, what was asked, and the names on it,
// which are all that may differ for the same version.
func entityTag(q Query, limit, position int, protestUntil *time.Time, picked selection) string {
	asked := fmt.Appendf(nil, "%s %+v %d %d %q %v\n", q.RaceID, q.filter(), limit, position, q.Q, protestUntil)
	version := 0
	if picked.version != nil {
		version = picked.version.Version
	}
	for _, row := range picked.rows {
		asked = append(append(asked, picked.names[row.UserID].plain...), '\n')
	}
	sum := fnv.New64a()
	_, _ = sum.Write(asked) // a hash takes everything
	return fmt.Sprintf(`"%d-%016x"`, version, sum.Sum64())
}

// hashTag names an answer by its bytes.
func hashTag(body []byte) string {
	sum := fnv.New64a()
	_, _ = sum.Write(body) // a hash takes everything
	return fmt.Sprintf(`"%016x"`, sum.Sum64())
}

// matches reports whether an If-None-Match header names the tag.
func matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == tag || candidate == "*" {
			return true
		}
	}
	return false
}

// notModified tells a reader that what they have still holds.
func notModified(tag, cacheControl string) error {
	return huma.ErrorWithHeaders(huma.Status304NotModified(),
		http.Header{"ETag": {tag}, "Cache-Control": {cacheControl}})
}
