package settings

import (
	"encoding"
	"encoding/pem"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// What the tag check can ask for.
const (
	hostPortForm = "host:port"
	listenForm   = ":port"
	urlForm      = "URL"
	pemForm      = "PEM"
)

// unmet returns what a value would have to be, or the empty string when the value
// is valid.
func (s Setting) unmet(value string) string {
	switch {
	case s.kind == reflect.TypeFor[time.Duration]():
		return s.durationUnmet(value)
	case s.kind == reflect.TypeFor[[]netip.Prefix]():
		return prefixesUnmet(value)
	case s.kind.Kind() == reflect.Bool:
		if _, err := strconv.ParseBool(value); err != nil {
			return "true or false"
		}
	case reflect.PointerTo(s.kind).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		into, _ := reflect.TypeAssert[encoding.TextUnmarshaler](reflect.New(s.kind))
		if into.UnmarshalText([]byte(value)) != nil {
			return "one of " + s.Unit
		}
	case s.kind.Kind() == reflect.Int:
		return s.numberUnmet(value)
	}
	return s.textUnmet(value)
}

func (s Setting) durationUnmet(value string) string {
	least, wish := time.Nanosecond, "a duration above zero"
	most := time.Duration(math.MaxInt64)
	if s.min != "" {
		least, _ = time.ParseDuration(s.min)
		wish = "a duration of at least " + s.min
	}
	if s.max != "" {
		most, _ = time.ParseDuration(s.max)
		wish += " and at most " + s.max
	}
	if d, err := time.ParseDuration(value); err != nil || d < least || d > most {
		return wish + ", such as 90s, 15m or 24h"
	}
	return ""
}

func (s Setting) numberUnmet(value string) string {
	least, most := 1, math.MaxInt32
	if s.min != "" {
		least, _ = strconv.Atoi(s.min)
	}
	if s.max != "" {
		most, _ = strconv.Atoi(s.max)
	}
	if n, err := strconv.Atoi(value); err != nil || n < least || n > most {
		return fmt.Sprintf("a whole number from %d to %d", least, most)
	}
	return ""
}

func prefixesUnmet(value string) string {
	for part := range strings.SplitSeq(value, ",") {
		if _, err := netip.ParsePrefix(part); err != nil {
			return "networks such as 10.0.0.0/8,fd00::/8, without blanks"
		}
	}
	return ""
}

func (s Setting) textUnmet(value string) string {
	switch s.check {
	case hostPortForm:
		if host, port, err := net.SplitHostPort(value); err != nil || host == "" || !isPort(port, 1) {
			return "host:port such as db.example.org:3306"
		}
	case listenForm:
		if _, port, err := net.SplitHostPort(value); err != nil || !isPort(port, 0) {
			return ":port or host:port such as :8080"
		}
	case urlForm:
		if u, err := url.Parse(value); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return "a URL that begins with http:// or https://"
		}
	case pemForm:
		// Many tools that set environment variables cannot write more than one
		// line.
		if block, _ := pem.Decode([]byte(strings.ReplaceAll(value, `\n`, "\n"))); block == nil {
			return "PEM: text from -----BEGIN … to -----END …"
		}
	}
	return ""
}

func isPort(text string, least int) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && int(port) >= least
}
