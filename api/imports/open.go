package imports

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"strings"
)

// sniffSize is how far into a file its format and its header are looked for.
const sniffSize = 64 << 10

var byteOrderMark = []byte("\xef\xbb\xbf")

// open finds out the format of a file: from the content type, or from its first
// character when that says nothing.
func open(r io.Reader, contentType string, wanted columnSet) (source, error) {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType = ""
	}
	charset := strings.ToLower(params["charset"])
	if charset != "" && charset != "utf-8" && charset != "utf8" && charset != "us-ascii" {
		return nil, &FileError{Message: "the charset must be utf-8"}
	}
	text := bufio.NewReaderSize(&textReader{src: r, line: 1}, sniffSize)
	start, err := text.Peek(sniffSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.HasPrefix(start, byteOrderMark) {
		if _, err := text.Discard(len(byteOrderMark)); err != nil {
			return nil, err
		}
		start = start[len(byteOrderMark):]
	}
	switch mediaType {
	case "text/csv":
		return openCSV(text, start, wanted)
	case "application/json":
		return openJSON(text, wanted)
	}
	if first := bytes.TrimSpace(start); len(first) > 0 && (first[0] == '[' || first[0] == '{') {
		return openJSON(text, wanted)
	}
	return openCSV(text, start, wanted)
}
