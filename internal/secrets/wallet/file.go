package wallet

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/kdf"
)

// The file has four lines: this one; the header, JSON in its one encoding; the
// encrypted contents; an HMAC-SHA-256 of the lines before it. The last two are
// in base64.
const magic = "portcullis-wallet 1\n"

const (
	maxHeader = 64 << 10
	idSize    = 16
)

// Purposes of the keys derived from the wallet key, and what is sealed under
// them. To change one makes every wallet unreadable.
const (
	purposeBody  = "portcullis/wallet/v1/body"
	purposeMAC   = "portcullis/wallet/v1/mac"
	purposeWrap  = "portcullis/wallet/v1/wrap"
	purposeKey   = "portcullis/wallet/v1/key"
	purposeValue = "portcullis/wallet/v1/value"
	purposeSlot  = "portcullis/wallet/v1/slot"
)

// header is the part of the file that is not encrypted.
type header struct {
	ID         string `json:"id"`         // random; everything in the file is bound to it
	Generation uint64 `json:"generation"` // counts changes
	Slot       slot   `json:"slot"`
}

// slot is how the wallet key is kept.
type slot struct {
	Kind       string      `json:"kind"`
	KDF        *kdf.Params `json:"kdf,omitempty"`
	Recipients []string    `json:"recipients,omitempty"` // age
	Service    string      `json:"service,omitempty"`    // of a key management system
	Wrapped    []byte      `json:"wrapped"`
}

// parsed is a file taken apart. Nothing of it is authenticated.
type parsed struct {
	header header
	signed []byte // all that the MAC covers
	line   []byte // of the header
	body   []byte
	mac    []byte
}

func damaged(why string) error { return fmt.Errorf("%w: %s", ErrDamaged, why) }

// parse takes a file apart. Of every wallet there is one encoding only.
func parse(raw []byte) (*parsed, error) {
	rest, ok := bytes.CutPrefix(raw, []byte(magic))
	if !ok {
		return nil, damaged("it does not begin as a wallet of this version")
	}
	lines := bytes.Split(rest, []byte("\n"))
	if len(lines) != 4 || len(lines[3]) != 0 {
		return nil, damaged("it has not the lines of a wallet")
	}
	p := &parsed{line: lines[0], signed: raw[:len(raw)-len(lines[2])-1]}
	if len(p.line) > maxHeader {
		return nil, damaged("its header is too long")
	}
	dec := json.NewDecoder(bytes.NewReader(p.line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p.header); err != nil {
		return nil, damaged("its header cannot be read")
	}
	if again, err := json.Marshal(p.header); err != nil || !bytes.Equal(again, p.line) {
		return nil, damaged("its header is not written as a wallet writes it")
	}
	if id, err := hex.DecodeString(p.header.ID); err != nil || len(id) != idSize {
		return nil, damaged("its id is none")
	}
	var err error
	strict := base64.StdEncoding.Strict()
	if p.body, err = strict.AppendDecode(nil, lines[1]); err != nil {
		return nil, damaged("its contents are no base64")
	}
	if p.mac, err = strict.AppendDecode(nil, lines[2]); err != nil || len(p.mac) != sha256.Size {
		return nil, damaged("its last line is no authentication code")
	}
	return p, nil
}

// open authenticates a file and decrypts its contents.
func (p *parsed) open(walletKey []byte) (*contents, error) {
	mac, err := authenticate(walletKey, p.signed)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(mac, p.mac) {
		return nil, ErrDamaged
	}
	box, err := derived(walletKey, purposeBody)
	if err != nil {
		return nil, err
	}
	plain, err := box.Open(p.body, p.line)
	if err != nil {
		return nil, damaged("its contents do not open")
	}
	return decode(plain)
}

// seal makes the file.
func seal(h header, c *contents, walletKey []byte) ([]byte, error) {
	if len(c.records) > MaxEntries {
		return nil, fmt.Errorf("%w: a wallet has at most %d entries", ErrInvalid, MaxEntries)
	}
	line, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encoding the header: %w", err)
	}
	box, err := derived(walletKey, purposeBody)
	if err != nil {
		return nil, err
	}
	body := box.Seal(nil, c.encode(), line)
	b64 := base64.StdEncoding
	out := make([]byte, 0, len(magic)+len(line)+b64.EncodedLen(len(body))+64)
	out = append(append(append(out, magic...), line...), '\n')
	out = append(b64.AppendEncode(out, body), '\n')
	mac, err := authenticate(walletKey, out)
	if err != nil {
		return nil, err
	}
	out = append(b64.AppendEncode(out, mac), '\n')
	if len(out) > maxFile {
		return nil, fmt.Errorf("%w: the wallet would have more than %d bytes", ErrInvalid, maxFile)
	}
	return out, nil
}

