package telemetry

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// TracingConfig says where traces go, by OpenTelemetry's standard variables.
// Without an endpoint nothing is traced.
type TracingConfig struct {
	Endpoint       string `env:"OTEL_EXPORTER_OTLP_ENDPOINT" check:"URL" help:"OpenTelemetry collector; nothing is traced without one; /v1/traces is added"`
	TracesEndpoint string `env:"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" check:"URL" help:"collector of traces, as it is; goes before OTEL_EXPORTER_OTLP_ENDPOINT"`
	Protocol       string `env:"OTEL_EXPORTER_OTLP_PROTOCOL" help:"how spans are sent" unit:"http/protobuf"`
	TracesProtocol string `env:"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" help:"how spans are sent; goes before OTEL_EXPORTER_OTLP_PROTOCOL" unit:"http/protobuf"`
	Exporter       string `env:"OTEL_TRACES_EXPORTER" help:"none for no traces in spite of an endpoint" unit:"otlp or none"`
	Sampler        string `env:"OTEL_TRACES_SAMPLER" help:"which traces are kept; parentbased_always_on when empty" unit:"a sampler of OpenTelemetry's"`
	SamplerArg     string `env:"OTEL_TRACES_SAMPLER_ARG" help:"share of traces that a traceidratio keeps" unit:"0 to 1"`
	Disabled       string `env:"OTEL_SDK_DISABLED" help:"true for no traces in spite of an endpoint" unit:"true or false"`
}

// TracingSDKSettings are read by OpenTelemetry's library itself, among others of
// its own.
type TracingSDKSettings struct {
	ServiceName   string `env:"OTEL_SERVICE_NAME" help:"what traces call the program; mrmrthon-api or mrmrthon-worker when empty"`
	Resource      string `env:"OTEL_RESOURCE_ATTRIBUTES" help:"what traces say of the program besides" unit:"name=value, with commas"`
	Headers       string `env:"OTEL_EXPORTER_OTLP_HEADERS" secret:"true" file:"false" help:"sent to the collector, such as its key" unit:"name=value, with commas"`
	TracesHeaders string `env:"OTEL_EXPORTER_OTLP_TRACES_HEADERS" secret:"true" file:"false" help:"sent to the collector; goes before OTEL_EXPORTER_OTLP_HEADERS" unit:"name=value, with commas"`
	QueueSize     string `env:"OTEL_BSP_MAX_QUEUE_SIZE" help:"how many spans may wait for the collector; more are lost; 2048 when empty" unit:"spans"`
}

// Check returns what is wrong with the settings, nil when nothing is to be
// traced. The names of OpenTelemetry's settings have no prefix.
func (c TracingConfig) Check(string) error {
	if !c.enabled() {
		return nil
	}
	_, noTarget := c.target()
	_, noSampler := c.sampler()
	return errors.Join(noTarget, c.checkProtocol(), noSampler)
}

// enabled reports whether anything is traced.
func (c TracingConfig) enabled() bool {
	return (c.Endpoint != "" || c.TracesEndpoint != "") &&
		!strings.EqualFold(c.Exporter, "none") && !strings.EqualFold(c.Disabled, "true")
}

// target returns the address that spans are posted to.
func (c TracingConfig) target() (*url.URL, error) {
	name, address := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", c.TracesEndpoint
	if address == "" {
		name, address = "OTEL_EXPORTER_OTLP_ENDPOINT", c.Endpoint
	}
	target, err := url.Parse(strings.TrimSpace(address))
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		// The value is not repeated: it may hold a password.
		return nil, fmt.Errorf("%s is not a URL such as http://localhost:4318", name)
	}
	if c.TracesEndpoint == "" {
		target = target.JoinPath("v1", "traces")
	}
	return target, nil
}

// checkProtocol refuses protocols that are not built in.
func (c TracingConfig) checkProtocol() error {
	name, protocol := "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", c.TracesProtocol
	if protocol == "" {
		name, protocol = "OTEL_EXPORTER_OTLP_PROTOCOL", c.Protocol
	}
	if protocol != "" && protocol != "http/protobuf" {
		return fmt.Errorf("%s is %q: traces go by http/protobuf only, which collectors take on port 4318", name, protocol)
	}
	if c.Exporter != "" && !strings.EqualFold(c.Exporter, "otlp") {
		return fmt.Errorf("OTEL_TRACES_EXPORTER is %q: it can be otlp or none", c.Exporter)
	}
	return nil
}

// samplers are the standard's; the argument is a ratio.
var samplers = map[string]func(ratio float64) sdktrace.Sampler{
	"always_on":              func(float64) sdktrace.Sampler { return sdktrace.AlwaysSample() },
	"always_off":             func(float64) sdktrace.Sampler { return sdktrace.NeverSample() },
	"traceidratio":           sdktrace.TraceIDRatioBased,
	"parentbased_always_on":  func(float64) sdktrace.Sampler { return sdktrace.ParentBased(sdktrace.AlwaysSample()) },
	"parentbased_always_off": func(float64) sdktrace.Sampler { return sdktrace.ParentBased(sdktrace.NeverSample()) },
	"parentbased_traceidratio": func(ratio float64) sdktrace.Sampler {
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio))
	},
}

// sampler decides which traces are kept: all when nothing is set.
func (c TracingConfig) sampler() (sdktrace.Sampler, error) {
	name := strings.ToLower(strings.TrimSpace(c.Sampler))
	if name == "" {
		name = "parentbased_always_on"
	}
	sampler, known := samplers[name]
	if !known {
		names := make([]string, 0, len(samplers))
		for name := range samplers {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("OTEL_TRACES_SAMPLER: there is no sampler %q; there are %s", c.Sampler, strings.Join(names, ", "))
	}
	ratio := 1.0
	if c.SamplerArg != "" {
		var err error
		if ratio, err = strconv.ParseFloat(c.SamplerArg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return nil, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q: it must be a ratio from 0 to 1", c.SamplerArg)
		}
	}
	return sampler(ratio), nil
}
