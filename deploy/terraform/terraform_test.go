// Package terraform_test checks the Terraform files as far as that goes without
// Terraform: form, references, and that modules are given what they ask for.
// `terraform validate` and `terraform test` know the resources as well.
package terraform_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/stretchr/testify/require"
)

func TestFilesAreFormatted(t *testing.T) {
	t.Parallel()
	for _, ending := range []string{".tf", ".tfvars", ".hcl"} {
		for _, path := range files(t, ending) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			body(t, path)
			require.Equal(t, string(hclwrite.Format(text)), string(text), "%s: terraform fmt -recursive formats it", path)
		}
	}
}

func TestVariablesAndOutputsAreDescribed(t *testing.T) {
	t.Parallel()
	for _, m := range modules(t) {
		for name, block := range m.declared {
			if strings.HasPrefix(name, "var.") {
				require.NotNil(t, block.Body.Attributes["description"], "%s: %s has no description", m.dir, name)
				require.NotNil(t, block.Body.Attributes["type"], "%s: %s has no type", m.dir, name)
			}
		}
		for name, block := range m.outputs {
			require.NotNil(t, block.Body.Attributes["description"], "%s: output %s has no description", m.dir, name)
		}
	}
}

// What belongs to expressions and not to a declaration of ours.
var given = []string{"each", "count", "self", "path", "terraform"}

func TestReferencesResolve(t *testing.T) {
	t.Parallel()
	all := modules(t)
	for _, m := range all {
		for _, r := range m.reference {
			path := r.path()
			switch {
			case slices.Contains(given, path[0]) || len(path) == 1: // one word is a type or a provider
			case path[0] == "local":
				require.True(t, m.locals[path[1]], "%s: there is no local.%s", r.where, path[1])
			case path[0] == "var":
				require.Contains(t, m.declared, "var."+path[1], r.where.String())
			case path[0] == "module":
				require.Contains(t, m.calls, path[1], r.where.String())
				called := all[source(t, m, m.calls[path[1]])]
				require.Contains(t, called.outputs, path[2], "%s: output of %s", r.where, called.dir)
			case path[0] == "aws": // a provider's alias
				require.Equal(t, "us_east_1", path[1], r.where.String())
			case path[0] == "data" || path[0] == "ephemeral":
				require.Contains(t, m.declared, strings.Join(path[:3], "."), r.where.String())
			default:
				require.Contains(t, m.declared, strings.Join(path[:2], "."), r.where.String())
			}
		}
	}
}

// TestNothingIsUnused: a variable that only its own validation reads is set by
// somebody, accepted, and reaches nothing.
func TestNothingIsUnused(t *testing.T) {
	t.Parallel()
	for _, m := range modules(t) {
		used := map[string]bool{}
		for _, r := range m.reference {
			if path := r.path(); len(path) > 1 && !r.check {
				used[path[0]+"."+path[1]] = true
			}
		}
		names, _ := m.variables()
		for _, name := range names {
			require.True(t, used["var."+name], "%s: var.%s is never used", m.dir, name)
		}
		for name := range m.locals {
			require.True(t, used["local."+name], "%s: local.%s is never used", m.dir, name)
		}
	}
}

func TestModulesAreGivenWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	all := modules(t)
	called := map[string]bool{".": true}
	for _, m := range all {
		for name, call := range m.calls {
			dir := source(t, m, call)
			require.Contains(t, all, dir, "%s: module %s", m.dir, name)
			called[dir] = true
			arguments := map[string]bool{}
			for argument := range call.Body.Attributes {
				arguments[argument] = true
			}
			for _, of := range []string{"source", "count", "for_each", "providers", "depends_on"} {
				delete(arguments, of)
			}
			names, required := all[dir].variables()
			require.Subset(t, names, slices.Collect(maps.Keys(arguments)), "%s: module %s", m.dir, name)
			require.Subset(t, slices.Collect(maps.Keys(arguments)), required, "%s: module %s", m.dir, name)
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(all)), slices.Collect(maps.Keys(called)), "every module is used")
}

// source is the folder that a call's module is in.
func source(t *testing.T, m *module, call *hclsyntax.Block) string {
	t.Helper()
	value, problems := call.Body.Attributes["source"].Expr.Value(nil)
	require.False(t, problems.HasErrors(), problems)
	return filepath.Join(m.dir, value.AsString())
}

// TestSizes: every size decides the same, and together with the example all
// that has no default.
func TestSizes(t *testing.T) {
	t.Parallel()
	names, required := modules(t)["."].variables()
	example := slices.Collect(maps.Keys(body(t, "example.tfvars").Attributes))
	var sizes []string
	for _, path := range files(t, ".tfvars") {
		values := slices.Collect(maps.Keys(body(t, path).Attributes))
		require.Subset(t, names, values, path)
		if filepath.Dir(path) != "sizes" {
			continue
		}
		sizes = append(sizes, filepath.Base(path))
		require.Subset(t, append(values, example...), required, "%s and example.tfvars", path)
	}
	require.Equal(t, []string{"large.tfvars", "medium.tfvars", "small.tfvars"}, sizes)
}
