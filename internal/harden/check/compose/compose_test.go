package compose

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
)

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*File]{Kind: rule.Compose, Rules: Rules(), Load: Load, Find: Find})
}

// What passes one rule passes all: every passing fixture follows all advice.
func TestGoodFiles(t *testing.T) {
	for name, data := range fixtures(t, "pass") {
		f, err := parse(name, data)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range Rules() {
			if found, err := r.Check(t.Context(), f); rule.VerdictOf(found, err) != rule.Pass {
				t.Errorf("%s: %s: %+v, %v", name, r.ID, found, err)
			}
		}
	}
}

func fixtures(t testing.TB, which string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/compose-*/" + which + "*.yaml")
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

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		id, service string
		want        rule.Verdict
	}{
		{"compose-port-all-addresses", `ports: ["127.0.0.1:80:80"]`, rule.Pass},
		{"compose-port-all-addresses", `ports: ["[::1]:80:80"]`, rule.Pass},
		{"compose-port-all-addresses", `ports: ["80"]`, rule.Fail},
		{"compose-port-all-addresses", `ports: ["0.0.0.0:80:80/udp"]`, rule.Fail},
		{"compose-port-all-addresses", `ports: ["[::]:80:80"]`, rule.Fail},
		{"compose-port-all-addresses", `ports: [{target: 80, published: 80}]`, rule.Fail},
		{"compose-port-all-addresses", `ports: [{target: 80, host_ip: 127.0.0.1}]`, rule.Pass},
		{"compose-writable-mount", `volumes: [data:/data]`, rule.Pass},
		{"compose-writable-mount", `volumes: ["./x:/x:ro,z"]`, rule.Pass},
		{"compose-writable-mount", `volumes: [{type: bind, source: ./x, target: /x}]`, rule.Fail},
		{"compose-docker-socket", `volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]`, rule.Fail},
		{"compose-env-secret", `environment: ["DB_PASSWORD=postgres"]`, rule.Fail},
		{"compose-env-secret", `environment: ["DB_PASSWORD", "B_TOKEN=${B_TOKEN:?}"]`, rule.Pass},
		{"compose-image-latest", `image: "${IMAGE}"`, rule.Pass},
		{"compose-read-only", `extends: {service: b}`, rule.Unknown},
	} {
		f, err := parse("compose.yaml", []byte("services:\n  a: {"+c.service+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range Rules() {
			if r.ID == c.id {
				if got := rule.VerdictOf(r.Check(t.Context(), f)); got != c.want {
					t.Errorf("%s of %s: %s, want %s", c.id, c.service, got, c.want)
				}
			}
		}
	}
}

func TestUnreadable(t *testing.T) {
	for _, text := range []string{"", "a: 1", "services: 3", "services: {a: 3}", "services: {a: {x: 1, x: 2}}", "- a"} {
		if _, err := parse("compose.yaml", []byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func FuzzRules(f *testing.F) {
	for _, data := range fixtures(f, "fail") {
		f.Add(data)
	}
	rules := Rules()
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parse("compose.yaml", data)
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
			if r.Mend == nil {
				continue
			}
			edits, err := r.Mend(file)
			if err != nil {
				t.Fatal(err)
			}
			mended, err := rule.Apply(data, edits)
			if err != nil {
				continue // two changes of one place: nothing is written
			}
			if again, err := parse("compose.yaml", mended); err == nil {
				if left, _ := r.Check(t.Context(), again); len(left) > len(found) {
					t.Errorf("%s: mending made it worse: %q", r.ID, mended)
				}
			}
		}
	})
}
