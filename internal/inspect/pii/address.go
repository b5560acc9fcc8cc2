package pii

import (
	"strings"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// ipv4 finds an address of four groups. A result without score is a dotted
// number of another meaning, to be stepped over.
func ipv4(name, s []byte, c *cluster) (finding.Finding, bool) {
	none := finding.Finding{}
	if c.n < 4 || c.sep[1] != '.' || c.sep[2] != '.' || c.sep[3] != '.' {
		return none, false
	}
	i, end := c.start[0], c.end[3]
	var a [4]int
	small := true
	for k := range 4 {
		if c.size(k) > 3 || c.size(k) > 1 && s[c.start[k]] == '0' {
			return none, false
		}
		for _, d := range s[c.start[k]:c.end[k]] {
			a[k] = a[k]*10 + int(d-'0')
		}
		if a[k] > 255 {
			return none, false
		}
		small = small && a[k] <= 20
	}
	if c.n > 4 && c.sep[4] == '.' || wordByte(at(s, end)) || at(s, end) == '-' && letter(at(s, end+1)) {
		return finding.Finding{Start: i, End: skipWord(s, end)}, true
	}
	step := finding.Finding{Start: i, End: end}
	switch prev, before := at(s, i-1), at(s, i-2); {
	case prev == '.', prev == '/' && letter(before), prev == '-' && wordByte(before), prev == '^', prev == '~',
		prev == '=' && (before == '=' || before == '<' || before == '>' || before == '~' || before == '!'):
		return step, true
	}
	about := topics(name, s, i, aboutVersion|aboutHost)
	if about&aboutVersion != 0 && about&aboutHost == 0 || about&aboutVersion != 0 && small {
		return step, true
	}
	score := uint8(likely)
	if nobody(a) || small && about&aboutHost == 0 {
		score = low
	}
	return finding.Finding{Start: i, End: end, Kind: KindIP, Score: score}, true
}

// nobody reports addresses that name no person's machine: private, local,
// documentation, multicast, masks and public resolvers.
func nobody(a [4]int) bool {
	switch {
	case a[0] == 0, a[0] == 10, a[0] == 127, a[0] >= 224:
		return true
	case a[0] == 172 && a[1]&0xf0 == 16, a[0] == 192 && a[1] == 168, a[0] == 169 && a[1] == 254, a[0] == 100 && a[1]&0xc0 == 64:
		return true
	case a[0] == 192 && a[1] == 0, a[0] == 198 && (a[1] == 51 && a[2] == 100 || a[1]&0xfe == 18), a[0] == 203 && a[1] == 0 && a[2] == 113:
		return true
	}
	return a == [4]int{8, 8, 8, 8} || a == [4]int{8, 8, 4, 4} || a == [4]int{1, 1, 1, 1} || a == [4]int{1, 0, 0, 1} || a == [4]int{9, 9, 9, 9}
}

func hexDigit(c byte) bool { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// ipv6 finds an address around the ":" at i. It always says where to go on:
// behind the run of hexadecimal digits and colons.
func ipv6(s []byte, i, from int) (finding.Finding, bool, int) {
	none := finding.Finding{}
	start := i
	for start > from && i-start < 5 && hexDigit(s[start-1]) {
		start--
	}
	end := i
	for end < len(s) && end-start < 64 && (hexDigit(s[end]) || s[end] == ':') {
		end++
	}
	if end-i < 2 {
		return none, false, i + 1
	}
	groups, empty, size, widest := 0, 0, 0, 0
	for k := start; k <= end; k++ {
		if k < end && s[k] != ':' {
			size++
			continue
		}
		if size > 0 {
			groups++
			widest = max(widest, size)
		} else if k > start && k < end && s[k-1] == ':' {
			empty++
		}
		size = 0
	}
	trailing := end > start && s[end-1] == ':' && (end-start < 2 || s[end-2] != ':')
	if trailing {
		end--
	}
	// Clock times, MAC addresses and "std::move" are none.
	full := groups == 8 && empty == 0
	short := empty == 1 && groups >= 3 && groups < 8
	if widest > 4 || !full && !short || wordByte(at(s, start-1)) || wordByte(at(s, end)) || at(s, end) == '.' && digit(at(s, end+1)) {
		return none, false, max(end, i+1)
	}
	score := uint8(likely)
	if hasFold(s[start:], "fe80") || hasFold(s[start:], "fc") || hasFold(s[start:], "fd") || hasFold(s[start:], "2001:db8") || hasFold(s[start:], "ff") || s[start] == ':' {
		score = low
	}
	return finding.Finding{Start: start, End: end, Kind: KindIP, Score: score}, true, end
}

// date finds a date of birth. A result without score is a date of another
// meaning, to be stepped over.
func date(name, s []byte, c *cluster, from int) (finding.Finding, bool) {
	none := finding.Finding{}
	i := c.start[0]
	start, end := i, -1
	switch {
	case calendar(s, c):
		end = c.end[2]
	case c.size(0) <= 2 && letter(at(s, c.end[0]+1)):
		end = monthAfter(s, c.end[0])
	case c.size(0) <= 2 && i > from:
		start, end = monthBefore(s, c, from)
	}
	if end < 0 || digit(at(s, end)) {
		return none, false
	}
	if topics(name, s, start, aboutBirth) == 0 {
		return finding.Finding{Start: start, End: end}, true
	}
	return finding.Finding{Start: start, End: end, Kind: KindBirthdate, Score: likely}, true
}

// calendar reports three groups that are a year, a month and a day.
func calendar(s []byte, c *cluster) bool {
	if c.n < 3 || c.sep[1] != c.sep[2] || c.sep[1] != '-' && c.sep[1] != '/' && c.sep[1] != '.' {
		return false
	}
	n := func(k int) int {
		v := 0
		for _, d := range s[c.start[k]:c.end[k]] {
			v = v*10 + int(d-'0')
		}
		return v
	}
	year := func(v int) bool { return v >= 1900 && v <= 2099 }
	if c.size(0) == 4 && c.size(1) <= 2 && c.size(2) <= 2 {
		return year(n(0)) && n(1) >= 1 && n(1) <= 12 && n(2) >= 1 && n(2) <= 31
	}
	if c.size(0) > 2 || c.size(1) > 2 || c.size(2) != 4 {
		return false
	}
	a, b := n(0), n(1)
	return year(n(2)) && a >= 1 && b >= 1 && a <= 31 && b <= 31 && (a <= 12 || b <= 12)
}

const months = "jan feb mar apr may jun jul aug sep oct nov dec mai okt dez fev avr jui aou ene abr ago dic mae m\u00e4r ao\u00fb d\u00e9c f\u00e9v mrt mei out set lug giu gen mag ott "

// monthInitials says which letters begin a month.
func monthInitials() [256]bool {
	var t [256]bool
	for _, m := range strings.Fields(months) {
		t[m[0]], t[m[0]&^0x20] = true, true
	}
	return t
}

var beginsMonth = monthInitials()

func month(s []byte) bool {
	if len(s) == 0 || !beginsMonth[s[0]] {
		return false
	}
	for k := 0; k < len(months); {
		n := 0
		for months[k+n] != ' ' {
			n++
		}
		if hasFold(s, months[k:k+n]) {
			return true
		}
		k += n + 1
	}
	return false
}

// monthAfter returns the end of " March 1984" or ". März 1984" behind a day.
func monthAfter(s []byte, k int) int {
	for n := 0; n < 4 && (at(s, k) == ' ' || at(s, k) == '.' || k+2 < len(s) && (hasFold(s[k:], "th") || hasFold(s[k:], "st") || hasFold(s[k:], "nd") || hasFold(s[k:], "rd")) && n == 0); n++ {
		if letter(at(s, k)) {
			k++
		}
		k++
	}
	if k >= len(s) || !month(s[k:]) {
		return -1
	}
	for n := 0; n < 14 && k < len(s) && (letter(s[k]) || s[k] >= 0x80); n++ {
		k++
	}
	for n := 0; n < 4 && (at(s, k) == ' ' || at(s, k) == ',' || at(s, k) == '.'); n++ {
		k++
	}
	return year(s, k)
}

// monthBefore returns "March 12, 1984" when the first group is the day.
func monthBefore(s []byte, c *cluster, from int) (start, end int) {
	start = c.start[0]
	if at(s, start-1) != ' ' {
		return start, -1
	}
	start--
	for start > from && c.start[0]-start < 14 && letter(s[start-1]) {
		start--
	}
	if !month(s[start:]) {
		return start, -1
	}
	k := c.end[0]
	for n := 0; n < 2 && (at(s, k) == ',' || at(s, k) == ' '); n++ {
		k++
	}
	return start, year(s, k)
}

// year returns the end of a year at k, -1 if there is none.
func year(s []byte, k int) int {
	if k+4 > len(s) || s[k] != '1' && s[k] != '2' || !digit(s[k+1]) || !digit(s[k+2]) || !digit(s[k+3]) || wordByte(at(s, k+4)) {
		return -1
	}
	return k + 4
}
