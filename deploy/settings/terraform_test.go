package settings_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/stretchr/testify/require"
)

// TestTerraform compares the environment of the tasks on AWS with what the programs read,
// and checks that every secret comes from a secret store.
func TestTerraform(t *testing.T) {
	t.Parallel()
	maps := terraformMaps(t)
	for name, of := range tasks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain, secret := maps[name+"_environment"], maps[name+"_secrets"]
			require.NotEmpty(t, plain, "settings.tf has no %s_environment", name)
			require.NotEmpty(t, secret, "settings.tf has no %s_secrets", name)
			reads := settingsOf(t, of)
			given := map[string]bool{}
			for _, key := range plain {
				require.False(t, reads[key].Secret, "%s is a secret: it belongs to %s_secrets", key, name)
				require.False(t, given[key], "%s is there twice", key)
				given[key] = true
			}
			for _, key := range secret {
				require.False(t, given[key], "%s is there twice", key)
				given[key] = true
			}
			require.Empty(t, disagreements(given, reads))
		})
	}
}

// terraformMaps returns the keys of every map among the locals of settings.tf.
func terraformMaps(t *testing.T) map[string][]string {
	t.Helper()
	parsed, problems := hclparse.NewParser().ParseHCLFile(filepath.Join(built.root, "deploy", "terraform", "settings.tf"))
	require.False(t, problems.HasErrors(), problems)
	content, _, problems := parsed.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "locals"}}})
	require.False(t, problems.HasErrors(), problems)
	maps := map[string][]string{}
	for _, block := range content.Blocks {
		attributes, problems := block.Body.JustAttributes()
		require.False(t, problems.HasErrors(), problems)
		for name, attribute := range attributes {
			if !strings.HasSuffix(name, "_environment") && !strings.HasSuffix(name, "_secrets") {
				continue
			}
			pairs, problems := hcl.ExprMap(attribute.Expr)
			require.False(t, problems.HasErrors(), "%s must be a map with literal keys: %s", name, problems)
			for _, pair := range pairs {
				key := hcl.ExprAsKeyword(pair.Key)
				require.NotEmpty(t, key, "a key of %s is not literal", name)
				maps[name] = append(maps[name], key)
			}
		}
	}
	return maps
}
