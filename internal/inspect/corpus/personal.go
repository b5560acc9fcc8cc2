package corpus

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// withLuhn appends the digit that makes the sum of the table divisible.
func withLuhn(body string) string {
	double := [10]int{0, 2, 4, 6, 8, 1, 3, 5, 7, 9}
	sum := 0
	for i := range len(body) {
		v := int(body[len(body)-1-i] - '0')
		if i%2 == 0 {
			v = double[v]
		}
		sum += v
	}
	return body + strconv.Itoa((10-sum%10)%10)
}

// off changes the last digit, so that a check fails.
func off(number string) string {
	last := number[len(number)-1]
	return number[:len(number)-1] + string('0'+(last-'0'+3)%10)
}

func (m *maker) cardNumber() (number, spaced string) {
	switch m.r.IntN(5) {
	case 0:
		n := withLuhn(m.of("34", "37") + m.from(digits, 12))
		return n, n[:4] + " " + n[4:10] + " " + n[10:]
	case 1:
		n := withLuhn(strconv.Itoa(m.n(51, 55)) + m.from(digits, 13))
		return n, n[:4] + "-" + n[4:8] + "-" + n[8:12] + "-" + n[12:]
	case 2:
		n := withLuhn("6011" + m.from(digits, 11))
		return n, n[:4] + " " + n[4:8] + " " + n[8:12] + " " + n[12:]
	}
	n := withLuhn("4" + m.from(digits, 14))
	return n, n[:4] + " " + n[4:8] + " " + n[8:12] + " " + n[12:]
}

// iban computes the check digits with big integers.
func iban(country, account string) string {
	var s strings.Builder
	for _, c := range account + country + "00" {
		if c >= 'A' {
			s.WriteString(strconv.Itoa(int(c-'A') + 10))
		} else {
			s.WriteRune(c)
		}
	}
	n, _ := new(big.Int).SetString(s.String(), 10)
	rest := new(big.Int).Mod(n, big.NewInt(97)).Int64()
	return fmt.Sprintf("%s%02d%s", country, 98-rest, account)
}

func (m *maker) ibanNumber() string {
	switch m.r.IntN(5) {
	case 0:
		return iban("DE", m.from(digits, 18))
	case 1:
		return iban("GB", m.from(upperLetters, 4)+m.from(digits, 14))
	case 2:
		return iban("FR", m.from(digits, 23))
	case 3:
		return iban("NL", m.from(upperLetters, 4)+m.from(digits, 10))
	}
	return iban("ES", m.from(digits, 20))
}

func fours(s string) string {
	var parts []string
	for len(s) > 4 {
		parts, s = append(parts, s[:4]), s[4:]
	}
	return strings.Join(append(parts, s), " ")
}

func (m *maker) phoneNumber() string {
	switch m.r.IntN(5) {
	case 0:
		return fmt.Sprintf("+1 (%d) %d-%04d", m.n(201, 989), m.n(200, 999), m.n(0, 9999))
	case 1:
		return fmt.Sprintf("+49 %d %07d", m.n(151, 179), m.n(1000000, 9999999))
	case 2:
		return fmt.Sprintf("+44 20 %04d %04d", m.n(1000, 9999), m.n(0, 9999))
	case 3:
		return fmt.Sprintf("+33 6 %02d %02d %02d %02d", m.n(10, 99), m.n(10, 99), m.n(10, 99), m.n(10, 99))
	}
	return fmt.Sprintf("+9198%08d", m.n(0, 99999999))
}

func (m *maker) mail() string {
	first := m.of("anna", "bob.miller", "j.doe", "x_y", "claire+news", "o'neil", "li-wei", "m", "sales.team", "jürgen")
	return first + m.of("", strconv.Itoa(m.n(1, 99))) + "@" + m.of("acme.io", "mail.acme.co.uk", "gmail.com", "posteo.de", "uni-köln.de", "sub.domain.company", "firma-nord.de")
}

