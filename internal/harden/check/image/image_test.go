package image

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	digest := "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for in, want := range map[string]Ref{
		"node":                           {Repository: "node", Name: "node"},
		"node:20-alpine":                 {Repository: "node", Name: "node", Tag: "20-alpine"},
		"r.example:5000/a/b":             {Repository: "r.example:5000/a/b", Name: "b"},
		"r.example:5000/a/b:1@" + digest: {Repository: "r.example:5000/a/b", Name: "b", Tag: "1", Digest: digest},
	} {
		if got := Parse(in); got != want {
			t.Errorf("%s: %+v", in, got)
		}
	}
	for in, want := range map[string]bool{"a": false, "a:1": false, "a@" + digest: true, "a@" + digest[:20]: false, "a@md5:1": false} {
		if got := Parse(in).Pinned(); got != want {
			t.Errorf("%s pinned: %v", in, got)
		}
	}
}

func TestEnded(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"node:20-alpine": "2026-04-30", "docker.io/library/node:20": "2026-04-30", "node:200": "", "node:22.1": "", "me/node:18": "",
		"python:3.1": "", "python:3.9-slim": "2025-10-31", "python:3.11-slim": "", "openjdk:17": "2022-07-31", "node": "",
	} {
		if got := Parse(in).Ended(now); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if Parse("node:20").Ended(now.AddDate(-1, 0, 0)) != "" {
		t.Error("an image ended before its end")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a/b:c@sha256:00")
	f.Fuzz(func(t *testing.T, s string) {
		r := Parse(s)
		if r.Pinned() && r.Floating() {
			t.Errorf("%q is pinned and floats", s)
		}
		r.Ended(time.Unix(0, 0))
	})
}
