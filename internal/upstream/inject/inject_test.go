package inject

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

// kept is a secret that a test sets.
type kept struct {
	mu      sync.Mutex
	text    string
	reading uint64
	next    string // what Refresh finds
	err     error
}

func (k *kept) Get() (string, uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.text, k.reading, k.err
}

func (k *kept) Refresh(_ context.Context, seen uint64) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.next != "" {
		k.text, k.next = k.next, ""
		k.reading++
	}
	return k.reading != seen, nil
}

func call(tool string) *portcullis.Call {
	return &portcullis.Call{Message: &portcullis.Message{Target: portcullis.Target{Kind: portcullis.TargetTool, Name: tool}}}
}

func TestForms(t *testing.T) {
	t.Parallel()
	secret := &kept{text: "s e&c"}
	for name, c := range map[string]struct {
		use  Credentials
		want string
	}{
		"bearer": {Bearer(&kept{text: "tok"}), "Authorization: Bearer tok"},
		"basic":  {Basic(&kept{text: "open sesame"}, "Aladdin"), "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		"pair":   {BasicPair(&kept{text: "Aladdin"}, &kept{text: "open sesame"}), "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		"header": {Header(&kept{text: "k"}, "X-API-Key", "Key "), "X-API-Key: Key k"},
		"query":  {Query(secret, "api key"), "?api+key=s+e%26c"},
	} {
		got, err := c.use.Authorize(t.Context(), call("x"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := ""
		for _, f := range got.Fields {
			text += f.Name + ": " + f.Value
		}
		if got.Query != "" {
			text += "?" + got.Query
		}
		if text != c.want {
			t.Errorf("%s: %q", name, text)
		}
		if shown := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(shown, "tok") || strings.Contains(shown, "QWx") {
			t.Errorf("%s prints %s", name, shown)
		}
	}
}

func TestUnfitSecretsAreNotSent(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]Credentials{
		"line break": Bearer(&kept{text: "canary\r\nX-Evil: 1"}), "empty": Bearer(&kept{}), "not ASCII": Header(&kept{text: "canaryé"}, "X", ""),
		"colon": BasicPair(&kept{text: "canary:x"}, &kept{text: "p"}), "gone": Query(&kept{err: errors.New("secret://env/X: gone")}, "q"),
	} {
		got, err := use.Authorize(t.Context(), call("x"))
		var pe *portcullis.Error
		if !errors.As(err, &pe) || pe.Kind != portcullis.KindUpstream || len(got.Fields) > 0 || got.Query != "" {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(fmt.Sprint(err, pe.Public), "canary") || strings.Contains(pe.Public, "secret") {
			t.Errorf("%s: tells %v", name, err)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	k := &kept{text: "one", reading: 1}
	use := Bearer(k)
	first, err := use.Authorize(t.Context(), call("x"))
	if err != nil {
		t.Fatal(err)
	}
	if use.Refused(t.Context(), call("x"), first) {
		t.Error("another credential although nothing changed")
	}
	k.mu.Lock()
	k.next = "two"
	k.mu.Unlock()
	if !use.Refused(t.Context(), call("x"), first) {
		t.Error("the rotation was not found")
	}
	if got, err := use.Authorize(t.Context(), call("x")); err != nil || got.Fields[0].Value != "Bearer two" {
		t.Errorf("got %v %v", got.Fields, err)
	}
	if use.Refused(t.Context(), call("x"), Credential{}) {
		t.Error("a credential of somebody else")
	}
}

func TestAuthorizeAllocatesNothing(t *testing.T) {
	use, c := Bearer(&kept{text: "tok"}), call("x")
	if n := testing.AllocsPerRun(100, func() { _, _ = use.Authorize(context.Background(), c) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestChoice(t *testing.T) {
	t.Parallel()
	c := &Choice{Route: Bearer(&kept{text: "route"}), Rules: []Rule{
		{Match: func(tool string) bool { return strings.HasPrefix(tool, "admin_") }, Use: Bearer(&kept{text: "admin"})},
		{Match: func(tool string) bool { return tool == "open" }},
	}}
	for tool, want := range map[string]string{"admin_x": "Bearer admin", "read": "Bearer route", "open": ""} {
		got, err := c.Authorize(t.Context(), call(tool))
		value := ""
		if len(got.Fields) > 0 {
			value = got.Fields[0].Value
		}
		if err != nil || value != want {
			t.Errorf("%s: %q %v", tool, value, err)
		}
	}
	list := &portcullis.Call{Message: &portcullis.Message{Method: "tools/list"}}
	if got, err := c.Authorize(t.Context(), list); err != nil || got.Fields[0].Value != "Bearer route" {
		t.Errorf("list: %v %v", got.Fields, err)
	}
}

func TestTransport(t *testing.T) {
	t.Parallel()
	k := &kept{text: "one", reading: 1, next: "two"}
	var seen []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		if r.Header.Get("Authorization") != "Bearer two" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer srv.Close()
	client := &http.Client{Transport: &Transport{Next: http.DefaultTransport, Use: Bearer(k)}}
	for range 2 {
		resp, err := client.Post(srv.URL, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if len(seen) != 2 || seen[0] != "Bearer one" || seen[1] != "Bearer two" {
		t.Errorf("seen %q", seen)
	}
}
