package auditlog

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"

	portcullis "github.com/portcullis-dev/portcullis"
)

const (
	// MaxLine is the longest line of a segment in bytes, its end included.
	MaxLine = 1 << 20
	// prefixSize is the size of the checksum and the space behind it.
	prefixSize = 9
)

// castagnoli returns the CRC-32C table; the hash package keeps one copy of it.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// AppendLine appends the line of a segment that holds entry, which must not
// contain a line feed.
func AppendLine(dst, entry []byte) []byte {
	dst = append(dst, "00000000 "...)
	start := len(dst)
	dst = append(dst, entry...)
	return finishLine(dst, start)
}

// AppendRecord appends the line of a segment that holds e. It is [AppendEntry]
// and [AppendLine] in one, without a copy.
func AppendRecord(dst []byte, e *portcullis.Event) []byte {
	dst = append(dst, "00000000 "...)
	start := len(dst)
	dst = AppendEntry(dst, e)
	return finishLine(dst, start)
}

// finishLine fills in the checksum of dst[start:] and ends the line.
func finishLine(dst []byte, start int) []byte {
	sum := crc32.Checksum(dst[start:], castagnoli())
	at := dst[start-prefixSize:]
	for i := range 8 {
		at[i] = hexDigits[sum>>(28-4*i)&0xf]
	}
	return append(dst, '\n')
}

// ParseLine checks one line of a segment, with or without its line feed, and
// returns the entry in it: a slice of line. It does not look into the entry.
func ParseLine(line []byte) (entry []byte, err error) {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	if len(line) < prefixSize+2 || line[prefixSize-1] != ' ' {
		return nil, errors.New("no checksum in front of the entry")
	}
	var sum [4]byte
	if _, err := hex.Decode(sum[:], line[:8]); err != nil {
		return nil, errors.New("checksum is not hexadecimal")
	}
	entry = line[prefixSize:]
	want := uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3])
	if got := crc32.Checksum(entry, castagnoli()); got != want {
		return nil, fmt.Errorf("checksum %08x, want %08x", got, want)
	}
	if !bytes.Equal(line[:8], bytes.ToLower(line[:8])) {
		return nil, errors.New("checksum is not lower-case")
	}
	return entry, nil
}
