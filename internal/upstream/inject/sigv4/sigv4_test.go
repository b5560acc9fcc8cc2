package sigv4

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

type secret string

func (s secret) Get() (string, uint64, error) {
	if s == "" {
		return "", 0, errors.New("secret://env/X: gone")
	}
	return string(s), 1, nil
}
func (secret) Refresh(context.Context, uint64) (bool, error) { return true, nil }

// TestAuthorize looks at what is signed; that the signature is right is the
// vendor's own library's affair.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	s, err := New(Config{URL: "https://mcp.example.com/mcp?q=1", Region: "us-east-1", Service: "svc", KeyID: secret("AKID"), Secret: secret("canary"), Session: secret("sess")})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(body string, shape portcullis.Shape) map[string]string {
		got, err := s.Authorize(t.Context(), &portcullis.Call{Message: &portcullis.Message{Shape: shape, Raw: []byte(body)}})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, f := range got.Fields {
			out[f.Name] = f.Value
		}
		return out
	}
	a, b := sign("a", portcullis.ShapeRequest), sign("b", portcullis.ShapeRequest)
	want := regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=AKID/\d{8}/us-east-1/svc/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$`)
	if !want.MatchString(a["Authorization"]) || a["X-Amz-Security-Token"] != "sess" || a["X-Amz-Date"] == "" {
		t.Errorf("fields %v", a)
	}
	if a["Authorization"] == b["Authorization"] || a["X-Amz-Content-Sha256"] == b["X-Amz-Content-Sha256"] {
		t.Error("two bodies have one signature")
	}
	if strings.Contains(a["Authorization"], "canary") {
		t.Error("the key travels")
	}
	gone, err := New(Config{URL: "https://h/x", Region: "r", Service: "s", KeyID: secret("AKID"), Secret: secret("")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Authorize(t.Context(), &portcullis.Call{Message: &portcullis.Message{}}); err == nil {
		t.Error("signed without a key")
	}
}
