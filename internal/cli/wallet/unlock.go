package wallet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/secrets/transit"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/disk"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/kdf"
)

const (
	maxPassword = 4096
	minPassword = 12
	maxIdentity = 1 << 20
)

// unlocking says where the key of a wallet comes from; a password never from an
// argument, which ends up in shell histories and process lists.
type unlocking struct {
	passwordFile string
	passwordFD   int
	identity     string
	vaultKey     string
	cloud        cloudKeys
}

func (u *unlocking) flags(g *cobra.Command) {
	f := g.PersistentFlags()
	f.StringVar(&u.passwordFile, "password-file", "", "the password is the first line of this `file`, which only you may read")
	f.IntVar(&u.passwordFD, "password-fd", -1, "the password is the first line of this open file `descriptor`")
	f.StringVar(&u.identity, "identity", "", "`file` of age identities that open the wallet")
	f.StringVar(&u.vaultKey, "vault-key", "", "`name` of the transit key that keeps the wallet key, at VAULT_ADDR with VAULT_TOKEN")
	u.cloud.flags(g, "", true)
}

// unlocker returns what opens a wallet of this kind.
func (c *verbs) unlocker(ctx context.Context, st wallet.Status) (wallet.Unlocker, error) {
	switch st.Kind {
	case wallet.KindPassword:
		p, err := c.password(c.unlock.passwordFile, c.unlock.passwordFD, "WALLET_PASSWORD", "wallet-password", "Wallet password: ")
		return wallet.Password{Secret: p}, err
	case wallet.KindAge:
		if c.unlock.identity == "" {
			return nil, frame.Usagef("this wallet opens with an age identity: give --identity FILE")
		}
		b, err := disk.Read(c.unlock.identity, maxIdentity)
		if err != nil {
			return nil, err
		}
		defer clear(b)
		ids, err := age.ParseIdentities(bytes.NewReader(b))
		if err != nil {
			return nil, frame.Usagef("--identity %q: it holds no age identities", c.unlock.identity)
		}
		return wallet.AgeIdentities(ids), nil
	case wallet.KindTransit:
		return c.service(c.unlock.vaultKey)
	case wallet.KindAWS, wallet.KindGCP, wallet.KindAzure:
		return c.cloud(ctx, c.unlock.cloud, st.Kind)
	}
	return nil, fmt.Errorf("%w: its key is kept in a way this version does not know", wallet.ErrDamaged)
}

// service returns the transit engine. Where it is, the environment says and
// never the file: a changed file would send the token elsewhere.
func (c *verbs) service(key string) (wallet.Service, error) {
	if key == "" {
		return wallet.Service{}, frame.Usagef("the key of this wallet is kept by a transit engine: give --vault-key NAME, VAULT_ADDR and VAULT_TOKEN")
	}
	address, _ := c.Env("VAULT_ADDR")
	token, _ := c.Env("VAULT_TOKEN")
	mount, _ := c.Env("VAULT_TRANSIT_MOUNT")
	w, err := transit.New(transit.Config{Address: address, Mount: mount, Key: key, Token: obs.Secret(token)})
	if err != nil {
		return wallet.Service{}, frame.UsageError{Err: err}
	}
	return wallet.Service{Name: key, Wrapper: w}, nil
}

// password gets a password: from a flag, the environment, a systemd credential,
// or a person at the terminal.
func (c *verbs) password(file string, fd int, variable, credential, prompt string) ([]byte, error) {
	switch {
	case file != "" && fd >= 0:
		return nil, frame.Usagef("a password file and a password descriptor exclude each other")
	case file != "":
		b, err := disk.Read(file, maxPassword)
		if err != nil {
			return nil, err
		}
		return line(b, file)
	case fd >= 0:
		f := os.NewFile(uintptr(fd), "password")
		if f == nil {
			return nil, frame.Usagef("descriptor %d is not open", fd)
		}
		b, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("reading the password from descriptor %d: %w", fd, err)
		}
		return line(b, "the descriptor")
	}
	if p, ok := c.Env(variable); ok && p != "" {
		return []byte(p), nil
	}
	if dir, ok := c.Env("CREDENTIALS_DIRECTORY"); ok && credential != "" && dir != "" {
		b, err := disk.ReadAny(filepath.Join(dir, credential), maxPassword)
		if err == nil {
			return line(b, "the credential")
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	return c.ask(prompt, variable)
}

func line(b []byte, where string) ([]byte, error) {
	if len(b) > maxPassword {
		return nil, frame.Usagef("the password in %s has more than %d bytes", where, maxPassword)
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = bytes.TrimSuffix(b[:i], []byte("\r"))
	}
	if len(b) == 0 {
		return nil, frame.Usagef("the first line of %s is empty", where)
	}
	return b, nil
}

// ask reads a line that is not shown: from standard input if that is a
// terminal, else from the terminal of the process, as standard input may hold a
// value.
func (c *verbs) ask(prompt, variable string) (_ []byte, err error) {
	in, ok := c.In.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		if in, err = os.OpenFile("/dev/tty", os.O_RDWR, 0); err != nil {
			return nil, frame.Usagef("there is no terminal to type a password at: give --password-file, --password-fd or %s", variable)
		}
		defer func() { err = errors.Join(err, in.Close()) }()
	}
	if _, err := fmt.Fprint(c.Err, prompt); err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	b, err := term.ReadPassword(int(in.Fd()))
	if _, werr := fmt.Fprintln(c.Err); err == nil {
		err = werr
	}
	if err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	return b, nil
}

