package pii

import "github.com/portcullis-dev/portcullis/internal/inspect/finding"

// national finds identity numbers of the chosen countries.
func national(d *Detector, name, s []byte, c *cluster) (finding.Finding, bool) {
	i := c.start[0]
	found := func(last int, kind string, score uint8) (finding.Finding, bool) {
		return finding.Finding{Start: i, End: c.end[last], Kind: kind, Score: score}, ends(s, c.end[last])
	}
	one := c.size(0)
	if d.packs&us != 0 {
		switch {
		case c.shape('-', 3, 2, 4) && ssn(c.first(2)):
			return found(2, KindSSN, likely)
		case c.shape(' ', 3, 2, 4) && ssn(c.first(2)) && topics(name, s, i, aboutSSN) != 0:
			return found(2, KindSSN, likely)
		case one == 9 && ssn(c.first(0)) && topics(name, s, i, aboutSSN) != 0:
			return found(0, KindSSN, likely)
		}
	}
	if d.packs&br != 0 {
		switch {
		case c.n >= 4 && c.size(0) == 3 && c.size(1) == 3 && c.size(2) == 3 && c.size(3) == 2 && c.sep[1] == '.' &&
			c.sep[2] == '.' && c.sep[3] == '-' && cpf(c.first(3)):
			return found(3, KindCPF, sure)
		case one == 11 && cpf(c.first(0)) && topics(name, s, i, aboutCPF) != 0:
			return found(0, KindCPF, likely)
		}
	}
	if d.packs&in != 0 {
		switch {
		case (c.shape(' ', 4, 4, 4) || c.shape('-', 4, 4, 4)) && !digit(at(s, i-2)) && aadhaar(c.first(2)) && (c.n == 3 || c.sep[3] != c.sep[2]):
			return found(2, KindAadhaar, likely)
		case one == 12 && aadhaar(c.first(0)) && topics(name, s, i, aboutAadhaar) != 0:
			return found(0, KindAadhaar, likely)
		}
	}
	if d.packs&fr != 0 {
		if last := nirShape(c); last >= 0 && nir(c.first(last)) {
			return found(last, KindNIR, likely)
		}
	}
	if d.packs&de != 0 {
		switch {
		case c.shape(' ', 2, 3, 3, 3) && steuerID(c.first(3)):
			return found(3, KindSteuerID, likely)
		case one == 11 && steuerID(c.first(0)) && topics(name, s, i, aboutSteuer) != 0:
			return found(0, KindSteuerID, likely)
		}
	}
	if d.packs&nl != 0 {
		switch {
		case one == 9 && eleven(c.first(0)) && topics(name, s, i, aboutBSN) != 0:
			return found(0, KindBSN, likely)
		case c.shape('.', 4, 2, 3) && eleven(c.first(2)) && topics(name, s, i, aboutBSN) != 0:
			return found(2, KindBSN, likely)
		}
	}
	return finding.Finding{}, false
}

// ssn checks area, group and serial, and leaves out numbers that were printed
// in advertisements and manuals.
func ssn(d []byte) bool {
	area, group, serial := string(d[:3]), string(d[3:5]), string(d[5:])
	if area == "000" || area == "666" || area[0] == '9' || group == "00" || serial == "0000" {
		return false
	}
	return string(d) != "078051120" && string(d) != "219099999" && string(d) != "123456789"
}

func aadhaar(d []byte) bool { return d[0] >= '2' && !same(d) && verhoeff(d) }

func steuerID(d []byte) bool { return steuerDigits(d) && mod11x10(d) }

// nirShape returns the last group of a number of French social security, with
// or without spaces, -1 if the groups are not of that shape.
func nirShape(c *cluster) int {
	switch {
	case c.size(0) == 15:
		return 0
	case c.shape(' ', 13, 2):
		return 1
	case c.shape(' ', 1, 2, 2, 2, 3, 3, 2):
		return 6
	}
	return -1
}

