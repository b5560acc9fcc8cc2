package credential

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The key is put together here, so that scanners of this repository find none.
var github = "ghp_" + "R7f9kQ2mZx4Lw8Tn3Vb6Yc1Hd5Js0G" + "2bqkrm"

func TestIn(t *testing.T) {
	key := "-----BEGIN " + "PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END " + "PRIVATE KEY-----"
	text := "one\ntwo\n" + key + "\n\npassword = \"k8Gq2nVx7Lp4Zt9w\"\n"
	got := In([]byte(text))
	if len(got) != 2 || got[0].Line != 3 || got[1].Line != 7 {
		t.Errorf("%+v", got)
	}
	if got := In([]byte("password = ${DB_PASSWORD}\ntoken: <your token>\n")); len(got) != 0 {
		t.Errorf("placeholders are found: %+v", got)
	}
}

func TestWritten(t *testing.T) {
	for in, want := range map[string]bool{
		"DB_PASSWORD=postgres": true, "DB_PASSWORD=${DB_PASSWORD}": false, "DB_PASSWORD_FILE=/run/x": false, "DB_PASSWORD=": false,
		"LOG_LEVEL=info": false, "MAX_TOKENS=100": false, "api-key=abc123def": true, "TOKEN_TTL=3600": false, "JWT_SECRET=secret://env/X": false,
		"PGPASSWORD=x1": true, "USE_TOKEN=true": false,
	} {
		name, value, _ := strings.Cut(in, "=")
		if got := Written(name, value); got != want {
			t.Errorf("%s: %v", in, got)
		}
	}
	if Under("NOTE", "see the manual") || !Under("DB_PASSWORD", "k8Gq2nVx7Lp4Zt9w") {
		t.Error("Under is wrong")
	}
}

// address is what passwords stands for, as one expression.
var address = regexp.MustCompile(`\b(?:https?|ftp|git\+https)://[^\s/:@"'<>{}$]{1,64}:([^\s/:@"'<>{}$]{6,128})@[a-zA-Z0-9]`)

func FuzzIn(f *testing.F) {
	f.Add([]byte("a\npassword=" + github + "\n"))
	f.Add([]byte(strings.ReplaceAll("x https://u|hunter22@a git+https://é|"+strings.Repeat("é", 128)+"@b ahttp://u|hunter22@c ftp://http://u|hunter22@d\nhttps://u|short@e", "|", ":"))) // put together, as above
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := 1 + strings.Count(string(text), "\n")
		for _, p := range In(text) {
			if p.Line < 1 || p.Line > lines || p.Start >= p.End || p.End > len(text) {
				t.Fatalf("%+v in %q", p, text)
			}
		}
		var whole [][2]int
		for _, m := range address.FindAllSubmatchIndex(text, -1) {
			whole = append(whole, [2]int{m[2], m[3]})
		}
		if got := passwords(text); !slices.Equal(got, whole) {
			t.Fatalf("passwords at %v, want %v, in %q", got, whole, text)
		}
	})
}
