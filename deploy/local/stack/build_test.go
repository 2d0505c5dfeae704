package stack

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseParts(t *testing.T) {
	t.Parallel()
	parts, err := ParseParts("sqs, mariadb")
	require.NoError(t, err)
	require.Equal(t, []Part{MariaDB, SQS}, inOrder(parts))
	require.Equal(t, AllParts(), inOrder(nil))
	_, err = ParseParts("mariadb,redis")
	require.EqualError(t, err, `no part is called "redis"; there are [mariadb sqs temporal api worker alerts metrics]`)
}
