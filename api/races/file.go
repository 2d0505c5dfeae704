package races

import (
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mrmrthon/mrmrthon/api/imports"
)

// fileProblem is the answer to a file of which nothing could be taken.
func fileProblem(err error) error {
	var (
		file    *imports.FileError
		tooMany *imports.TooManyRowsError
	)
	switch {
	case errors.As(err, &tooMany):
		return huma.NewError(http.StatusRequestEntityTooLarge, tooMany.Error())
	case errors.As(err, &file):
		return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "body", Message: file.Error()})
	}
	return err
}
