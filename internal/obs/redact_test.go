package obs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// ownKey is an API key of our own form.
const (
	ownKey = "mcp_0f5c0f2ed8a54c0bb1a5a7b3f1d2e3c4.kX9d-Qw_7ZtB3nLr5VyHc2PsJf8mGa1eUo4iTb6RzYx"
	token  = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRva2Vu"
)

func pemBlock() string {
	return "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIcanarycanarycanary\n-----END EC PRIVATE KEY-----"
}

// logBoth logs once as JSON and once as text and returns both.
func logBoth(level slog.Level, do func(*slog.Logger)) string {
	var out bytes.Buffer
	for _, format := range []string{"json", "text"} {
		do(NewLogger(&out, level, format, LogOptions{}))
	}
	return out.String()
}

func TestCredentialsInText(t *testing.T) {
	r := newRedactor(nil)
	for _, tt := range [][2]string{
		{"key " + ownKey + " refused", "key [redacted] refused"},
		{"token claim_" + ownKey[4:] + " refused", "token [redacted] refused"},
		{"key mcp_0f5c0f2ed8a54c0bb1a5a7b3f1d2e3c4 refused", "key mcp_0f5c0f2ed8a54c0bb1a5a7b3f1d2e3c4 refused"},
		{"Authorization: Bearer " + token, "Authorization: [redacted]"},
		{"got bearer abcdefgh.", "got bearer [redacted]"},
		{"BASIC dXNlcjpwYXNz, then", "BASIC [redacted], then"},
		{"Bearer token missing", "Bearer token missing"},
		{`WWW-Authenticate is Bearer realm="x"`, `WWW-Authenticate is Bearer realm="x"`},
		{"jwt " + token + "!", "jwt [redacted]!"},
		{"AKIAIOSFODNN7EXAMPLE", "[redacted]"},
		{"xghp_ is no token", "xghp_ is no token"},
		{"ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[redacted]"},
		{"github_pat_11ABCDEFG0123456789_abcdef", "[redacted]"},
		{"sk-proj-abcdef0123456789abcdef", "[redacted]"},
		{"sk-ant-api03-abcdef0123456789", "[redacted]"},
		{"risk-assessment-of-everything", "risk-assessment-of-everything"},
		{"xoxb-123456789012-abcdef", "[redacted]"},
		{"AIzaSyA1234567890abcdefghijklmnopqrstuv", "[redacted]"},
		{"sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "[redacted]"},
		{"a " + pemBlock() + " b", "a [redacted] b"},
		{pemBlock()[:50], "[redacted]"},
		{"-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"},
		{"dial postgres://app:hunter2@db:5432/x?sslmode=require", "dial postgres://[redacted]@db:5432/x?sslmode=require"},
		{"redis://:p@ss@cache", "redis://[redacted]@cache"},
		{"amqp://u:pa/ss?w#d@host/vhost", "amqp://[redacted]@host/vhost"},
		{"https://ghtoken@github.com/x", "https://[redacted]@github.com/x"},
		{"https://example.com:8443/@scope/pkg", "https://example.com:8443/@scope/pkg"},
		{"GET /cb?code=7&access_token=abc&state=1", "GET /cb?code=7&access_token=[redacted]&state=1"},
		{"X-Amz-Signature=0a1b2c", "X-Amz-Signature=[redacted]"},
		{`{"password":"hun\"ter2","n":1}`, `{"password":"[redacted]","n":1}`},
		{`{\"api_key\":\"hunter2\"}`, `{\"api_key\":\"[redacted]\"}`},
		{"password: hunter2", "password: [redacted]"},
		{"passwd = hunter2", "passwd = [redacted]"},
		{"client_secret='a b c' x", "client_secret='[redacted]' x"},
		{"Set-Cookie: sid=1; Path=/\nnext", "Set-Cookie: [redacted]\nnext"},
		{"parsing token: unexpected end of input", "parsing token: unexpected end of input"},
		{"token: A7f9Kq2LmZ", "token: [redacted]"},
		{"env.TOKEN: secret://vault/kv/A7f9Kq2LmZ#token: denied", "env.TOKEN: secret://vault/kv/A7f9Kq2LmZ#token: denied"},
		{"token=secret://user:hunter2@host", "token=secret://[redacted]@host"},
		{"tokens_used=500 request_id=7", "tokens_used=500 request_id=7"},
		{"019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f tools/call read_file", "019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f tools/call read_file"},
	} {
		if got := r.text(tt[0]); got != tt[1] {
			t.Errorf("%q\n got %q\nwant %q", tt[0], got, tt[1])
		}
	}
}

func TestSensitiveNames(t *testing.T) {
	k := newKeys([]string{"Tax-Number"})
	for name, want := range map[string]bool{
		"password": true, "PassWord": true, "db_password": true, "passwordHash": true, "user.passwd": true,
		"api_key": true, "apikey": true, "X-API-Key": true, "apiKeys": true, "token": true, "refreshToken": true,
		"id_token": true, "Authorization": true, "Proxy-Authorization": true, "cookie": true, "Set-Cookie": true,
		"private_key": true, "credential": true, "credentials": true, "session": true, "Session-ID": true,
		"secret": true, "CLIENT SECRET": true, "aws_secret_access_key": true, "pin": true, "otp": true,
		"pa\u017f\u017fword": true, "to\u212aen": true, "tax_number": true, "private_key_pem": true,

		"": false, "key_id": false, "api_key_id": false, "token_count": false, "mapping": false, "method": false,
		"secret_name": false, "password_length": false, "request_id": false, "sessions_open": false, "author": false,
		"passed": false, "module": false, "rsid": false, "shipping": false,
	} {
		if got := k.sensitive(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

type account struct {
	Name     string
	Password string
	Inner    *account
	Tags     map[string]any `json:"tags"`
	Renamed  string         `json:"api_key"`
	Skipped  string         `json:"-"`
	private  string
}

type marshals struct{ s string }

func (m marshals) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"nested": []any{map[string]string{"token": m.s}}, "text": m.s})
}

type valuer struct{ s string }

func (v valuer) LogValue() slog.Value {
	return slog.GroupValue(slog.String("cookie", v.s), slog.String("ok", v.s))
}

type bad struct{}

func (bad) String() string { panic("no") }

// TestCanary plants a key in every shape a line can have: it never comes out.
func TestCanary(t *testing.T) {
	for _, canary := range []string{ownKey, token, "AKIAIOSFODNN7EXAMPLE"} {
		out := logBoth(slog.LevelDebug, func(log *slog.Logger) {
			nested := account{
				Name: canary, Password: canary, private: canary, Renamed: canary, Skipped: canary,
				Inner: &account{Tags: map[string]any{"list": []any{canary, []string{canary}, [1]any{canary}}, canary: 1}},
			}
			u, _ := url.Parse("https://user:" + url.QueryEscape(canary) + "@host/?token=" + canary)
			log.Info("message with "+canary, "plain", canary, canary, "as key", "token", canary)
			log.Info("m", "err", fmt.Errorf("outer: %w", errors.Join(errors.New(canary), io.EOF)))
			log.Info("m", "struct", nested, "pointer", &nested, "slice", []account{nested}, "nil", (*account)(nil))
			log.Info("m", "map", map[string][]string{"X-Forwarded": {canary}, "Cookie": {canary}})
			log.Info("m", "json", marshals{canary}, "raw", json.RawMessage(`{"a":"`+canary+`"}`), "bytes", []byte(canary))
			log.Info("m", "valuer", valuer{canary}, "secret", Secret(canary), "value", Secret(canary), "url", u, "urls", *u)
			log.Info("m", "secrets", []Secret{Secret(canary)}, "map", map[string]any{"s": Secret(canary)}, "p", new(any))
			log.With("a", canary).WithGroup("g").With(slog.Group("h", "session", canary)).WithGroup("i").Info("m", "b", canary)
			log.WithGroup("credentials").Info("m", "x", "plain words", slog.Group("", "y", canary))
			log.WithGroup(canary).Info("m", "any", slog.Group("g", slog.Any("in", []any{slog.String("k", canary)})))
			log.Info("m", "attrs", []slog.Attr{slog.String("password", canary), slog.String("x", canary)})
			log.Info("m", "group", slog.AnyValue(slog.GroupValue(slog.String("k", canary))), "f", func() {}, "b", bad{})
			log.Info("m", "cut", strings.Repeat(canary+" ", 500), "nan", math.NaN(), "nans", []float64{math.Inf(1), 1})
		})
		for line := range strings.Lines(out) {
			if strings.Contains(line, canary[8:20]) {
				t.Errorf("canary in %s", line)
			}
		}
		if strings.Contains(out, "plain words") {
			t.Error("a group of a sensitive name shows its members")
		}
		if !strings.Contains(out, Redacted) || strings.Contains(out, "!ERROR") {
			t.Errorf("output: %.3000s", out)
		}
	}
}

func TestOrdinaryValuesStay(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out, slog.LevelInfo, "json", LogOptions{Module: "journal"})
	log.Info("Authentication successful", "userId", "alice", "method", "api_key", "ip", netip.MustParseAddr("192.0.2.1"),
		"n", 7, "took", 1500*time.Millisecond, "has_token", true, "list", []string{"a", "b"}, "m", map[string]int{"x": 1},
		"err", io.EOF, "f", 0.5, slog.Group("g", "k", "v"))
	log.Debug("not shown")
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	at, err := time.Parse("2006-01-02T15:04:05.000Z", got["time"].(string))
	if err != nil || time.Since(at) > time.Minute {
		t.Errorf("time %v: %v", got["time"], err)
	}
	delete(got, "time")
	want := `map[err:EOF f:0.5 g:map[k:v] has_token:true ip:192.0.2.1 level:INFO list:[a b] m:map[x:1] method:api_key ` +
		`module:journal msg:Authentication successful n:7 took:1.5e+09 userId:alice]`
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestValuesAreBounded(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out, slog.LevelInfo, "json", LogOptions{})
	type chain struct{ Next *chain }
	loop := &chain{}
	loop.Next = loop
	log.Info(strings.Repeat("€", 5000), "v", strings.Repeat("x", 10_000), "loop", loop, "many", make([]int, 10_000))
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"msg", "v"} {
		if s := got[name].(string); len(s) > maxValue+len("…") || !strings.HasSuffix(s, "…") || strings.Contains(s, "\ufffd") {
			t.Errorf("%s has %d bytes", name, len(s))
		}
	}
	if n := len(got["many"].([]any)); n != maxItems+1 {
		t.Errorf("%d elements", n)
	}
}

