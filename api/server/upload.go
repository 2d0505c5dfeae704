package server

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/mrmrthon/mrmrthon/internal/race"
)

// fileField is the field of a form that holds the file.
const fileField = "file"

// takesFile reports whether an operation's body is a file.
func takesFile(op *huma.Operation) bool {
	return op.RequestBody != nil && (op.RequestBody.Content["text/csv"] != nil || op.RequestBody.Content["application/octet-stream"] != nil)
}

// unwrapUpload replaces a form that uploads a file, as browsers and curl -F send, with
// the file itself. It runs before idempotency, because each attempt of the same upload
// has another boundary.
func unwrapUpload(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		op := ctx.Operation()
		mediaType, params, err := mime.ParseMediaType(ctx.Header("Content-Type"))
		if err != nil || mediaType != "multipart/form-data" || !takesFile(op) {
			next(ctx)
			return
		}
		if op.BodyReadTimeout > 0 {
			_ = ctx.SetReadDeadline(time.Now().Add(op.BodyReadTimeout))
		}
		r, w := humachi.Unwrap(ctx)
		uploaded, err := readUpload(op, multipart.NewReader(http.MaxBytesReader(nil, r.Body, op.MaxBodyBytes), params["boundary"]))
		if err != nil {
			writeError(api, ctx, err)
			return
		}
		r = r.WithContext(ctx.Context())
		r.Header = r.Header.Clone()
		r.Header.Set("Content-Type", uploaded.contentType)
		r.Header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": uploaded.name}))
		if len(uploaded.parameters) > 0 {
			query := r.URL.Query()
			maps.Copy(query, uploaded.parameters)
			location := *r.URL
			location.RawQuery = query.Encode()
			r.URL, r.RequestURI = &location, location.RequestURI()
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(uploaded.file)), int64(len(uploaded.file))
		next(humachi.NewContext(op, r, w))
	}
}

// upload is what a form uploads.
type upload struct {
	file              []byte
	name, contentType string
	parameters        url.Values // of the call
}

// maxField is how long a parameter in a form may be, in bytes.
const maxField = 64 << 10

// readUpload reads the one file of a form. Its other fields may be parameters of the
// call; anything else is refused.
func readUpload(op *huma.Operation, form *multipart.Reader) (upload, error) {
	got := upload{parameters: url.Values{}}
	for {
		part, err := form.NextRawPart()
		switch {
		case errors.Is(err, io.EOF) && got.contentType != "":
			return got, nil
		case errors.Is(err, io.EOF):
			return got, Invalid("body."+fileField, "is required: the file to import")
		case err != nil:
			return got, uploadError(err)
		case part.FormName() == fileField && got.contentType == "":
			if got.file, err = io.ReadAll(part); err != nil {
				return got, uploadError(err)
			}
			got.name, got.contentType = part.FileName(), uploadType(part.Header.Get("Content-Type"), part.FileName())
		case takesParameter(op, part.FormName()) && !got.parameters.Has(part.FormName()):
			value, err := io.ReadAll(io.LimitReader(part, maxField))
			if err != nil {
				return got, uploadError(err)
			}
			if !IsText(string(value)) {
				return got, Invalid("body."+part.FormName(), notText)
			}
			if err := race.CheckDirection(string(value)); err != nil {
				return got, Invalid("body."+part.FormName(), err.Error())
			}
			got.parameters.Set(part.FormName(), string(value))
		default:
			return got, Invalid("body", `the form must have one field "file"; its other fields must be parameters of this call`)
		}
	}
}

func takesParameter(op *huma.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == name })
}

// uploadType returns the content type of a file in a form, or the one that its name
// implies.
func uploadType(said, name string) string {
	if mediaType, _, err := mime.ParseMediaType(said); err == nil && mediaType != "application/octet-stream" {
		return said
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".json":
		return "application/json"
	case ".csv":
		return "text/csv"
	default:
		return "application/octet-stream"
	}
}

func uploadError(err error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return huma.NewError(http.StatusRequestEntityTooLarge, "the file is too large")
	}
	return huma.Error400BadRequest("the form could not be read: it must be complete multipart/form-data")
}

// documentUpload adds the form to the operation in the OpenAPI document.
func documentUpload(op *huma.Operation) {
	if !takesFile(op) {
		return
	}
	op.RequestBody.Content["multipart/form-data"] = &huma.MediaType{Schema: &huma.Schema{
		Type: huma.TypeObject, Required: []string{fileField},
		Properties: map[string]*huma.Schema{fileField: {Type: huma.TypeString, Format: "binary", Description: "The file."}},
	}}
}
