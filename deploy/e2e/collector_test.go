package e2e_test

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// span is the part of a span that tests compare.
type span struct {
	service, name string
	kind          tracepb.Span_SpanKind
	id, parent    string // parent is empty at the root of a trace
	trace         string
	links         []string // trace and span ID, with a slash
	attributes    map[string]string
	start, end    time.Time
	failed        bool
}

// collector receives spans by OTLP over HTTP.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []span
	raw   strings.Builder // everything that came, as text
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(c.take))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collectorpb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, fmt.Sprintf("%s: %v", r.URL.Path, err), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.WriteString(request.String())
	for _, resource := range request.GetResourceSpans() {
		service := attributesOf(resource.GetResource().GetAttributes())["service.name"]
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, spanOf(service, s))
			}
		}
	}
}

func spanOf(service string, s *tracepb.Span) span {
	read := span{
		service: service, name: s.GetName(), kind: s.GetKind(), attributes: attributesOf(s.GetAttributes()),
		id: hex.EncodeToString(s.GetSpanId()), parent: hex.EncodeToString(s.GetParentSpanId()),
		trace: hex.EncodeToString(s.GetTraceId()), failed: s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR,
		start: time.Unix(0, int64(s.GetStartTimeUnixNano())), end: time.Unix(0, int64(s.GetEndTimeUnixNano())),
	}
	for _, link := range s.GetLinks() {
		read.links = append(read.links, hex.EncodeToString(link.GetTraceId())+"/"+hex.EncodeToString(link.GetSpanId()))
	}
	return read
}

func attributesOf(list []*commonpb.KeyValue) map[string]string {
	attributes := map[string]string{}
	for _, a := range list {
		attributes[a.GetKey()] = a.GetValue().GetStringValue()
		if number, is := a.GetValue().GetValue().(*commonpb.AnyValue_IntValue); is {
			attributes[a.GetKey()] = strconv.FormatInt(number.IntValue, 10)
		}
	}
	return attributes
}

// find returns the spans for which is returns true, in the order of their start.
func (c *collector) find(is func(span) bool) []span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var found []span
	for _, s := range c.spans {
		if is(s) {
			found = append(found, s)
		}
	}
	slices.SortStableFunc(found, func(a, b span) int { return cmp.Compare(a.start.UnixNano(), b.start.UnixNano()) })
	return found
}

// text returns everything that was received.
func (c *collector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.raw.String()
}

// trace is all spans of one trace, in the order of their start.
type trace []span

func (c *collector) trace(id string) trace { return c.find(func(s span) bool { return s.trace == id }) }

// only returns the one span of that name.
func (tr trace) only(t *testing.T, name string) span {
	t.Helper()
	named := slices.DeleteFunc(slices.Clone(tr), func(s span) bool { return s.name != name })
	if len(named) != 1 {
		t.Fatalf("%d spans are called %s, not one:\n%s", len(named), name, tr)
	}
	return named[0]
}

// below returns the names of a span's children, in the order of their start.
func (tr trace) below(s span) (names []string) {
	for _, child := range tr {
		if child.parent == s.id {
			names = append(names, child.name)
		}
	}
	return names
}

// String draws the trace as a tree.
func (tr trace) String() string {
	var b strings.Builder
	known := map[string]bool{}
	for _, s := range tr {
		known[s.id] = true
	}
	var draw func(s span, depth int)
	draw = func(s span, depth int) {
		fmt.Fprintf(&b, "%8.2f ms %8.2f ms  %-16s %s%s\n", float64(s.start.Sub(tr[0].start).Microseconds())/1000,
			float64(s.end.Sub(s.start).Microseconds())/1000, s.service, strings.Repeat("  ", depth), s.name)
		for _, child := range tr {
			if child.parent == s.id {
				draw(child, depth+1)
			}
		}
	}
	for _, s := range tr {
		if !known[s.parent] {
			draw(s, 0)
		}
	}
	return b.String()
}
