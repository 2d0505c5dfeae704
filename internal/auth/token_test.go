package auth

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

var (
	noon    = time.Date(2026, 4, 20, 12, 0, 0, 0, time.UTC)
	runner  = Identity{UserID: "0196a1b2-0000-7000-8000-000000000001", Type: Runner, Session: "0196a1b2-0000-7000-8000-00000000000f"}
	testCfg = Config{Issuer: "issuer", Audience: "audience", AccessTokenTTL: 15 * time.Minute}
)

func at(moment time.Time) func() time.Time { return func() time.Time { return moment } }

func TestTokenRoundTrip(t *testing.T) {
	t.Parallel()
	keys := newTestKeys(t)
	token, ttl, err := NewIssuer(keys, testCfg, at(noon)).Issue(runner, time.Time{})
	require.NoError(t, err)
	require.Equal(t, 15*time.Minute, ttl)

	for _, moment := range []time.Time{noon.Add(-leeway), noon, noon.Add(ttl), noon.Add(ttl + leeway - time.Second)} {
		who, err := NewVerifier(keys, testCfg, at(moment)).Verify(token)
		require.NoError(t, err, moment)
		require.True(t, noon.Equal(who.IssuedAt))
		who.IssuedAt = time.Time{}
		require.Equal(t, runner, who)
	}
	for _, moment := range []time.Time{noon.Add(-leeway - time.Second), noon.Add(ttl + leeway)} {
		_, err := NewVerifier(keys, testCfg, at(moment)).Verify(token)
		require.Error(t, err, moment)
	}
}

func TestTokensDiffer(t *testing.T) {
	t.Parallel()
	issuer := NewIssuer(newTestKeys(t), testCfg, at(noon))
	first, _, err := issuer.Issue(runner, time.Time{})
	require.NoError(t, err)
	second, _, err := issuer.Issue(runner, time.Time{})
	require.NoError(t, err)
	require.NotEqual(t, first, second, "each has a jti of its own")
}

func TestRotationKeepsOldTokensGood(t *testing.T) {
	t.Parallel()
	old := newTestKeys(t)
	token, _, err := NewIssuer(old, testCfg, at(noon)).Issue(runner, time.Time{})
	require.NoError(t, err)

	_, err = NewVerifier(newTestKeys(t, publicOf(old.private)), testCfg, at(noon)).Verify(token)
	require.NoError(t, err)
	_, err = NewVerifier(newTestKeys(t), testCfg, at(noon)).Verify(token)
	require.ErrorContains(t, err, "not ours")
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	keys, stranger := newTestKeys(t), newTestKeys(t)
	// forge signs good claims, changed by change, under the method and header.
	forge := func(method jwt.SigningMethod, key any, change func(*claims, map[string]any)) string {
		c := claims{
			RegisteredClaims: jwt.RegisteredClaims{
				Issuer: "issuer", Audience: jwt.ClaimStrings{"audience"}, Subject: runner.UserID, ID: "jti",
				IssuedAt: jwt.NewNumericDate(noon), NotBefore: jwt.NewNumericDate(noon),
				ExpiresAt: jwt.NewNumericDate(noon.Add(time.Minute)),
			},
			UserID: runner.UserID, UserType: Runner,
		}
		token := jwt.New(method)
		token.Header["kid"] = keys.id
		change(&c, token.Header)
		token.Claims = c
		signed, err := token.SignedString(key)
		require.NoError(t, err)
		return signed
	}
	signed := func(change func(c *claims)) string {
		return forge(jwt.SigningMethodEdDSA, keys.private, func(c *claims, _ map[string]any) { change(c) })
	}
	nothing := func(*claims, map[string]any) {}
	good := signed(func(*claims) {})
	verifier := NewVerifier(keys, testCfg, at(noon))
	_, err := verifier.Verify(good)
	require.NoError(t, err, "what the others are a change of")
	parts := strings.Split(good, ".")
	asOperator := strings.Split(signed(func(c *claims) { c.UserType = Operator }), ".")

	for name, token := range map[string]string{
		"empty":               "",
		"not a token":         "token",
		"alg none":            forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nothing),
		"HS256 by public key": forge(jwt.SigningMethodHS256, []byte(publicOf(keys.private)), nothing),
		"a stranger's key":    forge(jwt.SigningMethodEdDSA, stranger.private, nothing),
		"unknown kid": forge(jwt.SigningMethodEdDSA, keys.private, func(_ *claims, h map[string]any) {
			h["kid"] = stranger.id
		}),
		"no kid":             forge(jwt.SigningMethodEdDSA, keys.private, func(_ *claims, h map[string]any) { delete(h, "kid") }),
		"kid not a string":   forge(jwt.SigningMethodEdDSA, keys.private, func(_ *claims, h map[string]any) { h["kid"] = 7 }),
		"tampered claims":    parts[0] + "." + asOperator[1] + "." + parts[2],
		"tampered signature": good[:len(good)-4] + "AAAA",
		"no signature":       parts[0] + "." + parts[1] + ".",
		"expired":            signed(func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(noon.Add(-time.Minute)) }),
		"no expiry":          signed(func(c *claims) { c.ExpiresAt = nil }),
		"not yet":            signed(func(c *claims) { c.NotBefore = jwt.NewNumericDate(noon.Add(time.Minute)) }),
		"no nbf":             signed(func(c *claims) { c.NotBefore = nil }),
		"issued later":       signed(func(c *claims) { c.IssuedAt = jwt.NewNumericDate(noon.Add(time.Minute)) }),
		"no iat":             signed(func(c *claims) { c.IssuedAt = nil }),
		"no jti":             signed(func(c *claims) { c.ID = "" }),
		"wrong issuer":       signed(func(c *claims) { c.Issuer = "somebody" }),
		"no issuer":          signed(func(c *claims) { c.Issuer = "" }),
		"wrong audience":     signed(func(c *claims) { c.Audience = jwt.ClaimStrings{"other"} }),
		"no audience":        signed(func(c *claims) { c.Audience = nil }),
		"no user":            signed(func(c *claims) { c.UserID, c.Subject = "", "" }),
		"subject differs":    signed(func(c *claims) { c.Subject = "other" }),
		"unknown user type":  signed(func(c *claims) { c.UserType = "admin" }),
	} {
		who, err := verifier.Verify(token)
		require.Error(t, err, name)
		require.Zero(t, who, name)
		if token != "" && token != "token" {
			require.NotContains(t, err.Error(), token, name)
		}
	}
}
