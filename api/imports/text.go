package imports

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// textReader passes a file on and fails with a *FileError at the first line that is
// not UTF-8. The decoders would let such bytes pass, or replace them by U+FFFD.
type textReader struct {
	src  io.Reader
	line int    // of the next byte, from 1
	tail []byte // a character that the last read cut in two
}

func (t *textReader) Read(p []byte) (int, error) {
	n, err := t.src.Read(p)
	if !t.valid(p[:n]) {
		return 0, t.notUTF8()
	}
	if errors.Is(err, io.EOF) && len(t.tail) > 0 {
		return 0, t.notUTF8()
	}
	return n, err
}

func (t *textReader) notUTF8() error {
	return &FileError{Line: t.line, Message: "is not UTF-8; save the file as UTF-8 text"}
}

// valid checks the next bytes and counts their lines. If they are not valid, line
// is the line with the invalid byte.
func (t *textReader) valid(b []byte) bool {
	for len(t.tail) > 0 && len(b) > 0 {
		t.tail = append(t.tail, b[0])
		b = b[1:]
		if !utf8.FullRune(t.tail) {
			continue
		}
		if !utf8.Valid(t.tail) {
			return false
		}
		t.tail = nil
	}
	whole := len(b) - cutCharacter(b)
	if !utf8.Valid(b[:whole]) {
		t.line += bytes.Count(b[:firstInvalid(b)], []byte("\n"))
		return false
	}
	t.line += bytes.Count(b[:whole], []byte("\n"))
	t.tail = append(t.tail, b[whole:]...)
	return true
}

// cutCharacter returns how many bytes at the end of b are the beginning of a
// character that is cut off.
func cutCharacter(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if end := b[len(b)-n:]; utf8.RuneStart(end[0]) {
			if utf8.FullRune(end) {
				return 0
			}
			return n
		}
	}
	return 0
}

func firstInvalid(b []byte) int {
	i := 0
	for i < len(b) {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return i
}
