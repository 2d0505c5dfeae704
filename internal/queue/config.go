package queue

// Config is what a Client needs; its tags are for caarlos0/env.
type Config struct {
	// Endpoint is the address of an SQS-compatible server such as http://127.0.0.1:9324; Amazon's when
	// empty.
	Endpoint string `env:"QUEUE_ENDPOINT" check:"URL" help:"an SQS-compatible server; Amazon's when empty"`
	// URL is the records queue's.
	URL string `env:"QUEUE_URL,required" check:"URL" help:"the records queue"`
	// DeadLetterURL is the URL of the queue for messages that cannot be handled.
	DeadLetterURL string `env:"DEAD_LETTER_QUEUE_URL,required" check:"URL" help:"the queue of messages that cannot be handled"`
	// Region is the queues' region; the SDK's own settings decide when it is empty.
	Region string `env:"AWS_REGION" help:"the queues' region; the AWS SDK's own settings decide when empty"`
	// Concurrency is how many batches of one call are under way at once; 8 when 0.
	Concurrency int `env:"QUEUE_CONCURRENCY" envDefault:"8" unit:"batches" help:"how many batches of one call are under way at once"`
}

// SDKSettings are read by Amazon's SDK itself, among many others of its own. On
// AWS they are not needed: the SDK finds the task's role.
type SDKSettings struct {
	AccessKeyID     string `env:"AWS_ACCESS_KEY_ID" help:"read by the AWS SDK; empty on AWS, where the task's role counts"`
	SecretAccessKey string `env:"AWS_SECRET_ACCESS_KEY" secret:"true" file:"false" help:"read by the AWS SDK, as is what goes with it"`
}
