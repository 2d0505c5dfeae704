package auth

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// PasskeyConfig says whose accounts need a passkey.
type PasskeyConfig struct {
	Required PasskeyRule `env:"REQUIRE_PASSKEY" unit:"operators, organizers, with a comma" help:"whose accounts need a passkey: a password alone then only lets them add the first one; needs API_PUBLIC_URL with a domain name; empty: nobody's"`
}

// PasskeyRule names the types of accounts that need a passkey, as the setting does.
type PasskeyRule string

var passkeyRules = map[string]UserType{"operators": Operator, "organizers": Organizer}

// UnmarshalText refuses a list with anything but operators and organizers.
func (r *PasskeyRule) UnmarshalText(text []byte) error {
	var names []string
	for name := range strings.SplitSeq(string(text), ",") {
		name = strings.TrimSpace(name)
		if _, known := passkeyRules[name]; !known && len(text) > 0 {
			return fmt.Errorf("%q is neither operators nor organizers", name)
		}
		names = append(names, name)
	}
	*r = PasskeyRule(strings.Join(names, ","))
	return nil
}

// Covers reports whether an account of type t needs a passkey.
func (r PasskeyRule) Covers(t UserType) bool {
	return slices.ContainsFunc(strings.Split(string(r), ","), func(name string) bool {
		of, known := passkeyRules[name]
		return known && of == t
	})
}

// NewPasskeys returns what checks passkeys of the site at publicURL. It returns nil
// without an error when passkeys cannot be used there: the address is unknown or has
// no domain name, which WebAuthn needs.
func NewPasskeys(publicURL string) (*webauthn.WebAuthn, error) {
	site, err := url.Parse(publicURL)
	if err != nil || protocol.ValidateRPID(site.Hostname()) != nil {
		return nil, nil //nolint:nilerr,nilnil // the calls say what is missing
	}
	resident := true
	checks, err := webauthn.New(&webauthn.Config{
		RPID: site.Hostname(), RPDisplayName: "Mrmrthon", RPOrigins: []string{site.Scheme + "://" + site.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: &resident, UserVerification: protocol.VerificationRequired,
		},
		// Some password managers add outputs that nobody asked for. None is used.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys of %s: %w", site.Host, err)
	}
	return checks, nil
}