func (m *maker) date() string {
	y, mo, d := m.n(1930, 2012), m.n(1, 12), m.n(1, 28)
	switch m.r.IntN(4) {
	case 0:
		return fmt.Sprintf("%04d-%02d-%02d", y, mo, d)
	case 1:
		return fmt.Sprintf("%02d/%02d/%04d", mo, d, y)
	case 2:
		return fmt.Sprintf("%02d.%02d.%04d", d, mo, y)
	}
	return fmt.Sprintf("%d %s %d", d, m.of("January", "March", "May", "August", "December"), y)
}

var personFrames = []string{
	"%", "Contact: %", "{\"value\":\"%\"}", "2026-01-02 10:11:12 user=%", "Please use % from now.", "| name | % |", "(%)", "a,b,%,c", "Reach me: %.", "<p>%</p>", "\"%\",\"x\"",
}

func (m *maker) personal() {
	for range 140 {
		m.plant("pii", "pii.email", m.of(append(personFrames, "mailto:%", "Bob <%>", "To: %\n")...), m.mail())
		card, spaced := m.cardNumber()
		m.plant("pii", "pii.card", m.of(personFrames...), m.of(card, spaced))
		account := m.ibanNumber()
		m.plant("pii", "pii.iban", m.of(append(personFrames, "IBAN: %", "Konto %")...), m.of(account, fours(account)))
		m.plant("pii", "pii.phone", m.of(append(personFrames, "tel:%", "Call % now")...), m.phoneNumber())
		m.plant("pii", "pii.phone", m.of("Phone: %", "call me at % tomorrow", "mobile %", "{\"phone\":\"%\"}", "Tel. %"),
			m.of(fmt.Sprintf("0%d %d", m.n(30, 89), m.n(1000000, 9999999)), fmt.Sprintf("%d-%d-%04d", m.n(212, 989), m.n(200, 999), m.n(0, 9999)), fmt.Sprintf("0%d/%d", m.n(151, 179), m.n(1000000, 9999999)), fmt.Sprintf("%d%d%04d", m.n(212, 989), m.n(200, 999), m.n(0, 9999))))
		ip := fmt.Sprintf("%d.%d.%d.%d", m.of2(23, 31, 45, 62, 77, 81, 91, 104, 151, 185, 203), m.n(21, 250), m.n(0, 255), m.n(1, 254))
		m.plant("pii", "pii.ip", m.of("client %", "%", "from % port 22", "{\"ip\":\"%\"}", "%:443 connected", "GET / from %", "http://%/x"), ip)
		m.plant("pii", "pii.birthdate", m.of("born on %", "Date of birth: %", "DOB %", "{\"dob\":\"%\"}", "geboren am %", "Birthday: %.", "birth_date=%"), m.date())
	}
	for range 70 {
		m.plant("pii", "pii.ip", m.of("client %", "from % port", "addr=%"), fmt.Sprintf("2a0%d:%x:%x::%x", m.n(1, 9), m.n(256, 65000), m.n(1, 65000), m.n(1, 65000)))
		m.plant("pii", "pii.us_ssn", m.of("SSN: %", "%", "social security number %", "{\"ssn\":\"%\"}"), fmt.Sprintf("%03d-%02d-%04d", m.n(124, 665), m.n(1, 99), m.n(1, 9999)))
		m.plant("pii", "pii.passport", m.of("Passport No: %", "passport number %", "Reisepass-Nr. %", "{\"passport\":\"%\"}"), m.of(m.from(digits, 9), "C"+m.from("FGHJK0123", 2)+"X"+m.from(digits, 5), m.from(upperLetters, 1)+m.from(digits, 7)))
	}
	for range 50 {
		m.plant("pii", "pii.uk_nino", m.of("NI number: %", "national insurance %", "NINO %"), m.of("AB", "CE", "JK", "PW", "SX")+m.from(digits, 6)+m.from("ABCD", 1))
		m.plant("pii", "pii.de_tax_id", m.of("Steuer-ID: %", "IdNr %", "Steueridentifikationsnummer %"), m.steuer())
		m.plant("pii", "pii.fr_nir", m.of("%", "NIR %", "numéro de sécurité sociale : %"), m.nir())
		m.plant("pii", "pii.nl_bsn", m.of("BSN: %", "burgerservicenummer %"), m.bsn())
		m.plant("pii", "pii.in_aadhaar", m.of("Aadhaar: %", "%", "aadhaar no %"), m.aadhaar())
		m.plant("pii", "pii.br_cpf", m.of("CPF: %", "%", "{\"cpf\":\"%\"}"), m.cpf())
	}
	m.noPersonal()
}

