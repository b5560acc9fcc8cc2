package pii

import (
	"fmt"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
)

// Kinds that the detector reports.
const (
	KindEmail     = "pii.email"
	KindCard      = "pii.card"
	KindIBAN      = "pii.iban"
	KindPhone     = "pii.phone"
	KindIP        = "pii.ip"
	KindPassport  = "pii.passport"
	KindBirthdate = "pii.birthdate"
	KindSSN       = "pii.us_ssn"
	KindNINO      = "pii.uk_nino"
	KindSteuerID  = "pii.de_tax_id"
	KindNIR       = "pii.fr_nir"
	KindBSN       = "pii.nl_bsn"
	KindAadhaar   = "pii.in_aadhaar"
	KindCPF       = "pii.br_cpf"
)

const (
	sure   = 95 // a strong checksum or an unmistakable form
	likely = 80 // a form and a check, or a form and a word
	low    = 30 // the form alone, or a value that names nobody
)

// pack is a set of countries whose identity numbers are looked for.
type pack uint8

const (
	us pack = 1 << iota
	uk
	de
	fr
	nl
	in
	br
)

var packNames = [...]string{"us", "uk", "de", "fr", "nl", "in", "br"}

// Locales returns the names that [New] takes.
func Locales() []string { return slices.Clone(packNames[:]) }

// Detector finds personal data. Use [New].
type Detector struct{ packs pack }

// New returns the detector with the identity numbers of the given countries,
// of all when none is given.
func New(locales []string) (*Detector, error) {
	d := &Detector{}
	for _, l := range locales {
		at := slices.Index(packNames[:], l)
		if at < 0 {
			return nil, fmt.Errorf("locale %q: want one of %v", l, packNames)
		}
		d.packs |= 1 << at
	}
	if len(locales) == 0 {
		d.packs = us | uk | de | fr | nl | in | br
	}
	return d, nil
}

// Name returns "pii".
func (*Detector) Name() string { return "pii" }

// Kinds returns every kind that Find reports.
func (*Detector) Kinds() []string {
	return []string{
		KindEmail, KindCard, KindIBAN, KindPhone, KindIP, KindPassport, KindBirthdate, KindSSN, KindNINO, KindSteuerID,
		KindNIR, KindBSN, KindAadhaar, KindCPF,
	}
}

// Hint asks for an "@", a colon, or the four digits of "1.1.1.1": every other
// number has more.
func (*Detector) Hint() finding.Hint {
	return finding.Hint{MinLen: 5, Bytes: "@:", OrDigits: 4}
}

// Find appends the personal data of s.
func (d *Detector) Find(dst []finding.Finding, s []byte) []finding.Finding {
	return d.find(dst, nil, s)
}

// FindUnder takes the name of a string for the word beside it.
func (d *Detector) FindUnder(dst []finding.Finding, name, s []byte) []finding.Finding {
	return d.find(dst, name, s)
}

func (d *Detector) find(dst []finding.Finding, name, s []byte) []finding.Finding {
	from := 0
	for i := 0; i < len(s); {
		var f finding.Finding
		var ok bool
		next := i + 1
		switch class[s[i]] {
		case other:
			i++
			continue
		case isAt:
			f, ok = email(s, i, from)
		case isColon:
			f, ok, next = ipv6(s, i, from)
		case isDigit:
			f, ok, next = d.number(name, s, i, from)
		}
		if ok {
			dst = append(dst, f)
			i, from = f.End, f.End
			continue
		}
		i = next
	}
	return dst
}

const (
	other uint8 = iota
	isDigit
	isAt
	isColon
)

func classTable() [256]uint8 {
	var t [256]uint8
	for c := '0'; c <= '9'; c++ {
		t[c] = isDigit
	}
	t['@'] = isAt
	t[':'] = isColon
	return t
}

var class = classTable()

func digit(c byte) bool    { return c >= '0' && c <= '9' }
func letter(c byte) bool   { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func wordByte(c byte) bool { return digit(c) || letter(c) || c == '_' }

// at returns the byte at i, or a space outside.
func at(s []byte, i int) byte {
	if i < 0 || i >= len(s) {
		return ' '
	}
	return s[i]
}
