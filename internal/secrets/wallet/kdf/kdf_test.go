package kdf

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestWycheproofPBKDF2(t *testing.T) {
	dir := os.Getenv("PORTCULLIS_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "..", "shared", "samples")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no samples in %s: set PORTCULLIS_SAMPLES to their folder", dir)
	}
	for name, fn := range map[string]string{"sha256": PBKDF2SHA256, "sha384": PBKDF2SHA384, "sha512": PBKDF2SHA512} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(dir, "crypto", "wycheproof-pbkdf2_hmac"+name+"_test.json"))
			if err != nil {
				t.Fatal(err)
			}
			var file struct {
				NumberOfTests int
				TestGroups    []struct {
					Tests []struct {
						TcID                       int
						Password, Salt, DK, Result string
						IterationCount, DKLen      int
					}
				}
			}
			if err := json.Unmarshal(b, &file); err != nil {
				t.Fatal(err)
			}
			ran := 0
			for _, g := range file.TestGroups {
				for _, c := range g.Tests {
					password, err1 := hex.DecodeString(c.Password)
					salt, err2 := hex.DecodeString(c.Salt)
					want, err3 := hex.DecodeString(c.DK)
					if err := errors.Join(err1, err2, err3); err != nil {
						t.Fatal(err)
					}
					got, err := derive(fn, password, salt, c.IterationCount, c.DKLen)
					if err != nil || bytes.Equal(got, want) != (c.Result == "valid") {
						t.Errorf("test %d (%s): %v", c.TcID, c.Result, err)
					}
					ran++
				}
			}
			if ran == 0 || ran != file.NumberOfTests {
				t.Errorf("%d of %d vectors", ran, file.NumberOfTests)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	good := func(name string, change func(*Params)) Params {
		p, err := New(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(&p)
		}
		return p
	}
	for name, c := range map[string]struct {
		p    Params
		ok   bool
		weak bool
	}{
		"default":           {good(PBKDF2SHA384, nil), true, false},
		"sha256":            {good(PBKDF2SHA256, nil), true, false},
		"argon2id":          {good(Argon2id, nil), true, false},
		"the guide's":       {good(PBKDF2SHA384, func(p *Params) { p.Iterations = InsecureIterations }), true, true},
		"almost":            {good(PBKDF2SHA384, func(p *Params) { p.Iterations = DefaultIterations - 1 }), true, true},
		"too few":           {good(PBKDF2SHA384, func(p *Params) { p.Iterations = InsecureIterations - 1 }), false, true},
		"too many":          {good(PBKDF2SHA384, func(p *Params) { p.Iterations = MaxIterations + 1 }), false, false},
		"short salt":        {good(PBKDF2SHA384, func(p *Params) { p.Salt = p.Salt[:16] }), false, false},
		"no salt":           {good(Argon2id, func(p *Params) { p.Salt = nil }), false, false},
		"memory for pbkdf2": {good(PBKDF2SHA384, func(p *Params) { p.Memory = 1 }), false, false},
		"little memory":     {good(Argon2id, func(p *Params) { p.Memory = MinMemory - 1 }), false, true},
		"all the memory":    {good(Argon2id, func(p *Params) { p.Memory = MaxMemory + 1 }), false, false},
		"one pass":          {good(Argon2id, func(p *Params) { p.Iterations = 1 }), true, true},
		"no pass":           {good(Argon2id, func(p *Params) { p.Iterations = 0 }), false, true},
		"many passes":       {good(Argon2id, func(p *Params) { p.Iterations = MaxPasses + 1 }), false, false},
		"no lane":           {good(Argon2id, func(p *Params) { p.Lanes = 0 }), false, false},
		"many lanes":        {good(Argon2id, func(p *Params) { p.Lanes = MaxLanes + 1 }), false, false},
		"unknown":           {good(PBKDF2SHA384, func(p *Params) { p.Name = "pbkdf2-hmac-md5" }), false, false},
	} {
		err := c.p.Validate()
		if c.ok != (err == nil) || err != nil && !errors.Is(err, ErrParams) {
			t.Errorf("%s: %v", name, err)
		}
		if c.p.Weak() != c.weak {
			t.Errorf("%s: weak %t", name, c.p.Weak())
		}
		if key, kerr := c.p.Key(nil); !c.ok && (kerr == nil || key != nil) {
			t.Errorf("%s: a key all the same", name)
		}
	}
	a, b := good(PBKDF2SHA384, nil), good(PBKDF2SHA384, nil)
	if bytes.Equal(a.Salt, b.Salt) || len(a.Salt) != SaltSize {
		t.Error("salts are the same")
	}
	if _, err := derive("md5", nil, nil, 1, 1); !errors.Is(err, ErrParams) {
		t.Errorf("%v", err)
	}
}
