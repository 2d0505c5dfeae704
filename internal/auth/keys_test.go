package auth

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// The vector of RFC 8037, appendix A.3.
func TestKeyIDIsTheThumbprint(t *testing.T) {
	t.Parallel()
	public, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	require.NoError(t, err)
	require.Equal(t, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", keyID(public))
}

func TestLoadKeysMakesTheFileOnce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "keys", "jwt.pem")

	const processes = 8
	loaded := make([]*Keys, processes)
	errs := make([]error, processes)
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() { loaded[i], errs[i] = LoadKeys(Config{PrivateKeyPath: path}) })
	}
	wg.Wait()
	for i := range processes {
		require.NoError(t, errs[i])
		require.Equal(t, loaded[0].id, loaded[i].id)
	}

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "the drafts are gone")
}

func TestLoadKeysFromTheEnvironment(t *testing.T) {
	t.Parallel()
	text, err := newPrivateKey()
	require.NoError(t, err)

	keys, err := LoadKeys(Config{PrivateKey: string(text), PrivateKeyPath: "/nowhere/at/all"})
	require.NoError(t, err)
	oneLine, err := LoadKeys(Config{PrivateKey: strings.ReplaceAll(string(text), "\n", `\n`)})
	require.NoError(t, err)
	require.Equal(t, keys.id, oneLine.id)
}

func TestLoadKeysRefuses(t *testing.T) {
	t.Parallel()
	good, err := newPrivateKey()
	require.NoError(t, err)
	broken := filepath.Join(t.TempDir(), "broken.pem")
	require.NoError(t, os.WriteFile(broken, []byte("not a key"), 0o600))

	for name, cfg := range map[string]Config{
		"neither":           {},
		"not PEM":           {PrivateKey: "secret-material"},
		"not PKCS #8":       {PrivateKey: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
		"broken file":       {PrivateKeyPath: broken},
		"public not PEM":    {PrivateKey: string(good), OtherPublicKeys: "secret-material"},
		"public is private": {PrivateKey: string(good), OtherPublicKeys: string(good)},
	} {
		_, err := LoadKeys(cfg)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "secret-material", name)
	}
}

func TestJWKSListsTheSigningKeyFirst(t *testing.T) {
	t.Parallel()
	previous := newTestKeys(t)
	keys := newTestKeys(t, publicOf(previous.private), publicOf(previous.private))

	var set struct{ Keys []map[string]string }
	require.NoError(t, json.Unmarshal(keys.JWKS(), &set))
	require.Len(t, set.Keys, 2)
	require.Equal(t, map[string]string{
		"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": keys.id,
		"x": base64.RawURLEncoding.EncodeToString(publicOf(keys.private)),
	}, set.Keys[0])
	require.Equal(t, previous.id, set.Keys[1]["kid"])
	require.NotContains(t, string(keys.JWKS()), `"d"`, "no private part")
}

// newTestKeys goes through LoadKeys, as the programs do.
func newTestKeys(t *testing.T, others ...ed25519.PublicKey) *Keys {
	t.Helper()
	text, err := newPrivateKey()
	require.NoError(t, err)
	cfg := Config{PrivateKey: string(text)}
	for _, public := range others {
		der, err := x509.MarshalPKIXPublicKey(public)
		require.NoError(t, err)
		cfg.OtherPublicKeys += string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	keys, err := LoadKeys(cfg)
	require.NoError(t, err)
	return keys
}
