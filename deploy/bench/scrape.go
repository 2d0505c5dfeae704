package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// metrics are the values of a page of /metrics, by name with labels.
type metrics map[string]float64

// scrape reads a page of metrics.
func scrape(ctx context.Context, url string) (metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read metrics: GET %s: %s", url, res.Status)
	}
	return parseMetrics(res.Body)
}

// parseMetrics reads Prometheus's text format: lines of a name, with labels or
// without, and a value.
func parseMetrics(text io.Reader) (metrics, error) {
	all := metrics{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("read metrics: %q: %w", line, err)
		}
		all[line[:at]] = value
	}
	return all, lines.Err()
}

// histogram is what a Prometheus histogram has seen so far.
type histogram struct{ sum, count float64 }

// histogram finds one by name and labels; labels are as the page has them, in
// braces, or "".
func (m metrics) histogram(name, labels string) histogram {
	return histogram{m[name+"_sum"+labels], m[name+"_count"+labels]}
}

// since is the mean of what came after an earlier look; 0 when nothing did.
func (h histogram) since(before histogram) float64 {
	if h.count == before.count {
		return 0
	}
	return (h.sum - before.sum) / (h.count - before.count)
}
