package dockerfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*File]{Kind: rule.Dockerfile, Rules: Rules(), Load: Load, Find: Find})
}

// What follows all the advice is found fault with by no rule.
func TestGoodDockerfile(t *testing.T) {
	tr, err := tree.Open(t.Context(), "testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	f, err := Load(t.Context(), tr, "Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		if found, err := r.Check(t.Context(), f); rule.VerdictOf(found, err) != rule.Pass {
			t.Errorf("%s: %+v, %v", r.ID, found, err)
		}
	}
}

func verdict(t *testing.T, id, text string) rule.Verdict {
	t.Helper()
	f, err := parse("Dockerfile", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		if r.ID == id {
			return rule.VerdictOf(r.Check(t.Context(), f))
		}
	}
	t.Fatalf("no rule %s", id)
	return ""
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		id, text string
		want     rule.Verdict
	}{
		{"dockerfile-image-latest", "ARG V\nFROM node:${V}", rule.Unknown},
		{"dockerfile-image-latest", "ARG V=latest\nFROM node:$V", rule.Fail},
		{"dockerfile-image-latest", "FROM scratch", rule.Pass},
		{"dockerfile-root-user", "FROM a:1\nARG U=root\nUSER $U", rule.Fail},
		{"dockerfile-root-user", "FROM a:1\nUSER ${U:-0}:0", rule.Fail},
		{"dockerfile-root-user", "ARG U=0\nFROM a:1 AS x\nARG U\nENV V=${U}\nFROM x\nUSER $V", rule.Fail},
		{"dockerfile-root-user", "FROM a:1\nARG U\nUSER $U:5", rule.Unknown},
		{"dockerfile-root-user", "FROM a:1\nARG U=10001\nUSER $U:$U", rule.Pass},
		{"dockerfile-user-name", "FROM a:1\nARG U=10001\nUSER $U", rule.Pass},
		{"dockerfile-env-secret", "FROM a:1\nONBUILD ENV DB_PASSWORD=hunter22", rule.Fail},
		{"dockerfile-pipe-to-shell", "FROM a:1\nONBUILD RUN curl https://x | sh", rule.Fail},
		{"dockerfile-pipe-to-shell", "FROM a:1\nRUN [\"sh\", \"-c\", \"curl https://x | bash\"]", rule.Fail},
		{"dockerfile-copy-secret", "FROM a:1\nONBUILD COPY .env /", rule.Fail},
		{"dockerfile-copy-secret", "FROM a:1\nCOPY .env* /", rule.Fail},
		{"dockerfile-copy-secret", "FROM a:1\nCOPY home/.aws/credentials /", rule.Fail},
		{"dockerfile-copy-secret", "FROM a:1\nCOPY <<E /app/x\nurl=https://app:hunter22aa@db.example/\nE\n", rule.Fail},
		{"dockerfile-copy-secret", "FROM a:1\nCOPY <<E /app/x\nkey=value\nE\n", rule.Pass},
		{"dockerfile-copy-everything", "FROM a:1\nCOPY * /a/", rule.Fail},
		{"dockerfile-world-writable", "FROM a:1\nCOPY --chmod=0777 a /a", rule.Fail},
		{"dockerfile-world-writable", "FROM a:1\nRUN chmod ugo+rwx /a", rule.Fail},
		{"dockerfile-world-writable", "FROM a:1\nRUN chmod 1777 /tmp && chmod 0775 /a && chmod a+rx /b && chmod u+w /c", rule.Pass},
		{"dockerfile-setuid", "FROM a:1\nCOPY --chmod=4755 a /a", rule.Fail},
		{"dockerfile-add-remote", "FROM a:1\nADD HTTPS://x/y /a", rule.Fail},
		{"dockerfile-no-user", "FROM a:1 AS x\nUSER 5\nFROM x", rule.Pass},
		{"dockerfile-no-user", "FROM a:1 AS x\nUSER 5\nFROM b:1", rule.Fail},
		{"dockerfile-root-user", "FROM a:1\nUSER 5\nUSER 0:0", rule.Fail},
		{"dockerfile-root-user", "FROM a:1\nUSER 0\nUSER 5", rule.Pass},
		{"dockerfile-no-healthcheck", "FROM a:1\nHEALTHCHECK NONE", rule.Fail},
		{"dockerfile-pipe-to-shell", "FROM a:1\nRUN <<EOF\nwget -qO- https://x | bash -s\nEOF", rule.Fail},
		{"dockerfile-pipe-to-shell", "FROM a:1\nRUN bash -c \"$(curl -fsSL https://x)\"", rule.Fail},
		{"dockerfile-pipe-to-shell", "FROM a:1\nRUN echo x | sh", rule.Pass},
		{"dockerfile-setuid", "FROM a:1\nRUN chmod u+s /x", rule.Fail},
		{"dockerfile-setuid", "FROM a:1\nRUN chmod 0755 /x && chmod 1777 /tmp", rule.Pass},
		{"dockerfile-lock-file", "FROM a:1\nRUN npm install -g npm@11.1.0", rule.Pass},
		{"dockerfile-lock-file", "FROM a:1\nRUN npm i -g npm", rule.Fail},
		{"dockerfile-lock-file", "FROM a:1\nRUN cd x && npm --quiet install", rule.Fail},
		{"dockerfile-run-unconfined", "FROM a:1\nRUN --security=insecure true", rule.Fail},
		{"dockerfile-copy-secret", "FROM a:1\nCOPY .env.example /", rule.Pass},
		{"dockerfile-copy-secret", "FROM a:1\nCOPY .env.production tls/server.key /", rule.Fail},
	} {
		if got := verdict(t, c.id, c.text); got != c.want {
			t.Errorf("%s of %q: %s, want %s", c.id, c.text, got, c.want)
		}
	}
}

func TestUnreadable(t *testing.T) {
	for _, text := range []string{"", "RUN x", "FROM a\nNONSENSE b", "FROM a\nCOPY x"} {
		if _, err := parse("Dockerfile", []byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func FuzzRules(f *testing.F) {
	files, err := filepath.Glob("testdata/dockerfile-*/*.Dockerfile")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	rules := Rules()
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parse("Dockerfile", data)
		if err != nil {
			return
		}
		for _, r := range rules {
			found, _ := r.Check(t.Context(), file)
			for _, finding := range found {
				if finding.Line < 1 || finding.Message == "" {
					t.Errorf("%s: %+v", r.ID, finding)
				}
			}
		}
	})
}
