package imports

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Problem is the answer to a file of which nothing could be taken, for an error
// that StartList or Results returned.
func Problem(err error) error {
	var (
		file    *FileError
		tooMany *TooManyRowsError
	)
	switch {
	case errors.As(err, &tooMany):
		return huma.NewError(http.StatusRequestEntityTooLarge, tooMany.Error()+": split it")
	case errors.As(err, &file):
		return huma.Error422UnprocessableEntity("the file cannot be read",
			&huma.ErrorDetail{Location: "body", Message: file.Error()})
	}
	return fmt.Errorf("read the file: %w", err)
}
