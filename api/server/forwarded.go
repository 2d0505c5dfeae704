package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwarded puts the address of the client in the place of a trusted proxy's.
// Each proxy adds whom it was called by at the end of X-Forwarded-For, so that
// the client is the last who is not a proxy himself; what stands before, the
// client may have written.
func forwarded(proxies []netip.Prefix) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if len(proxies) == 0 {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if caller, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
				client := clientOf(caller.Addr().Unmap(), r.Header.Values("X-Forwarded-For"), proxies)
				r.RemoteAddr = netip.AddrPortFrom(client, caller.Port()).String()
			}
			next.ServeHTTP(w, r)
		})
	}
}

// clientOf follows the header from its end for as long as a trusted proxy
// speaks.
func clientOf(caller netip.Addr, header []string, proxies []netip.Prefix) netip.Addr {
	hops := strings.Split(strings.Join(header, ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(caller) }) {
			break
		}
		before, ok := addressIn(strings.TrimSpace(hop))
		if !ok {
			break // a proxy that does not say: the last known answers for the call
		}
		caller = before
	}
	return caller
}

// addressIn reads an address, which some proxies write with the client's port.
func addressIn(hop string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(hop); err == nil {
		return withPort.Addr().Unmap(), true
	}
	alone, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return alone.Unmap(), err == nil
}
