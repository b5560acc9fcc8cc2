package foreign_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/foreign"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

const password = "chrysalis password"

var now = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// sample reads a file that Node's crypto made as either edition does.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wantDoubts(t *testing.T, f *foreign.Found, parts ...string) {
	t.Helper()
	all := strings.Join(f.Doubts, "\n")
	for _, p := range parts {
		if !strings.Contains(all, p) {
			t.Errorf("no doubt says %q in\n%s", p, all)
		}
	}
}

func TestChrysalis(t *testing.T) {
	master := bytes.Repeat([]byte{7}, 32)
	for name, c := range map[string]struct {
		file string
		keys foreign.Keys
	}{
		"Rust, by password":         {"chrysalis_rust.json", foreign.Keys{Password: []byte(password)}},
		"TypeScript, by master key": {"chrysalis_ts.json", foreign.Keys{MasterKey: master}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := foreign.Chrysalis(sample(t, c.file), c.keys, now)
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Items) != 3 {
				t.Fatalf("%d items: %v", len(f.Items), f.Doubts)
			}
			a, b, d := f.Items[0], f.Items[1], f.Items[2]
			if a.Name != "openai-prod-key" || a.Provider != "openai" || string(a.Value) != "example-openai-value-1" || a.Metadata["default"] != "true" || !a.Default || a.Expires != nil {
				t.Errorf("first: %+v", a.New)
			}
			if b.Name != "old" || b.Provider != "anthropic" || b.Expires == nil || b.Expires.Unix() != 1710000000 {
				t.Errorf("second: %+v", b.New)
			}
			if d.Name != "openai-prod-key-2" || string(d.Value) != "another-value-3" || d.Expires.Unix() != 4100000000 {
				t.Errorf("third: %+v", d.New)
			}
			wantDoubts(t, f, "unsalted SHA-256", "not authenticated", "entry 2 (old): has expired")
			f.Wipe()
			if string(a.Value) == "example-openai-value-1" {
				t.Error("not wiped")
			}
		})
	}
}

