package pages

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// forms are the plural forms of the languages.
var forms = map[string][]string{"en": {"one", "other"}, "ko": {"other"}}

func readTexts(t *testing.T, tag string) map[string]any {
	t.Helper()
	files, err := filepath.Glob("texts/*" + tag + ".json")
	require.NoError(t, err)
	found := map[string]any{}
	for _, file := range files {
		if filepath.Base(file) == "says.ko.json" {
			continue
		}
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		var some map[string]any
		require.NoError(t, json.Unmarshal(data, &some))
		for key, text := range some {
			require.NotContains(t, found, key, "%s has a key of another file", file)
			found[key] = text
		}
	}
	return found
}

var placeholder = regexp.MustCompile(`\{\{\.\w+\}\}|\{n\}`)

// placeholders returns what a text leaves open, each once.
func placeholders(text any) []string {
	all := ""
	switch text := text.(type) {
	case string:
		all = text
	case map[string]any:
		all, _ = text["other"].(string)
	}
	found := placeholder.FindAllString(all, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

func TestEveryTextIsInEveryLanguage(t *testing.T) {
	t.Parallel()
	standard := readTexts(t, tags[0])
	for _, tag := range tags {
		texts := readTexts(t, tag)
		for key, text := range standard {
			other, ok := texts[key]
			require.True(t, ok, "%s has no text for %s", tag, key)
			require.NotEmpty(t, other, "%s in %s", key, tag)
			require.Equal(t, placeholders(text), placeholders(other), "%s in %s", key, tag)
			_, plural := text.(map[string]any)
			if inForms, ok := other.(map[string]any); ok || plural {
				require.True(t, ok && plural, "%s has plural forms in one language only", key)
				got := []string{}
				for form, words := range inForms {
					require.NotEmpty(t, words)
					got = append(got, form)
				}
				require.ElementsMatch(t, forms[tag], got, "%s in %s", key, tag)
			}
		}
		require.Len(t, texts, len(standard), "%s has texts that %s lacks", tag, tags[0])
	}
}

var (
	called = regexp.MustCompile(`(?:\b|\.)[TN]\("([^"]+)"`)
	quoted = regexp.MustCompile(`"([a-z0-9.-]+)"`)
	// group is a key that is made of a value, as "race." + status.
	group = regexp.MustCompile(`(?:T|N|word)\("([a-z.]+\.?)"(?: ?\+|, )`)
)

// TestTextsAndCodeAgree finds keys without a text, and texts that nothing says.
func TestTextsAndCodeAgree(t *testing.T) {
	t.Parallel()
	known := readTexts(t, tags[0])
	files, err := filepath.Glob("*.templ")
	require.NoError(t, err)
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	used, groups := map[string]bool{}, []string{}
	for _, name := range append(files, sources...) {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_templ.go") {
			continue
		}
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, found := range called.FindAllStringSubmatch(string(source), -1) {
			if strings.HasSuffix(found[1], ".") {
				continue
			}
			require.Contains(t, known, found[1], "%s says what has no text", name)
			used[found[1]] = true
		}
		for _, found := range quoted.FindAllStringSubmatch(string(source), -1) {
			used[found[1]] = true
		}
		for _, found := range group.FindAllStringSubmatch(string(source), -1) {
			groups = append(groups, strings.TrimSuffix(found[1], ".")+".")
		}
	}
	for key := range known {
		in := slices.ContainsFunc(groups, func(group string) bool { return strings.HasPrefix(key, group) })
		require.True(t, used[key] || in || strings.HasPrefix(key, "error."), "nothing says %s", key)
	}
}

// TestWhatTheAPISaysInKorean: a text that no code says any more is in vain.
func TestWhatTheAPISaysInKorean(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("texts/says.ko.json")
	require.NoError(t, err)
	var known map[string]string
	require.NoError(t, json.Unmarshal(data, &known))
	said := strings.Builder{}
	for _, folder := range []string{"..", "../../internal"} {
		sources := os.DirFS(folder)
		require.NoError(t, fs.WalkDir(sources, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
				return err
			}
			source, err := fs.ReadFile(sources, name)
			said.Write(source)
			return err
		}))
	}
	held := regexp.MustCompile(`%[dq]|\d+`)
	code := held.ReplaceAllString(strings.ReplaceAll(said.String(), `\"`, `"`), "%d")
	for text, korean := range known {
		require.NotEmpty(t, korean, text)
		if !strings.HasPrefix(text, "expected ") { // what the library that checks bodies says
			require.Contains(t, code, held.ReplaceAllString(text, "%d"), "nothing says this any more")
		}
	}
}
