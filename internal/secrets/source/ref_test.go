package source

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	good := map[string]Ref{
		"secret://env/GITHUB_TOKEN":                  {Source: "env", Path: "GITHUB_TOKEN"},
		"secret://file/run/secrets/a.b-c":            {Source: "file", Path: "run/secrets/a.b-c"},
		"secret://file/etc/x/..data/key":             {Source: "file", Path: "etc/x/..data/key"},
		"secret://vault/kv/a?version=3#token":        {Source: "vault", Path: "kv/a", Version: "3", Field: "token"},
		"secret://aws/arn:aws:secretsmanager:us-1:1": {Source: "aws", Path: "arn:aws:secretsmanager:us-1:1"},
		"secret://kubernetes/ns/name#tls.key":        {Source: "kubernetes", Path: "ns/name", Field: "tls.key"},
	}
	for text, want := range good {
		got, err := Parse(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v %v, as text %s", text, got, err, got)
		}
	}
	for _, text := range []string{
		"", "env/OTHER", "Secret://env/X", "secret:/env/X", "secret://", "secret://env", "secret://env/", "secret:///X",
		"secret://env//X", "secret://env/X/", "secret://file/a/../b", "secret://file/./a", "secret://env/a b",
		"secret://env/a%20b", "secret://env/a#", "secret://env/a#b#c", "secret://env/a?version=", "secret://env/a?v=1",
		"secret://env/a?version=1&x=2", "secret://env/a#f?version=1", "secret://user@env/a", "secret://e-v/a", "secret://env/é",
		"secret://env/a\n", "secret://env/" + strings.Repeat("a", maxRef),
	} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		} else if len(text) > 5 && !IsRef(text) && strings.Contains(err.Error(), text) {
			t.Errorf("%q: the error repeats what may be a secret: %v", text, err)
		}
	}
}

// FuzzParse: what is read has one way to be written, and cannot leave its
// source.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"secret://env/X", "secret://vault/kv/a?version=3#token", "secret://file/a/..data/b", "secret://file/../x", "secret://a/b#c?version=1", "secret://env/%2e%2e/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		if r.String() != text {
			t.Fatalf("%q is written %q", text, r)
		}
		for segment := range strings.SplitSeq(r.Path, "/") {
			if segment == "" || segment == "." || segment == ".." {
				t.Fatalf("%q has the path %q", text, r.Path)
			}
		}
		if strings.ContainsAny(text, " %\\\r\n\x00") {
			t.Fatalf("%q was read", text)
		}
	})
}
