package pii

import "github.com/portcullis-dev/portcullis/internal/inspect/finding"

const (
	maxGroups = 8
	maxDigits = 20
	allDigits = 64
)

// cluster is a row of groups of digits with little between them: "4111 1111
// 1111 1111", "(020) 7946-0958", "1.2.3.4".
type cluster struct {
	n          int
	start, end [maxGroups]int
	sep        [maxGroups]byte // what stands before a group; 0 for two characters
	digits     [allDigits]byte
	upTo       [maxGroups]int // digits up to the end of a group
}

func (c *cluster) size(k int) int { return c.end[k] - c.start[k] }

// first returns the digits of the groups 0 to k.
func (c *cluster) first(k int) []byte { return c.digits[:c.upTo[k]] }

// shape reports whether the first groups have exactly these sizes and the same
// separator between them.
func (c *cluster) shape(sep byte, sizes ...int) bool {
	if c.n < len(sizes) {
		return false
	}
	for k, size := range sizes {
		if c.size(k) != size || k > 0 && c.sep[k] != sep {
			return false
		}
	}
	return true
}

func separator(c byte) bool {
	return c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')'
}

// read fills the cluster with the groups from i on. It reports false when the
// first group is longer than any number that is looked for.
func (c *cluster) read(s []byte, i int) bool {
	total := 0
	for c.n < maxGroups {
		k := i
		for k < len(s) && digit(s[k]) && k-i < maxDigits && total < allDigits {
			c.digits[total] = s[k]
			total++
			k++
		}
		if k < len(s) && digit(s[k]) {
			return c.n > 0
		}
		c.start[c.n], c.end[c.n], c.upTo[c.n] = i, k, total
		c.n++
		switch {
		case k+1 < len(s) && separator(s[k]) && digit(s[k+1]):
			i = k + 1
			if c.n < maxGroups {
				c.sep[c.n] = s[k]
			}
		case k+2 < len(s) && separator(s[k]) && separator(s[k+1]) && digit(s[k+2]):
			i = k + 2
		default:
			return true
		}
	}
	return true
}

// number looks at the digit at i: the beginning of a number, or part of a word
// such as an IBAN. It returns where to go on.
func (d *Detector) number(name, s []byte, i, from int) (finding.Finding, bool, int) {
	none := finding.Finding{}
	if prev := at(s, i-1); wordByte(prev) || prev >= 0x80 && prev != 0xa0 && !spaceBefore(s, i) {
		if i > from {
			if f, ok := d.lettered(name, s, i, from); ok {
				return f, true, f.End
			}
		}
		return none, false, skipWord(s, i)
	}
	if d.packs&uk != 0 && at(s, i-1) == ' ' && i-3 >= from && letter(at(s, i-2)) && letter(at(s, i-3)) {
		if f, ok := nino(name, s, i-3); ok {
			return f, true, f.End
		}
	}
	if k := lonely(s, i); k > 0 {
		return none, false, k
	}
	var c cluster
	if !c.read(s, i) {
		k := i
		for k < len(s) && digit(s[k]) {
			k++
		}
		return none, false, k
	}
	if f, ok := ipv4(name, s, &c); ok {
		return f, f.Score > 0, f.End
	}
	if f, ok := date(name, s, &c, from); ok {
		return f, f.Score > 0, f.End
	}
	if at(s, i-1) == '+' || opensPhone(s, i) {
		if f, ok := phone(name, s, &c, from); ok {
			return f, true, f.End
		}
	}
	if glued(s, i) {
		return none, false, c.end[0]
	}
	if f, ok := card(name, s, &c); ok {
		return f, true, f.End
	}
	if f, ok := national(d, name, s, &c); ok {
		return f, true, f.End
	}
	if f, ok := passport(name, s, &c); ok {
		return f, true, f.End
	}
	if f, ok := phone(name, s, &c, from); ok {
		return f, true, f.End
	}
	return none, false, c.end[0]
}

// lonely returns the end of a short group of digits with nothing around it that
// could make it a number of interest, 0 for any other.
func lonely(s []byte, i int) int {
	k := i
	for k < len(s) && k-i < 6 && digit(s[k]) {
		k++
	}
	if k-i > 5 || k < len(s) && digit(s[k]) {
		return 0
	}
	if k < len(s) && separator(s[k]) || k+1 < len(s) && letter(s[k]) && letter(s[k+1]) || at(s, k) == ',' || at(s, i-1) == '+' {
		return 0
	}
	return k
}

// spaceBefore reports a no-break or other wide space before i.
func spaceBefore(s []byte, i int) bool {
	return i >= 2 && s[i-2] == 0xc2 && s[i-1] == 0xa0 || i >= 3 && (s[i-3] == 0xe2 || s[i-3] == 0xe3 || s[i-3] == 0xef)
}

func opensPhone(s []byte, i int) bool { return at(s, i-1) == '(' }

// glued reports that what stands before i makes the number a part of something
// larger: "order-4111…", "3.1415…", "$1234", "#1234".
func glued(s []byte, i int) bool {
	switch prev := at(s, i-1); prev {
	case '-', '.', '/', '\\':
		return wordByte(at(s, i-2)) || prev == '.'
	case '$', '#', '&', '@':
		return true
	}
	return false
}

// ends reports whether a number may end at k: no letter, digit or decimal
// follows.
func ends(s []byte, k int) bool {
	c := at(s, k)
	if wordByte(c) {
		return false
	}
	return (c != '.' && c != '-' && c != '/') || !wordByte(at(s, k+1))
}

