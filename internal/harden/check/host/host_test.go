package host

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// load reads a machine from a fixture, on top of one on which all is well.
func load(_ context.Context, t *tree.Tree, p string) (*Machine, error) {
	data, err := t.Read(p)
	if err != nil {
		return nil, err
	}
	m := &Machine{
		System: "linux", Swaps: &[]Swap{}, Listeners: &[]Listener{},
		Kernel: map[string]string{"fs.suid_dumpable": "0", "kernel.yama.ptrace_scope": "1", "kernel.randomize_va_space": "2", "fs.protected_symlinks": "1"},
	}
	return m, json.Unmarshal(data, m)
}

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*Machine]{Kind: rule.Host, Rules: Rules(), Load: load})
}

// Elsewhere than on Linux, and where nothing could be read, nothing passes.
func TestNothingPassesUnseen(t *testing.T) {
	for _, r := range Rules() {
		found, err := r.Check(t.Context(), &Machine{System: "darwin"})
		if v := rule.VerdictOf(found, err); v != rule.Skipped {
			t.Errorf("%s on darwin: %s", r.ID, v)
		}
		found, err = r.Check(t.Context(), &Machine{System: "linux", Unread: []string{"/etc/portcullis"}})
		if v := rule.VerdictOf(found, err); v == rule.Pass && r.ID != "host-restart-pending" {
			t.Errorf("%s on a machine that could not be read: %s", r.ID, v)
		}
	}
}

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestObserve(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"proc/sys/fs/suid_dumpable":             "2\n",
		"proc/sys/kernel/yama/ptrace_scope":     "0\n",
		"proc/swaps":                            "Filename\tType\tSize\tUsed\tPriority\n/dev/dm-1 partition 1 0 -2\n/dev/sda2\tpartition\t1\t0\t-3\n/dev/zram0 partition 1 0 100\n",
		"sys/block/dm-1/dm/uuid":                "CRYPT-LUKS2-0123-swap\n",
		"proc/net/tcp":                          "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 0\n   1: 00000000:18EB 00000000:0000 0A 0\n   2: 0100007F:1F91 0100007F:0001 01 0\n",
		"proc/net/tcp6":                         "  sl\n   0: 00000000000000000000000001000000:0050 0:0 0A\n   1: nonsense 0 0A\n   2: 00000000:99999 0 0A\n",
		"proc/17/cmdline":                       "/usr/bin/portcullis\x00serve\x00--config\x00x\x00",
		"proc/17/status":                        "Name:\tportcullis\nUid:\t1000\t0\t0\t0\n",
		"proc/17/limits":                        "Limit Soft Hard Units\nMax core file size        unlimited            unlimited            bytes\n",
		"proc/18/cmdline":                       "portcullis\x00check\x00",
		"proc/19/cmdline":                       "bash\x00",
		"proc/self/cmdline":                     "x",
		"run/reboot-required":                   "",
		"run/docker.sock":                       "",
		"etc/systemd/system/portcullis.service": "[Unit]\nUser=nobody\n[Service]\nUser=portcullis\n# NoNewPrivileges=yes\nExecStart=/usr/bin/portcullis \\\n  serve\nPrivateTmp = yes\n",
		"etc/systemd/system/portcullis.service.d/more.conf": "[Service]\nUser=\nProtectSystem=strict\n",
		"lib/systemd/system/portcullis.service":             "[Service]\nUser=root\n",
		"etc/portcullis/portcullis.toml":                    "",
	})
	config := filepath.Join(root, "etc/portcullis/portcullis.toml")
	m := Observe(Places{Root: root, System: "linux", Program: "portcullis", Files: []File{{Path: config, What: Configuration}, {Path: filepath.Join(root, "absent"), What: PrivateKey}}})
	m.Files[0].UID, m.Docker.UID = 0, 0
	want := &Machine{
		System: "linux", Files: []File{{Path: config, What: Configuration, Mode: 0o644}},
		Processes: []Process{{PID: 17, UID: 0, CoreLimit: "unlimited"}},
		Kernel:    map[string]string{"fs.suid_dumpable": "2", "kernel.yama.ptrace_scope": "0"},
		Swaps:     &[]Swap{{"/dev/dm-1", true}, {"/dev/sda2", false}, {"/dev/zram0", true}},
		Units: []Unit{{Path: "/etc/systemd/system/portcullis.service", Service: map[string]string{
			"User": "", "ExecStart": "/usr/bin/portcullis    serve", "PrivateTmp": "yes", "ProtectSystem": "strict",
		}}},
		Listeners: &[]Listener{{"127.0.0.1", 8080}, {"0.0.0.0", 6379}, {"::1", 80}},
		Docker:    &File{Path: "/run/docker.sock", What: "socket", Mode: 0o644},
		Restart:   true,
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got  %+v\nwant %+v", *m, *want)
	}
	if m := Observe(Places{Root: filepath.Join(root, "nowhere"), System: "linux"}); m.Swaps != nil || m.Listeners != nil || len(m.Kernel) > 0 {
		t.Errorf("a machine that cannot be read: %+v", *m)
	}
}
