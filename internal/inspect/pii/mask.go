package pii

import "bytes"

// Mask appends what may be shown: "n***@domain", "****-****-****-1234", the
// last digits of accounts and phones, the network of an address. Of anything
// that does not have the form of its kind, nothing is shown.
func (d *Detector) Mask(dst []byte, kind string, found []byte) []byte {
	switch kind {
	case KindEmail:
		return maskEmail(dst, found)
	case KindCard:
		return maskTail(append(dst, "****-****-****-"...), found, 13, 4)
	case KindIBAN:
		if len(found) > 2 && letter(found[0]) && letter(found[1]) {
			dst = append(dst, found[:2]...)
		}
		return maskTail(append(dst, "** **** "...), found, 15, 4)
	case KindPhone:
		return maskTail(append(dst, "***-***-"...), found, 8, 2)
	case KindSSN:
		return maskTail(append(dst, "***-**-"...), found, 9, 4)
	case KindIP:
		return maskIP(dst, found)
	}
	return append(dst, "****"...)
}

// maskEmail shows the first character and the domain. A name of one character
// is not shown at all.
func maskEmail(dst, found []byte) []byte {
	at := bytes.LastIndexByte(found, '@')
	if at < 1 || at == len(found)-1 || bytes.IndexByte(found[:at], '@') >= 0 {
		return append(dst, "****"...)
	}
	if at > 1 && found[0] < 0x80 {
		dst = append(dst, found[0])
	}
	return append(append(dst, "***"...), found[at:]...)
}

// maskTail shows the last digits of a text that has at least want of them, and
// stars otherwise.
func maskTail(dst, found []byte, want, show int) []byte {
	digits := 0
	var tail [4]byte
	for k := len(found) - 1; k >= 0; k-- {
		c := found[k]
		if !digit(c) && !letter(c) {
			continue
		}
		if digits < show {
			tail[show-1-digits] = c
		}
		digits++
	}
	if digits < want {
		return append(dst, "****"[:show]...)
	}
	return append(dst, tail[:show]...)
}

// maskIP shows the first half of an IPv4 address and the first group of an
// IPv6 address.
func maskIP(dst, found []byte) []byte {
	if k := bytes.IndexByte(found, ':'); k >= 0 {
		if k > 4 {
			k = 0
		}
		return append(append(dst, found[:k]...), ":****"...)
	}
	k := bytes.IndexByte(found, '.')
	if k < 1 || k > 3 {
		return append(dst, "****"...)
	}
	return append(append(dst, found[:k]...), ".*.*.*"...)
}
