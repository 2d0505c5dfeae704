package queue

// Config is what a Client needs; its tags are for caarlos0/env.
type Config struct {
	// Endpoint is the address of an SQS-compatible server such as http://127.0.0.1:9324; Amazon's when
	// empty.
	Endpoint string `env:"QUEUE_ENDPOINT"`
	// URL is the records queue's.
	URL string `env:"QUEUE_URL,notEmpty"`
	// DeadLetterURL is the URL of the queue for messages that cannot be handled.
	DeadLetterURL string `env:"DEAD_LETTER_QUEUE_URL,notEmpty"`
	// Region is the queues' region; the SDK's own settings decide when it is empty.
	Region string `env:"AWS_REGION"`
	// Concurrency is how many batches of one call are under way at once; 8 when 0.
	Concurrency int `env:"QUEUE_CONCURRENCY" envDefault:"8"`
}
