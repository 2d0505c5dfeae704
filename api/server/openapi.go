package server

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// description introduces the API's documentation.
const description = `Mrmrthon turns the official records of road races into points for their runners, once and only once, and into standings.

## Getting started

Sign up as an organizer, log in, and keep the access token:

    API=${API:-http://localhost:8080}
    curl -sS $API/v1/users -H 'Content-Type: application/json' \
      -d '{"login_id":"office@example.org","password":"six stars to go","name":"Race Office","user_type":"organizer"}'
    TOKEN=$(curl -sS $API/v1/login -H 'Content-Type: application/json' \
      -d '{"login_id":"office@example.org","password":"six stars to go"}' | jq -r .access_token)

Create a race, and import its start list and results:

    RACE=$(curl -sS $API/v1/races -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
      -d '{"name":"City 10K","date":"2026-04-19","distance_m":10000,"ranking":{"basis":"gun"}}' | jq -r .race_id)
    printf 'bib,name,sex,age\n101,Ada Example,F,34\n102,Bo Example,M,41\n' |
      curl -sS "$API/v1/races/$RACE/participants/import" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: text/csv' --data-binary @-
    printf 'bib,gun_time\n101,41:05\n102,39:58\n' |
      curl -sS "$API/v1/races/$RACE/official-records/import" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: text/csv' --data-binary @-

Within seconds the points are credited and anyone can read the standings:

    curl -sS "$API/v1/races/$RACE/standings"

## Conventions

- **Authentication.** Send the ` + "`access_token`" + ` of ` + "`POST /v1/login`" + ` as ` + "`Authorization: Bearer <access_token>`" + `. It is valid for 15 minutes; ` + "`POST /v1/token/refresh`" + ` gets a new one.
- **Errors** are problem documents (RFC 9457). ` + "`errors[].location`" + ` names the part of the request and ` + "`errors[].message`" + ` says what it must be. An unknown field or query parameter is an error.
- **Lists** take ` + "`limit`" + ` and ` + "`cursor`" + `, and answer ` + "`items`" + ` and, unless it is the last page, ` + "`next_cursor`" + `.
- **Retries.** Every POST that creates something takes an ` + "`Idempotency-Key`" + `: a retry with the same key and body gets the answer of the first attempt. A 429 or 503 says in ` + "`Retry-After`" + `, in seconds, when to try again.
- **Concurrent changes.** A change to an official record, a post or a task names in ` + "`If-Match`" + ` the revision it is based on, and is refused with 412 when there is a newer one.
- **Support.** Every answer has an ` + "`X-Request-Id`" + `, which the logs have too.
- **Browsers.** GET calls that need no token may be made from any web page (CORS).
- **Times** are written as in the sport, H:MM:SS[.f] or MM:SS[.f]; dates as YYYY-MM-DD; distances in metres.`

func openAPI(cfg Config) huma.Config {
	out := huma.DefaultConfig("Mrmrthon", cmp.Or(cfg.Version, "dev"))
	out.Info.Description = description
	out.Servers = []*huma.Server{{URL: cmp.Or(strings.TrimSuffix(cfg.PublicURL, "/"), "/"), Description: "This server."}}
	out.OpenAPIPath, out.DocsPath, out.SchemasPath = "", "", "" // served by this package
	out.CreateHooks = nil                                       // no $schema in every answer
	out.OnAddOperation = []huma.AddOpFunc{complete}
	out.Formats = map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()}
	out.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		bearer: {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "The access_token of POST /v1/login."},
	}
	return out
}

const exampleID = "019304c5-7b1e-7c3a-9f52-6d0f4e8a1b27"

// complete adds to an operation's description what follows from the access table and
// from this package's handling of every request, so that no package repeats it.
func complete(api *huma.OpenAPI, op *huma.Operation) {
	rule := Access[op.Method+" "+op.Path]
	switch {
	case rule.Who != Anyone:
		op.Security = []map[string][]string{{bearer: {}}}
	case rule.MoreForOwner:
		op.Security = []map[string][]string{{}, {bearer: {}}}
	default:
		op.Security = []map[string][]string{{}}
	}
	for _, p := range op.Parameters {
		if p.In == "path" && isIDName(p.Name) {
			p.Schema.Format = "uuid"
		}
		if p.In == "path" && p.Example == nil {
			p.Example = exampleID
		}
		if p.Example == nil && p.Schema != nil && len(p.Schema.Examples) > 0 {
			p.Example = p.Schema.Examples[0]
		}
		if p.Description == "" {
			p.Description = commonParameters[p.Name]
		}
	}
	// The body's description says its types; a Content-Type among the parameters is
	// ignored by definition.
	op.Parameters = slices.DeleteFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == "Content-Type" })
	op.Parameters = append(op.Parameters, requestHeaders(rule)...)
	addErrors(api, op, rule)
	for code, response := range op.Responses {
		if response.Headers == nil {
			response.Headers = map[string]*huma.Header{}
		}
		maps.Copy(response.Headers, responseHeaders(code, rule))
	}
	documentUpload(op)
	if op.RequestBody != nil {
		for mediaType, media := range op.RequestBody.Content {
			if mediaType == "application/json" && media.Example == nil && media.Schema != nil {
				media.Example = exampleOf(api.Components.Schemas, media.Schema)
			}
		}
	}
}