func TestChrysalisLostAndForged(t *testing.T) {
	keys := foreign.Keys{Password: []byte(password)}
	f, err := foreign.Chrysalis(sample(t, "chrysalis_ts.json"), keys, now)
	if err != nil || len(f.Items) != 0 {
		t.Fatalf("%d items, %v", len(f.Items), err)
	}
	wantDoubts(t, f, "entry 1: lost", "random key that they do not hold")
	if _, err := foreign.Chrysalis(sample(t, "chrysalis_rust.json"), foreign.Keys{Password: []byte("wrong")}, now); !errors.Is(err, foreign.ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
	rust := string(sample(t, "chrysalis_rust.json"))
	change := func(from, to string) []byte {
		if !strings.Contains(rust, from) {
			t.Fatalf("no %q in the sample", from)
		}
		return []byte(strings.Replace(rust, from, to, 1))
	}
	for name, c := range map[string]struct {
		file  []byte
		items int
		doubt string
	}{
		"swapped":       {change(`"key_prefix": "example-"`, `"key_prefix": "another-"`), 2, "entry 1: left out: its key does not begin as its keyPrefix says"},
		"provider":      {change(`"provider": "openai"`, `"provider": "a b"`), 3, "its provider is none"},
		"expiry":        {change("4100000000", "9100000000000"), 2, "its expiry is no time"},
		"negative":      {change("4100000000", "-1"), 2, "its expiry is no time"},
		"algorithm":     {change(`"aes-256-gcm"`, `"aes-256-cbc"`), 2, "no AES-256-GCM"},
		"password hash": {change(`"password_hash": "`, `"password_hash": "00`), 3, "passwordHash is not that of the password"},
	} {
		f, err := foreign.Chrysalis(c.file, keys, now)
		if err != nil || len(f.Items) != c.items {
			t.Errorf("%s: %d items, %v", name, len(f.Items), err)
			continue
		}
		wantDoubts(t, f, c.doubt)
		if all := strings.Join(f.Doubts, "\n"); strings.Contains(all, "value-") || strings.Contains(all, "example-") {
			t.Errorf("%s: a doubt shows a value", name)
		}
	}
	for name, file := range map[string][]byte{
		"no JSON": []byte("{"), "a list": []byte("[]"), "no shape": []byte("{}"), "both shapes": change(`"password_hash"`, `"passwordHash":"","password_hash"`),
		"version": change(`"version": 1,`, `"version": 2,`), "a name twice": change(`"password_hash"`, `"version":1,"password_hash"`), "types": change(`"entries": [`, `"entries": 5, "x": [`),
		"big": make([]byte, foreign.MaxFile+1),
	} {
		if f, err := foreign.Chrysalis(file, keys, now); !errors.Is(err, foreign.ErrFormat) || f != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVariables(t *testing.T) {
	const text = "\ufeff# comment\n" + `OPENAI_API_KEY=plain-1 # behind
export ANTHROPIC_API_KEY='quoted $HOME 2'
declare -x HF_TOKEN="double \"3\" \$x"
MULTI_SECRET="line 1
line 2"
PIECES_KEY=a'b c'"d"\ e
ANSI_KEY=$'tab\tend'
CRLF_KEY=crlf` + "\r\n" + `EVIL_KEY=$(curl evil)
TICK_TOKEN="` + "`id`" + `"
VAR_KEY="x${HOME}"
BLANK_KEY=a b
PORT=8080
EMPTY_KEY=
WALLET_PASSWORD=never-imported
not an assignment
OPENAI_API_KEY=plain-2
OPEN_KEY="never closed
`
	f, err := foreign.Variables([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"OPENAI_API_KEY": "plain-2", "ANTHROPIC_API_KEY": "quoted $HOME 2", "HF_TOKEN": `double "3" $x`, "MULTI_SECRET": "line 1\nline 2",
		"PIECES_KEY": "ab cd e", "ANSI_KEY": "tab\tend", "CRLF_KEY": "crlf",
	}
	if len(f.Items) != len(want) {
		t.Errorf("%d items, want %d", len(f.Items), len(want))
	}
	for _, it := range f.Items {
		if string(it.Value) != want[it.Name] {
			t.Errorf("%s is %q, want %q", it.Name, it.Value, want[it.Name])
		}
	}
	if f.Items[2].Provider != "huggingface" || f.Items[0].Provider != "openai" {
		t.Errorf("providers %q, %q", f.Items[2].Provider, f.Items[0].Provider)
	}
	wantDoubts(t, f, "EVIL_KEY: its value would have to be expanded", "TICK_TOKEN: its value", "VAR_KEY: its value", "BLANK_KEY: its value has blanks",
		"PORT: left out: it does not sound", "EMPTY_KEY: left out: it is empty", "WALLET_PASSWORD: left out", "no NAME=VALUE", "OPENAI_API_KEY is there more than once", "OPEN_KEY: a quote is not closed")
	if all := strings.Join(f.Doubts, "\n"); strings.Contains(all, "evil") || strings.Contains(all, "8080") || strings.Contains(all, "never closed") {
		t.Errorf("a doubt shows a value:\n%s", all)
	}
	f, err = foreign.Variables([]byte("PORT=8080\nX_KEY=1\n"), []string{"PORT", "GONE"})
	if err != nil || len(f.Items) != 1 || f.Items[0].Name != "PORT" {
		t.Errorf("only: %v, %v", f, err)
	}
	wantDoubts(t, f, "X_KEY: left out", "GONE: not found")
	for _, bad := range [][]byte{{0xff}, make([]byte, foreign.MaxFile+1)} {
		if _, err := foreign.Variables(bad, nil); !errors.Is(err, foreign.ErrFormat) {
			t.Errorf("%v", err)
		}
	}
}

// usable reports items that a wallet would refuse: an import is all or nothing.
func usable(t *testing.T, f *foreign.Found) {
	t.Helper()
	seen := map[string]bool{}
	for _, it := range f.Items {
		if err := wallet.ValidName(it.Name); err != nil || seen[it.Name] || len(it.Value) == 0 || len(it.Value) > wallet.MaxValue {
			t.Fatalf("item %q: %v", it.Name, err)
		}
		seen[it.Name] = true
	}
}

func FuzzVariables(f *testing.F) {
	f.Add([]byte("A_KEY=b\nexport C_TOKEN='d'\n"))
	f.Add([]byte("A_KEY=\"a\\"))
	f.Add([]byte("A_KEY=$'\\x41'"))
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := foreign.Variables(b, nil)
		if err != nil {
			return
		}
		usable(t, found)
	})
}

func FuzzChrysalis(f *testing.F) {
	f.Add(sample(f, "chrysalis_ts.json"))
	f.Add([]byte(`{"version":1,"password_hash":"","entries":[],"settings":{}}`))
	keys := foreign.Keys{MasterKey: bytes.Repeat([]byte{7}, 32)}
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Contains(b, []byte("salt")) && bytes.Count(b, []byte("salt")) > 3 {
			return // each derives a key: slow, and nothing new
		}
		found, err := foreign.Chrysalis(b, keys, now)
		if err != nil {
			if !errors.Is(err, foreign.ErrFormat) {
				t.Fatal(err)
			}
			return
		}
		usable(t, found)
	})
}
