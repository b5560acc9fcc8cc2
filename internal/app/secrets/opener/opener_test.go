package opener

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/kdf"
)

type journal struct{}

func (journal) Record(context.Context, *portcullis.Event) error { return nil }

// plain keeps keys by leaving them as they are.
type plain struct{}

func (plain) Wrap(_ context.Context, key, _ []byte) (string, error) { return string(key), nil }
func (plain) Unwrap(_ context.Context, wrapped string, _ []byte) ([]byte, error) {
	return []byte(wrapped), nil
}

func made(t *testing.T, p wallet.Protector) Opener {
	t.Helper()
	dir := t.TempDir()
	if err := wallet.Create(t.Context(), filepath.Join(dir, wallet.FileName), p, wallet.Options{Recorder: journal{}}); err != nil {
		t.Fatal(err)
	}
	return Opener{Config: secrets.Default(), DataDir: dir, Getenv: func(string) (string, bool) { return "", false }}
}

// TestOpen: a password and an identity come from a file, or from the
// environment.
func TestOpen(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	params, err := kdf.New(kdf.PBKDF2SHA384, kdf.InsecureIterations)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(file, []byte("# made by a test\n"+id.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	aged := made(t, wallet.AgeRecipients{Recipients: []age.Recipient{id.Recipient()}})
	aged.Config.Wallet.Identity = "secret://file" + file
	guarded := made(t, wallet.Password{Params: params, Secret: []byte("correct horse")})
	guarded.Getenv = func(name string) (string, bool) { return "correct horse", name == "WALLET_PASSWORD" }
	for name, o := range map[string]Opener{"age": aged, "password": guarded} {
		w, err := o.Open(t.Context(), wallet.Options{Recorder: journal{}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		w.Close()
	}
	guarded.Config.Wallet.File = aged.Path() // the file of the configuration wins
	guarded.Config.Wallet.Identity = aged.Config.Wallet.Identity
	if w, err := guarded.Open(t.Context(), wallet.Options{Recorder: journal{}}); err != nil {
		t.Error(err)
	} else {
		w.Close()
	}
}

// TestMissing: what a wallet needs and the configuration does not have is named,
// and nothing else is tried.
func TestMissing(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	params, err := kdf.New(kdf.PBKDF2SHA384, kdf.InsecureIterations)
	if err != nil {
		t.Fatal(err)
	}
	for want, p := range map[string]wallet.Protector{
		"secret://env/WALLET_PASSWORD": wallet.Password{Params: params, Secret: []byte("correct horse")},
		"secrets.wallet.identity":      wallet.AgeRecipients{Recipients: []age.Recipient{id.Recipient()}},
		"secrets.wallet.transit.key":   wallet.Service{Name: "k", Wrapper: plain{}},
		"secrets.wallet.aws_kms.key":   wallet.Service{Kind: wallet.KindAWS, Name: "k", Wrapper: plain{}},
		"secrets.wallet.gcp_kms.key":   wallet.Service{Kind: wallet.KindGCP, Name: "k", Wrapper: plain{}},
		"secrets.wallet.azure_key.key": wallet.Service{Kind: wallet.KindAzure, Name: "k", Wrapper: plain{}},
	} {
		o := made(t, p)
		w, err := o.Open(t.Context(), wallet.Options{Recorder: journal{}})
		if w != nil || !errors.Is(err, wallet.ErrLocked) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := (Opener{DataDir: t.TempDir()}).Open(t.Context(), wallet.Options{Recorder: journal{}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no wallet: %v", err)
	}
	o := made(t, wallet.AgeRecipients{Recipients: []age.Recipient{id.Recipient()}})
	o.Config.Wallet.Identity = "secret://vault/kv/x#y"
	if _, err := o.Open(t.Context(), wallet.Options{Recorder: journal{}}); err == nil {
		t.Error("a reference that leads elsewhere")
	}
	if err := wallet.Create(t.Context(), filepath.Join(t.TempDir(), "w"), wallet.Service{Kind: "acme", Wrapper: plain{}}, wallet.Options{Recorder: journal{}}); err == nil {
		t.Error("a wallet that nobody can open")
	}
}
