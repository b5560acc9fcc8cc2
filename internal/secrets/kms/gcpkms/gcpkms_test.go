package gcpkms

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
)

const key = "projects/p/locations/europe-west3/keyRings/r/cryptoKeys/k"

// fake is Cloud KMS as far as two of its methods go. change is applied to each
// answer.
func fake(t *testing.T, change func(map[string]any)) *Wrapper {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in map[string]string
		dec := json.NewDecoder(r.Body)
		if err := dec.Decode(&in); err != nil || r.Header.Get("Authorization") != "Bearer tok" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		raw := func(name string) []byte {
			b, err := base64.StdEncoding.DecodeString(in[name])
			if err != nil || sum(b) != in[name+"Crc32c"] {
				t.Errorf("%s came with a wrong checksum", name)
			}
			return b
		}
		var out map[string]any
		switch strings.TrimPrefix(r.URL.Path, "/v1/"+key) {
		case ":encrypt":
			blob, err := json.Marshal(map[string][]byte{"p": raw("plaintext"), "a": raw("additionalAuthenticatedData")})
			if err != nil {
				t.Error(err)
			}
			out = map[string]any{"name": key + "/cryptoKeyVersions/1", "ciphertext": encode(blob), "ciphertextCrc32c": sum(blob), "verifiedPlaintextCrc32c": true, "verifiedAdditionalAuthenticatedDataCrc32c": true}
		case ":decrypt":
			var was map[string][]byte
			if json.Unmarshal(raw("ciphertext"), &was) != nil || !bytes.Equal(was["a"], raw("additionalAuthenticatedData")) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(`{"error":{"code":400,"message":"canary","status":"INVALID_ARGUMENT"}}`))
				return
			}
			out = map[string]any{"plaintext": encode(was["p"]), "plaintextCrc32c": sum(was["p"]), "usedPrimary": true}
		default:
			w.WriteHeader(http.StatusForbidden)
			return
		}
		change(out)
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(s.Close)
	w, err := New(Config{Key: key, Endpoint: s.URL, Tokens: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "tok"})})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWrap(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := fake(t, func(map[string]any) {})
	secret := envelope.NewKey()
	wrapped, err := w.Wrap(ctx, secret, []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.Unwrap(ctx, wrapped, []byte("place")); err != nil || !bytes.Equal(got, secret) {
		t.Error(err)
	}
	for name, in := range map[string][2]string{
		"another place": {wrapped, "elsewhere"}, "no prefix": {"vault:v1:x", "place"}, "no base64": {prefix + "?", "place"}, "no ciphertext": {prefix + "AAAA", "place"},
	} {
		if got, err := w.Unwrap(ctx, in[0], []byte(in[1])); !errors.Is(err, envelope.ErrOpen) || got != nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.key += "2"
	if _, err := w.Wrap(ctx, secret, nil); err == nil || errors.Is(err, envelope.ErrOpen) {
		t.Errorf("forbidden: %v", err)
	}
}

// TestChangedOnTheWay: an answer whose checksums do not fit is none.
func TestChangedOnTheWay(t *testing.T) {
	t.Parallel()
	good := fake(t, func(map[string]any) {})
	wrapped, err := good.Wrap(t.Context(), []byte("key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"ciphertext":        func(m map[string]any) { m["ciphertext"] = encode([]byte("other")) },
		"plaintext unseen":  func(m map[string]any) { m["verifiedPlaintextCrc32c"] = false },
		"aad unseen":        func(m map[string]any) { delete(m, "verifiedAdditionalAuthenticatedDataCrc32c") },
		"no ciphertext":     func(m map[string]any) { delete(m, "ciphertext") },
		"ciphertext is not": func(m map[string]any) { m["ciphertext"] = "?" },
	} {
		if _, err := fake(t, change).Wrap(t.Context(), []byte("key"), nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name, change := range map[string]func(map[string]any){
		"plaintext": func(m map[string]any) { m["plaintext"] = encode([]byte("other")) }, "none": func(m map[string]any) { delete(m, "plaintext") },
	} {
		if _, err := fake(t, change).Unwrap(t.Context(), wrapped, nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"no key": {}, "a version": {Key: key + "/cryptoKeyVersions/1"}, "a way out": {Key: strings.Replace(key, "/r/", "/../", 1)}, "a query": {Key: key + "?x"},
		"clear text": {Key: key, Endpoint: "http://kms.example.com"}, "no CA": {Key: key, CAFile: "/nowhere"},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
