package auditlog_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// signer makes the key of a log from one byte.
func signer(t testing.TB, name string, b byte) (note.Signer, note.Verifier, string) {
	t.Helper()
	seed := bytes.Repeat([]byte{b}, ed25519.SeedSize)
	vkey, err := note.NewEd25519VerifierKey(name, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	v, err := auditlog.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, v.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{1}, seed...))))
	if err != nil {
		t.Fatal(err)
	}
	return s, v, vkey
}

func sign(t testing.TB, text string, signers ...note.Signer) []byte {
	t.Helper()
	data, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// treeOf returns the hashes of a tree in memory, and its root.
func treeOf(t testing.TB, entries [][]byte) (tlog.HashReaderFunc, tlog.Hash) {
	t.Helper()
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, n := range at {
			out[i] = stored[n]
		}
		return out, nil
	})
	for i, e := range entries {
		h, err := tlog.StoredHashes(int64(i), auditlog.Leaf(e), read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, h...)
	}
	root, err := tlog.TreeHash(int64(len(entries)), read)
	if err != nil {
		t.Fatal(err)
	}
	return read, root
}

const root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

func TestCheckpointsAreReadOneWay(t *testing.T) {
	s, v, _ := signer(t, "example.com/log", 1)
	good := "example.com/log\n20852163\n" + root + "\n"
	c, err := auditlog.OpenCheckpoint(sign(t, good, s), v)
	if err != nil || c.Size != 20852163 || c.Origin != "example.com/log" || c.Text() != good {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := auditlog.OpenCheckpoint(sign(t, good+"extension\n", s), v); err != nil {
		t.Errorf("with an extension line: %v", err)
	}
	for name, text := range map[string]string{
		"another origin": "example.com/other\n1\n" + root + "\n",
		"leading zero":   "example.com/log\n01\n" + root + "\n",
		"negative":       "example.com/log\n-1\n" + root + "\n",
		"too large":      "example.com/log\n18446744073709551615\n" + root + "\n",
		"no root":        "example.com/log\n1\n",
		"short root":     "example.com/log\n1\nAAAA\n",
		"loose base64":   "example.com/log\n1\n" + strings.Replace(root, "q2I=", "q2J=", 1) + "\n",
		"no size":        "example.com/log\n\n" + root + "\n",
		"empty origin":   "\n1\n" + root + "\n",
	} {
		if _, err := auditlog.OpenCheckpoint(sign(t, text, s), v); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestSignaturesOfACheckpoint(t *testing.T) {
	s, v, _ := signer(t, "example.com/log", 1)
	other, _, _ := signer(t, "example.com/log", 2)
	third, _, _ := signer(t, "example.com/third", 3)
	text := "example.com/log\n7\n" + root + "\n"
	if _, err := auditlog.OpenCheckpoint(sign(t, text, s, third), v); err != nil {
		t.Errorf("a signature of somebody unknown: %v", err)
	}
	good := sign(t, text, s)
	loose := bytes.Replace(good, []byte("=\n"), []byte("\n"), -1)
	twice := append(bytes.Clone(good), good[bytes.Index(good, []byte("— ")):]...)
	for name, data := range map[string][]byte{
		"another key of that name": sign(t, text, other),
		"only somebody unknown":    sign(t, text, third),
		"twice":                    twice,
		"no padding":               loose,
		"nothing":                  nil,
		"no signature":             []byte(text),
		"cut":                      good[:len(good)-1],
		"too long":                 append(bytes.Repeat([]byte("x"), 65<<10), good...),
	} {
		if _, err := auditlog.OpenCheckpoint(data, v); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for i := range good {
		for _, flip := range []byte{1, 2, 4, 0x20, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			if _, err := auditlog.OpenCheckpoint(bad, v); err == nil {
				t.Errorf("byte %d changed by %x: taken", i, flip)
			}
		}
	}
}

func TestCosignatures(t *testing.T) {
	s, v, _ := signer(t, "example.com/log", 1)
	w, err := torchwood.NewCosignatureSigner("witness.example/w", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	witness, err := auditlog.NewVerifier(w.Verifier().String())
	if err != nil || witness.Name() != w.Name() || witness.KeyHash() != w.KeyHash() {
		t.Fatal(err)
	}
	signed := sign(t, "example.com/log\n7\n"+root+"\n", s, w)
	c, err := auditlog.OpenCheckpoint(signed, v, witness)
	if err != nil || len(c.Witnesses) != 1 || c.Witnesses[0].Name != "witness.example/w" || time.Since(c.Witnesses[0].Time).Abs() > time.Hour {
		t.Fatalf("%+v, %v", c.Witnesses, err)
	}
	if c, err := auditlog.OpenCheckpoint(signed, v); err != nil || len(c.Witnesses) != 0 {
		t.Errorf("a witness nobody asked for: %+v, %v", c.Witnesses, err)
	}
	cosigned := bytes.LastIndex(signed, []byte("— "))
	for i := cosigned + 30; i < len(signed); i++ {
		bad := bytes.Clone(signed)
		bad[i] ^= 4
		if c, err := auditlog.OpenCheckpoint(bad, v, witness); err == nil && len(c.Witnesses) > 0 {
			t.Errorf("byte %d changed: taken", i)
		}
	}
	plain, _, _ := signer(t, "witness.example/w", 3) // the same key, another kind of signature
	if c, err := auditlog.OpenCheckpoint(sign(t, "example.com/log\n7\n"+root+"\n", s, plain), v, witness); err == nil && len(c.Witnesses) > 0 {
		t.Error("a plain signature was taken for a cosignature")
	}
}

func TestVerifierKeys(t *testing.T) {
	_, _, vkey := signer(t, "example.com/log", 1)
	for _, bad := range []string{
		"", "x", "a+b+c", vkey[:len(vkey)-4], vkey + "A", strings.Replace(vkey, "log", "lag", 1), strings.Replace(vkey, "+", "++", 1),
		"witness+00000000+BO1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR", "a b+84bec770+BO1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR",
	} {
		if _, err := auditlog.NewVerifier(bad); err == nil {
			t.Errorf("%q: taken", bad)
		}
	}
}

// proofs makes a proof of each of n entries.
func proofs(t testing.TB, n int) ([]auditlog.Proof, note.Verifier) {
	t.Helper()
	s, v, _ := signer(t, "example.com/log", 1)
	var entries [][]byte
	for i := range n {
		entries = append(entries, fmt.Appendf(nil, `{"id":"%d"}`, i))
	}
	read, top := treeOf(t, entries)
	signed := sign(t, fmt.Sprintf("example.com/log\n%d\n%s\n", n, top), s)
	var out []auditlog.Proof
	for i, e := range entries {
		path, err := tlog.ProveRecord(int64(n), int64(i), read)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, auditlog.Proof{Seq: uint64(i), Entry: e, Path: path, Note: signed})
	}
	return out, v
}

func TestProofsProveTheirRecordOnly(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 8, 33} {
		all, v := proofs(t, n)
		for i, p := range all {
			again, err := auditlog.ParseProof(p.Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := again.Verify(v); err != nil {
				t.Fatalf("record %d of %d: %v", i, n, err)
			}
			for name, change := range map[string]func(p *auditlog.Proof){
				"entry":  func(p *auditlog.Proof) { p.Entry = append(bytes.Clone(p.Entry), ' ') },
				"number": func(p *auditlog.Proof) { p.Seq++ },
				"path":   func(p *auditlog.Proof) { p.Path = append(p.Path, auditlog.Hash{}) },
				"beyond": func(p *auditlog.Proof) { p.Seq = uint64(n) },
				"marker": func(p *auditlog.Proof) { p.Entry = auditlog.DamagedLeaf(p.Seq) },
			} {
				bad := again
				change(&bad)
				if _, err := bad.Verify(v); err == nil {
					t.Errorf("record %d of %d with another %s: taken", i, n, name)
				}
			}
		}
	}
}

func TestEveryByteOfAProofCounts(t *testing.T) {
	all, v := proofs(t, 5)
	good := all[3].Append(nil)
	for i := range good {
		for _, flip := range []byte{1, 2, 0x10} {
			bad := bytes.Clone(good)
			bad[i] ^= flip
			p, err := auditlog.ParseProof(bad)
			if err != nil {
				continue
			}
			if _, err := p.Verify(v); err == nil {
				t.Errorf("byte %d changed: taken", i)
			}
		}
	}
}

func TestConsistency(t *testing.T) {
	var entries [][]byte
	for i := range 40 {
		entries = append(entries, fmt.Appendf(nil, "%d", i))
	}
	read, now := treeOf(t, entries)
	head := auditlog.Checkpoint{Origin: "a", Size: 40, Root: now}
	for n := 1; n < 40; n++ {
		_, then := treeOf(t, entries[:n])
		proof, err := tlog.ProveTree(40, int64(n), read)
		if err != nil {
			t.Fatal(err)
		}
		old := auditlog.Checkpoint{Origin: "a", Size: uint64(n), Root: then}
		if err := auditlog.CheckConsistency(proof, old, head); err != nil {
			t.Errorf("%d: %v", n, err)
		}
		old.Root[0] ^= 1
		if err := auditlog.CheckConsistency(proof, old, head); err == nil {
			t.Errorf("%d: another history was taken", n)
		}
	}
	for name, old := range map[string]auditlog.Checkpoint{
		"rolled back": {Origin: "a", Size: 41}, "another log": {Origin: "b"}, "two histories": {Origin: "a", Size: 40},
	} {
		if err := auditlog.CheckConsistency(nil, old, head); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestOversizeLeaf(t *testing.T) {
	entry := bytes.Repeat([]byte("x"), auditlog.MaxLeaf)
	if !bytes.Equal(auditlog.Leaf(entry), entry) {
		t.Error("an entry that fits is not its own leaf")
	}
	entry = append(entry, 'x')
	want := `{"oversize":65536,"sha256":"`
	if leaf := auditlog.Leaf(entry); !strings.HasPrefix(string(leaf), want) || len(leaf) > 120 {
		t.Errorf("leaf %.200q", leaf)
	}
	if auditlog.NewHasher().LeafHash(entry) != auditlog.LeafHash(entry) {
		t.Error("two leaf hashes")
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add("example.com/log\n20852163\n" + root + "\n")
	f.Add("a\n0\n" + root + "\nextension\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := auditlog.ParseCheckpoint(text)
		if err == nil && !strings.HasPrefix(text, c.Text()) {
			t.Errorf("%q reads as %q", text, c.Text())
		}
		theirs, theirErr := torchwood.ParseCheckpoint(text)
		if err == nil && (theirErr != nil || theirs.N != int64(c.Size) || theirs.Hash != c.Root || theirs.Origin != c.Origin) {
			t.Errorf("%q: another reader says %+v, %v", text, theirs, theirErr)
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	s, v, _ := signer(f, "example.com/log", 1)
	good := sign(f, "example.com/log\n7\n"+root+"\n", s)
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := auditlog.OpenCheckpoint(data, v)
		if err == nil && !bytes.HasPrefix(data, []byte(c.Text())) {
			t.Errorf("%q was taken as %q", data, c.Text())
		}
		if err == nil && !strings.HasPrefix(c.Text(), "example.com/log\n7\n") {
			t.Errorf("signed by nobody: %q", data)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	all, v := proofs(f, 5)
	for _, p := range all {
		f.Add(p.Append(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := auditlog.ParseProof(data)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Append(nil), data) {
			t.Errorf("%q is written as %q", data, p.Append(nil))
		}
		if _, err := p.Verify(v); err == nil && (p.Seq >= 5 || !bytes.Equal(p.Entry, all[p.Seq].Entry)) {
			t.Errorf("a proof of %q as record %d was taken", p.Entry, p.Seq)
		}
	})
}

func FuzzNewVerifier(f *testing.F) {
	_, _, vkey := signer(f, "example.com/log", 1)
	f.Add(vkey)
	f.Add("witness.example.com/w1+84bec770+BO1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := auditlog.NewVerifier(text)
		if err == nil && !strings.HasPrefix(text, fmt.Sprintf("%s+%08x+", v.Name(), v.KeyHash())) {
			t.Errorf("%q is the key of %q", text, v.Name())
		}
	})
}
