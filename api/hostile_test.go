package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mrmrthon/mrmrthon/api/server"
)

// hostile are values that a database, a parser or a log may stumble over. The first
// ones go everywhere.
var hostile = []string{
	"\xff", "a\x00b", "-1", "99999999999999999999", "여자",
	"", " ", "0", "1e309", "NaN", "-9223372036854775808", "null", "true", "[]", "{}", "%zz", "\"",
	"\xc3\x28", "\x1b[31m", "a\r\nb", "\u202e여자", "𝕏", "'; DROP TABLE user; --", "../../etc/passwd", "\u0130",
	"9999-99-99", "0000-00-00", "25:61:61", strings.Repeat("x", 10_000), strings.Repeat("[", 5_000),
	server.EncodeCursor("\u00ff"), server.EncodeCursor("2026-04-19", "\x00"), server.EncodeCursor("2026-04-19", "여자"),
	server.EncodeCursor("-1"), server.EncodeCursor("99999999999999999999"), server.EncodeCursor("2147483648", "0"),
	server.EncodeCursor("019304c5-7b1e-7c3a-9f52-6d0f4e8a1b27"), server.EncodeCursor("2026-04-19", "019304c5-7b1e-7c3a-9f52-6d0f4e8a1b27"),
}

const (
	everywhere = 5 // of the hostile values
	share      = 6 // of the others, each place gets one in so many
)

// part is a place in a request where a caller can write something: a parameter, a
// field of the body, all of the body, or all of the query.
type part struct{ in, name string }

func partsOf(op operation) (list []part) {
	for _, p := range op.Parameters {
		list = append(list, part{p.Value.In, p.Value.Name})
	}
	list = append(list, part{"raw query", ""}, part{"header", "Authorization"}, part{"header", "Content-Type"})
	if op.RequestBody == nil {
		return list
	}
	list = append(list, part{"raw body", ""})
	if media := op.RequestBody.Value.Content["application/json"]; media != nil && media.Schema != nil {
		for name := range media.Schema.Value.Properties {
			list = append(list, part{"body", name}, part{"body text", name})
		}
	}
	slices.SortFunc(list, func(a, b part) int { return strings.Compare(a.in+a.name, b.in+b.name) })
	return list
}

// FuzzRequests writes one hostile value into one place of a request that is right
// otherwise. Whatever it is, the answer is never a 500, and the log has no panic.
// `make test` runs the seeds, a share of all values in all places of all operations;
// `go test -fuzz FuzzRequests ./api` goes on from there.
func FuzzRequests(f *testing.F) {
	b := setup(f)
	signUp := `{"login_id":"office@example.net","password":"six stars to go","name":"Race Office","user_type":"organizer"}`
	b.send(f, http.MethodPost, "/v1/users", "", signUp, http.Header{"Content-Type": {"application/json"}})
	ids := b.things(f, "")
	list := operations(document(f, b.router))
	for i, op := range list {
		for j := range partsOf(op) {
			for k, value := range hostile {
				if k < everywhere || (i+j+k)%share == 0 {
					f.Add(uint(i), uint(j), value)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, i, j uint, value string) {
		op := list[i%uint(len(list))]
		places := partsOf(op)
		place := places[j%uint(len(places))]
		if op.OperationID == "delete-me" && !strings.Contains(place.in, "body") {
			return // the right password would delete the runner, whom the other calls need
		}
		request := hostileRequest(t, op, place, value, ids)
		if request == nil {
			return // HTTP itself does not let this through
		}
		if token := b.tokens[callerOf(op.rule())]; token != "" && place.name != "Authorization" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		answer := httptest.NewRecorder()
		b.router.ServeHTTP(answer, request)
		what := fmt.Sprintf("%s, %s %s: %q", op.OperationID, place.in, place.name, shown(value))
		require.NotEqual(t, http.StatusInternalServerError, answer.Code, "%s\n%s\n%s", what, answer.Body, b.logs.drain())
		if !strings.HasPrefix(op.path, "/v1/ops/") { // of Temporal and the queue, which are not there
			require.NotEqual(t, http.StatusServiceUnavailable, answer.Code, "%s\n%s\n%s", what, answer.Body, b.logs.drain())
		}
		if answer.Code >= http.StatusBadRequest {
			require.Contains(t, answer.Header().Get("Content-Type"), "json", what)
		}
		log := b.logs.drain()
		require.NotContains(t, log, "panic", what)
		require.NotContains(t, log, "\xff", what)
	})
}

func shown(value string) string { return value[:min(len(value), 100)] }

// hostileRequest is nil for what net/http refuses before it reaches us.
func hostileRequest(t *testing.T, op operation, place part, value string, ids map[string]string) *http.Request {
	t.Helper()
	path, query, headers := op.path, url.Values{}, http.Header{}
	for _, p := range op.Parameters {
		text, chosen := "", place == part{p.Value.In, p.Value.Name}
		if p.Value.Example != nil {
			text = fmt.Sprint(p.Value.Example)
		}
		switch {
		case chosen:
			text = value
		case p.Value.In == "path" && ids[p.Value.Name] != "" && op.method != http.MethodDelete:
			text = ids[p.Value.Name]
		case p.Value.In != "path" && !p.Value.Required && p.Value.Name != "If-Match":
			continue
		}
		switch p.Value.In {
		case "path":
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(text))
		case "query":
			query.Set(p.Value.Name, text)
		case "header":
			headers.Set(p.Value.Name, text)
		}
	}
	body := ""
	if op.RequestBody != nil {
		headers.Set("Content-Type", "application/json")
		body = hostileBody(t, op, place, value, ids)
	}
	if place.in == "header" {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil
		}
		headers.Set(place.name, value)
	}
	target := path + "?" + query.Encode()
	if place.in == "raw query" {
		target = path + "?" + strings.Map(func(r rune) rune {
			if r <= ' ' || r == '#' || r == 0x7f {
				return '+'
			}
			return r
		}, value)
	}
	location, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	request := httptest.NewRequestWithContext(t.Context(), op.method, "/", strings.NewReader(body))
	request.URL, request.RequestURI, request.Header = location, target, headers
	return request
}

func hostileBody(t *testing.T, op operation, place part, value string, ids map[string]string) string {
	t.Helper()
	if place.in == "raw body" {
		return value
	}
	media := op.RequestBody.Value.Content["application/json"]
	if media == nil {
		return ""
	}
	text, err := json.Marshal(media.Example)
	require.NoError(t, err)
	example := strings.ReplaceAll(string(text), exampleToken, ids["refresh_token"])
	var fields map[string]json.RawMessage
	if (place.in != "body" && place.in != "body text") || json.Unmarshal([]byte(example), &fields) != nil {
		return example
	}
	fields[place.name] = json.RawMessage(value)
	if place.in == "body text" || !json.Valid([]byte(value)) {
		// Bytes that are not UTF-8 are sent as they are, which json.Marshal would not do.
		quoted := strings.NewReplacer("\\", `\\`, `"`, `\"`, "\x00", `\u0000`, "\r", `\r`, "\n", `\n`, "\x1b", `\u001b`).Replace(value)
		fields[place.name] = nil
		before, err := json.Marshal(fields)
		require.NoError(t, err)
		return strings.Replace(string(before), `"`+place.name+`":null`, `"`+place.name+`":"`+quoted+`"`, 1)
	}
	body, err := json.Marshal(fields)
	require.NoError(t, err)
	return string(body)
}
