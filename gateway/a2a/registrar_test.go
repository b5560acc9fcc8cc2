package a2a

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/notice"
	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
	delivery "github.com/portcullis-dev/portcullis/internal/upstream/push"
)

func newRegistrar(t *testing.T) *Registrar {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	ring, err := envelope.NewRing("push", envelope.Key{ID: 1, Secret: envelope.NewKey()})
	if err != nil {
		t.Fatal(err)
	}
	return &Registrar{route: "agent", base: "https://gateway.example" + PushPath, book: delivery.NewBook(db.Push(), ring, nil)}
}

func asking(config string) *portcullis.Message {
	raw := fmt.Sprintf(sending, `{"text":"x"}`, `,"configuration":{"taskPushNotificationConfig":`+config+`}`)
	return &portcullis.Message{Shape: portcullis.ShapeRequest, Method: a2a.SendMessage, Version: a2a.V1, Raw: []byte(raw)}
}

// given is the config that the agent gets.
func given(t *testing.T, m *portcullis.Message) (c notice.Config) {
	t.Helper()
	if _, ok, err := notice.Edit(m, func(n notice.Config) (notice.Config, bool, error) { c = n; return n, true, nil }); !ok || err != nil {
		t.Fatalf("%s: %v", m.Raw, err)
	}
	return c
}

// TestRegistrar: no two tickets are the same, a config without a name has the
// one that its target has, and what the agent gets tells nothing.
func TestRegistrar(t *testing.T) {
	g := newRegistrar(t)
	ada := portcullis.Principal{ID: "ada"}
	seen := map[string]bool{}
	var names []string
	for _, target := range []string{"https://a.example/x", "https://a.example/x", "https://b.example/x"} {
		m, err := g.Inspect(t.Context(), ada, asking(fmt.Sprintf(`{"url":%q,"token":"canary","authentication":{"scheme":"Basic","credentials":"canary"}}`, target)))
		if err != nil {
			t.Fatal(err)
		}
		c := given(t, m)
		if strings.Contains(string(m.Raw), "canary") || strings.Contains(string(m.Raw), ".example/x") || !strings.HasPrefix(c.URL, g.base+"/") || c.Token != c.Credentials || seen[c.URL] || seen[c.Token] {
			t.Errorf("the agent gets %s", m.Raw)
		}
		seen[c.URL], seen[c.Token] = true, true
		names = append(names, c.ID)
		if len(m.Notes) != 1 || m.Notes[0].Type != portcullis.EventPushRegistered {
			t.Errorf("notes %v", m.Notes)
		}
	}
	if names[0] != names[1] || names[0] == names[2] || names[0] == "" {
		t.Errorf("names %q", names)
	}
}

// TestRegistrarRefuses what no header can hold, and everything where nothing is
// kept.
func TestRegistrarRefuses(t *testing.T) {
	g, ada := newRegistrar(t), portcullis.Principal{ID: "ada"}
	for _, config := range []string{
		`{"url":"https://a.example","token":"a\r\nX-Evil: 1"}`,
		`{"url":"https://a.example","token":"\u00e9"}`,
		`{"url":"https://a.example","token":"` + strings.Repeat("x", mostHeader+1) + `"}`,
		`{"url":"https://a.example","authentication":{"scheme":"Bearer","credentials":"a\nb"}}`,
		`{"url":"https://a.example","authentication":{"scheme":"Digest,Basic","credentials":"a"}}`,
	} {
		if m, err := g.Inspect(t.Context(), ada, asking(config)); err == nil {
			t.Errorf("%s passed as %s", config, m.Raw)
		}
	}
	none := &Registrar{route: "agent", base: "https://gateway.example" + PushPath}
	if _, err := none.Inspect(t.Context(), ada, asking(`{"url":"https://a.example"}`)); err == nil {
		t.Error("registered where nothing is kept")
	}
	if _, err := none.Inspect(t.Context(), ada, &portcullis.Message{Shape: portcullis.ShapeRequest, Method: a2a.DeletePushConfig, Version: a2a.V1, TaskID: "t"}); err == nil {
		t.Error("deleted where nothing is kept")
	}
}
