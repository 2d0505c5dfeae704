package main

import (
	"context"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"

	"github.com/mrmrthon/mrmrthon/internal/telemetry"
)

// recordTraced records histories whose headers carry a trace.
func recordTraced(ctx context.Context, address, folder string) error {
	tracing := telemetry.WorkflowTracing(sdktrace.NewTracerProvider())
	temporal, err := client.DialContext(ctx, client.Options{
		HostPort: address, Identity: "histories", // not the name of this machine
		Interceptors: []interceptor.ClientInterceptor{tracing},
	})
	if err != nil {
		return fmt.Errorf("connect with tracing: %w", err)
	}
	defer temporal.Close()
	records, err := startWorker(temporal)
	if err != nil {
		return err
	}
	defer records.Stop()
	return play(ctx, temporal, folder, tracedScenes())
}