// skipWord returns the end of the word around i, with the dotted numbers that
// belong to it: v1.2.3.4.
func skipWord(s []byte, i int) int {
	for i < len(s) && (wordByte(s[i]) || s[i] == '.' && digit(at(s, i+1))) {
		i++
	}
	return i
}

// lettered looks at a word that has letters before its first digit at i.
func (d *Detector) lettered(name, s []byte, i, from int) (finding.Finding, bool) {
	start := i
	for start > from && i-start < 4 && letter(s[start-1]) {
		start--
	}
	if prev := at(s, start-1); wordByte(prev) || prev == '-' && wordByte(at(s, start-2)) {
		return finding.Finding{}, false
	}
	if i-start == 2 {
		if f, ok := iban(s, start); ok {
			return f, true
		}
		if d.packs&uk != 0 {
			if f, ok := nino(name, s, start); ok {
				return f, true
			}
		}
	}
	return passportAt(name, s, start)
}

// iban finds an account number that begins at i.
func iban(s []byte, i int) (finding.Finding, bool) {
	none := finding.Finding{}
	n := ibanLength([2]byte{s[i] &^ 0x20, s[i+1] &^ 0x20})
	if n == 0 || !digit(at(s, i+3)) {
		return none, false
	}
	var text [34]byte
	k, got := i, 0
	for got < n && k < len(s) {
		c := s[k]
		switch {
		case digit(c) || letter(c):
			text[got] = c
			got++
		case (c == ' ' || c == '-') && got%4 == 0 && got > 0 && s[k-1] != c:
		default:
			return none, false
		}
		k++
	}
	if got < n || !ends(s, k) || mod97(mod97(0, text[4:n]), text[:4]) != 1 {
		return none, false
	}
	return finding.Finding{Start: i, End: k, Kind: KindIBAN, Score: sure}, true
}

// nino finds a British national insurance number that begins at i.
func nino(name, s []byte, i int) (finding.Finding, bool) {
	none := finding.Finding{}
	if i > 0 && wordByte(s[i-1]) {
		return none, false
	}
	var text [9]byte
	k, got := i, 0
	for got < 9 && k < len(s) && k-i < 14 {
		c := s[k]
		if c == ' ' && got > 0 && s[k-1] != ' ' {
			k++
			continue
		}
		if isLetter := c >= 'A' && c <= 'Z'; !isLetter && !digit(c) || isLetter != (got < 2 || got == 8) {
			return none, false
		}
		text[got] = c
		got++
		k++
	}
	if got < 9 || wordByte(at(s, k)) || text[8] > 'D' {
		return none, false
	}
	switch text[0] {
	case 'D', 'F', 'I', 'Q', 'U', 'V':
		return none, false
	}
	switch text[1] {
	case 'D', 'F', 'I', 'O', 'Q', 'U', 'V':
		return none, false
	}
	switch string(text[:2]) {
	case "BG", "GB", "KN", "NK", "NT", "TN", "ZZ":
		return none, false
	}
	score := uint8(low)
	if k-i >= 12 {
		score = 70
	}
	if topics(name, s, i, aboutNINO) != 0 {
		score = sure
	}
	return finding.Finding{Start: i, End: k, Kind: KindNINO, Score: score}, true
}

// passportAt finds the word at start when passports are the topic.
func passportAt(name, s []byte, start int) (finding.Finding, bool) {
	none := finding.Finding{}
	k, digits := start, 0
	for k < len(s) && k-start < 11 && (digit(s[k]) || s[k] >= 'A' && s[k] <= 'Z') {
		if digit(s[k]) {
			digits++
		}
		k++
	}
	if n := k - start; n < 6 || n > 9 || digits < 5 || !ends(s, k) || topics(name, s, start, aboutPassport) == 0 {
		return none, false
	}
	return finding.Finding{Start: start, End: k, Kind: KindPassport, Score: likely}, true
}

func passport(name, s []byte, c *cluster) (finding.Finding, bool) {
	if n := c.size(0); n > 9 || n < 1 {
		return finding.Finding{}, false
	}
	return passportAt(name, s, c.start[0])
}

// card finds a payment card in the first groups.
func card(name, s []byte, c *cluster) (finding.Finding, bool) {
	none := finding.Finding{}
	last := -1
	for _, sep := range [...]byte{' ', '-', '.'} {
		switch {
		case c.shape(sep, 4, 4, 4, 4, 3):
			last = 4
		case c.shape(sep, 4, 4, 4, 4):
			last = 3
		case c.shape(sep, 4, 6, 5), c.shape(sep, 4, 6, 4):
			last = 2
		}
	}
	if last < 0 && c.size(0) >= 13 && c.size(0) <= 19 {
		last = 0
	}
	if last < 0 {
		return none, false
	}
	d := c.first(last)
	known, rare := cardNetwork(d)
	if !known && last == 4 {
		last = 3
		d = c.first(last)
		known, rare = cardNetwork(d)
	}
	if !known || same(d) || !luhn(d) || !ends(s, c.end[last]) {
		return none, false
	}
	score := uint8(sure)
	if rare && topics(name, s, c.start[0], aboutCard) == 0 {
		score = low
	}
	return finding.Finding{Start: c.start[0], End: c.end[last], Kind: KindCard, Score: score}, true
}
