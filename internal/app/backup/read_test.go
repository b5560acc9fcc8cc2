package backup

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/auditlog/bundle"
	"github.com/portcullis-dev/portcullis/internal/app/transparency"
)

// maker makes backups that are signed as they must be, and hold what it likes.
type maker struct {
	t    *testing.T
	id   *age.X25519Identity
	root []byte
	sign note.Signer
}

func newMaker(t *testing.T) *maker {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{t: t, id: id, root: bytes.Repeat([]byte{7}, 32)}
	seed, err := hkdf.Key(sha256.New, m.root, nil, "portcullis/"+transparency.Purpose, 32)
	if err != nil {
		t.Fatal(err)
	}
	key, err := transparency.KeyOf(seed, "log.example")
	if err != nil {
		t.Fatal(err)
	}
	m.sign = key.Signer()
	return m
}

type member struct{ name, text string }

func (m *maker) about(a About) member {
	a.Origin = "log.example"
	text, err := json.Marshal(a)
	if err != nil {
		m.t.Fatal(err)
	}
	return member{aboutName, string(text)}
}

func (m *maker) make(to age.Recipient, members ...member) []byte {
	m.t.Helper()
	var out bytes.Buffer
	enc, err := age.Encrypt(&out, to)
	if err != nil {
		m.t.Fatal(err)
	}
	w := bundle.NewWriter(enc, Kind, time.Unix(1, 0))
	for _, x := range members {
		if err := w.AddBytes(x.name, []byte(x.text)); err != nil {
			m.t.Fatal(err)
		}
	}
	_, err = w.Close(func(text string) ([]byte, error) { return note.Sign(&note.Note{Text: text}, m.sign) })
	if err := errors.Join(err, enc.Close()); err != nil {
		m.t.Fatal(err)
	}
	return out.Bytes()
}

func (m *maker) whole(a About, more ...member) []byte {
	return m.make(m.id.Recipient(), append([]member{
		m.about(a), {rootName, string(m.root)}, {dbName, "no database"}, {auditName + "/" + auditlog.CheckpointFile, "none"},
	}, more...)...)
}

// restore tries to, and fails the test if anything is left of it.
func (m *maker) restore(data []byte, ids ...age.Identity) error {
	m.t.Helper()
	above := m.t.TempDir()
	_, err := Restore(m.t.Context(), bytes.NewReader(data), Restoring{DataDir: filepath.Join(above, "data"), Identities: ids})
	if err == nil {
		m.t.Fatal("it was restored")
	}
	left, rerr := os.ReadDir(above)
	if rerr != nil || len(left) != 0 {
		m.t.Errorf("left behind: %v, %v", left, rerr)
	}
	return err
}

// TestHostileBackups: a backup of another version, with members that no backup
// has, or whose database leads out of the folder, leaves nothing behind, even if
// the key of the log signed it.
func TestHostileBackups(t *testing.T) {
	m := newMaker(t)
	good := About{Format: format, Database: dbName}
	if _, err := Verify(bytes.NewReader(m.whole(good)), []age.Identity{m.id}, nil); err != nil {
		t.Fatalf("one that is whole: %v", err)
	}
	for name, data := range map[string][]byte{
		"an older format":           m.whole(About{Format: format - 1, Database: dbName}),
		"a newer format":            m.whole(About{Format: format + 1, Database: dbName}),
		"no format":                 m.make(m.id.Recipient(), member{aboutName, `{}`}, member{rootName, string(m.root)}),
		"no about":                  m.make(m.id.Recipient(), member{rootName, string(m.root)}, member{dbName, ""}),
		"no database":               m.make(m.id.Recipient(), m.about(good), member{rootName, string(m.root)}),
		"a database above":          m.whole(About{Format: format, Database: "../portcullis.db"}),
		"an absolute database":      m.whole(About{Format: format, Database: "/tmp/portcullis.db"}),
		"a database in the log":     m.whole(About{Format: format, Database: "audit/portcullis.db"}),
		"another file":              m.whole(good, member{".ssh/authorized_keys", "key"}),
		"a lock":                    m.whole(good, member{"lock", ""}),
		"no database but its name":  m.whole(good),
		"a folder where a file was": m.whole(good, member{dbName + "/a", ""}),
	} {
		t.Run(name, func(t *testing.T) {
			m := *m
			m.t = t
			if err := m.restore(data, m.id); !errors.Is(err, ErrWrong) && name != "a folder where a file was" {
				t.Error(err)
			}
		})
	}
}

// TestCutAndLocked: a backup that ends early, anywhere, is no backup, and one
// that is not meant for who restores does not open.
func TestCutAndLocked(t *testing.T) {
	m := newMaker(t)
	data := m.whole(About{Format: format, Database: dbName})
	for _, n := range []int{0, 1, 20, len(data) / 4, len(data) / 2, len(data) - 600, len(data) - 100, len(data) - 1} {
		if err := m.restore(data[:n], m.id); !errors.Is(err, ErrWrong) {
			t.Errorf("cut at %d of %d: %v", n, len(data), err)
		}
	}
	changed := bytes.Clone(data)
	changed[len(changed)/2] ^= 1
	if err := m.restore(changed, m.id); !errors.Is(err, ErrWrong) {
		t.Errorf("a changed byte: %v", err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.restore(data, other); !errors.Is(err, ErrLocked) {
		t.Errorf("another identity: %v", err)
	}
	const words = "a passphrase of many words"
	to, err := age.NewScryptRecipient(words)
	if err != nil {
		t.Fatal(err)
	}
	to.SetWorkFactor(10)
	locked := m.make(to, m.about(About{Format: format, Database: dbName}), member{rootName, string(m.root)})
	for text, want := range map[string]error{words: ErrWrong, "a passphrase of other words": ErrLocked} { // it opens, and holds too little
		id, err := age.NewScryptIdentity(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.restore(locked, id); !errors.Is(err, want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestAnotherHand: a backup whose root key is not that of the log named by the
// key was made by somebody else.
func TestAnotherHand(t *testing.T) {
	m, other := newMaker(t), newMaker(t)
	other.root = bytes.Repeat([]byte{8}, 32)
	seed, err := hkdf.Key(sha256.New, other.root, nil, "portcullis/"+transparency.Purpose, 32)
	if err != nil {
		t.Fatal(err)
	}
	key, err := transparency.KeyOf(seed, "log.example")
	if err != nil {
		t.Fatal(err)
	}
	data := m.whole(About{Format: format, Database: dbName})
	if _, err := Verify(bytes.NewReader(data), []age.Identity{m.id}, key.Verifier()); !errors.Is(err, ErrWrong) {
		t.Error(err)
	}
	if _, err := read(bytes.NewReader(data), []age.Identity{m.id}, nil, func(string, int64, io.Reader) error { return nil }); err != nil {
		t.Error(err)
	}
}
