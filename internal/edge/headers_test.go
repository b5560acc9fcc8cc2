package edge

import (
	"maps"
	"net/http"
	"strings"
	"testing"
)

func applied(t testing.TB, c HeadersConfig, secure bool) map[string]string {
	t.Helper()
	dst := http.Header{"X-Frame-Options": {"ALLOWALL"}, "Content-Type": {"application/json"}}
	must(NewHeaders(c))(t).Apply(dst, secure)
	out := map[string]string{}
	for key, values := range dst {
		out[key] = strings.Join(values, "|")
	}
	return out
}

func TestHeadersAPI(t *testing.T) {
	want := map[string]string{
		"Content-Type":                 "application/json",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'",
		"Referrer-Policy":              "no-referrer",
		"Permissions-Policy":           "camera=(), microphone=(), geolocation=()",
		"Cache-Control":                "no-store",
		"Cross-Origin-Resource-Policy": "same-origin",
	}
	if got := applied(t, DefaultHeaders(), false); !maps.Equal(got, want) {
		t.Errorf("plain: %v", got)
	}
	want[hstsKey] = "max-age=31536000; includeSubDomains"
	if got := applied(t, DefaultHeaders(), true); !maps.Equal(got, want) {
		t.Errorf("secure: %v", got)
	}
}

func TestHeadersProfilesAndOverrides(t *testing.T) {
	got := applied(t, HeadersConfig{Profile: ProfileGuide, HSTSPreload: true, Set: map[string]string{
		"x-xss-protection": "1; mode=block", "X-Custom": "yes", "Referrer-Policy": "",
	}}, true)
	for key, want := range map[string]string{
		"X-Content-Type-Options":  "nosniff",
		"X-Frame-Options":         "DENY",
		"X-Xss-Protection":        "1; mode=block",
		"Content-Security-Policy": "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'",
		hstsKey:                   "max-age=31536000; includeSubDomains; preload",
		"Permissions-Policy":      "camera=(), microphone=(), geolocation=()",
		"X-Custom":                "yes",
		"Referrer-Policy":         "",
	} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	if got := applied(t, HeadersConfig{Profile: ProfileGuide}, false); got["X-Xss-Protection"] != "0" || got["Referrer-Policy"] != "strict-origin-when-cross-origin" {
		t.Errorf("guide: %v", got)
	}
	got = applied(t, HeadersConfig{Profile: ProfileHelmet, Set: map[string]string{hstsKey: ""}}, true)
	if got["X-Download-Options"] != "noopen" || got["Cross-Origin-Opener-Policy"] != "same-origin" || got[hstsKey] != "" {
		t.Errorf("helmet: %v", got)
	}
}

func TestHeadersValidate(t *testing.T) {
	for want, c := range map[string]HeadersConfig{
		`profile: "": want "api"`:                    {},
		`set: "a b": not a header name`:              {Profile: "api", Set: map[string]string{"a b": "x"}},
		`set.X-A: control characters`:                {Profile: "api", Set: map[string]string{"X-A": "x\r\nSet-Cookie: y"}},
		`set.content-length: this header belongs to`: {Profile: "api", Set: map[string]string{"content-length": "0"}},
	} {
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

// TestHeadersAreNotShared: adding to one reply must not reach another.
func TestHeadersAreNotShared(t *testing.T) {
	h := must(NewHeaders(DefaultHeaders()))(t)
	a, b := http.Header{}, http.Header{}
	h.Apply(a, true)
	h.Apply(b, true)
	for key := range a {
		a.Add(key, "more")
		if len(b[key]) != 1 {
			t.Errorf("%s: %q", key, b[key])
		}
		b.Add(key, "other")
		if a[key][1] != "more" {
			t.Errorf("%s: %q", key, a[key])
		}
	}
}

func BenchmarkHeadersApply(b *testing.B) {
	h := must(NewHeaders(DefaultHeaders()))(b)
	dst := make(http.Header, 32)
	b.ReportAllocs()
	for b.Loop() {
		h.Apply(dst, true)
	}
}
