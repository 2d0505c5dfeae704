package server

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
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
		file, contentType, err := readUpload(multipart.NewReader(http.MaxBytesReader(nil, r.Body, op.MaxBodyBytes), params["boundary"]))
		if err != nil {
			writeError(api, ctx, err)
			return
		}
		r = r.WithContext(ctx.Context())
		r.Header = r.Header.Clone()
		r.Header.Set("Content-Type", contentType)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(file)), int64(len(file))
		next(humachi.NewContext(op, r, w))
	}
}

// readUpload returns the one file of a form. Anything else in the form is refused:
// parameters belong in the query.
func readUpload(form *multipart.Reader) (file []byte, contentType string, err error) {
	for {
		part, err := form.NextRawPart()
		switch {
		case errors.Is(err, io.EOF) && contentType != "":
			return file, contentType, nil
		case errors.Is(err, io.EOF):
			return nil, "", invalid("body."+fileField, "is required: the file to import")
		case err != nil:
			return nil, "", uploadError(err)
		case part.FormName() != fileField || contentType != "":
			return nil, "", invalid("body", `the form must have one field, "file"; parameters belong into the query`)
		}
		if file, err = io.ReadAll(part); err != nil {
			return nil, "", uploadError(err)
		}
		contentType = uploadType(part.Header.Get("Content-Type"), part.FileName())
	}
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
