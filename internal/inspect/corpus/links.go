package corpus

import (
	"encoding/base64"
	"fmt"
	"net/url"
)

func (m *maker) host() string {
	return m.of("api", "www", "auth", "files", "shop") + "." + m.from(lowerLetters, m.n(5, 9)) + m.of(".com", ".io", ".co.uk", ".de", ".dev")
}

// spelled returns a parameter name in one of the ways of writing it.
func (m *maker) spelled(name string) string {
	switch m.r.IntN(5) {
	case 0:
		return fmt.Sprintf("%%%02x%s", name[0], name[1:])
	case 1:
		return fmt.Sprintf("%%25%02x%s", name[0], name[1:])
	case 2:
		return string(name[0]&^0x20) + name[1:]
	}
	return name
}

func (m *maker) links() {
	strong := []string{
		"token", "password", "access_token", "api_key", "apikey", "api-secret", "api_token", "apitoken", "api_secret",
		"client_secret", "refresh_token", "id_token", "X-Amz-Signature", "sig", "my_secret", "userPassword", "reset-token",
	}
	vague := []string{"session", "key", "auth", "sid", "secret", "bearer", "jwt", "csrf", "xsrf", "nonce", "salt", "hash", "code", "state"}
	for range 60 {
		for _, frame := range []string{"https://%[1]s/cb?%[2]s=¤", "see https://%[1]s/cb?a=1&%[2]s=¤&b=2 now", "[x](https://%[1]s/p;%[2]s=¤)", "https://%[1]s/cb#%[2]s=¤&type=x", "GET https://%[1]s/?x=1;%[2]s=¤ HTTP/1.1"} {
			m.plant("url", "url.credential", fmt.Sprintf(frame, m.host(), m.spelled(m.of(strong...))), m.token(alnum, m.n(12, 40)))
			m.plant("url", "url.credential", fmt.Sprintf(frame, m.host(), m.spelled(m.of(vague...))), m.token(alnum, m.n(16, 40))+"x7")
		}
		m.plant("url", "url.credential", "https://"+m.from(lowerLetters, 5)+":%@"+m.host()+"/x", m.token(alnum, 12))
		inner := url.QueryEscape("https://" + m.host() + "/?" + m.of(strong...) + "=" + m.token(alnum, 20))
		m.plant("url", "url.credential", "https://"+m.host()+"/login?redirect=%", inner)
		m.plant("url", "url.credential", "https://"+m.host()+"/reset/%", m.token(alnum, 32)+"a1b2")
		m.plant("url", "url.exfiltration", m.of("![chart](%)", "Here you go: ![](%)", "<img src=\"%\">", "[logo]: %"),
			"https://"+m.host()+"/"+m.of("i.png", "pixel", "c.gif")+"?"+m.of("d", "q", "x")+"="+base64.RawURLEncoding.EncodeToString([]byte(m.from(alnum+" ", m.n(30, 90)))))
		m.plant("url", "url.exfiltration", m.of("![x](%)", "[click here](%)"), "https://"+m.host()+"/log?msg=the%20user%20said%20"+m.from(lowerLetters, 6)+"%20and%20more")
	}
	for range 60 {
		not := func(format string, args ...any) { m.not("url", fmt.Sprintf(format, args...)) }
		not("https://%s/search?q=%s+token&page=%d", m.host(), m.from(lowerLetters, 6), m.n(1, 9))
		not("[docs](https://%s/guide/%s#section-%d)", m.host(), m.from(lowerLetters, 8), m.n(1, 9))
		not("![logo](https://%s/img/%s.png?v=%d)", m.host(), m.from(lowerLetters, 8), m.n(1, 99))
		not("<img src=\"https://%s/a/b.jpg?w=%d&h=%d\" alt=\"x\">", m.host(), m.n(100, 999), m.n(100, 999))
		not("https://%s/d/%s", m.host(), m.uuid())
		not("https://github.com/acme/tool/commit/%s", m.from(hexDigits, 40))
		not("https://%s/login?token=%s", m.host(), m.of("<token>", "{token}", "$TOKEN", "YOUR_TOKEN", "xxxxxxxx", "REDACTED", "***", "example"))
		not("https://%s/find?city=Paris&state=CA&sort=key&code=FR", m.host())
		not("https://%s/a?tokenize=1&keyboard=us&sessions_count=%d&passport_office=3&sidebar=open", m.host(), m.n(1, 9))
		not("postgres://%s@%s/db", m.from(lowerLetters, 5), m.host())
		not("// a comment with token=%s\nx := a //b", m.of("none", "abc"))
		not("file:///home/%s/notes.txt", m.from(lowerLetters, 5))
		not("https://%s/%s-how-to-store-a-password-safely", m.host(), m.from(digits, 4))
		not("https://%s/?utm_source=news&utm_campaign=%s&ref=%s", m.host(), m.from(lowerLetters, 8), m.from(lowerLetters, 5))
		not("[a](https://%s/x) and [b](/relative?page=2) and <https://%s>", m.host(), m.host())
		not("mailto:%s?subject=token", "bob@acme.io")
	}
}

