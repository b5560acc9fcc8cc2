package tlog

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
)

// TestForkIsFound: two histories of one log, signed by its own key and with as
// many records, are told apart: a witness that signed one does not sign the
// other, nor what grows on it, and says so; and whoever kept a checkpoint of one
// finds that the other is not it.
func TestForkIsFound(t *testing.T) {
	for name, strict := range map[string]bool{"a witness that answers 422": false, "one that answers 409": true} {
		t.Run(name, func(t *testing.T) {
			one, other := newBench(t), newBench(t)
			other.key = one.key
			w := newWitness(t, "one.example/w", one.key)
			one.write(10, 1)
			if size := one.running().Tell(t.Context(), Outside{Witnesses: []*Witness{w.asWitness()}}); size != 10 || w.size != 10 {
				t.Fatalf("told of %d records, the witness has %d", size, w.size)
			}
			other.write(10, 2)
			f := other.running()
			if bytes.Equal(rootOf(t, one), rootOf(t, other)) {
				t.Fatal("both histories are the same")
			}
			root := w.root
			if strict { // the specification: a root that differs is a conflict
				w.reply = func(rw http.ResponseWriter) bool {
					rw.WriteHeader(http.StatusConflict)
					_, _ = rw.Write([]byte("10\n"))
					return true
				}
			}
			f.Tell(t.Context(), Outside{Witnesses: []*Witness{w.asWitness()}})
			if other.counts.failed["witness"] != 1 || !strings.Contains(other.log.String(), "forked") {
				t.Errorf("counted %v: %s", other.counts.failed, other.log.String())
			}
			w.reply = nil
			other.write(7, 2)
			other.running().Tell(t.Context(), Outside{Witnesses: []*Witness{w.asWitness()}})
			if other.counts.failed["witness"] != 2 || w.size != 10 || w.root != root {
				t.Errorf("what grows on it: counted %v, the witness has %d", other.counts.failed, w.size)
			}
			kept := readFiles(t, one.dir)["checkpoints/"+auditlog.KeptName(10)]
			r := other.verify(offline.VerifyOptions{Kept: map[string][]byte{"kept": kept}})
			if r.OK() {
				t.Error("the other history passes for what was kept")
			}
			if r := one.verify(offline.VerifyOptions{Kept: map[string][]byte{"kept": kept}}); !r.OK() {
				t.Errorf("its own: %v", r.Problems)
			}
		})
	}
}

func rootOf(t *testing.T, b *bench) []byte {
	t.Helper()
	c, err := auditlog.OpenCheckpoint(readFiles(t, b.dir)["checkpoint"], b.key.Verifier())
	if err != nil {
		t.Fatal(err)
	}
	return c.Root[:]
}
