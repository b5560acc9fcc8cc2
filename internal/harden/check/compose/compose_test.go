package compose

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
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
		{"compose-port-all-addresses", `ports: ["${PORT:-8080}:80"]`, rule.Fail},
		{"compose-port-all-addresses", `ports: ["${PORT:?is needed}:80"]`, rule.Fail},
		{"compose-port-all-addresses", `ports: ["${BIND:-0.0.0.0}:8080:80"]`, rule.Fail},
		{"compose-port-all-addresses", `ports: ["${BIND:-127.0.0.1}:8080:80"]`, rule.Pass},
		{"compose-port-all-addresses", `ports: ["${BIND}:8080:80"]`, rule.Unknown},
		{"compose-port-all-addresses", `ports: [{target: 80, host_ip: "${A:-${B:-0.0.0.0}}"}]`, rule.Fail},
		{"compose-database-published", `ports: ["127.0.0.1:${PORT:-5432}:5432"]`, rule.Pass},
		{"compose-database-published", `ports: ["5430-5433:5430-5433"]`, rule.Fail},
		{"compose-docker-socket", `volumes: ["${SOCK:-/var/run/docker.sock}:/s"]`, rule.Fail},
		{"compose-docker-socket", `volumes: ["${SOCK}:/var/run/docker.sock"]`, rule.Fail},
		{"compose-docker-socket", `volumes: [{type: bind, source: "${SOCK}", target: /s}]`, rule.Unknown},
		{"compose-system-mount", `volumes: ["$HOME:/h"]`, rule.Fail},
		{"compose-system-mount", `volumes: ["${ROOT:-/}:/h:ro"]`, rule.Fail},
		{"compose-system-mount", `volumes: ["${PWD}/x:/x:ro"]`, rule.Unknown},
		{"compose-writable-mount", `volumes: ["${PWD}/x:/x"]`, rule.Fail},
		{"compose-writable-mount", `volumes: ["${DATA}:/x"]`, rule.Unknown},
		{"compose-privileged", `privileged: yes`, rule.Fail},
		{"compose-privileged", `privileged: "${P:-true}"`, rule.Fail},
		{"compose-privileged", `privileged: "${P}"`, rule.Unknown},
		{"compose-privileged", `post_start: [{command: x, privileged: true}]`, rule.Fail},
		{"compose-privileged", `extends: {file: base.yml, service: a}`, rule.Unknown},
		{"compose-privileged", `extends: {service: b}`, rule.Pass},
		{"compose-read-only", `read_only: yes`, rule.Pass},
		{"compose-root-user", `user: "${U:-0}:0"`, rule.Fail},
		{"compose-root-user", `user: "${U:-}"`, rule.Pass},
		{"compose-root-user", `user: "${U}"`, rule.Unknown},
		{"compose-host-network", `network_mode: "${N:-host}"`, rule.Fail},
		{"compose-capabilities-added", `cap_add: [CAP_SYS_MODULE]`, rule.Fail},
		{"compose-env-secret", `environment: {DB_PASSWORD: "${DB_PASSWORD:-hunter22}"}`, rule.Fail},
		{"compose-env-secret", `environment: {DB_PASSWORD: "${DB_PASSWORD:?is needed}"}`, rule.Pass},
		{"compose-writable-mount", `volumes: [data:/data]`, rule.Pass},
		{"compose-writable-mount", `volumes: ["./x:/x:ro,z"]`, rule.Pass},
		{"compose-writable-mount", `volumes: [{type: bind, source: ./x, target: /x}]`, rule.Fail},
		{"compose-docker-socket", `volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]`, rule.Fail},
		{"compose-env-secret", `environment: ["DB_PASSWORD=postgres"]`, rule.Fail},
		{"compose-env-secret", `environment: ["DB_PASSWORD", "B_TOKEN=${B_TOKEN:?}"]`, rule.Pass},
		{"compose-image-latest", `image: "${IMAGE}"`, rule.Unknown},
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

// Mended lines end as those of the file do, and keep their variables.
func TestMendKeepsTheFile(t *testing.T) {
	f, err := parse("compose.yaml", []byte("services:\r\n  a:\r\n    image: a\r\n    ports:\r\n      - 80:80 # p\r\n      - \"${P:-81}:81\"\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"compose-port-all-addresses": {`"127.0.0.1:80:80"`, "127.0.0.1:${P:-81}:81"}, "compose-read-only": {"    read_only: true\r\n"}}
	for _, r := range Rules() {
		if want[r.ID] == nil {
			continue
		}
		edits, err := r.Mend(f)
		if err != nil || len(edits) != len(want[r.ID]) {
			t.Fatalf("%s: %+v, %v", r.ID, edits, err)
		}
		for i, e := range edits {
			if e.Text != want[r.ID][i] {
				t.Errorf("%s: %q", r.ID, e.Text)
			}
		}
	}
}

// What is included is looked at by its own name, or nothing is known of it.
func TestIncluded(t *testing.T) {
	for name, want := range map[string]rule.Verdict{"compose.db.yaml": rule.Pass, "infra.yml": rule.Unknown, "compose.none.yaml": rule.Unknown} {
		dir := t.TempDir()
		for file, text := range map[string]string{"compose.yaml": "include: [" + name + "]\nservices: {a: {image: a}}\n", "compose.db.yaml": "services: {b: {image: b}}\n", "infra.yml": "services: {b: {image: b}}\n"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tr, err := tree.Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		f, err := Load(t.Context(), tr, "compose.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if got := rule.VerdictOf(Rules()[0].Check(t.Context(), f)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
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