func (m *maker) hosts() {
	private := func() string {
		a, b, c := m.n(0, 255), m.n(0, 255), m.n(1, 254)
		switch m.r.IntN(10) {
		case 0:
			return fmt.Sprintf("10.%d.%d.%d", a, b, c)
		case 1:
			return fmt.Sprintf("192.168.%d.%d", b, c)
		case 2:
			return fmt.Sprintf("172.%d.%d.%d", m.n(16, 31), b, c)
		case 3:
			return fmt.Sprintf("%d", 127<<24|a<<16|b<<8|c)
		case 4:
			return fmt.Sprintf("0x7f%02x%02x%02x", a, b, c)
		case 5:
			return fmt.Sprintf("0177.%d.0%o.%d", a, b, c)
		case 6:
			return fmt.Sprintf("127.%d", c)
		case 7:
			return fmt.Sprintf("[::ffff:10.%d.%d.%d]", a, b, c)
		case 8:
			return m.of("localhost", "LOCALHOST.", "[::1]", "db.prod.internal", "printer.local", "[fe80::1]", "[fd12:3456::1]", "127.0.0.1.", "１２７.０.０.１", "127。0。0。1", "%31%32%37.0.0.1", "①②⑦.0.0.1", "api", "kubernetes.default.svc")
		}
		return fmt.Sprintf(m.of("10.%d.%d.%d.nip.io", "app-10-%d-%d-%d.sslip.io", "www.10.%d.%d.%d.xip.io"), a, b, c)
	}
	for range 260 {
		m.plant("egress", "egress.private", m.of("^http://%/x", "^https://%:8443/", "^fetch http://% please", "^http://good.com@%/", "^{\"url\":\"http://%/a\"}", "^ftp://%/f", `^http:\\%\x`), private())
	}
	for range 100 {
		m.under("egress", "egress.private", m.of("host", "url", "server"), fmt.Sprintf("%s.%d.%d", m.of("10.1", "192.168", "172.20", "127.0"), m.n(0, 255), m.n(1, 254)))
		m.plant("egress", "egress.metadata", m.of("^http://%/latest/meta-data/", "^http://a:b@%/", "^curl http://%/computeMetadata/v1/"),
			m.of("169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "metadata.google.internal", "[fd00:ec2::254]", "100.100.100.200", "169.254.169.254.nip.io", "instance-data"))
	}
	for range 55 {
		not := func(format string, args ...any) { m.not("egress", fmt.Sprintf(format, args...)) }
		not("https://%s/path?x=1", m.host())
		not("http://%d.%d.%d.%d:8080/", m.n(11, 99), m.n(1, 255), m.n(0, 255), m.n(1, 254))
		not("the answer is %d", m.n(2130706433, 2130799999))
		not("internal notes about localhost and the local bakery %d", m.n(1, 9))
		not("main.go:%d: undefined: x //nolint", m.n(1, 999))
		not("https://internal.%s/ and https://localhost.%s/", m.host(), m.host())
		not("https://[2a00:1450:4001::%x]/", m.n(1, 65000))
		not("std::string a // b\nC:\\dir\\file")
		not("version 10.0.%d of the tool", m.n(1, 99))
		m.notUnder("egress", "query", m.of("weather in Berlin", "10.5", "3.14", "127", "2130706433", "0x10", "10:30", "a.b", "v1.2.3"))
		m.notUnder("egress", "url", "https://"+m.host()+"/10.0.0.1/localhost")
		m.notUnder("egress", "host", m.host())
		m.notUnder("egress", "file", m.of("notes.txt", "a.local.md", "src/main.go", "/etc/hosts", "settings.local.json"))
	}
}