// nir checks sex, month and key.
func nir(d []byte) bool {
	month := int(d[3]-'0')*10 + int(d[4]-'0')
	if d[0] != '1' && d[0] != '2' || month < 1 || month > 12 && (month < 20 || month > 42) && month < 50 {
		return false
	}
	n := 0
	for _, c := range d[:13] {
		n = n*10 + int(c-'0')
	}
	return 97-n%97 == int(d[13]-'0')*10+int(d[14]-'0')
}

// phone finds a telephone number: international by its calling code, in North
// American writing, or any other beside a word that says so.
func phone(name, s []byte, c *cluster, from int) (finding.Finding, bool) {
	none := finding.Finding{}
	i := c.start[0]
	plus := i > from && s[i-1] == '+' && !wordByte(at(s, i-2))
	start := i
	if (plus || at(s, i-1) == '(') && i > from {
		start--
	}
	result := func(last int, score uint8) (finding.Finding, bool) {
		return finding.Finding{Start: start, End: c.end[last], Kind: KindPhone, Score: score}, true
	}
	for last := min(c.n-1, 6); last >= 0; last-- {
		d := c.first(last)
		if len(d) > 16 || !ends(s, c.end[last]) || mixedSeparators(c, last) {
			continue
		}
		if plus {
			var buf [20]byte
			if callingCode(trunkless(buf[:], s, c, last, d)) {
				return result(last, sure)
			}
			continue
		}
		if len(d) < 9 {
			break
		}
		if american(s, c, last) {
			return result(last, likely)
		}
		double := d[0] == '0' && d[1] == '0'
		if last > 0 && double && callingCode(d[2:]) && c.sep[1] != '.' {
			return result(last, likely)
		}
		fits := d[0] == '0' && (len(d) <= 12 || double && callingCode(d[2:])) || len(d) == 10 && d[0] >= '2' && d[3] >= '2' || len(d) == 11 && d[0] == '1' && d[1] >= '2' ||
			len(d) == 10 && d[0] >= '6' || len(d) == 9 && last > 0 && d[0] >= '6'
		if fits && !same(d) && !zeros(d) && topics(name, s, start, aboutPhone) != 0 {
			return result(last, likely)
		}
	}
	return none, false
}

// zeros reports a counter or an amount: it ends in many zeros.
func zeros(d []byte) bool {
	n := 0
	for k := len(d) - 1; k >= 0 && d[k] == '0'; k-- {
		n++
	}
	return n > 5 || d[0] == '0' && d[1] == '0' && d[2] == '0'
}

// trunkless copies d to buf without the "(0)" of "+44 (0)20 …".
func trunkless(buf []byte, s []byte, c *cluster, last int, d []byte) []byte {
	if last > 1 && c.size(1) == 1 && s[c.start[1]] == '0' && at(s, c.start[1]-1) == '(' {
		return append(append(buf[:0], d[:c.upTo[0]]...), d[c.upTo[1]:]...)
	}
	return d
}

// mixedSeparators reports groups that a "/" or a run of single digits joins:
// dates, fractions, lists.
func mixedSeparators(c *cluster, last int) bool {
	single := 0
	for k := 1; k <= last; k++ {
		if c.sep[k] == '/' && (k > 1 || c.size(0) < 3) {
			return true
		}
		if c.size(k) == 1 {
			single++
		}
	}
	return single > 1
}

// american reports (ddd) ddd-dddd and ddd-ddd-dddd, with a 1 before it or not.
func american(s []byte, c *cluster, last int) bool {
	k := last - 2
	if k != 0 && (k != 1 || c.size(0) != 1 || s[c.start[0]] != '1') {
		return false
	}
	if c.size(k) != 3 || c.size(k+1) != 3 || c.size(k+2) != 4 || s[c.start[k]] < '2' || s[c.start[k+1]] < '2' {
		return false
	}
	open := at(s, c.start[k]-1) == '(' && at(s, c.end[k]) == ')'
	return open || c.sep[k+1] == '-' && c.sep[k+2] == '-' || k == 1 && c.sep[k+1] == c.sep[k+2] && c.sep[1] == c.sep[2]
}
