package server

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/internal/auth"
)

// Verifier checks an access token and returns who it was issued to.
type Verifier interface {
	Verify(token string) (auth.Identity, error)
}

// authenticate puts the caller of a request with a bearer token into its
// context. Without one the caller stays anonymous; one that does not verify is
// refused on every route, so that an expired login is noticed at once.
func authenticate(verifier Verifier) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := r.Header.Get("Authorization")
			if header == "" {
				next.ServeHTTP(w, r)
				return
			}
			scheme, token, _ := strings.Cut(header, " ")
			if !strings.EqualFold(scheme, "Bearer") || token == "" {
				writeProblem(w, unauthorized(`the Authorization header must be "Bearer <access token>"`))
				return
			}
			caller, err := verifier.Verify(strings.TrimSpace(token))
			if err != nil {
				writeProblem(w, unauthorized("the access token is not valid or has expired: log in or refresh it"))
				return
			}
			next.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), caller)))
		})
	}
}

// unauthorized is a 401 with the challenge that RFC 9110 asks for.
func unauthorized(detail string) error {
	return huma.ErrorWithHeaders(huma.Error401Unauthorized(detail),
		http.Header{"WWW-Authenticate": {`Bearer realm="mrmrthon"`}})
}
