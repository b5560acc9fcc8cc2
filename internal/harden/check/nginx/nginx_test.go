package nginx

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*File]{Kind: rule.Nginx, Rules: Rules(), Load: Load, Find: Find})
}

func fixtures(t testing.TB, which string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/nginx-*/" + which + "*.conf")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d fixtures, %v", len(names), err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		if out[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// What passes one rule passes all.
func TestGoodFiles(t *testing.T) {
	for name, data := range fixtures(t, "pass") {
		root, err := parse(name, data)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range Rules() {
			if found, err := r.Check(t.Context(), &File{path: name, root: root}); rule.VerdictOf(found, err) != rule.Pass {
				t.Errorf("%s: %s: %+v, %v", name, r.ID, found, err)
			}
		}
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		id, text string
		want     rule.Verdict
	}{
		{"nginx-tls-versions", "server { listen 443 ssl; include tls.conf; }", rule.Unknown},
		{"nginx-tls-versions", "http { ssl_protocols TLSv1.3; server { listen 443 ssl; } }", rule.Pass},
		{"nginx-plain-http", "server { listen 127.0.0.1:80; }", rule.Pass},
		{"nginx-plain-http", "server { listen [::]:80; }", rule.Fail},
		{"nginx-plain-http", "server { location / { } }", rule.Fail},
		{"nginx-alias-traversal", "server { location ~ ^/f { alias /d/; } }", rule.Pass},
		{"nginx-weak-ciphers", "ssl_ciphers 'ECDHE-RSA-AES128-GCM-SHA256:!RC4';", rule.Pass},
	} {
		root, err := parse("x.conf", []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range Rules() {
			if r.ID == c.id {
				if got := rule.VerdictOf(r.Check(t.Context(), &File{path: "x.conf", root: root})); got != c.want {
					t.Errorf("%s of %q: %s, want %s", c.id, c.text, got, c.want)
				}
			}
		}
	}
}

// What an included file says is looked at on its own, or nothing is known of it.
func TestIncluded(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"looked.nginx": "server { listen 443 ssl; include mime.types; include conf.d/*.conf; }", "conf.d/a.conf": "server { listen 443 ssl; ssl_protocols TLSv1.3; }",
		"hidden.nginx": "server { listen 443 ssl; include snippets/ssl; }", "snippets/ssl": "ssl_protocols SSLv3;", "absent.nginx": "server { include /etc/nginx/none.conf; }",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := tree.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for name, want := range map[string]rule.Verdict{"looked.nginx": rule.Pass, "hidden.nginx": rule.Unknown, "absent.nginx": rule.Unknown} {
		f, err := Load(t.Context(), tr, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range Rules() {
			if got := rule.VerdictOf(r.Check(t.Context(), f)); (r.ID == "nginx-tls-old" || r.ID == "nginx-autoindex") && got != want {
				t.Errorf("%s of %s: %s, want %s", r.ID, name, got, want)
			}
		}
	}
}

func TestParse(t *testing.T) {
	root, err := parse("x", []byte("a 'b c' \"d\\\"e\" ${f}g; # x {\nh ~ \\.php$ {\n i;\n}\nx_by_lua_block { if a then b = {} end }\nj;"))
	if err != nil || len(root.block) != 4 || root.block[3].line != 6 || root.block[1].block[0].line != 3 {
		t.Fatalf("%+v, %v", root, err)
	}
	if a := root.block[0]; a.line != 1 || len(a.args) != 3 || a.args[0] != "b c" || a.args[1] != `d"e` || a.args[2] != "${f}g" {
		t.Errorf("%+v", a)
	}
	for _, text := range []string{"a", "a {", "}", ";", "{}", "a 'b;", "a } b;", "x_by_lua_block { {", "a { b }"} {
		if _, err := parse("x", []byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, data := range fixtures(f, "fail") {
		f.Add(data)
	}
	rules := Rules()
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := parse("x", data)
		if err != nil {
			return
		}
		for _, r := range rules {
			found, _ := r.Check(t.Context(), &File{path: "x", root: root})
			for _, finding := range found {
				if finding.Line < 1 || finding.Message == "" {
					t.Errorf("%s: %+v", r.ID, finding)
				}
			}
		}
	})
}
