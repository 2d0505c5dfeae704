// Package queue is the way to and from the records queue: what its messages are, and a client for Amazon
// SQS or a server compatible with it. It is the only package that imports the SQS client.
//
// Calls are batched and their partial failures are reported message by message; counting and logging
// them is the caller's part.
package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"
)

// SQS's own limits.
const (
	// MaxBatch is how many messages one receive or one request of another kind can have.
	MaxBatch = 10
	// MaxWait is how long a receive can wait for a message.
	MaxWait = 20 * time.Second
	// MaxVisibility is how long a received message can stay hidden.
	MaxVisibility = 12 * time.Hour
)

const (
	// callTimeout bounds a call with its retries, and the time a receive may take beyond its wait.
	callTimeout = 5 * time.Second
	// dialTimeout lets a dead endpoint be noticed, retry included, within callTimeout.
	dialTimeout = 2 * time.Second
	// idleConnections is enough for 32 concurrent calls and the long polls beside them; Go keeps 2 per
	// host by default and would dial anew for every call beyond.
	idleConnections = 64
	// attempts is two because whoever calls retries as well: the outbox, the visibility timeout.
	attempts = 2
)

// Client sends to and receives from the records queue. It is safe for concurrent use. Make one with New.
type Client struct {
	sqs           *sqs.Client
	url           string
	deadLetterURL string
	concurrency   int
}

// New returns a client with the credentials that the SDK's default chain finds. It makes no call to the
// queue: Ping does. It returns an error when the settings do not suffice.
func New(ctx context.Context, cfg Config) (*Client, error) {
	switch {
	case cfg.URL == "":
		return nil, errors.New("queue: no QUEUE_URL")
	case cfg.DeadLetterURL == "":
		return nil, errors.New("queue: no DEAD_LETTER_QUEUE_URL")
	}
	load := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}), // what matters comes back as an error
		config.WithHTTPClient(httpClient()),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = attempts
				o.MaxBackoff = 200 * time.Millisecond
			})
		}),
	}
	if cfg.Region != "" {
		load = append(load, config.WithRegion(cfg.Region))
	}
	settings, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("queue: load AWS settings: %w", err)
	}
	if settings.Region == "" {
		return nil, errors.New("queue: no region, set AWS_REGION")
	}
	return &Client{
		sqs: sqs.NewFromConfig(settings, func(o *sqs.Options) {
			if cfg.Endpoint != "" {
				o.BaseEndpoint = aws.String(cfg.Endpoint)
			}
			o.HTTPClient = readBodies{o.HTTPClient}
		}),
		url:           cfg.URL,
		deadLetterURL: cfg.DeadLetterURL,
		concurrency:   cmp.Or(max(cfg.Concurrency, 0), 8),
	}, nil
}

func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) {
			d.Timeout = dialTimeout
			d.KeepAlive = 15 * time.Second
		}).
		WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns = 2 * idleConnections
			t.MaxIdleConnsPerHost = idleConnections
			t.IdleConnTimeout = 90 * time.Second
			t.TLSHandshakeTimeout = dialTimeout
		})
}

// readBodies is a client of HTTP whose requests' bodies are read, not asked to write themselves. The SDK
// (smithy-go v1.28.7, safeWriteToReadCloser) closes a body as soon as the answer is there, and one that is
// closed fails to write itself with EOF. When net/http is not quite done with the request at that moment it
// drops the connection and the rest of the answer with it: a receive loses its messages until they are
// visible again. A closed body that is read is at its end, which is right.
type readBodies struct{ sqs.HTTPClient }

// Do sends the request.
func (c readBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.HTTPClient.Do(r)
}

// Ping returns an error unless both queues are there and answer.
func (c *Client) Ping(ctx context.Context) error {
	if _, err := c.Depth(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	if _, err := c.DeadLetterDepth(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}
