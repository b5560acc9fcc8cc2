package foreign

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/crypto/scrypt"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// ErrPassword is a password that does not open the file to import.
var ErrPassword = errors.New("the password does not open the file to import")

// Keys open a file of Chrysalis. MasterKey is for files of its TypeScript
// edition, which kept a random key in memory only: who saved it can give it.
type Keys struct {
	Password  []byte
	MasterKey []byte
}

// chrysalis is a wallet file of either edition, brought to one shape.
type chrysalis struct {
	rust         bool // snake_case, seconds
	passwordHash string
	settings     cipherText
	entries      []chrysalisEntry
}

type chrysalisEntry struct {
	id, provider, name, prefix string
	expires                    int64
	isDefault                  bool
	text                       cipherText
}

type cipherText struct {
	ciphertext, iv, tag, salt, algorithm string
	version                              int64
}

// The two shapes. Members are read in exactly this case; an unknown one is
// left alone, one that is there twice is an error.
type (
	camelText struct {
		Ciphertext string `json:"ciphertext"`
		IV         string `json:"iv"`
		AuthTag    string `json:"authTag"`
		Salt       string `json:"salt"`
		Algorithm  string `json:"algorithm"`
		Version    int64  `json:"version"`
	}
	camelFile struct {
		Version      int64     `json:"version"`
		PasswordHash string    `json:"passwordHash"`
		Settings     camelText `json:"settings"`
		Entries      []struct {
			Entry struct {
				ID        string `json:"id"`
				Provider  string `json:"provider"`
				Name      string `json:"name"`
				KeyPrefix string `json:"keyPrefix"`
				ExpiresAt int64  `json:"expiresAt"`
				IsDefault bool   `json:"isDefault"`
			} `json:"entry"`
			EncryptedKey camelText `json:"encryptedKey"`
		} `json:"entries"`
	}
	snakeText struct {
		Ciphertext string `json:"ciphertext"`
		IV         string `json:"iv"`
		AuthTag    string `json:"auth_tag"`
		Salt       string `json:"salt"`
		Algorithm  string `json:"algorithm"`
		Version    int64  `json:"version"`
	}
	snakeFile struct {
		Version      int64     `json:"version"`
		PasswordHash string    `json:"password_hash"`
		Settings     snakeText `json:"settings"`
		Entries      []struct {
			Entry struct {
				ID        string `json:"id"`
				Provider  string `json:"provider"`
				Name      string `json:"name"`
				KeyPrefix string `json:"key_prefix"`
				ExpiresAt int64  `json:"expires_at"`
				IsDefault bool   `json:"is_default"`
			} `json:"entry"`
			EncryptedKey snakeText `json:"encrypted_key"`
		} `json:"entries"`
	}
)

// Chrysalis reads an ApiKeyWallet of version 1, of the TypeScript edition
// (camelCase, milliseconds, nonces of 16 bytes) or the Rust edition
// (snake_case, seconds, nonces of 12 bytes).
func Chrysalis(b []byte, k Keys, now time.Time) (*Found, error) {
	c, err := parseChrysalis(b)
	if err != nil {
		return nil, err
	}
	master, err := c.unlock(k)
	if err != nil {
		return nil, err
	}
	defer clear(master)
	f := &Found{}
	f.doubt("passwordHash is an unsalted SHA-256 of the password, made to be guessed fast: use another password here, and rotate these keys if others saw the file")
	f.doubt("names, providers, expiry and defaults of that format are not authenticated: look through them")
	sum := sha256.Sum256(k.Password)
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(c.passwordHash)) != 1 && len(k.Password) > 0 {
		f.doubt("passwordHash is not that of the password: the file was edited, or its password changed, which never encrypted the keys anew")
	}
	taken := map[string]bool{}
	for i := range c.entries {
		c.take(f, &c.entries[i], i, master, k.Password, taken, now)
	}
	return f, nil
}

func parseChrysalis(b []byte) (*chrysalis, error) {
	if len(b) > MaxFile {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrFormat, MaxFile)
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, fmt.Errorf("%w: no JSON object", ErrFormat)
	}
	_, camel := members["passwordHash"]
	_, snake := members["password_hash"]
	if camel == snake {
		return nil, fmt.Errorf("%w: neither shape of an ApiKeyWallet", ErrFormat)
	}
	c := &chrysalis{rust: snake}
	var version int64
	if camel {
		var in camelFile
		if err := json.Unmarshal(b, &in); err != nil {
			return nil, fmt.Errorf("%w: its members are not those of an ApiKeyWallet", ErrFormat)
		}
		version, c.passwordHash, c.settings = in.Version, in.PasswordHash, text(snakeText(in.Settings))
		for _, e := range in.Entries {
			c.entries = append(c.entries, chrysalisEntry{e.Entry.ID, e.Entry.Provider, e.Entry.Name, e.Entry.KeyPrefix,
				e.Entry.ExpiresAt, e.Entry.IsDefault, text(snakeText(e.EncryptedKey))})
		}
	} else {
		var in snakeFile
		if err := json.Unmarshal(b, &in); err != nil {
			return nil, fmt.Errorf("%w: its members are not those of an ApiKeyWallet", ErrFormat)
		}
		version, c.passwordHash, c.settings = in.Version, in.PasswordHash, text(in.Settings)
		for _, e := range in.Entries {
			c.entries = append(c.entries, chrysalisEntry{e.Entry.ID, e.Entry.Provider, e.Entry.Name, e.Entry.KeyPrefix,
				e.Entry.ExpiresAt, e.Entry.IsDefault, text(e.EncryptedKey)})
		}
	}
	switch {
	case version != 1:
		return nil, fmt.Errorf("%w: an ApiKeyWallet of version %d, want 1", ErrFormat, version)
	case len(c.entries) > maxEntries:
		return nil, fmt.Errorf("%w: more than %d entries", ErrFormat, maxEntries)
	}
	return c, nil
}

