package pages

import (
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

//go:embed static
var static embed.FS

// assets are the styles, modules and images of the pages. The name of each holds a
// hash of its content, so that browsers and caches may keep it for ever.
type assets struct {
	named map[string]string // by file name: its address
	files map[string]asset  // by address
}

type asset struct {
	variants
	contentType, tag string
}

func loadAssets() (*assets, error) {
	a := &assets{named: map[string]string{}, files: map[string]asset{}}
	return a, fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		sum := fmt.Sprintf("%x", sha256.Sum256(body))[:12]
		base, extension := strings.TrimSuffix(path.Base(name), path.Ext(name)), path.Ext(name)
		address := "/assets/" + base + "." + sum + extension
		a.named[path.Base(name)] = address
		a.files[address] = asset{
			contentType: mime.TypeByExtension(extension), tag: `W/"` + sum + `"`,
			variants: variants{
				plain:  body,
				gzip:   sync.OnceValue(func() []byte { return gzipped(body, gzip.BestCompression) }),
				brotli: sync.OnceValue(func() []byte { return brotlied(body, brotli.BestCompression) }),
			},
		}
		return nil
	})
}

// at returns the address of an asset. A test looks at every page, so that a missing
// one is noticed.
func (a *assets) at(name string) string { return a.named[name] }

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	found, ok := a.files[r.URL.Path]
	keep := "public, max-age=31536000, immutable"
	if !ok {
		// During a release, and from a cache after it, a page may name an asset of
		// another release: the present one serves it best, and nobody keeps it.
		name, _, _ := strings.Cut(path.Base(r.URL.Path), ".")
		found, ok = a.files[a.at(name+path.Ext(r.URL.Path))]
		keep = keepNone.header()
	}
	w.Header().Set("Cache-Control", keep)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", found.contentType)
	w.Header().Set("ETag", found.tag)
	send(w, r, http.StatusOK, found.tag, found.variants)
}
