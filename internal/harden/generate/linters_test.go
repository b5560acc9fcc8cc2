package generate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
)

// put writes what both profiles make into folders, and gives them to a test.
func put(t *testing.T, tool string, with func(t *testing.T, dir string, run func(args ...string) string)) {
	t.Helper()
	program, err := exec.LookPath(tool)
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/" + tool)
	}
	if err != nil {
		t.Skipf("%s is not in PATH: on Debian, apt-get install %s", tool, map[string]string{"nft": "nftables", "promtool": "prometheus", "systemd-analyze": "systemd"}[tool])
	}
	remote := answers.New()
	remote.Profile, remote.Image.Digest, remote.Upstream.URL = answers.Guide, sha, "http://10.1.2.3:4000/mcp"
	complete := remote
	complete.Upstream.Tools, complete.Logs.Syslog, complete.Alerts.Channel = []string{"search"}, "logs.example.com:6514", answers.Slack
	for name, a := range map[string]answers.Answers{"default": answers.New(), "guide": remote, "complete": complete} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range render(t, a) {
				file := filepath.Join(dir, filepath.FromSlash(f.Path))
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, f.Data, f.Mode); err != nil {
					t.Fatal(err)
				}
			}
			with(t, dir, func(args ...string) string {
				t.Helper()
				cmd := exec.Command(program, args...)
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s %v: %v\n%s", tool, args, err, out)
				}
				return string(out)
			})
		})
	}
}

func TestShellcheck(t *testing.T) {
	put(t, "shellcheck", func(_ *testing.T, _ string, run func(...string) string) {
		run("--severity=style", "kubernetes/optional/sealed-secret.sh")
	})
}

func TestNft(t *testing.T) {
	put(t, "nft", func(t *testing.T, _ string, run func(...string) string) {
		if os.Geteuid() != 0 {
			t.Skip("nft -c asks the kernel, which answers root only")
		}
		run("-c", "-f", "firewall/nftables.conf")
	})
}

func TestPromtool(t *testing.T) {
	put(t, "promtool", func(_ *testing.T, _ string, run func(...string) string) {
		run("check", "rules", "prometheus/rules.yml")
		run("check", "config", "--syntax-only", "prometheus/prometheus.yml")
	})
}

func TestCaddy(t *testing.T) {
	put(t, "caddy", func(t *testing.T, dir string, run func(...string) string) {
		t.Setenv("XDG_DATA_HOME", dir)
		t.Setenv("XDG_CONFIG_HOME", dir)
		run("validate", "--config", "caddy/Caddyfile", "--adapter", "caddyfile")
	})
}

// TestSystemd: at most 2.0 of 10, where 10 is a unit without any protection.
func TestSystemd(t *testing.T) {
	put(t, "systemd-analyze", func(t *testing.T, _ string, run func(...string) string) {
		out := run("security", "--offline=true", "--no-pager", "systemd/portcullis.service")
		m := regexp.MustCompile(`Overall exposure level[^:]*: ([0-9.]+)`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("no level in\n%s", out)
		}
		if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > 2.0 {
			t.Errorf("exposure %s, want at most 2.0\n%s", m[1], out)
		}
	})
}

// TestNginx reads the file with a certificate of the test in its place.
func TestNginx(t *testing.T) {
	put(t, "nginx", func(t *testing.T, dir string, run func(...string) string) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		cert := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mcp.example.com"}}
		der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		live := filepath.Join(dir, "live", "mcp.example.com")
		if err := os.MkdirAll(live, 0o700); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "nginx", "nginx.conf"))
		if err != nil {
			t.Fatal(err)
		}
		local := strings.NewReplacer("/etc/letsencrypt", dir, "pid /run/nginx.pid", "pid "+dir+"/nginx.pid").Replace(string(text))
		for name, data := range map[string][]byte{
			filepath.Join(live, "fullchain.pem"): pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
			filepath.Join(live, "privkey.pem"):   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
			filepath.Join(dir, "local.conf"):     []byte(local),
		} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		run("-t", "-e", "stderr", "-c", filepath.Join(dir, "local.conf"))
	})
}
