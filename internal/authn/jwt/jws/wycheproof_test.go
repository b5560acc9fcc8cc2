package jws

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// onPurpose are the cases that the suite calls valid and a gateway refuses all
// the same.
var onPurpose = map[string][]int{
	"json_web_signature": {
		346, 350, // key labelled for another algorithm than the token's
		347, 351, // key labelled ES521, which does not exist
		372, 373, // a foreign character in base64url, to be skipped
	},
}

// sameAsValid are cases that the suite calls invalid although they are, to the
// byte, another case of the same key that it calls valid.
var sameAsValid = map[string]map[int]int{"json_web_signature": {367: 357, 370: 357}}

type wycheproof struct {
	Groups []struct {
		Type    string         `json:"type"`
		Comment string         `json:"comment"`
		Public  jsontext.Value `json:"public"`
		Private jsontext.Value `json:"private"`
		Tests   []struct {
			ID      int    `json:"tcId"`
			Comment string `json:"comment"`
			JWS     any    `json:"jws"` // an object in the JSON serialization
			JWE     any    `json:"jwe"`
			Result  string `json:"result"`
		} `json:"tests"`
	} `json:"testGroups"`
}

// decide reads a key or set and verifies a token with it as an issuer's would
// be.
func decide(raw jsontext.Value, token string) error {
	var probe struct {
		Keys []struct{ Kty string }
		Kty  string
	}
	if err := json.Unmarshal(raw, &probe); err != nil {
		return err
	}
	set := []byte(raw)
	if probe.Keys == nil {
		set = []byte(`{"keys":[` + string(raw) + `]}`)
	} else {
		probe.Kty = probe.Keys[0].Kty
	}
	keys, err := ParseKeySet(set, probe.Kty == "oct")
	if err != nil {
		return err
	}
	c, err := Parse(token, false)
	if err != nil {
		return err
	}
	k := keys.Find(c.Header.KeyID)
	if k == nil {
		return Reason("unknown key")
	}
	return Verify(c, k)
}

func TestWycheproof(t *testing.T) {
	dir := os.Getenv("PORTCULLIS_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "..", "shared", "samples")
		if _, err := os.Stat(dir); err != nil {
			dir = filepath.Join("..", dir) // a work tree beside the repository
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "crypto")); err != nil {
		t.Log("the Wycheproof vectors are not here: set PORTCULLIS_SAMPLES")
		return
	}
	for name, want := range map[string]int{"json_web_signature": 401, "json_web_key": 26, "json_web_crypto": 49} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, "crypto", "wycheproof-"+name+"_test.json"))
			if err != nil {
				t.Fatal(err)
			}
			var w wycheproof
			if err := json.Unmarshal(text, &w); err != nil {
				t.Fatal(err)
			}
			seen := 0
			for _, g := range w.Groups {
				raw := g.Public
				if raw == nil {
					raw = g.Private
				}
				byID := map[int]string{}
				for _, c := range g.Tests {
					if c.JWS == nil { // encrypted tokens are refused whole, like every other form
						if _, err := Parse(asText(t, c.JWE), false); err == nil {
							t.Errorf("%d %s %s: an encrypted token was read", c.ID, g.Comment, c.Comment)
						}
						continue
					}
					seen++
					token := asText(t, c.JWS)
					byID[c.ID] = token
					err := decide(raw, token)
					accept := c.Result == "valid" && !slices.Contains(onPurpose[name], c.ID)
					if twin, ok := sameAsValid[name][c.ID]; ok {
						if token != byID[twin] {
							t.Errorf("%d differs from %d", c.ID, twin)
						}
						accept = true
					}
					if (err == nil) != accept {
						t.Errorf("%d %s %s (%s): got %v", c.ID, g.Comment, c.Comment, c.Result, err)
					}
				}
			}
			if seen != want {
				t.Errorf("%d signature cases, want %d", seen, want)
			}
		})
	}
}

func asText(t *testing.T, v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
