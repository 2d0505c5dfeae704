package terraform_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/stretchr/testify/require"
)

// module is one folder of .tf files.
type module struct {
	dir       string
	declared  map[string]*hclsyntax.Block // by the way they are referred to: var.name, aws_lb.this, data.aws_lb.this, module.name
	locals    map[string]bool
	outputs   map[string]*hclsyntax.Block
	calls     map[string]*hclsyntax.Block // of modules, by name
	reference []reference
}

// reference is something that an expression speaks of.
type reference struct {
	to    hcl.Traversal
	where hcl.Range
	check bool // in the declaration of a variable: its validation reads it, and nothing else may
}

// path is the reference without its indexes, as in module.edge.url.
func (r reference) path() []string {
	var path []string
	for _, step := range r.to {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			path = append(path, step.Name)
		case hcl.TraverseAttr:
			path = append(path, step.Name)
		}
	}
	return path
}

// modules are the root, whose folder is ".", and all that it is made of.
func modules(t *testing.T) map[string]*module {
	t.Helper()
	all := map[string]*module{}
	for _, path := range files(t, ".tf") {
		dir := filepath.Dir(path)
		if all[dir] == nil {
			all[dir] = &module{
				dir: dir, declared: map[string]*hclsyntax.Block{}, locals: map[string]bool{},
				outputs: map[string]*hclsyntax.Block{}, calls: map[string]*hclsyntax.Block{},
			}
		}
		all[dir].add(body(t, path))
	}
	require.Contains(t, all, ".")
	require.Greater(t, len(all), 5)
	return all
}

// files are those with an ending, but for what terraform init leaves.
func files(t *testing.T, ending string) []string {
	t.Helper()
	var paths []string
	require.NoError(t, filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == ".terraform":
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(path, ending):
			paths = append(paths, path)
		}
		return nil
	}))
	require.NotEmpty(t, paths)
	return paths
}

func body(t *testing.T, path string) *hclsyntax.Body {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	file, problems := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
	require.False(t, problems.HasErrors(), problems)
	parsed, ok := file.Body.(*hclsyntax.Body)
	require.True(t, ok)
	return parsed
}

func (m *module) add(body *hclsyntax.Body) {
	for _, block := range body.Blocks {
		switch block.Type {
		case "variable":
			m.declared["var."+block.Labels[0]] = block
		case "resource":
			m.declared[strings.Join(block.Labels, ".")] = block
		case "data", "ephemeral":
			m.declared[block.Type+"."+strings.Join(block.Labels, ".")] = block
		case "output":
			m.outputs[block.Labels[0]] = block
		case "module":
			m.declared["module."+block.Labels[0]] = block
			m.calls[block.Labels[0]] = block
		case "locals":
			for name := range block.Body.Attributes {
				m.locals[name] = true
			}
		}
		m.collect(block.Body, nil, block.Type == "variable")
	}
}

// collect notes what a body's expressions refer to, except for the iterators of
// the dynamic blocks around them.
func (m *module) collect(body *hclsyntax.Body, iterators []string, check bool) {
	for _, name := range slices.Sorted(maps.Keys(body.Attributes)) {
		for _, to := range body.Attributes[name].Expr.Variables() {
			if !slices.Contains(iterators, to.RootName()) {
				m.reference = append(m.reference, reference{to, to.SourceRange(), check})
			}
		}
	}
	for _, block := range body.Blocks {
		within := iterators
		if block.Type == "dynamic" {
			within = append(slices.Clone(iterators), block.Labels[0])
		}
		m.collect(block.Body, within, check)
	}
}

// variables are what a module may and must be given.
func (m *module) variables() (all, required []string) {
	for name, block := range m.declared {
		name, isVariable := strings.CutPrefix(name, "var.")
		if !isVariable {
			continue
		}
		all = append(all, name)
		if block.Body.Attributes["default"] == nil {
			required = append(required, name)
		}
	}
	slices.Sort(all)
	slices.Sort(required)
	return all, required
}

var (
	pageRoute     = regexp.MustCompile(`(?m)^\tpage\("[^"]*", s\.\w+(.*)\)$`)
	pageParameter = regexp.MustCompile(`"(\w+)"`)
)

// TestCachesKnowTheParametersOfPages compares Terraform with the pages: a cache would
// show the page of one parameter's value for all others if it did not know it.
func TestCachesKnowTheParametersOfPages(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join("..", "..", "api", "pages", "pages.go"))
	require.NoError(t, err)
	var want []string
	for _, route := range pageRoute.FindAllStringSubmatch(string(source), -1) {
		for _, name := range pageParameter.FindAllStringSubmatch(route[1], -1) {
			want = append(want, name[1])
		}
	}
	slices.Sort(want)
	text, err := os.ReadFile("main.tf")
	require.NoError(t, err)
	_, list, found := strings.Cut(string(text), "page_parameters")
	require.True(t, found)
	list, _, _ = strings.Cut(list, "]")
	var got []string
	for _, name := range pageParameter.FindAllStringSubmatch(list, -1) {
		got = append(got, name[1])
	}
	require.Equal(t, slices.Compact(want), got)
}
