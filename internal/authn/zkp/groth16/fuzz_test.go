package groth16

import (
	"bytes"
	"encoding/json"
	"reflect"
	"sync"
	"testing"
)

// sameDocument compares what was read with what is written for it: whatever is
// accepted differs from the form of snarkjs in white space, in the order of
// members and in the name of the curve, and in nothing else.
func sameDocument(t *testing.T, in, out []byte, ignore string) {
	t.Helper()
	var a, b map[string]any
	if err := json.Unmarshal(in, &a); err != nil {
		t.Fatalf("accepted, and not JSON: %v", err)
	}
	if err := json.Unmarshal(out, &b); err != nil {
		t.Fatal(err)
	}
	if a["curve"] == "bn254" {
		a["curve"] = "bn128"
	}
	delete(a, ignore)
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("%s\nwas read as\n%s", in, out)
	}
}

func FuzzParseProof(f *testing.F) {
	good := vector(f, "proof.json")
	f.Add(good)
	f.Add(bytes.ReplaceAll(good, []byte("bn128"), []byte("bn254")))
	f.Add([]byte(`{"pi_a":["1","2","1"],"pi_b":[["0","0"],["0","0"],["1","0"]],"pi_c":["1","2","1"],"protocol":"groth16","curve":"bn128"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseProof(data)
		if err != nil {
			if reasonOf(err) == "" || p != (Proof{}) {
				t.Fatalf("refused without a reason, or with a proof: %v", err)
			}
			return
		}
		out, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		sameDocument(t, data, out, "")
		if again, err := ParseProof(out); err != nil || again != p {
			t.Fatalf("what was written reads as something else: %v", err)
		}
	})
}

func FuzzParsePublic(f *testing.F) {
	f.Add(vector(f, "public.json"))
	f.Add([]byte(`["0"]`))
	f.Add([]byte(`["21888242871839275222246405745257275088548364400416034343698204186575808495617"]`))
	f.Add([]byte(`["1",2]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		inputs, err := ParsePublic(data)
		if err != nil {
			if reasonOf(err) == "" || inputs != nil {
				t.Fatalf("refused without a reason, or with inputs: %v", err)
			}
			return
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, data); err != nil {
			t.Fatal(err)
		}
		if out := FormatPublic(inputs); !bytes.Equal(out, compact.Bytes()) {
			t.Fatalf("%s\nwas read as\n%s", data, out)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add(vector(f, "verification_key.json"))
	f.Add(vector(f, "verification_key_no_contribution.json"))
	f.Add([]byte(`{"protocol":"groth16","curve":"bn128","nPublic":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParseKey(data)
		if err != nil {
			if reasonOf(err) == "" || k != nil {
				t.Fatalf("refused without a reason, or with a key: %v", err)
			}
			return
		}
		out, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		sameDocument(t, data, out, "vk_alphabeta_12")
		if _, err := ParseKey(out); err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
	})
}

// One key serves many callers, and stays what it is.
func TestVerifyAtOnce(t *testing.T) {
	key, proof, inputs := vectors(t)
	before, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 3 {
				if err := key.Verify(proof, inputs); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	if after, err := json.Marshal(key); err != nil || !bytes.Equal(before, after) {
		t.Errorf("verifying changed the key: %v", err)
	}
}