func authenticate(walletKey, signed []byte) ([]byte, error) {
	key, err := envelope.Derive(walletKey, purposeMAC)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	h := hmac.New(sha256.New, key)
	h.Write(signed)
	return h.Sum(nil), nil
}

// derived returns a box under a key derived from the wallet key.
func derived(walletKey []byte, purpose string) (envelope.Box, error) {
	key, err := envelope.Derive(walletKey, purpose)
	if err != nil {
		return envelope.Box{}, err
	}
	defer clear(key)
	return envelope.NewBox(key)
}

// place is what a data key or a value is bound to.
func place(purpose, id string, r *record, version uint32) []byte {
	return envelope.AAD(purpose, id, r.name, r.provider, strconv.FormatUint(uint64(version), 10))
}

// sealValue makes a data key for a value and encrypts both.
func sealValue(walletKey []byte, id string, r *record, version uint32, value []byte) (sealed, error) {
	wrap, err := derived(walletKey, purposeWrap)
	if err != nil {
		return sealed{}, err
	}
	key := envelope.NewKey()
	defer clear(key)
	box, err := envelope.NewBox(key)
	if err != nil {
		return sealed{}, err
	}
	return sealed{
		version: version,
		key:     wrap.Seal(nil, key, place(purposeKey, id, r, version)),
		text:    box.Seal(nil, value, place(purposeValue, id, r, version)),
	}, nil
}

// openValue decrypts a value.
func openValue(walletKey []byte, id string, r *record, s *sealed) (*Value, error) {
	wrap, err := derived(walletKey, purposeWrap)
	if err != nil {
		return nil, err
	}
	key, err := wrap.Open(s.key, place(purposeKey, id, r, s.version))
	if err != nil {
		return nil, fmt.Errorf("%w: the data key of %q: %w", ErrDamaged, r.name, err)
	}
	defer clear(key)
	box, err := envelope.NewBox(key)
	if err != nil {
		return nil, fmt.Errorf("%w: the data key of %q: %w", ErrDamaged, r.name, err)
	}
	value, err := box.Open(s.text, place(purposeValue, id, r, s.version))
	if err != nil {
		return nil, fmt.Errorf("%w: the value of %q: %w", ErrDamaged, r.name, err)
	}
	return NewValue(value), nil
}

// moveKeys wraps all data keys with another wallet key.
func (c *contents) moveKeys(from, to []byte, id string) error {
	old, err := derived(from, purposeWrap)
	if err != nil {
		return err
	}
	next, err := derived(to, purposeWrap)
	if err != nil {
		return err
	}
	for i := range c.records {
		r := &c.records[i]
		for _, s := range []*sealed{&r.current, &r.pending, &r.previous} {
			if s.version == 0 {
				continue
			}
			where := place(purposeKey, id, r, s.version)
			key, err := old.Open(s.key, where)
			if err != nil {
				return fmt.Errorf("%w: the data key of %q: %w", ErrDamaged, r.name, err)
			}
			s.key = next.Seal(nil, key, where)
			clear(key)
		}
	}
	return nil
}

// wrongKey tells a wallet that does not open from one that was changed.
func wrongKey(err error) error {
	if errors.Is(err, envelope.ErrOpen) {
		return ErrPassword
	}
	return err
}
