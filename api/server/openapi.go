package server

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

const description = `Official race records become points for their runners, once and only once.

Errors are problem documents (RFC 9457): ` + "`errors[].location`" + ` names the field and ` + "`errors[].message`" + ` what would be right.
Lists take ` + "`limit`" + ` and ` + "`cursor`" + ` and answer ` + "`items`" + ` and ` + "`next_cursor`" + `.
Every POST that creates honours an ` + "`Idempotency-Key`" + ` header: the same key again gets the same answer.
Times are written as in the sport, H:MM:SS[.f] or MM:SS[.f].`

func openAPI(version string) huma.Config {
	cfg := huma.DefaultConfig("Mrmrthon", version)
	cfg.Info.Description = description
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "", "", "" // served by this package
	cfg.CreateHooks = nil                                       // no $schema in every answer
	cfg.Formats = map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		bearer: {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "The access_token of POST /v1/login."},
	}
	return cfg
}

// serveOpenAPI answers with the document, which is made once all operations are
// there: at the first request.
func serveOpenAPI(api huma.API) http.HandlerFunc {
	document := sync.OnceValues(func() ([]byte, error) { return json.Marshal(api.OpenAPI()) })
	return func(w http.ResponseWriter, _ *http.Request) {
		body, err := document()
		if err != nil {
			writeProblem(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(body) // the connection may be gone; nobody is left to tell
	}
}
