package queue

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

// TestTaskRole: without keys in the environment the SDK's default chain finds the
// role of the task, as ECS offers it, and requests are signed with it.
func TestTaskRole(t *testing.T) { //nolint:paralleltest // the environment is the process's
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"AccessKeyId":"KEYOFTHEROLE","SecretAccessKey":"secret","Token":"token","Expiration":%q}`,
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer role.Close()
	signed := make(chan http.Header, 1)
	amazon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed <- r.Header
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = fmt.Fprint(w, `{"Attributes":{"ApproximateNumberOfMessages":"0","ApproximateNumberOfMessagesNotVisible":"0",
			"ApproximateNumberOfMessagesDelayed":"0"}}`)
	}))
	defer amazon.Close()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI": role.URL,
	} {
		t.Setenv(name, value)
	}
	client, err := New(t.Context(), Config{
		Endpoint: amazon.URL, URL: amazon.URL + "/1/records", DeadLetterURL: amazon.URL + "/1/records-dead", Region: "eu-central-1",
	})
	require.NoError(t, err)
	_, err = client.Depth(t.Context())
	require.NoError(t, err)
	header := <-signed
	require.Contains(t, header.Get("Authorization"), "Credential=KEYOFTHEROLE/")
	require.Contains(t, header.Get("Authorization"), "/eu-central-1/sqs/aws4_request")
	require.Equal(t, "token", header.Get("X-Amz-Security-Token"))
}

func TestWithoutEndpointItIsAmazons(t *testing.T) {
	t.Parallel()
	const url = "https://sqs.eu-central-1.amazonaws.com/123456789012/records"
	client, err := New(t.Context(), Config{URL: url, DeadLetterURL: url + "-dead", Region: "eu-central-1"})
	require.NoError(t, err)
	options := client.sqs.Options()
	require.Nil(t, options.BaseEndpoint)
	endpoint, err := options.EndpointResolverV2.ResolveEndpoint(t.Context(), sqs.EndpointParameters{Region: &options.Region})
	require.NoError(t, err)
	require.Equal(t, "https://sqs.eu-central-1.amazonaws.com", endpoint.URI.String())
}
