package tlog

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/offline"
)

// witnessDouble is a witness as c2sp.org/tlog-witness describes it, made of the
// parts of filippo.io/torchwood.
type witnessDouble struct {
	t      *testing.T
	signer *torchwood.CosignatureSigner
	log    note.Verifier
	url    string

	mu    sync.Mutex
	size  int64
	root  tlog.Hash
	asked int
	reply func(http.ResponseWriter) bool // true: it has answered
}

func newWitness(t *testing.T, name string, log *Key) *witnessDouble {
	t.Helper()
	s, err := torchwood.NewCosignatureSigner(name, ed25519.NewKeyFromSeed(bytes.Repeat([]byte(name[:1]), 32)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(log.Text())
	if err != nil {
		t.Fatal(err)
	}
	w := &witnessDouble{t: t, signer: s, log: v}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *witnessDouble) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/add-checkpoint" {
		http.Error(rw, "no", http.StatusNotFound)
		return
	}
	if w.reply != nil && w.reply(rw) {
		return
	}
	status, text := w.add(string(body))
	if status == http.StatusConflict {
		rw.Header().Set("Content-Type", "text/x.tlog.size")
	}
	rw.WriteHeader(status)
	_, _ = io.WriteString(rw, text)
}

func (w *witnessDouble) add(body string) (int, string) {
	head, checkpoint, _ := strings.Cut(body, "\n\n")
	lines := strings.Split(head, "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if err != nil {
		return http.StatusBadRequest, ""
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return http.StatusBadRequest, ""
		}
		proof = append(proof, h)
	}
	c, n, err := torchwood.VerifyCheckpoint([]byte(checkpoint), torchwood.ThresholdPolicy(2, torchwood.OriginPolicy(w.log.Name()), torchwood.SingleVerifierPolicy(w.log)))
	switch {
	case err != nil:
		return http.StatusForbidden, err.Error()
	case old > c.N:
		return http.StatusBadRequest, ""
	case old != w.size:
		return http.StatusConflict, fmt.Sprintf("%d\n", w.size)
	case old == 0 && len(proof) > 0, old == c.N && old > 0 && c.Hash != w.root:
		return http.StatusUnprocessableEntity, ""
	case old > 0 && old < c.N && tlog.CheckTree(proof, c.N, c.Hash, old, w.root) != nil:
		return http.StatusUnprocessableEntity, ""
	}
	w.size, w.root = c.N, c.Hash
	signed, err := note.Sign(&note.Note{Text: n.Text}, w.signer)
	if err != nil {
		return http.StatusInternalServerError, err.Error()
	}
	_, line, _ := bytes.Cut(signed, []byte("\n\n"))
	return http.StatusOK, "— somebody.else AAAAAAAAAAAAAAAA\n" + string(line)
}

func (w *witnessDouble) asWitness() *Witness {
	w.t.Helper()
	out, err := NewWitness(w.url+"/", w.signer.Verifier().String(), http.DefaultClient)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// running opens the log of a bench as a follower does.
func (b *bench) running() *Follower {
	b.t.Helper()
	b.cover()
	f := b.follower()
	if err := f.follow(ended()); err != nil {
		b.t.Fatal(err)
	}
	return f
}

func TestWitnessesSign(t *testing.T) {
	b := newBench(t)
	one, two := newWitness(t, "one.example/w", b.key), newWitness(t, "two.example/w", b.key)
	outside := Outside{Witnesses: []*Witness{one.asWitness(), two.asWitness()}}
	for _, n := range []int{1, 5, 300, 0, 700} {
		b.write(n, 1)
		if n == 300 { // as after a restart: what the witness has seen is not known
			outside.Witnesses[0] = one.asWitness()
		}
		f := b.running()
		if size := f.Tell(t.Context(), outside); size != uint64(b.n) {
			t.Fatalf("told of %d records, want %d", size, b.n)
		}
		r := b.verify(offline.VerifyOptions{Witnesses: []note.Verifier{one.asWitness().key, two.asWitness().key}})
		if !r.OK() || len(r.Witnesses) != 2 || one.size != int64(b.n) || two.size != int64(b.n) {
			t.Fatalf("after %d records: %v, witnesses %v", b.n, r.Problems, r.Witnesses)
		}
	}
	if len(b.counts.failed) != 0 {
		t.Errorf("failures: %v", b.counts.failed)
	}
	r := b.verify(offline.VerifyOptions{Witnesses: []note.Verifier{newWitness(t, "third.example/w", b.key).asWitness().key}})
	if len(r.Problems) != 1 || r.Problems[0].Kind != offline.ProblemWitness {
		t.Errorf("a witness that never signed: %v", r.Problems)
	}
}

func TestWitnessesThatDoNotSign(t *testing.T) {
	for name, reply := range map[string]func(http.ResponseWriter) bool{
		"error":     func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusInternalServerError); return true },
		"not found": func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusNotFound); return true },
		"empty":     func(http.ResponseWriter) bool { return true },
		"junk": func(w http.ResponseWriter) bool {
			_, _ = io.WriteString(w, strings.Repeat("junk\n", 1<<16))
			return true
		},
		"somebody else": func(w http.ResponseWriter) bool {
			_, _ = io.WriteString(w, "— one.example/w AAAAAAAAAAAA\n")
			return true
		},
		"redirect": func(w http.ResponseWriter) bool {
			w.Header().Set("Location", "/other")
			w.WriteHeader(302)
			return true
		},
		"always conflict": func(w http.ResponseWriter) bool { w.WriteHeader(409); _, _ = io.WriteString(w, "1\n"); return true },
		"bad conflict":    func(w http.ResponseWriter) bool { w.WriteHeader(409); _, _ = io.WriteString(w, "one\n"); return true },
		"knows more":      func(w http.ResponseWriter) bool { w.WriteHeader(409); _, _ = io.WriteString(w, "99\n"); return true },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.write(3, 1)
			f := b.running()
			before := readFiles(t, b.dir)
			w := newWitness(t, "one.example/w", b.key)
			w.reply = reply
			f.Tell(t.Context(), Outside{Witnesses: []*Witness{w.asWitness()}})
			if b.counts.failed["witness"] != 1 || w.asked > 2 {
				t.Errorf("counted %v after %d questions", b.counts.failed, w.asked)
			}
			after := readFiles(t, b.dir)
			for _, file := range []string{"checkpoint", "checkpoints/" + auditlog.KeptName(3)} {
				if !bytes.Equal(before[file], after[file]) {
					t.Errorf("%s was changed", file)
				}
			}
			if name == "knows more" && !strings.Contains(b.log.String(), "rolled back") {
				t.Errorf("the log does not say what that means: %s", b.log.String())
			}
			b.wantOK(3, 0)
		})
	}
}