func text(t snakeText) cipherText {
	return cipherText{t.Ciphertext, t.IV, t.AuthTag, t.Salt, t.Algorithm, t.Version}
}

// unlock returns the key of the entries. Whether the password is right, the
// encrypted settings tell, not the hash that stands beside them.
func (c *chrysalis) unlock(k Keys) ([]byte, error) {
	if len(k.MasterKey) > 0 {
		return slices.Clone(k.MasterKey), nil
	}
	key, err := c.settings.key(k.Password)
	if err != nil {
		return nil, err
	}
	settings, err := c.settings.open(key)
	if err != nil {
		clear(key)
		return nil, ErrPassword
	}
	clear(settings)
	return key, nil
}

// key derives a key as both editions do: scrypt, N=16384, r=8, p=1.
func (t *cipherText) key(password []byte) ([]byte, error) {
	salt, err := base64.StdEncoding.Strict().DecodeString(t.salt)
	if err != nil || len(salt) < 16 || len(salt) > 64 {
		return nil, fmt.Errorf("%w: no salt to derive a key with", ErrFormat)
	}
	key, err := scrypt.Key(password, salt, 16384, 8, 1, envelope.KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the key: %w", err)
	}
	return key, nil
}

func (t *cipherText) open(key []byte) ([]byte, error) {
	b64 := base64.StdEncoding.Strict()
	iv, err1 := b64.DecodeString(t.iv)
	ciphertext, err2 := b64.DecodeString(t.ciphertext)
	tag, err3 := b64.DecodeString(t.tag)
	if errors.Join(err1, err2, err3) != nil || t.version != 1 || t.algorithm != "aes-256-gcm" || len(iv) != 12 && len(iv) != 16 {
		return nil, fmt.Errorf("%w: no AES-256-GCM with a nonce of 12 or 16 bytes", ErrFormat)
	}
	return envelope.OpenForeign(key, iv, ciphertext, tag, nil)
}

// take decrypts one entry and looks at what it says of itself.
func (c *chrysalis) take(f *Found, e *chrysalisEntry, i int, master, password []byte, taken map[string]bool, now time.Time) {
	label := fmt.Sprintf("entry %d", i+1)
	key := master
	if e.text.salt != "" {
		own, err := e.text.key(password)
		if err != nil {
			f.doubt("%s: left out: %v", label, err)
			return
		}
		defer clear(own)
		key = own
	}
	value, err := e.text.open(key)
	switch {
	case errors.Is(err, ErrFormat):
		f.doubt("%s: left out: %v", label, err)
		return
	case err != nil && !c.rust:
		f.doubt("%s: lost: it does not open. Files of this edition encrypt entries under a random key that they do not hold (--master-key-file takes it)", label)
		return
	case err != nil:
		f.doubt("%s: left out: it does not open: it was changed, or is of another wallet", label)
		return
	}
	if prefix := strings.TrimSuffix(e.prefix, "..."); prefix != "" && !strings.HasPrefix(string(value), prefix) {
		clear(value)
		f.doubt("%s: left out: its key does not begin as its keyPrefix says: it was swapped with another", label)
		return
	}
	n := wallet.New{Name: slug(e.name, e.id, taken), Provider: e.provider, Metadata: map[string]string{"imported_from": "chrysalis"}}
	if wallet.ValidName(n.Provider) != nil {
		f.doubt("%s (%s): its provider is none: custom", label, n.Name)
		n.Provider = "custom"
	}
	if e.isDefault {
		n.Default, n.Metadata["default"] = true, "true"
	}
	if e.expires != 0 {
		t, ok := c.time(e.expires)
		if !ok {
			clear(value)
			f.doubt("%s (%s): left out: its expiry is no time between 2000 and 2200", label, n.Name)
			return
		}
		n.Expires = &t
		if !now.Before(t) {
			f.doubt("%s (%s): has expired: imported, but not served", label, n.Name)
		}
	}
	f.add(wallet.Item{New: n, Value: value})
}

func (c *chrysalis) time(v int64) (time.Time, bool) {
	if c.rust {
		if v < 0 || v > 1<<40 {
			return time.Time{}, false
		}
		v *= 1000
	}
	t := time.UnixMilli(v).UTC()
	return t, t.Year() >= 2000 && t.Year() < 2200
}

// slug makes a name of an entry out of one of theirs, which is any text.
func slug(name, id string, taken map[string]bool) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if b.Len() >= 64 {
			break
		}
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	base := strings.Trim(b.String(), "-")
	if base == "" {
		base = "imported"
		if len(id) > 0 && len(id) <= 64 && wallet.ValidName(id) == nil {
			base = id
		}
	}
	out := base
	for n := 2; taken[out]; n++ {
		out = base + "-" + strconv.Itoa(n)
	}
	taken[out] = true
	return out
}
