package accounts

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/server"
)

// keysCached is short, so that verifiers soon know a new key.
const keysCached = "public, max-age=300"

type jwksOutput struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Body         []byte
}

func registerJWKS(api huma.API, set []byte) {
	server.Register(api, huma.Operation{
		OperationID: "get-keys", Method: http.MethodGet, Path: "/.well-known/jwks.json",
		Summary: "Get the public keys of access tokens", Tags: []string{tag},
		Description: "A JSON Web Key Set (RFC 7517) of Ed25519 keys (RFC 8037).",
	}, func(context.Context, *struct{}) (*jwksOutput, error) {
		return &jwksOutput{ContentType: "application/jwk-set+json", CacheControl: keysCached, Body: set}, nil
	})
}
