package stack

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADrawnPortIsReserved(t *testing.T) {
	t.Parallel()
	drawn := map[int]func() error{}
	for range 300 {
		port, giveBack, err := DrawPort(t.Context())
		require.NoError(t, err)
		require.NotContains(t, drawn, port)
		drawn[port] = giveBack
	}
	var lc net.ListenConfig
	for port, giveBack := range drawn {
		_, err := lc.ListenPacket(t.Context(), "udp", address(port))
		require.Error(t, err, "the sign is held")
		require.NoError(t, giveBack())
	}
}
