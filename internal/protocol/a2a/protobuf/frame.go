package protobuf

import (
	"encoding/binary"
	"math"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// frameHead is what stands before a message: whether it is compressed, and its
// length in four bytes.
const frameHead = 5

// unframe returns the one message that a request body holds.
func unframe(body []byte) ([]byte, error) {
	switch {
	case len(body) < frameHead:
		return nil, refuse(portcullis.CodeInvalidRequest, "body without a frame")
	case body[0] == 1:
		return nil, &portcullis.Error{
			Kind: portcullis.KindMediaType, Reason: "input_rejected", Public: "Compressed messages are not taken",
			Event: portcullis.EventInputRejected, Detail: "compressed frame",
		}
	case body[0] != 0:
		return nil, refuse(portcullis.CodeInvalidRequest, "frame with unknown flags")
	}
	if n := binary.BigEndian.Uint32(body[1:]); uint64(n) != uint64(len(body)-frameHead) {
		return nil, refuse(portcullis.CodeInvalidRequest, "not one whole frame")
	}
	return body[frameHead:], nil
}

// head writes the head of a frame into its place.
func head(frame []byte) error {
	n := len(frame) - frameHead
	if int64(n) > math.MaxUint32 {
		return errTooLarge
	}
	frame[0] = 0
	binary.BigEndian.PutUint32(frame[1:], uint32(n))
	return nil
}

// MaxTimeout is the longest time that a call can ask for. Those of the route
// hold besides.
const MaxTimeout = 24 * time.Hour

// Timeout reads grpc-timeout: at most eight digits and a unit. It is never more
// than [MaxTimeout].
func Timeout(s string) (time.Duration, bool) {
	units := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	unit, ok := units[s[len(s)-1]]
	digits := s[:len(s)-1]
	if !ok || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n := time.Duration(0)
	for _, c := range []byte(digits) {
		n = n*10 + time.Duration(c-'0')
	}
	if n > MaxTimeout/unit {
		return MaxTimeout, true
	}
	return n * unit, true
}