// TestLinesCannotBeForged: whatever a value holds, a call makes one line.
func TestLinesCannotBeForged(t *testing.T) {
	evil := "x\nlevel=ERROR msg=forged\r\n{\"level\":\"ERROR\"}\x1b[2K\u2028\u202e\u0085\x7f\x00\xff"
	out := logBoth(slog.LevelInfo, func(log *slog.Logger) {
		log.Info(evil, evil, evil, "err", errors.New(evil), "m", map[string]string{evil: evil})
	})
	if n := strings.Count(out, "\n"); n != 2 || strings.ContainsAny(out, "\r\x1b\u2028\u202e\u0085\x7f\x00") {
		t.Errorf("%d lines: %q", n, out)
	}
}

func TestMoreNames(t *testing.T) {
	var out bytes.Buffer
	NewLogger(&out, slog.LevelInfo, "json", LogOptions{Redact: []string{"patient"}}).Info("m", "Patient", "Jane", "x_patient", "Jane")
	if strings.Contains(out.String(), "Jane") {
		t.Error(out.String())
	}
}

func TestParseLevel(t *testing.T) {
	for s, want := range map[string]slog.Level{"debug": -4, "INFO": 0, "Warn": 4, "warning": 4, "error": 8} {
		if got, err := ParseLevel(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil {
		t.Error("level loud accepted")
	}
}

func TestSecretNeverShows(t *testing.T) {
	s := Secret("hunter2")
	data, err := json.Marshal(map[string]any{"s": s, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %s %q %x %d %T", s, s, s, s, s, s, s, s) + fmt.Sprint(s, &s, []Secret{s}, struct{ S Secret }{s}) +
		s.String() + s.GoString() + s.LogValue().String() + string(data) + string(text)
	if strings.Contains(shown, "hunter2") || strings.Contains(shown, fmt.Sprintf("%x", "hunter2")) {
		t.Error(shown)
	}
	if s.Reveal() != "hunter2" {
		t.Error("Reveal does not")
	}
}

func FuzzCanary(f *testing.F) {
	f.Add("", "", "k", uint8(0))
	f.Add("password=\"", "\" x", "token", uint8(1))
	f.Add("https://u:", "@host/", "a", uint8(2))
	f.Add("-----BEGIN PRIVATE KEY----- -----END ", "-----", "eyJ", uint8(3))
	f.Fuzz(func(t *testing.T, before, after, name string, shape uint8) {
		var v any
		text := before + ownKey + after
		switch shape % 6 {
		case 0:
			v = text
		case 1:
			v = errors.New(text)
		case 2:
			v = map[string]any{before: text, text: after, "l": []any{text}}
		case 3:
			v = account{Name: text, Inner: &account{Tags: map[string]any{name: text}}}
		case 4:
			v = slog.GroupValue(slog.String(name, text), slog.Any(after, []byte(text)))
		case 5:
			v = Secret(text)
		}
		out := logBoth(slog.LevelInfo, func(log *slog.Logger) {
			log.With(name, v).WithGroup(name).LogAttrs(context.Background(), slog.LevelInfo, text, slog.Any(name, v))
		})
		if strings.Contains(out, ownKey[37:]) || strings.Contains(out, ownKey[50:70]) {
			t.Fatalf("canary in %q", out)
		}
		if strings.Count(out, "\n") != 2 {
			t.Fatalf("not one line each: %q", out)
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	r := newRedactor(nil)
	for name, s := range map[string]string{
		"clean": "upstream answered with an unexpected content type; the call was refused as internal error and masked for the caller",
		"ids":   "request 019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f tools/call read_file route=files status=200 duration_ms=1.25",
		"key":   "caller sent " + ownKey + " in the query",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				r.text(s)
			}
		})
	}
}

func BenchmarkLog(b *testing.B) {
	log := NewLogger(io.Discard, slog.LevelInfo, "json", LogOptions{Module: "gateway"})
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(context.Background(), slog.LevelInfo, "call answered", slog.String("route", "files"),
			slog.String("request_id", "019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f"), slog.Int("status", 200))
	}
}
