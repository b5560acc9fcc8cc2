package direct_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
	"github.com/portcullis-dev/portcullis/internal/upstream/direct"
)

// TestDocuments: requests beside the calls travel as nobody, and to no address
// that calls may not go to.
func TestDocuments(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path != "/other" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
	}))
	defer srv.Close()
	cfg := direct.Default()
	cfg.URL = srv.URL + "/a2a"
	c, err := direct.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/other", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Transport().RoundTrip(req)
	if err != nil || asked != 1 {
		t.Fatal(err, asked)
	}
	_ = resp.Body.Close()
	req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, "http://169.254.169.254/latest", nil)
	if err != nil {
		t.Fatal(err)
	}
	var refused *dial.AddressError
	if _, err := c.Transport().RoundTrip(req); !errors.As(err, &refused) { //nolint:bodyclose // there is none
		t.Errorf("the address was not checked: %v", err)
	}
}