func (m *maker) of2(options ...int) int { return options[m.r.IntN(len(options))] }

// steuer searches a number whose check passes, by trying.
func (m *maker) steuer() string {
	for {
		d := m.r.Perm(10)[:9]
		if d[0] == 0 {
			continue
		}
		d = append(d, d[m.r.IntN(9)]) // one digit twice
		p := 10
		for _, v := range d {
			s := (v + p) % 10
			if s == 0 {
				s = 10
			}
			p = 2 * s % 11
		}
		check := 11 - p
		if check == 10 {
			check = 0
		}
		out := ""
		for _, v := range append(d, check) {
			out += strconv.Itoa(v)
		}
		if d[0] != 0 {
			return out
		}
	}
}

func (m *maker) nir() string {
	body := fmt.Sprintf("%d%02d%02d%02d%03d%03d", m.n(1, 2), m.n(20, 99), m.n(1, 12), m.n(10, 95), m.n(1, 990), m.n(1, 990))
	n, _ := strconv.ParseInt(body, 10, 64)
	key := fmt.Sprintf("%02d", 97-n%97)
	if m.r.IntN(2) == 0 {
		return body + key
	}
	return body[:1] + " " + body[1:3] + " " + body[3:5] + " " + body[5:7] + " " + body[7:10] + " " + body[10:] + " " + key
}

func (m *maker) bsn() string {
	for {
		n := m.n(100000000, 999999999)
		sum, rest := 0, n/10
		for w := 2; w <= 9; w++ {
			sum += w * (rest % 10)
			rest /= 10
		}
		if (sum-n%10)%11 == 0 {
			return strconv.Itoa(n)
		}
	}
}

// aadhaar uses the dihedral group of order ten by its rule, no table of
// products.
func (m *maker) aadhaar() string {
	mul := func(a, b int) int {
		switch {
		case a < 5 && b < 5:
			return (a + b) % 5
		case a < 5:
			return 5 + (a+b-5)%5
		case b < 5:
			return 5 + (a-5-b+5)%5
		}
		return (a - b + 5) % 5
	}
	perm := func(power, v int) int {
		for range power {
			v = [10]int{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}[v]
		}
		return v
	}
	body := strconv.Itoa(m.n(2, 9)) + m.from(digits, 10)
	for check := range 10 {
		text := body + strconv.Itoa(check)
		c := 0
		for i := range 12 {
			c = mul(c, perm(i%8, int(text[11-i]-'0')))
		}
		if c == 0 {
			return text[:4] + " " + text[4:8] + " " + text[8:]
		}
	}
	panic("no check digit")
}

func (m *maker) cpf() string {
	d := make([]int, 9)
	for i := range d {
		d[i] = m.r.IntN(10)
	}
	d[0], d[1] = 3, 8
	for range 2 {
		sum := 0
		for i, v := range d {
			sum += v * (len(d) + 1 - i)
		}
		check := 11 - sum%11
		if check > 9 {
			check = 0
		}
		d = append(d, check)
	}
	return fmt.Sprintf("%d%d%d.%d%d%d.%d%d%d-%d%d", d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10])
}

