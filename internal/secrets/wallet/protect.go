package wallet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/kdf"
)

// Kinds of keeping the wallet key.
const (
	KindPassword = "password"
	KindAge      = "age"
	KindTransit  = "transit"
	KindAWS      = "aws-kms"
	KindGCP      = "gcp-kms"
	KindAzure    = "azure-key-vault"
)

// services are the kinds that a [Service] stands for.
func services() []string { return []string{KindTransit, KindAWS, KindGCP, KindAzure} }

// Protector keeps a wallet key, for a wallet that is made or wrapped again.
type Protector interface {
	protect(ctx context.Context, id string, walletKey []byte) (slot, error)
}

// Unlocker gets a wallet key back. The error is [ErrPassword] when it does not
// fit.
type Unlocker interface {
	unlock(ctx context.Context, id string, s *slot) ([]byte, error)
}

// bound is what the wrapped wallet key is bound to: the wallet and everything
// that says how it is wrapped, so that other parameters open nothing.
func (s slot) bound(id string) ([]byte, error) {
	s.Wrapped = nil
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encoding the header: %w", err)
	}
	return envelope.AAD(purposeSlot, id, string(b)), nil
}

// Password protects a wallet by a password, with the derivation Params say.
type Password struct {
	Params kdf.Params // for a wallet that is made; a file has its own
	Secret []byte
}

var (
	_ Protector = Password{}
	_ Unlocker  = Password{}
)

func (p Password) protect(_ context.Context, id string, walletKey []byte) (slot, error) {
	s := slot{Kind: KindPassword, KDF: &p.Params}
	box, aad, err := p.box(&s, id)
	if err != nil {
		return slot{}, err
	}
	s.Wrapped = box.Seal(nil, walletKey, aad)
	return s, nil
}

func (p Password) unlock(_ context.Context, id string, s *slot) ([]byte, error) {
	if s.Kind != KindPassword || s.KDF == nil {
		return nil, fmt.Errorf("%w: no password opens this wallet, its key is kept by %s", ErrPassword, s.Kind)
	}
	box, aad, err := p.box(s, id)
	if err != nil {
		return nil, err
	}
	key, err := box.Open(s.Wrapped, aad)
	return key, wrongKey(err)
}

func (p Password) box(s *slot, id string) (envelope.Box, []byte, error) {
	aad, err := s.bound(id)
	if err != nil {
		return envelope.Box{}, nil, err
	}
	key, err := s.KDF.Key(p.Secret)
	if err != nil {
		return envelope.Box{}, nil, err
	}
	defer clear(key)
	box, err := envelope.NewBox(key)
	return box, aad, err
}

// AgeRecipients protects a wallet for holders of age identities.
type AgeRecipients struct {
	Names      []string // as written, for status
	Recipients []age.Recipient
}

func (a AgeRecipients) protect(_ context.Context, _ string, walletKey []byte) (slot, error) {
	if len(a.Recipients) == 0 {
		return slot{}, errors.New("no age recipient")
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, a.Recipients...)
	if err == nil {
		_, err = w.Write(walletKey)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return slot{}, fmt.Errorf("encrypting to age recipients: %w", err)
	}
	return slot{Kind: KindAge, Recipients: a.Names, Wrapped: out.Bytes()}, nil
}

// AgeIdentities opens a wallet that is protected for one of them.
type AgeIdentities []age.Identity

func (a AgeIdentities) unlock(_ context.Context, _ string, s *slot) ([]byte, error) {
	if s.Kind != KindAge {
		return nil, fmt.Errorf("%w: no age identity opens this wallet, its key is kept by %s", ErrPassword, s.Kind)
	}
	r, err := age.Decrypt(bytes.NewReader(s.Wrapped), a...)
	if err != nil {
		return nil, fmt.Errorf("%w: age: %w", ErrPassword, err)
	}
	key, err := io.ReadAll(io.LimitReader(r, envelope.KeySize+1))
	if err != nil || len(key) != envelope.KeySize {
		return nil, ErrPassword
	}
	return key, nil
}

// Service protects a wallet by a key management system. Name is how the
// configuration knows it, for status.
type Service struct {
	Kind    string // one of those of services; "" = [KindTransit]
	Name    string
	Wrapper envelope.KeyWrapper
}

func (v Service) kind() string {
	if v.Kind == "" {
		return KindTransit
	}
	return v.Kind
}

func (v Service) protect(ctx context.Context, id string, walletKey []byte) (slot, error) {
	if !slices.Contains(services(), v.kind()) {
		return slot{}, fmt.Errorf("there is no key service of kind %q", v.Kind)
	}
	s := slot{Kind: v.kind(), Service: v.Name}
	aad, err := s.bound(id)
	if err != nil {
		return slot{}, err
	}
	wrapped, err := v.Wrapper.Wrap(ctx, walletKey, aad)
	s.Wrapped = []byte(wrapped)
	return s, err
}

func (v Service) unlock(ctx context.Context, id string, s *slot) ([]byte, error) {
	if s.Kind != v.kind() {
		return nil, fmt.Errorf("%w: %s does not open this wallet, its key is kept by %s", ErrPassword, v.kind(), s.Kind)
	}
	aad, err := s.bound(id)
	if err != nil {
		return nil, err
	}
	key, err := v.Wrapper.Unwrap(ctx, string(s.Wrapped), aad)
	if err == nil && len(key) != envelope.KeySize {
		err = envelope.ErrOpen
	}
	return key, wrongKey(err)
}
