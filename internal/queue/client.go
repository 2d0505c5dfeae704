// Package queue sends to and receives from the records queue: the form of its messages, and a client for
// Amazon SQS or a compatible server. It is the only package that imports the SQS client.
//
// Calls are batched, and partial failures are reported message by message; counting and logging them is
// left to the caller.
package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
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
	// host by default and would dial again for every call beyond.
	idleConnections = 64
	// attempts is two because whoever calls retries as well: the outbox, the visibility timeout.
	attempts = 2
)

// Config is what a Client needs; its tags are for caarlos0/env.
type Config struct {
	// Endpoint is the address of an SQS-compatible server such as http://127.0.0.1:9324; Amazon's when
	// empty.
	Endpoint string `env:"QUEUE_ENDPOINT" check:"URL" help:"an SQS-compatible server; Amazon SQS when empty"`
	// URL is the records queue's.
	URL string `env:"QUEUE_URL,required" check:"URL" help:"the records queue"`
	// DeadLetterURL is the URL of the queue for messages that cannot be handled.
	DeadLetterURL string `env:"DEAD_LETTER_QUEUE_URL,required" check:"URL" help:"the queue of messages that cannot be handled"`
	// Region is the queues' region; the SDK's own settings decide when it is empty.
	Region string `env:"AWS_REGION" help:"the region of the queues, and of a bucket with backups; the AWS SDK's own settings decide when empty"`
	// Groups makes a standard queue of Amazon's fair: a race with many messages does not delay the others.
	Groups bool `env:"QUEUE_GROUPS" envDefault:"true" help:"send each message with its race as MessageGroupId, which makes an SQS queue fair among races; false for servers that refuse it"`
	// Concurrency is how many batches of one call are under way at once; 8 when 0.
	Concurrency int `env:"QUEUE_CONCURRENCY" envDefault:"8" unit:"batches" help:"how many batches of one call are under way at once"`
}

// SDKSettings are read by Amazon's SDK itself, among many others of its own. On
// AWS they are not needed: the SDK finds the task's role.
type SDKSettings struct {
	AccessKeyID     string `env:"AWS_ACCESS_KEY_ID" help:"read by the AWS SDK; empty on AWS, where the task's role counts"`
	SecretAccessKey string `env:"AWS_SECRET_ACCESS_KEY" secret:"true" file:"false" help:"read by the AWS SDK, as is what goes with it"`
}

// Client sends to and receives from the records queue. It is safe for concurrent use. Make one with New.
type Client struct {
	sqs           *sqs.Client
	url           string
	deadLetterURL string
	concurrency   int
	groups        bool
}

// New returns a client with the credentials that the SDK's default chain finds. It makes no call to the
// queue; Ping does. It returns an error when a queue URL or the region is missing.
func New(ctx context.Context, cfg Config) (*Client, error) {
	switch {
	case cfg.URL == "":
		return nil, errors.New("queue: no QUEUE_URL")
	case cfg.DeadLetterURL == "":
		return nil, errors.New("queue: no DEAD_LETTER_QUEUE_URL")
	}
	load := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}), // everything relevant is returned as an error
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
		groups:        cfg.Groups,
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

// readBodies is an HTTP client that reads request bodies instead of asking them to write themselves. The SDK
// (smithy-go v1.28.7, safeWriteToReadCloser) closes a body as soon as the response arrives, and a closed body
// fails to write itself with EOF. If net/http has not quite finished with the request by then, it drops the
// connection and the rest of the response with it: a receive loses its messages until they are visible
// again. Reading a closed body just returns EOF, which is right.
type readBodies struct{ sqs.HTTPClient }

// Do sends the request.
func (c readBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.HTTPClient.Do(r)
}

// Ping returns an error unless both queues exist and respond.
func (c *Client) Ping(ctx context.Context) error {
	if _, err := c.Depth(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	if _, err := c.DeadLetterDepth(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// Depth is how many messages a queue holds. Amazon's numbers are approximate and up to a minute old.
type Depth struct {
	Visible  int // waiting to be received
	InFlight int // received and neither deleted nor visible again
	Delayed  int // not visible yet
}

// Depth returns how many messages the records queue holds.
func (c *Client) Depth(ctx context.Context) (Depth, error) { return c.depth(ctx, c.url) }

// DeadLetterDepth returns how many messages the dead-letter queue holds.
func (c *Client) DeadLetterDepth(ctx context.Context) (Depth, error) {
	return c.depth(ctx, c.deadLetterURL)
}

func (c *Client) depth(ctx context.Context, url string) (Depth, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	const (
		visible  = types.QueueAttributeNameApproximateNumberOfMessages
		inFlight = types.QueueAttributeNameApproximateNumberOfMessagesNotVisible
		delayed  = types.QueueAttributeNameApproximateNumberOfMessagesDelayed
	)
	answer, err := c.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       &url,
		AttributeNames: []types.QueueAttributeName{visible, inFlight, delayed},
	})
	if err != nil {
		return Depth{}, fmt.Errorf("queue depth: %w", err)
	}
	var d Depth
	for name, to := range map[types.QueueAttributeName]*int{visible: &d.Visible, inFlight: &d.InFlight, delayed: &d.Delayed} {
		if *to, err = strconv.Atoi(answer.Attributes[string(name)]); err != nil {
			return Depth{}, fmt.Errorf("queue depth: %s is not a number: %w", name, err)
		}
	}
	return d, nil
}
