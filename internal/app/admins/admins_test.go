package admins

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
)

// file is a secret that somebody renews.
type file struct {
	text string
	err  error
}

func (f *file) Get() (string, uint64, error)                  { return f.text, 0, f.err }
func (f *file) Refresh(context.Context, uint64) (bool, error) { return false, nil }
func (f *file) Secret(reference string) (inject.Secret, error) {
	if reference != "secret://file/run/token" {
		return nil, errors.New("nobody read that")
	}
	return f, nil
}

type noKeys struct{ portcullis.Authenticator }

func ask(t *testing.T, who []portcullis.Authenticator, header string) (portcullis.Principal, error) {
	t.Helper()
	if len(who) != 2 {
		t.Fatalf("%d ways in, want 2", len(who))
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != "" {
		r.Header.Set("Authorization", header)
	}
	return who[1].Authenticate(t.Context(), &portcullis.Conn{HTTP: r})
}

func TestTheTokenForScrapes(t *testing.T) {
	const first, second = "first-token-of-32-characters-xxx", "second-token-of-32-characters-xx"
	for _, from := range []string{first, "secret://file/run/token"} {
		kept := &file{text: first}
		cfg := config.Default()
		cfg.Telemetry.MetricsToken = config.Secret(from)
		who, err := Listener(cfg, kept, noKeys{})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := ask(t, who, "Bearer "+first); err != nil || p.ID != "metrics-scraper" || len(p.Scopes) != 1 {
			t.Errorf("%s: the token: %+v, %v", from, p, err)
		}
		for _, bad := range []string{"", "Bearer ", "Bearer " + second, first, "Bearer " + first + "x", "Bearer secret://file/run/token"} {
			if _, err := ask(t, who, bad); !errors.Is(err, portcullis.ErrNoCredentials) {
				t.Errorf("%s: %q: %v", from, bad, err)
			}
		}
		if from == first {
			continue
		}
		kept.text = second // renewed
		if _, err := ask(t, who, "Bearer "+first); !errors.Is(err, portcullis.ErrNoCredentials) {
			t.Errorf("the old token after the file was renewed: %v", err)
		}
		if _, err := ask(t, who, "Bearer "+second); err != nil {
			t.Errorf("the renewed token: %v", err)
		}
		for _, gone := range []file{{text: ""}, {text: "short"}, {text: second, err: errors.New("gone")}} {
			*kept = gone
			for _, header := range []string{"Bearer ", "Bearer " + gone.text, "Bearer " + second} {
				if _, err := ask(t, who, header); !errors.Is(err, portcullis.ErrNoCredentials) {
					t.Errorf("%+v: %q: %v", gone, header, err)
				}
			}
		}
	}
}

func TestATokenNobodyReadIsRefused(t *testing.T) {
	cfg := config.Default()
	cfg.Telemetry.MetricsToken = "secret://file/run/other"
	if _, err := Listener(cfg, &file{}, noKeys{}); err == nil {
		t.Error("a listener without its token")
	}
	cfg.Telemetry.MetricsToken = ""
	if who, err := Listener(cfg, &file{}, noKeys{}); err != nil || len(who) != 1 {
		t.Errorf("without a token: %d, %v", len(who), err)
	}
}
