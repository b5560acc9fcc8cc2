package aws

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// TestFetch drives the vendor's client against a fake of the service: JSON 1.1
// with a target header, signed with Signature Version 4.
func TestFetch(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-secret-key")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ SecretId, VersionStage, VersionId string }
		if json.NewDecoder(r.Body).Decode(&in) != nil || r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" ||
			!strings.Contains(r.Header.Get("Authorization"), "/us-east-1/secretsmanager/aws4_request") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fail := func(kind string) {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "Message": "canary account"})
		}
		switch {
		case in.SecretId == "chrysalis/production" && in.VersionStage == "AWSPREVIOUS":
			_ = json.NewEncoder(w).Encode(map[string]any{"SecretString": `{"DATABASE_URL":"old"}`, "VersionId": "v1"})
		case in.SecretId == "chrysalis/production" && in.VersionId == "":
			_ = json.NewEncoder(w).Encode(map[string]any{"SecretString": `{"DATABASE_URL":"new"}`, "VersionId": "v2"})
		case in.SecretId == "binary":
			_ = json.NewEncoder(w).Encode(map[string]any{"SecretBinary": []byte("bytes")})
		case in.SecretId == "denied":
			fail("AccessDeniedException")
		default:
			fail("ResourceNotFoundException")
		}
	}))
	defer srv.Close()
	s, err := New(t.Context(), Config{Region: "us-east-1", Endpoint: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"secret://aws/chrysalis/production#DATABASE_URL":                     "new",
		"secret://aws/chrysalis/production?version=AWSPREVIOUS#DATABASE_URL": "old",
		"secret://aws/binary": "bytes",
	} {
		ref, err := source.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Fetch(t.Context(), ref)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if value, err := got.Pick(ref.Field); err != nil || value != want {
			t.Errorf("%s: %q %v", text, value, err)
		}
	}
	for path, want := range map[string]error{"none": source.ErrNotFound, "denied": source.ErrDenied} {
		_, err := s.Fetch(t.Context(), source.Ref{Path: path})
		if !errors.Is(err, want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", path, err)
		}
	}
	srv.Close()
	if _, err := s.Fetch(t.Context(), source.Ref{Path: "x"}); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("service is down: %v", err)
	}
}
