package accounts

import (
	"net/netip"

	"github.com/danielgtaylor/huma/v2"
)

// Client is embedded in inputs that need to know where a call comes from.
type Client struct {
	address string
}

// Resolve reads the address from the connection; behind proxies that are trusted
// the server has put the client's in its place.
func (c *Client) Resolve(ctx huma.Context) []error {
	c.address = clientAddress(ctx.RemoteAddr())
	return nil
}

// clientAddress names whom to hold responsible for what comes from a remote
// "address:port": the address, or for IPv6 the network of 64 bits that one
// subscriber has.
func clientAddress(remote string) string {
	parsed, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	address := parsed.Addr().Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	return netip.PrefixFrom(address, 64).Masked().String()
}
