package sqs

import (
	"crypto/md5" //nolint:gosec // the protocol's checksum, not a protection
	"encoding/binary"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxMessageAttributes is how many attributes a message can have.
const maxMessageAttributes = 10

// attribute is one attribute that a sender gave a message.
type attribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

// bytes is the value as it counts for size and checksum.
func (a attribute) bytes() []byte {
	if a.StringValue != nil {
		return []byte(*a.StringValue)
	}
	return a.BinaryValue
}

// attributeName is what a name may be: letters, digits, _ - and single periods inside.
var attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// checkAttributes refuses attributes that Amazon refuses.
func checkAttributes(attributes map[string]attribute) error {
	if len(attributes) > maxMessageAttributes {
		return errInvalidParameter.errorf("number of message attributes [%d] exceeds the allowed maximum [%d]",
			len(attributes), maxMessageAttributes)
	}
	for name, a := range attributes {
		lower := strings.ToLower(name)
		if len(name) > 256 || !attributeName.MatchString(name) ||
			strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") {
			return errInvalidParameter.errorf("the message attribute name %q is invalid", name)
		}
		if err := a.check(name); err != nil {
			return err
		}
	}
	return nil
}

// check refuses a type that is not String, Number or Binary (with an optional label: Number.float), and a
// value that is missing or not of its type.
func (a attribute) check(name string) error {
	if len(a.DataType) > 256 {
		return errInvalidParameter.errorf("the type of message attribute %q is longer than 256 bytes", name)
	}
	base, _, _ := strings.Cut(a.DataType, ".")
	switch base {
	case "String", "Number":
		if a.StringValue == nil || *a.StringValue == "" || a.BinaryValue != nil {
			return errInvalidParameter.errorf("message attribute %q of type %s needs a string value", name, a.DataType)
		}
		if base == "Number" {
			if _, err := strconv.ParseFloat(*a.StringValue, 64); err != nil {
				return errInvalidParameter.errorf("message attribute %q is not a number", name)
			}
		}
		return checkText(*a.StringValue)
	case "Binary":
		if len(a.BinaryValue) == 0 || a.StringValue != nil {
			return errInvalidParameter.errorf("message attribute %q of type %s needs a binary value", name, a.DataType)
		}
		return nil
	default:
		return errInvalidParameter.errorf("message attribute %q has the type %q; it must be String, Number or Binary", name, a.DataType)
	}
}

// selectAttributes picks the attributes that a receive asked for: by name, by prefix ("bar.*") or all
// ("All", ".*").
func selectAttributes(attributes map[string]attribute, wanted []string) map[string]attribute {
	if len(attributes) == 0 || len(wanted) == 0 {
		return nil
	}
	picked := map[string]attribute{}
	for name, a := range attributes {
		if slices.ContainsFunc(wanted, func(w string) bool { return attributeWanted(name, w) }) {
			picked[name] = a
		}
	}
	return picked
}

func attributeWanted(name, wanted string) bool {
	if wanted == "All" || wanted == name {
		return true
	}
	prefix, isPrefix := strings.CutSuffix(wanted, ".*")
	return isPrefix && strings.HasPrefix(name, prefix)
}

// textMD5 is the checksum of a body, in hex.
func textMD5(text string) string {
	sum := md5.Sum([]byte(text)) //nolint:gosec // the protocol's checksum
	return hex.EncodeToString(sum[:])
}

// attributesMD5 is the checksum that Amazon defines over attributes: for each in order of name, length
// and bytes of name and type, 1 for text or 2 for binary, length and bytes of the value. It is empty when
// there are none.
func attributesMD5(attributes map[string]attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var buf []byte
	put := func(b []byte) {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(b))) //nolint:gosec // at most 1 MiB
		buf = append(buf, b...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		put([]byte(name))
		put([]byte(a.DataType))
		transport := byte(1)
		if a.StringValue == nil {
			transport = 2
		}
		buf = append(buf, transport)
		put(a.bytes())
	}
	sum := md5.Sum(buf) //nolint:gosec // the protocol's checksum
	return hex.EncodeToString(sum[:])
}
