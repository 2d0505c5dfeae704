package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/mrmrthon/mrmrthon/internal/temporal"
	"github.com/mrmrthon/mrmrthon/workflows"
)

// searchAttributes returns the search attributes of our workflows. A start with an
// unregistered one is refused.
func searchAttributes() []string {
	return []string{
		workflows.RaceIDKey.GetName(), workflows.RunnerIDKey.GetName(), workflows.RecordIDKey.GetName(),
		workflows.BibKey.GetName(), workflows.CreditStatusKey.GetName(),
	}
}

// keyLasts is how long an API key must still be valid, since setting up an environment
// takes a while.
const keyLasts = 30 * 24 * time.Hour

// temporalNamespace describes a namespace.
type temporalNamespace struct {
	attributes map[string]enums.IndexedValueType
	expires    time.Time // of the credentials; zero when they do not say
}

// openTemporal connects to the server of an environment with the credentials in this
// program's environment variables.
func openTemporal(ctx context.Context, env environment) (temporalNamespace, error) {
	cfg := temporal.Config{
		Address: env.TemporalAddress, Namespace: env.TemporalNamespace, Gzip: true, TLS: env.TemporalTLS, TLSCA: os.Getenv("TEMPORAL_TLS_CA"),
	}
	switch env.TemporalCredentials {
	case "api_key":
		if cfg.APIKey = os.Getenv("TEMPORAL_API_KEY"); cfg.APIKey == "" {
			return temporalNamespace{}, errNoCredentials
		}
	case "mtls":
		cfg.TLSCert, cfg.TLSKey = os.Getenv("TEMPORAL_TLS_CERT"), os.Getenv("TEMPORAL_TLS_KEY")
		if cfg.TLSCert == "" || cfg.TLSKey == "" {
			return temporalNamespace{}, errNoCredentials
		}
	}
	options, err := cfg.Options()
	if err != nil {
		return temporalNamespace{}, err
	}
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	connection, err := client.NewLazyClient(options)
	if err != nil {
		return temporalNamespace{}, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := connection.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: env.TemporalNamespace}); err != nil {
		return temporalNamespace{}, err
	}
	known, err := connection.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: env.TemporalNamespace})
	if err != nil {
		return temporalNamespace{}, fmt.Errorf("the namespace exists, its search attributes cannot be listed (%w): compare them by hand", err)
	}
	return temporalNamespace{attributes: known.GetCustomAttributes(), expires: cfg.Expiry()}, nil
}

var errNoCredentials = errors.New("no credentials are given here: set TEMPORAL_API_KEY, or TEMPORAL_TLS_CERT and TEMPORAL_TLS_KEY")

func checkTemporal(ctx context.Context, r *report, env *environment, open func(context.Context, environment) (temporalNamespace, error)) {
	namespace, err := open(ctx, *env)
	if _, missing := errors.AsType[*serviceerror.NamespaceNotFound](err); missing {
		r.add(env, bad, "Temporal has no namespace %s at %s", env.TemporalNamespace, env.TemporalAddress)
		return
	}
	if err != nil {
		r.add(env, unknown, "Temporal at %s: %v", env.TemporalAddress, err)
		return
	}
	r.add(env, good, "Temporal namespace %s", env.TemporalNamespace)
	var missing []string
	for _, name := range searchAttributes() {
		if namespace.attributes[name] != enums.INDEXED_VALUE_TYPE_KEYWORD {
			missing = append(missing, name)
		}
	}
	r.expect(env, len(missing) == 0, "search attributes "+strings.Join(searchAttributes(), ", "), fmt.Sprintf(
		"the namespace lacks the search attributes %s, of type Keyword: no credit would start", strings.Join(missing, ", ")))
	if left := time.Until(namespace.expires); !namespace.expires.IsZero() {
		r.expect(env, left >= keyLasts, fmt.Sprintf("the credentials for Temporal are valid for %d days", int(left.Hours()/24)),
			fmt.Sprintf("the credentials for Temporal expire on %s", namespace.expires.Format(time.DateOnly)))
	}
}
