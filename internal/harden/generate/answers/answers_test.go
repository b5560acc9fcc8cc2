package answers

import (
	"reflect"
	"strings"
	"testing"
)

func none(string) (string, bool) { return "", false }

func TestCommentedReadsBack(t *testing.T) {
	a, err := Parse("answers.toml", []byte(New().Commented()), none)
	if err != nil || !reflect.DeepEqual(a, New()) {
		t.Errorf("%+v, %v", a, err)
	}
	changed := New()
	changed.Domain, changed.Server.Port, changed.Rotate = "a.example.org", 8443, "daily"
	changed.Upstream.Tools, changed.Contacts.Owners, changed.Alerts.Channel, changed.Logs.Syslog = []string{"a", "b/c"}, []string{"@a/b"}, Slack, "logs.example.org:6514"
	if a, err = Parse("answers.toml", []byte(changed.Commented()), none); err != nil || !reflect.DeepEqual(a, changed) {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestForms: nothing that could mean something in a written file is taken, and
// the mistake says where it is.
func TestForms(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"name = \"a b\"", "answers.toml:1: name: "},
		{"name = \"x\\nrunAsUser: 0\"", "answers.toml:1: name: "},
		{"domain = \"evil.example.com; root /\"", "answers.toml:1: domain: "},
		{"email = \"a@b\"", "answers.toml:1: email: "},
		{"\n[image]\nname = \"portcullis\"", "answers.toml:3: image.name: "},
		{"[image]\nname = \"ghcr.io/a/b:latest\"", "answers.toml:2: image.name: "},
		{"[image]\ndigest = \"sha256:abc\"", "answers.toml:2: image.digest: "},
		{"[image]\nuser = 0", "answers.toml:2: image.user: "},
		{"[server]\nport = 80", "answers.toml:2: server.port: "},
		{"[server]\nport = 9090", "server.admin_port: "},
		{"[upstream]\nurl = \"http://u:p@x/\"", "answers.toml:2: upstream.url: "},
		{"[upstream]\nurl = \"http://x/$(id)\"", "answers.toml:2: upstream.url: "},
		{"[upstream]\npath = \"/a;b\"", "answers.toml:2: upstream.path: "},
		{"[kubernetes]\nstorage = \"10 Gi\"", "answers.toml:2: kubernetes.storage: "},
		{"[upstream]\ntools = [\"a\", \"b\\\" c\"]", "answers.toml:2: upstream.tools[1]: "},
		{"[upstream]\nprotocol = \"a2a\"\ntools = [\"a\"]", "upstream.tools: an upstream that speaks a2a has none"},
		{"[logs]\nsyslog = \"logs.example.org\"", "answers.toml:2: logs.syslog: "},
		{"[logs]\nsyslog = \"logs.example.org:0514\"", "answers.toml:2: logs.syslog: "},
		{"[logs]\nsyslog = \"x\\\"]y:514\"", "answers.toml:2: logs.syslog: "},
		{"[alerts]\nchannel = \"mail\"", "answers.toml:2: alerts.channel: "},
		{"[contacts]\nowners = [\"@a /*\"]", "answers.toml:2: contacts.owners[0]: "},
		{"rotate = \"hourly\"", "answers.toml:1: rotate: "},
		{"[kubernetes]\nproxies = \"0.0.0.0/0\"", "answers.toml:2: kubernetes.proxies: "},
		{"[kubernetes]\nproxies = \"10.1.0.0/8\"", "answers.toml:2: kubernetes.proxies: "},
		{"[kubernetes]\nsecret_store = \"a b\"", "answers.toml:2: kubernetes.secret_store: "},
		{"[image]\nsource = \"https://github.com/a/b\"", "answers.toml:2: image.source: "},
		{"[image]\nbuild = \"docker.io/library/golang:1.26\"", "answers.toml:2: image.build: "},
		{"[contacts]\non_call = \"a|b\"", "answers.toml:2: contacts.on_call: "},
		{"name = \"on\"", "answers.toml:1: name: "},
		{"name = \"0x1\"", "answers.toml:1: name: "},
		{"[kubernetes]\nnamespace = \"null\"", "answers.toml:2: kubernetes.namespace: "},
		{"[kubernetes]\nstorage_class = \"1e3\"", "answers.toml:2: kubernetes.storage_class: "},
		{"profile = \"lax\"", "answers.toml:1: profile: "},
		{"nmae = \"x\"", "unknown key"},
	} {
		if _, err := Parse("answers.toml", []byte(tt.text), none); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.text, err)
		}
	}
	if err := New().Validate(); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(New().Commented()))
	f.Add([]byte("name = \"x\"\n[upstream]\nurl = \"https://[::1]:3/mcp\""))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Parse("answers.toml", data, none)
		if err != nil {
			return
		}
		for _, s := range []string{a.Name, a.Domain, a.Email, a.Image.Name, a.Upstream.URL, a.Upstream.Path, a.Kubernetes.UpstreamSelector} {
			if strings.ContainsAny(s, " \n\"'`$;{}\\") {
				t.Errorf("took %q", s)
			}
		}
	})
}
