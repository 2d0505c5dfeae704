package server

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

// Web pages of any origin may make the GET calls that are open to anyone, as a
// club's page does to show its results. They cannot send a token: the preflight
// does not allow the Authorization header. All other calls have no CORS headers, so
// browsers keep other origins away from them.

func allowAnyOrigin(setHeader func(name, value string)) {
	setHeader("Access-Control-Allow-Origin", "*")
	setHeader("Access-Control-Expose-Headers", "ETag, Retry-After, X-Request-Id")
}

// isPublicRead reports whether a route is a GET that is open to anyone.
func isPublicRead(method, pattern string) bool {
	return method == http.MethodGet && Access[method+" "+pattern].Who == Anyone
}

// crossOrigin marks every answer of a public read, whatever its origin, so that shared
// caches need not keep one answer for each origin.
func crossOrigin(ctx huma.Context, next func(huma.Context)) {
	if op := ctx.Operation(); isPublicRead(op.Method, op.Path) {
		allowAnyOrigin(ctx.SetHeader)
	}
	next(ctx)
}

// preflight answers a browser's question whether a page may make a public read. Any
// other OPTIONS request gets its usual 405.
func preflight(routes chi.Routes) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			method := r.Header.Get("Access-Control-Request-Method")
			if r.Method != http.MethodOptions || method == "" || !isPublicRead(method, routes.Find(chi.NewRouteContext(), method, r.URL.Path)) {
				next.ServeHTTP(w, r)
				return
			}
			allowAnyOrigin(w.Header().Set)
			w.Header().Set("Access-Control-Allow-Methods", http.MethodGet)
			w.Header().Set("Access-Control-Allow-Headers", "Accept, Content-Type, If-None-Match, Last-Event-ID, X-Request-Id")
			w.Header().Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
		})
	}
}

// forwarded replaces the address of a trusted proxy with the client's. Each proxy
// appends the address that called it to X-Forwarded-For, so the client is the last
// address that is not a trusted proxy; the client itself may have written anything
// before it.
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

// clientOf reads the header from its end for as long as the writer was a trusted
// proxy.
func clientOf(caller netip.Addr, header []string, proxies []netip.Prefix) netip.Addr {
	hops := strings.Split(strings.Join(header, ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(caller) }) {
			break
		}
		before, ok := addressIn(strings.TrimSpace(hop))
		if !ok {
			break // the proxy did not say: its own address stands for the client
		}
		caller = before
	}
	return caller
}

// addressIn reads an address, to which some proxies add the client's port.
func addressIn(hop string) (netip.Addr, bool) {
	if withPort, err := netip.ParseAddrPort(hop); err == nil {
		return withPort.Addr().Unmap(), true
	}
	alone, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return alone.Unmap(), err == nil
}