// value reads the value of an entry: all of standard input without the end of
// its last line, or what a person types.
func (c *verbs) value(verb string) ([]byte, error) {
	if in, ok := c.In.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		return c.ask("Value: ", "standard input")
	}
	b, err := io.ReadAll(io.LimitReader(c.In, wallet.MaxValue+2))
	if err != nil {
		return nil, fmt.Errorf("reading the value: %w", err)
	}
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(b) == 0 {
		return nil, frame.Usagef("wallet %s: no value on standard input", verb)
	}
	return b, nil
}

// keeping says how a wallet that is made, or wrapped again, keeps its key.
type keeping struct {
	kdf        string
	iterations uint32
	insecure   bool
	recipients []string
	vaultKey   string
	cloud      cloudKeys
}

func (k *keeping) flags(cmd *cobra.Command, vault string) {
	f := cmd.Flags()
	f.StringVar(&k.kdf, "kdf", kdf.PBKDF2SHA384, "`function` that derives a key from the password: pbkdf2-hmac-sha384, -sha256, -sha512 or argon2id")
	f.Uint32Var(&k.iterations, "iterations", 0, "iterations (default 600000), or passes of argon2id (default 3)")
	f.BoolVar(&k.insecure, "insecure-iterations", false, "derive with 100000 iterations only, for a rule that says so")
	f.StringSliceVar(&k.recipients, "age-recipient", nil, "keep the key for this age `recipient` instead of by a password; repeatable")
	if vault != "" {
		f.StringVar(&k.vaultKey, vault, "", "keep the key by the transit key of this `name`")
		k.cloud.flags(cmd, "new-", false)
	}
}

// protector returns it; for a password, one is asked for twice.
func (c *verbs) protector(ctx context.Context, k keeping, vaultKey string, cloud cloudKeys, file string, fd int, variable, prompt string) (wallet.Protector, error) {
	kind, err := cloud.kind()
	switch {
	case err != nil:
		return nil, err
	case len(k.recipients) > 0 && vaultKey+kind != "" || vaultKey != "" && kind != "":
		return nil, frame.Usagef("age recipients, a transit key and the keys of clouds exclude each other")
	case kind != "":
		return c.cloud(ctx, cloud, kind)
	case len(k.recipients) > 0:
		return recipients(k.recipients)
	case vaultKey != "":
		return c.service(vaultKey)
	case k.insecure && k.iterations != 0:
		return nil, frame.Usagef("--iterations and --insecure-iterations exclude each other")
	case k.insecure && k.kdf == kdf.Argon2id:
		return nil, frame.Usagef("--insecure-iterations is about PBKDF2")
	case k.insecure:
		k.iterations = kdf.InsecureIterations
	}
	params, err := kdf.New(k.kdf, k.iterations)
	if err != nil {
		return nil, frame.UsageError{Err: err}
	}
	if params.Weak() && !k.insecure {
		return nil, frame.Usagef("fewer than %d iterations (2 passes of argon2id) are cheap to guess: only --insecure-iterations takes as few", kdf.DefaultIterations)
	}
	p, err := c.password(file, fd, variable, "", prompt)
	if err != nil {
		return nil, err
	}
	if len(p) < minPassword {
		return nil, frame.Usagef("the password has %d bytes, want at least %d", len(p), minPassword)
	}
	_, given := c.Env(variable)
	if file == "" && fd < 0 && !given { // typed: a slip would lock everything away
		again, err := c.ask("Again: ", variable)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(p, again) {
			return nil, frame.Usagef("these were two different passwords")
		}
	}
	return wallet.Password{Params: params, Secret: p}, nil
}

func recipients(names []string) (wallet.AgeRecipients, error) {
	out := wallet.AgeRecipients{Names: names}
	for _, n := range names {
		var r age.Recipient
		r, err := age.ParseX25519Recipient(n)
		if err != nil {
			if r, err = age.ParseHybridRecipient(n); err != nil {
				return out, frame.Usagef("--age-recipient: want age1… or age1pq1…")
			}
		}
		out.Recipients = append(out.Recipients, r)
	}
	return out, nil
}
