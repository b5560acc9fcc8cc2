package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

const name = "access/00000000000000000000-00000000000000000009.log.zst"

// file writes content and returns its path and SHA-256.
func file(t *testing.T, content string) (path, sum string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o400); err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256([]byte(content))
	return path, hex.EncodeToString(s[:])
}

func TestDirectory(t *testing.T) {
	d := Directory{t.TempDir()}
	path, sum := file(t, "content")
	for range 2 { // again is no error
		where, err := d.Put(t.Context(), name, path, 7, sum)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(where); err != nil || string(got) != "content" {
			t.Errorf("%q, %v", got, err)
		}
	}
	other, otherSum := file(t, "another")
	if _, err := d.Put(t.Context(), name, other, 7, otherSum); err == nil {
		t.Error("another content took the place of the first")
	}
	if _, err := d.Put(t.Context(), "access/x", path, 7, otherSum); err == nil {
		t.Error("a file that is not the named one was taken")
	}
	if _, err := (Directory{filepath.Join(t.TempDir(), "not mounted")}).Put(t.Context(), name, path, 7, sum); err == nil {
		t.Error("a folder that is not there was made")
	}
}

// bucket is a foreign server of S3, behind a filter.
func bucket(t *testing.T, filter func(http.ResponseWriter, *http.Request) bool) (*S3, gofakes3.Backend) {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("logs"); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(backend, gofakes3.WithIntegrityCheck(true)).Server()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if filter == nil || !filter(w, r) {
			fake.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(srv.Close)
	s, err := NewS3(S3Config{
		Endpoint: srv.URL, Region: "eu-central-1", Bucket: "logs", Prefix: "portcullis/a b", PathStyle: true,
		Keys: func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI"}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, backend
}

func TestS3(t *testing.T) {
	var signed []string
	s, backend := bucket(t, func(_ http.ResponseWriter, r *http.Request) bool {
		signed = append(signed, r.Method+" "+r.Header.Get("Authorization"))
		return false
	})
	content := strings.Repeat("line\n", 1000)
	path, sum := file(t, content)
	for range 2 {
		where, err := s.Put(t.Context(), name, path, int64(len(content)), sum)
		if err != nil || where != "s3://logs/portcullis/a b/"+name {
			t.Fatalf("%q, %v", where, err)
		}
	}
	obj, err := backend.GetObject("logs", "portcullis/a b/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(obj.Contents)
	if err != nil || !bytes.Equal(got, []byte(content)) {
		t.Errorf("the object holds %d bytes, %v", len(got), err)
	}
	if len(signed) != 4 || !strings.HasPrefix(signed[0], "PUT AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(signed[0], "/eu-central-1/s3/aws4_request") ||
		!strings.Contains(signed[0], "content-md5;") || !strings.Contains(signed[0], "x-amz-checksum-sha256") || !strings.HasPrefix(signed[1], "HEAD ") {
		t.Errorf("requests: %q", signed)
	}
}

func TestS3Failures(t *testing.T) {
	path, sum := file(t, "content")
	_, otherSum := file(t, "another")
	for what, filter := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"refused": func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "SECRET-IN-ANSWER", http.StatusForbidden)
			return true
		},
		"redirected": func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
			return true
		},
		"another ETag": func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("ETag", `"00000000000000000000000000000000"`)
			return true
		},
		"another size": func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodHead {
				w.Header().Set("Content-Length", "3")
			}
			return r.Method == http.MethodHead
		},
		"changed on the way": func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut {
				r.Body = io.NopCloser(strings.NewReader("CONTENT"))
			}
			return false
		},
	} {
		s, _ := bucket(t, filter)
		where, err := s.Put(t.Context(), name, path, 7, sum)
		if err == nil || where != "" {
			t.Errorf("%s: archived at %q", what, where)
		} else if strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "wJalr") {
			t.Errorf("%s: the error tells too much: %v", what, err)
		}
	}
	s, _ := bucket(t, nil)
	if _, err := s.Put(t.Context(), name, path, 7, otherSum); err == nil {
		t.Error("a file that is not the named one was sent")
	}
	want := errors.New("lease is over")
	s.cfg.Keys = func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, want }
	if _, err := s.Put(t.Context(), name, path, 7, sum); !errors.Is(err, want) {
		t.Errorf("without credentials: %v", err)
	}
	if _, err := NewS3(S3Config{Endpoint: "nowhere"}); err == nil {
		t.Error("an endpoint without a host was taken")
	}
}