func (m *maker) noPersonal() {
	for range 75 {
		not := func(format string, args ...any) { m.not("pii", fmt.Sprintf(format, args...)) }
		card, spaced := m.cardNumber()
		not("order %s", off(card))
		not("tracking %s", off(spaced))
		not("version %d.%d.%d.%d", m.n(0, 20), m.n(0, 99), m.n(0, 99), m.n(0, 99))
		not("v%d.%d.%d.%d released, Chrome/%d.0.%d.%d", m.n(1, 9), m.n(0, 9), m.n(0, 9), m.n(0, 9), m.n(90, 140), m.n(4000, 6999), m.n(10, 200))
		not("nginx/%d.%d.%d.%d pkg==%d.%d.%d.%d", m.n(1, 9), m.n(20, 99), m.n(20, 99), m.n(1, 9), m.n(1, 9), m.n(20, 99), m.n(1, 9), m.n(20, 99))
		not("%s: done", strings.Replace(m.ibanNumber(), "DE", "XX", 1)[:6])
		not("invoice %s", m.badIBAN())
		not("ISBN 978-%d-%05d-%03d-%d", m.n(0, 9), m.n(10000, 99999), m.n(100, 999), m.n(0, 9))
		not("at %d ms since epoch, unix %d", m.n(1600000000000, 1899999999999), m.n(1600000000, 1899999999))
		not("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ started", m.n(2020, 2026), m.n(1, 12), m.n(1, 28), m.n(0, 23), m.n(0, 59), m.n(0, 59), m.n(0, 999))
		not("released on %s", m.date())
		not("import icon@2x.png; decorator @app.route, user @bob, pkg@%d.%d.%d", m.n(1, 9), m.n(0, 20), m.n(0, 9))
		not("git clone git@%s:acme/tool.git", m.of("github.com", "gitlab.com"))
		not("https://user:%s@db.acme.io/x", m.token(alnum, 12))
		not("you@example.com, noreply@%s", m.of("acme.io", "github.com"))
		not("ticket #%d costs $%d,%03d.%02d", m.n(1000000000, 4000000000), m.n(1, 99), m.n(0, 999), m.n(0, 99))
		not("part %d-%d-%d of %d", m.n(10, 99), m.n(100, 999), m.n(10, 99), m.n(100, 999))
		not("uuid %s md5 %s", m.uuid(), m.from(hexDigits, 32))
		not("listening on %s", m.of("127.0.0.1:8080", "0.0.0.0", "192.168.1.20", "10.0.0.7", "172.16.4.1", "[::1]:80", "8.8.8.8"))
		not("mask 255.255.255.0, OID 1.3.6.1.4.1.%d.%d", m.n(1, 9999), m.n(1, 9))
		not("mac %02x:%02x:%02x:%02x:%02x:%02x at %02d:%02d:%02d std::vector::size", m.n(0, 255), m.n(0, 255), m.n(0, 255), m.n(0, 255), m.n(0, 255), m.n(0, 255), m.n(0, 23), m.n(0, 59), m.n(0, 59))
		not("passport.js %d.%d.%d and a passport photo", m.n(0, 3), m.n(0, 9), m.n(0, 9))
		not("SSN format is AAA-GG-SSSS, e.g. %s", m.of("000-12-3456", "666-12-3456", "987-65-4321", "123-00-4567", "123-45-0000"))
		not("%s bytes, +%d -%d lines", m.from("123456789", 9), m.n(1, 999), m.n(1, 999))
		not("matrix 1 2 3 4 5 6 7 8 9, pi 3.14159265358979, ratio %d/%d", m.n(1, 99), m.n(1, 99))
		not("lat %d.%06d, lon -%d.%06d", m.n(1, 89), m.n(0, 999999), m.n(1, 179), m.n(0, 999999))
		not("EAN %d, SKU %s-%d", m.n(4000000000000, 4999999999999), m.from(upperLetters, 3), m.n(10000, 99999))
		not("port 5432, year %d, build %d", m.n(1990, 2030), m.n(10000000, 99999999))
		not("tax form %d, bsn is a Dutch number, cpf is Brazilian: %s", m.n(1000, 1099), "111.111.111-11")
		m.notUnder("pii", m.of("id", "count", "size", "offset", "created"), strconv.Itoa(m.n(1000000000, 1999999999)))
	}
}

// badIBAN is an account whose check digits fail.
func (m *maker) badIBAN() string {
	good := m.ibanNumber()
	return fours(good[:len(good)-1] + string('0'+(good[len(good)-1]-'0'+1)%10))
}
