package queue

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

// sdkBody is a request's body as the SDK makes it: once closed it ends when it is read, and fails to write
// itself.
type sdkBody struct {
	*bytes.Reader
	closed bool
}

func (b *sdkBody) Close() error { b.closed = true; return nil }

func (b *sdkBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, io.EOF
	}
	return b.Reader.Read(p)
}

func (b *sdkBody) WriteTo(w io.Writer) (int64, error) {
	if b.closed {
		return 0, io.EOF
	}
	return b.Reader.WriteTo(w)
}

// lateClient looks for the end of a request's body after the SDK has closed it, as net/http does when the
// answer overtakes it.
type lateClient struct{ err error }

func (c *lateClient) Do(r *http.Request) (*http.Response, error) {
	if err := r.Body.Close(); err != nil {
		return nil, err
	}
	_, c.err = io.Copy(io.Discard, r.Body)
	return &http.Response{}, nil
}

func TestAClosedBodyIsAtItsEnd(t *testing.T) {
	t.Parallel()
	send := func(client sqs.HTTPClient) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://queue.example.org", http.NoBody)
		require.NoError(t, err)
		r.Body = &sdkBody{Reader: bytes.NewReader([]byte("{}"))}
		_, err = client.Do(r) //nolint:bodyclose // it has none
		require.NoError(t, err)
	}
	bare, wrapped := &lateClient{}, &lateClient{}
	send(bare)
	require.ErrorIs(t, bare.err, io.EOF) // what closes the connection
	send(readBodies{wrapped})
	require.NoError(t, wrapped.err)
}
