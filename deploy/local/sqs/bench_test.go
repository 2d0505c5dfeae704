package sqs_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/deploy/local/sqs"
)

// BenchmarkBatches sends, receives and deletes batches of ten over HTTP, by a client that costs less than
// Amazon's, so that the server is what is measured. One operation is the three calls.
func BenchmarkBatches(b *testing.B) {
	server := sqs.New(sqs.Config{})
	require.NoError(b, server.CreateQueue("records", nil))
	address := serve(b, server)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	b.Cleanup(transport.CloseIdleConnections)
	post := func(operation string, in, out any) {
		body, err := json.Marshal(in)
		require.NoError(b, err)
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, address, bytes.NewReader(body))
		require.NoError(b, err)
		req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
		answer, err := transport.RoundTrip(req)
		require.NoError(b, err)
		require.NoError(b, json.NewDecoder(answer.Body).Decode(out))
		require.NoError(b, answer.Body.Close())
		require.Equal(b, http.StatusOK, answer.StatusCode)
	}
	type entry struct {
		ID            string `json:"Id"`
		MessageBody   string `json:",omitempty"`
		ReceiptHandle string `json:",omitempty"`
	}
	type request struct {
		QueueURL            string `json:"QueueUrl"`
		Entries             []entry
		MaxNumberOfMessages int
	}
	const url = "http://x/000000000000/records"
	batch := request{QueueURL: url}
	for i := range 10 {
		batch.Entries = append(batch.Entries, entry{ID: strconv.Itoa(i), MessageBody: benchBody})
	}
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			var none struct{}
			post("SendMessageBatch", batch, &none)
			var got struct{ Messages []entry }
			post("ReceiveMessage", request{QueueURL: url, MaxNumberOfMessages: 10}, &got)
			remove := request{QueueURL: url}
			for i, m := range got.Messages {
				remove.Entries = append(remove.Entries, entry{ID: strconv.Itoa(i), ReceiptHandle: m.ReceiptHandle})
			}
			if len(remove.Entries) > 0 {
				post("DeleteMessageBatch", remove, &none)
			}
		}
	})
	b.ReportMetric(3*float64(b.N)/b.Elapsed().Seconds(), "batches/s")
}

// BenchmarkLongPoll measures, with Amazon's client, from the start of a send until a waiting receive has
// the message.
func BenchmarkLongPoll(b *testing.B) {
	server := sqs.New(sqs.Config{})
	require.NoError(b, server.CreateQueue("records", nil))
	c := newClient(b, serve(b, server))
	url := aws.String("http://x/000000000000/records")
	arrived := make(chan time.Time)
	go func() {
		defer close(arrived)
		for {
			got, err := c.ReceiveMessage(b.Context(), &client.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20})
			if err != nil {
				return
			}
			for range got.Messages {
				arrived <- time.Now()
			}
		}
	}()
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		_, err := c.SendMessage(b.Context(), &client.SendMessageInput{QueueUrl: url, MessageBody: aws.String(benchBody)})
		require.NoError(b, err)
		took = append(took, (<-arrived).Sub(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	server.Close()
}

// benchBody is as long as the messages of the records queue.
const benchBody = `{"v":1,"race_id":"019a9f3e-6f6e-7c5e-9d2f-0c6a8f1b2c3d","record_id":"019a9f3e-7001-7b11-8a4e-5f6071829304","revision":3}`