func TestPublishing(t *testing.T) {
	b := newBench(t)
	b.write(3, 1)
	f := b.running()
	var mu sync.Mutex
	var posted []string
	status := http.StatusOK
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		posted = append(posted, string(body))
		rw.WriteHeader(status)
	}))
	defer web.Close()
	folder := t.TempDir()
	lines := make(chan string, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		text, _ := io.ReadAll(bufio.NewReader(conn))
		lines <- string(text)
	}()
	var outside Outside
	for _, target := range []string{"file:" + folder, web.URL + "/hook/s3cret", "syslog://" + listener.Addr().String()} {
		p, err := NewPublisher(target, http.DefaultClient)
		if err != nil {
			t.Fatal(err)
		}
		outside.Publishers = append(outside.Publishers, p)
	}
	f.Tell(t.Context(), outside)
	want := string(f.Log().Head().Note)
	if got, err := os.ReadFile(folder + "/" + auditlog.KeptName(3)); err != nil || string(got) != want {
		t.Errorf("in the folder: %q, %v", got, err)
	}
	if len(posted) != 1 || posted[0] != want {
		t.Errorf("posted %q", posted)
	}
	line := <-lines
	size, message, _ := strings.Cut(line, " ")
	if n, err := strconv.Atoi(size); err != nil || n != len(message) || !strings.HasPrefix(message, "<109>1 ") || strings.Contains(message, "\n") {
		t.Errorf("syslog got %q", line)
	}
	var got struct {
		Size       int
		Checkpoint string
	}
	if _, text, ok := strings.Cut(message, " CHECKPOINT - "); !ok || json.Unmarshal([]byte(text), &got) != nil || got.Checkpoint != want || got.Size != 3 {
		t.Errorf("syslog got %q", message)
	}
	status = http.StatusBadGateway
	_ = listener.Close()
	outside.Publishers[0] = toFolder("/dev/null/x")
	b.counts.failed = nil
	f.Tell(t.Context(), outside)
	if b.counts.failed["publish"] != 3 || strings.Contains(b.log.String(), "s3cret") {
		t.Errorf("counted %v; %s", b.counts.failed, b.log.String())
	}
}

func TestTargets(t *testing.T) {
	for _, good := range []string{"file:/a", "https://a/b", "http://127.0.0.1/x", "http://localhost:1/x", "syslog://a:1", "syslog+tls://a:1", "syslog+udp://[::1]:1"} {
		if _, err := ParseTarget(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "a", "file:a", "file://host/a", "http://a/x", "https://user:pw@a/x", "syslog://a", "syslog://a:1/x", "ftp://a", "%"} {
		if _, err := ParseTarget(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, bad := range []string{"", "a", "http://a", "https://u@a", "https://a?x", "https://a#x", "ftp://a"} {
		if err := CheckWitnessURL(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// failing is an Observer that many goroutines may use.
func (c *counts) lock() *lockedCounts { return &lockedCounts{c: c} }

type lockedCounts struct {
	mu sync.Mutex
	c  *counts
}

func (l *lockedCounts) Signed(size uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.c.Signed(size)
}

func (l *lockedCounts) Failed(operation string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.c.Failed(operation)
}

// TestFollowsWhileItIsWritten runs a follower beside a journal.
func TestFollowsWhileItIsWritten(t *testing.T) {
	b := newBench(t)
	f := NewFollower(Options{
		Dir: b.dir, Key: b.key, Journal: b.journal, Interval: 1, Keep: 1,
		Log: slog.New(slog.DiscardHandler), Observer: b.counts.lock(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	for range 20 {
		b.write(200, 1)
		unsigned := errors.Is(errOf(b), os.ErrNotExist) // asked first: a checkpoint may come while it is verified
		r := b.verify(offline.VerifyOptions{})
		if len(r.Problems) == 1 && unsigned {
			continue
		}
		if !r.OK() {
			t.Fatal(r.Problems)
		}
	}
	cancel()
	running.Wait()
	b.wantOK(4000, 0)
	if f.Lag() != 0 {
		t.Errorf("lag %v", f.Lag())
	}
}

func errOf(b *bench) error {
	_, err := os.Stat(b.path("checkpoint.pub"))
	return err
}
