package obs

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"
)

// entropy is a stock of random bytes; one read of the system's generator
// serves many ids.
type entropy struct {
	buf  [1024]byte
	left int
}

// stock keeps entropy between calls. What it hands out is never handed out
// again, so it holds nothing that one caller could see of another.
var stock = sync.Pool{New: func() any { return new(entropy) }}

// NewID returns a new UUIDv7 (RFC 9562): the time in milliseconds, 12 bits of
// its fraction, so that ids made after each other mostly sort in that order,
// and 62 random bits. It allocates the string only.
func NewID() string {
	var buf [36]byte
	return string(AppendID(buf[:0]))
}

// AppendID appends a new UUIDv7, 36 bytes, to dst.
func AppendID(dst []byte) []byte {
	return appendIDAt(dst, time.Now())
}

func appendIDAt(dst []byte, now time.Time) []byte {
	var id [16]byte
	ns := now.UnixNano()
	ms := ns / int64(time.Millisecond)
	fraction := uint64(ns%int64(time.Millisecond)) * 4096 / uint64(time.Millisecond)
	binary.BigEndian.PutUint64(id[:8], uint64(ms)<<16|7<<12|fraction)
	e := stock.Get().(*entropy)
	if e.left < 8 {
		// crypto/rand never fails: it ends the process instead.
		_, _ = rand.Read(e.buf[:])
		e.left = len(e.buf)
	}
	random := e.buf[e.left-8 : e.left]
	copy(id[8:], random)
	clear(random)
	e.left -= 8
	stock.Put(e)
	id[8] = id[8]&0x3f | 0x80
	return appendUUID(dst, &id)
}

func appendUUID(dst []byte, id *[16]byte) []byte {
	n := len(dst)
	dst = append(dst, "00000000-0000-0000-0000-000000000000"...)
	out := dst[n:]
	hex.Encode(out[0:8], id[0:4])
	hex.Encode(out[9:13], id[4:6])
	hex.Encode(out[14:18], id[6:8])
	hex.Encode(out[19:23], id[8:10])
	hex.Encode(out[24:36], id[10:16])
	return dst
}
