package pages

import (
	"cmp"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/internal/race"
	"github.com/mrmrthon/mrmrthon/internal/userdb"
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
		// The library that checks bodies says the first, and the second is put together.
		if !strings.HasPrefix(text, "expected ") && !strings.HasPrefix(text, "implausible ") {
			for part := range strings.SplitSeq(text, "%s") {
				require.Contains(t, code, held.ReplaceAllString(strings.Trim(part, ": "), "%d"), "nothing says %s any more", text)
			}
		}
	}
}

// notOnPages are errors of the API, or beginnings of them, that no page can lead to.
var notOnPages = []string{
	// how a call is made: its headers, its path, its key
	"must be UTF-8 text", "must be a revision, for example", "must be given only once", "must be name=value pairs", "must be the next_cursor",
	"must have either message_id", "nobody may make this call", "parameter names must", "the API key may not", "the body could not be read",
	"the form could not be read: it must be complete", "the form must have one field", "there is a newer revision",
	"the post has a newer revision than the one in If-Match", "only the owner and the staff of the race see posts that are not published",
	"this account needs a passkey: add one", "this call ", "this does not exist", "this path does not", "was used before with another body",
	"validation failed", "goes with a new password; single keys",
	// the import in one call, and a mapping, which a page makes of its fields
	"another file was imported after", "the standings of the race are official, and the file would add", "must be a JSON object of headers",
	// who may see a page: pages have their own words for it
	"not found", "not the caller's own", "unavailable", "the race belongs to another organizer",
	// for other code, or for whoever verifies the change log
	"no time zone", "the address is not public", "x%", "the change ", "the state before or after", "a text was added", "the text is not",
}

// TestEveryErrorHasAKoreanText: of those that pages can show.
func TestEveryErrorHasAKoreanText(t *testing.T) {
	t.Parallel()
	locales, err := loadLanguages()
	require.NoError(t, err)
	korean := locales["ko"]
	folders := []string{"../../internal/race", "../../internal/racefile", "../../internal/maindb", "../../internal/userdb", "../../internal/webhook"}
	packages, err := filepath.Glob("../*")
	require.NoError(t, err)
	var missing []string
	for _, folder := range append(folders, packages...) {
		if name := filepath.Base(folder); name == "pages" || name == "imports" { // which is for calls alone
			continue
		}
		for _, said := range errorsOf(t, folder) {
			known := korean.says(said) != korean.T("wrong", "Message", said) ||
				korean.says("x: "+said) != korean.T("wrong", "Message", "x: "+said) // what it is about comes first
			if !known && !slices.ContainsFunc(notOnPages, func(begin string) bool { return strings.HasPrefix(said, begin) }) {
				missing = append(missing, said)
			}
		}
	}
	require.Empty(t, missing, "texts/%s does not have these", saysFile)
}

// errorsOf returns what the errors of a package say, with 7, "x" and x for what they
// hold.
func errorsOf(t *testing.T, folder string) (list []string) {
	t.Helper()
	names, err := filepath.Glob(folder + "/*.go")
	require.NoError(t, err)
	var files []*ast.File
	values := map[string]ast.Expr{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, file)
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Names) == len(spec.Values) {
				for i, name := range spec.Names {
					values[name.Name] = spec.Values[i]
				}
			}
			return true
		})
	}
	verbs := regexp.MustCompile(`%[#+]?[a-z]`)
	open := map[string]string{"%d": "7", "%q": `"x"`}
	// said is a text as code puts it together, empty when it only hands one on.
	var said func(ast.Expr) string
	said = func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BasicLit:
			text, _ := strconv.Unquote(e.Value)
			return text
		case *ast.Ident:
			if value, ok := values[e.Name]; ok && e.Name != "_" {
				return said(value)
			}
		case *ast.BinaryExpr:
			if left, right := said(e.X), said(e.Y); left != "" || right != "" {
				return cmp.Or(left, "x") + cmp.Or(right, "x")
			}
		case *ast.CallExpr:
			switch called := types.ExprString(e.Fun); called {
			case "strconv.Itoa", "fmt.Sprint":
				return "7"
			case "errors.New", "fmt.Errorf", "fmt.Sprintf":
				return verbs.ReplaceAllStringFunc(said(e.Args[0]), func(verb string) string { return cmp.Or(open[verb], "x") })
			}
		}
		return ""
	}
	add := func(e ast.Expr) {
		if text := said(e); strings.Trim(text, "x: ") != "" {
			list = append(list, text)
		}
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if types.ExprString(n.Key) == "Message" {
					add(n.Value)
				}
			case *ast.CallExpr:
				_, called, ok := strings.Cut(types.ExprString(n.Fun), ".")
				if !ok {
					called = types.ExprString(n.Fun)
				}
				switch {
				case strings.HasPrefix(called, "Error4"):
					add(n.Args[0])
				case slices.Contains([]string{"Add", "Invalid", "add"}, called) && len(n.Args) > 0:
					add(n.Args[len(n.Args)-1])
				case called == "New" && (strings.HasPrefix(filepath.Base(folder), "race") || strings.HasSuffix(folder, "internal/webhook")):
					add(n)
				}
			}
			return true
		})
	}
	return list
}

