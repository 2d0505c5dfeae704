package build

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestBuildInfo(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	Register(registry)
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Equal(t, "mrmrthon_build_info", families[0].GetName())
	metric := families[0].GetMetric()[0]
	require.InDelta(t, 1, metric.GetGauge().GetValue(), 0)
	labels := map[string]string{}
	for _, pair := range metric.GetLabel() {
		labels[pair.GetName()] = pair.GetValue()
	}
	require.Equal(t, "dev", labels["version"])
	require.NotEmpty(t, labels["commit"])
	require.Contains(t, labels["goversion"], "go1.")
}
