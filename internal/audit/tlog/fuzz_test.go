package tlog

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/portcullis-dev/portcullis/auditlog/offline"
)

// FuzzVerify puts any bytes in the place of any file of a log: the verifier
// finds it, and does not fall over.
func FuzzVerify(f *testing.F) {
	b := newBench(f)
	b.write(300, 1)
	b.cover()
	b.close()
	whole := readFiles(f, b.dir)
	names := append(append(whole.segments(), whole.needed()...), "checkpoint", "checkpoint.pub")
	names = append(names, whole.names("checkpoints/")...)
	for i, name := range names {
		f.Add(i, whole[name][:len(whole[name])/2])
		f.Add(i, []byte{})
	}
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		if which < 0 || which >= len(names) {
			return
		}
		name := names[which]
		changed := !slices.Equal(data, whole[name])
		if len(data) >= len(whole[name]) && slices.Equal(data[:len(whole[name])], whole[name]) && which == 0 {
			return // records behind the checkpoint
		}
		dir := t.TempDir()
		whole.become(t, dir, nil)
		if err := os.WriteFile(dir+"/"+name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := offline.Verify(context.Background(), dir, offline.VerifyOptions{Key: b.key.Verifier()})
		if err != nil || r.OK() == changed {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	})
}

// FuzzClassFile reads any bytes as a file of a divided segment.
func FuzzClassFile(f *testing.F) {
	b := newBench(f)
	b.write(1500, 700)
	b.cover()
	b.close()
	first, last := b.divide(true)
	whole := readFiles(f, b.dir)
	name := b.classFile(first, last, "security")
	f.Add(true, whole[name+".zst"])
	f.Add(false, []byte("0 0 00000000 {}\n1 9"))
	f.Fuzz(func(t *testing.T, packed bool, data []byte) {
		dir := t.TempDir()
		all := files{}
		for _, n := range append(append(whole.segments(), whole.needed()...), "checkpoint", "checkpoint.pub") {
			all[n] = whole[n]
		}
		file := name
		if packed {
			file += ".zst"
		}
		all[file] = data
		all.become(t, dir, nil)
		r, err := offline.Verify(context.Background(), dir, offline.VerifyOptions{Key: b.key.Verifier()})
		if err != nil || r.OK() { // the other class is never there
			t.Errorf("%v, %v", r, err)
		}
	})
}
