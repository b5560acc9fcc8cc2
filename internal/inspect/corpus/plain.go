package corpus

import "fmt"

// plain adds texts in which no detector should find anything.
func (m *maker) plain() {
	for range 60 {
		all := func(format string, args ...any) { m.not("", fmt.Sprintf(format, args...)) }
		all("func add(a, b int) int {\n\treturn a + b // %d\n}", m.n(1, 99))
		all("for i := 0; i < %d; i++ { sum += v[i] }", m.n(1, 999))
		all("SELECT id, name FROM users WHERE created > '%d-01-01' ORDER BY id", m.n(2000, 2026))
		all("level=info ts=%d-03-0%dT10:00:0%dZ msg=\"request finished\" status=%d took=%dms", m.n(2020, 2026), m.n(1, 9), m.n(0, 9), m.n(200, 204), m.n(1, 999))
		all("{\"id\":\"%s\",\"count\":%d,\"ok\":true,\"tags\":[\"a\",\"b\"]}", m.uuid(), m.n(1, 99999))
		all("commit %s\ntree %s", m.from(hexDigits, 40), m.from(hexDigits, 40))
		all("## Heading %d\n\n* one\n* two\n\n> quote", m.n(1, 9))
		all("The quick brown fox jumps over %d lazy dogs. %s", m.n(2, 99), m.prose())
		all("Die Straße ist lang, das Wetter schön, und es sind %d Kilometer.", m.n(2, 99))
		all("Le train de %d heures est en retard, comme d'habitude.", m.n(1, 23))
		all("El perro come %d manzanas y la niña lee un libro.", m.n(1, 23))
		all("今日は%d度です。東京は晴れ。", m.n(1, 35))
		all("У нас сегодня %d градусов, и поезд опаздывает.", m.n(1, 35))
		all("ISBN 978-3-%05d-%03d-%d, 2nd edition", m.n(10000, 99999), m.n(100, 999), m.n(0, 9))
		all("sha256:%s  file-%d.tar.gz", m.from(hexDigits, 64), m.n(1, 99))
		all("go 1.%d.%d, node v%d.%d.%d, python 3.%d", m.n(20, 26), m.n(0, 9), m.n(16, 24), m.n(0, 20), m.n(0, 9), m.n(8, 14))
		all("see https://%s/docs/%s?page=%d#top", m.host(), m.from(lowerLetters, 7), m.n(1, 9))
		all("total: %d,%03d.%02d EUR (incl. %d%% VAT)", m.n(1, 999), m.n(0, 999), m.n(0, 99), m.n(7, 25))
		all("data:image/png;base64,%s", m.from(alnum+"+/", m.n(80, 300)))
		all("panic: runtime error: index out of range [%d] with length %d\n\tmain.go:%d +0x%s", m.n(1, 9), m.n(1, 9), m.n(1, 999), m.from(hexDigits, 3))
		all("#!/bin/sh\nset -eu\nfor f in *.txt; do wc -l \"$f\"; done # %d", m.n(1, 9))
		all("| a | b |\n|---|---|\n| %d | %d |", m.n(1, 99), m.n(1, 99))
		all("\"dependencies\": {\"left-pad\": \"^1.%d.%d\", \"react\": \"~18.%d.0\"}", m.n(0, 9), m.n(0, 9), m.n(0, 3))
		all("Room %d, floor %d, %d:%02d to %d:%02d", m.n(100, 999), m.n(1, 9), m.n(8, 12), m.n(0, 59), m.n(13, 20), m.n(0, 59))
		all("diff --git a/x.go b/x.go\nindex %s..%s 100644\n@@ -1,%d +1,%d @@", m.from(hexDigits, 7), m.from(hexDigits, 7), m.n(1, 9), m.n(1, 9))
		all("order %d-%d was shipped; parcel %s", m.n(1000, 9999), m.n(100000, 999999), "1Z"+m.from(upperLetters+digits, 10))
	}
}
