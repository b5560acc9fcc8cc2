package subject

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/portcullis-dev/portcullis"
)

// What is sealed is id, address and user agent, each behind its length (a
// varint). The address is as netip writes it, with its zone.

func appendPersonal(dst []byte, a *portcullis.Actor) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(a.ID)))
	dst = append(dst, a.ID...)
	var room [32]byte
	ip, err := a.IP.AppendBinary(room[:0])
	if err != nil { // it has no error today
		ip = nil
	}
	dst = binary.AppendUvarint(dst, uint64(len(ip)))
	dst = append(dst, ip...)
	dst = binary.AppendUvarint(dst, uint64(len(a.UserAgent)))
	return append(dst, a.UserAgent...)
}

var errForm = errors.New("what was sealed in an audit event has not its form")

func parsePersonal(src []byte, a *portcullis.Actor) error {
	var fields [3][]byte
	for i := range fields {
		n, size := binary.Uvarint(src)
		if size <= 0 || n > uint64(len(src)-size) {
			return errForm
		}
		fields[i], src = src[size:size+int(n)], src[size+int(n):] //nolint:gosec // n is at most len(src)
	}
	var ip netip.Addr
	if err := ip.UnmarshalBinary(fields[1]); err != nil || len(src) > 0 {
		return errForm
	}
	a.ID, a.IP, a.UserAgent = string(fields[0]), ip, string(fields[2])
	return nil
}

// buffers are what one sealing needs.
type buffers struct{ plain, aad, sealed, text []byte }
