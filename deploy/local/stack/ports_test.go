package stack

import (
	"net"
	"testing"
	"time"

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

// TestAPortMaySettle: one that was just probed is held for a moment by children that are
// being forked.
func TestAPortMaySettle(t *testing.T) {
	t.Parallel()
	port, giveBack, err := DrawPort(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, giveBack()) })
	held, err := Listen(t.Context(), address(port))
	require.NoError(t, err)
	time.AfterFunc(2*pollEvery, func() { _ = held.Close() })
	other, err := Listen(t.Context(), address(port))
	require.NoError(t, err)
	time.AfterFunc(2*pollEvery, func() { _ = other.Close() })
	ports := Ports{SQS: port}
	release, err := ports.choose(t.Context(), []Part{SQS})
	require.NoError(t, err)
	require.NoError(t, release())
}