// commonParameters describes the parameters that mean the same everywhere.
var commonParameters = map[string]string{ //nolint:gosec // descriptions, no credentials
	"race_id":       "ID of the race.",
	"series_id":     "ID of the series.",
	"claim_id":      "ID of the claim.",
	"import_id":     "ID of the import.",
	"record_id":     "ID of the official record.",
	"user_id":       "ID of the account.",
	"admission_id":  "ID of the admission.",
	"session_id":    "ID of the session.",
	"passkey_id":    "ID of the passkey.",
	"invitation_id": "ID of the invitation.",
	"key_id":        "ID of the API key.",
	"webhook_id":    "ID of the webhook.",
	"task_id":       "ID of the task.",
	"delivery_id":   "ID of the delivery.",
	"mail_id":       "ID of the mail.",
	"dispute_id":    "ID of the dispute.",
	"message_id":    "ID of the message.",
	"post_id":       "ID of the post.",
	"comment_id":    "ID of the comment.",
	"id":            "ID of the unofficial record.",
	"If-None-Match": "The ETag of an earlier answer: 304 when nothing has changed since.",
	"Last-Event-ID": "ID of the last event received, to continue after it.",
}

func requestHeaders(rule Rule) []*huma.Param {
	headers := []*huma.Param{{
		Name: "X-Request-Id", In: "header", Schema: &huma.Schema{Type: huma.TypeString, Pattern: requestIDForm.String()},
		Description: "Your own ID for this request, which appears in the answer and in the logs. A value of another form is replaced by a new ID.",
		Example:     "my-request-0000001",
	}}
	if rule.Creates {
		headers = append(headers, &huma.Param{
			Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(maxKeyLength)},
			Description: "A value that you choose once per thing to create. A retry within 24 hours with the same key and body does not create it twice.",
			Example:     "4f1c9a52-create-1",
		})
	}
	return headers
}

func responseHeaders(code string, rule Rule) map[string]*huma.Header {
	text, number := &huma.Schema{Type: huma.TypeString}, &huma.Schema{Type: huma.TypeInteger}
	headers := map[string]*huma.Header{"X-Request-Id": {Schema: text, Description: "The ID of this request in the logs."}}
	switch {
	case code == "429" || code == "503":
		headers["Retry-After"] = &huma.Header{Schema: number, Description: "Seconds to wait before the next attempt."}
	case code == "401":
		headers["WWW-Authenticate"] = &huma.Header{Schema: text, Description: "The challenge of RFC 9110."}
	case rule.Creates && !rule.Secret && strings.HasPrefix(code, "2"):
		headers["Idempotency-Replayed"] = &huma.Header{Schema: text, Description: `"true" when this is the stored answer of an earlier attempt.`}
	}
	return headers
}

// addErrors adds the errors that every operation of its kind can return.
func addErrors(api *huma.OpenAPI, op *huma.Operation, rule Rule) {
	codes := []int{http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable}
	if rule.Who != Anyone {
		codes = append(codes, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests)
	}
	if strings.Contains(op.Path, "{") {
		codes = append(codes, http.StatusNotFound)
	}
	if op.RequestBody != nil {
		codes = append(codes, http.StatusBadRequest, http.StatusRequestEntityTooLarge)
	}
	delete(op.Responses, "default")
	for _, code := range codes {
		name := strconv.Itoa(code)
		if op.Responses[name] == nil {
			op.Responses[name] = &huma.Response{
				Description: http.StatusText(code),
				Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: problemSchema(api)}},
			}
		}
	}
}

func problemSchema(api *huma.OpenAPI) *huma.Schema {
	return api.Components.Schemas.Schema(problemType, true, "Error")
}

// exampleOf builds an example that the API accepts from the examples of a schema's
// properties: all required ones, and the optional ones that have an example.
func exampleOf(schemas huma.Registry, schema *huma.Schema) any {
	if schema.Ref != "" {
		schema = schemas.SchemaFromRef(schema.Ref)
	}
	switch {
	case len(schema.Examples) > 0:
		return schema.Examples[0]
	case schema.Type == huma.TypeArray && schema.Items != nil:
		if item := exampleOf(schemas, schema.Items); item != nil {
			return []any{item}
		}
	case schema.Type == huma.TypeObject:
		object := map[string]any{}
		for name, property := range schema.Properties {
			required := slices.Contains(schema.Required, name)
			value := exampleOf(schemas, property)
			if value == nil && required && len(property.Enum) > 0 {
				value = property.Enum[0]
			}
			if inner, ok := value.(map[string]any); ok && len(inner) == 0 && !required {
				continue
			}
			if value != nil {
				object[name] = value
			}
		}
		return object
	}
	return nil
}

// serveOpenAPI answers with the document, which is encoded at the first request,
// when all operations have been registered.
func serveOpenAPI(api huma.API) http.HandlerFunc {
	document := sync.OnceValues(func() ([]byte, error) { return json.Marshal(api.OpenAPI()) })
	return func(w http.ResponseWriter, _ *http.Request) {
		body, err := document()
		if err != nil {
			writeProblem(w, err)
			return
		}
		allowAnyOrigin(w.Header().Set)
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(body) // the caller may have gone away
	}
}