var (
	// actionName is the name of a change in the log, or the beginning of one that a state
	// completes.
	actionName = regexp.MustCompile(`^(account|claim|dispute|entry|import|invitation|key|organizer|participant|person|race|record|series|staff|standings)\.[a-z_]*$`)
	// actionStates are what completes the names that are made of a state.
	actionStates = map[string][]string{
		"claim.":   {string(race.Invited), string(race.Requested), string(race.Accepted), string(race.Declined), string(race.Withdrawn), string(race.Refused)},
		"dispute.": {string(race.DisputeUpheld), string(race.DisputeRejected), string(race.DisputeWithdrawn)},
	}
	// noActions look like names of actions, but are fields that errors are about.
	noActions = []string{"entry.draw_at", "entry.next_race_id", "entry.order", "entry.pools", "race."}
)

// TestEveryActionOfTheChangeLogHasAText reads the names of actions where they are
// written: in the packages of the databases.
func TestEveryActionOfTheChangeLogHasAText(t *testing.T) {
	t.Parallel()
	actions := map[string]bool{}
	for _, folder := range []string{"maindb", "userdb", "race"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "internal", folder, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			ast.Inspect(parsed, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				name, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				if !actionName.MatchString(name) || slices.Contains(noActions, name) {
					return true
				}
				if strings.HasSuffix(name, ".") {
					require.Contains(t, actionStates, name, "%s makes an action of a state: list the states", file)
					for _, state := range actionStates[name] {
						actions[name+state] = true
					}
					return true
				}
				actions[name] = true
				return true
			})
		}
	}
	for _, name := range []string{"race.changed", "account.suspended", "record.corrected", "entry.entered", race.KeysRevoked} {
		require.Contains(t, actions, name, "the names are looked for in the wrong place")
	}
	for _, tag := range tags {
		texts := readTexts(t, tag)
		for name := range actions {
			require.Contains(t, texts, "change."+name, "%s has no text for an action of the change log", tag)
		}
	}
}

// TestAProblemOfAnAddressIsSaid: as GET /v1/me says it, with what to do.
func TestAProblemOfAnAddressIsSaid(t *testing.T) {
	t.Parallel()
	languages, err := loadLanguages()
	require.NoError(t, err)
	for _, tag := range tags {
		v := &visit{request: &request{locale: languages[tag]}}
		for _, problem := range []string{userdb.EmailBounced, userdb.EmailComplained, userdb.EmailUnwanted, userdb.PendingBounced, userdb.PendingComplained} {
			said := strings.Builder{}
			account := userdb.Account{EmailProblem: problem, EmailProblemAt: time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)}
			require.NoError(t, addressNotice(v, account, true).Render(t.Context(), &said))
			require.Contains(t, said.String(), templ.EscapeString(v.T("email.problem."+problem)))
			require.Contains(t, said.String(), `href="/`+tag+`/my/email"`)
			require.NotContains(t, said.String(), templ.EscapeString(v.T("overview.noaddress")), "an address that was dropped is not one that was never given")
		}
	}
}
