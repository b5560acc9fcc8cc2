package sinks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// vault knows every secret but one.
type vault struct{ asked []string }

type secret string

func (s secret) Get() (string, uint64, error)                { return string(s), 1, nil }
func (secret) Refresh(context.Context, uint64) (bool, error) { return false, nil }
func (v *vault) Secret(reference string) (inject.Secret, error) {
	v.asked = append(v.asked, reference)
	if strings.HasSuffix(reference, "GONE") {
		return nil, errors.New("it is gone")
	}
	return secret("hush"), nil
}

// TestEveryKindIsMade of the examples in the documentation.
func TestEveryKindIsMade(t *testing.T) {
	page, err := os.ReadFile("../../../docs/siem.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, part := range strings.Split(string(page), "```toml\n")[1:] {
		text, _, _ := strings.Cut(part, "```")
		text = strings.ReplaceAll(text, `cert = "/etc/portcullis/gw.crt", key = "/etc/portcullis/gw.key"`, "")
		text = strings.ReplaceAll(text, `ca = "/etc/portcullis/logs-ca.pem", `, "")
		cfg, _, err := config.Parse("siem.md", []byte(text), func(string) (string, bool) { return "https://splunk.example.com:8088", true })
		if err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
		for i := range cfg.Audit.Sinks {
			c := &cfg.Audit.Sinks[i]
			v := &vault{}
			spec, err := maker{version: "1", environment: "test", host: "gw", secrets: v}.spec(c)
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			kinds[c.Type] = true
			if spec.Name != c.Name || spec.Kind != c.Type || spec.Environment != "test" || spec.Batch.Events != int(c.Batch.Events) ||
				len(v.asked) != len(c.References()) || string(spec.Filter.Class) != c.Filter.Class {
				t.Errorf("%+v", spec)
			}
			if err := spec.Sender.Close(); err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
	}
	if len(kinds) != 7 {
		t.Errorf("the page has examples of %v", kinds)
	}
}

func TestWhatCannotBeMade(t *testing.T) {
	for _, text := range []string{
		"type = 'splunk'\nurl = 'https://x.example'\ntoken = 'secret://env/GONE'",
		"type = 'webhook'\nurl = 'https://x.example'\nsecret = 'secret://env/GONE'",
		"type = 'http'\nurl = 'https://x.example'\ntls.ca = '/nonexistent'",
		"type = 'syslog'\naddress = 'tls://x.example:6514'\ntls.ca = '/nonexistent'",
	} {
		cfg, _, err := config.Parse("t", []byte("[[audit.sinks]]\nname = 'a'\n"+text+"\n"), os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		p := &Part{set: sink.New(sink.Options{})}
		if _, err := p.Next(t.Context(), cfg, &vault{}); err == nil || !strings.HasPrefix(fmt.Sprint(err), `sink "a": `) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
