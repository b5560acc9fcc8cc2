package wallet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/admin"
	adminwallet "github.com/portcullis-dev/portcullis/internal/admin/wallet"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/secrets/foreign"
	"github.com/portcullis-dev/portcullis/internal/secrets/undumped"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/disk"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet/kdf"
)

func (c *verbs) init() *cobra.Command {
	var k keeping
	cmd := &cobra.Command{
		Use: "init", Short: "Make an empty wallet", Args: frame.None,
		Long: `Make an empty wallet in the data folder, or at --file. It opens with a password,
which is asked for twice, or with an age identity (--age-recipient), or through
a Vault or OpenBao transit key (--vault-key), or a key of AWS KMS, Google Cloud KMS
or Azure Key Vault (--aws-kms-key, --gcp-kms-key, --azure-key). There is no way
back without it.`,
		Example: `  portcullis wallet init
  portcullis wallet init --kdf argon2id
  portcullis wallet init --age-recipient age1…
  portcullis wallet init --aws-kms-key alias/portcullis`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := undumped.Process(); err != nil {
				return err
			}
			if _, err := os.Lstat(c.path()); err == nil {
				return fmt.Errorf("there is a file %q already", c.path())
			}
			u := c.unlock
			p, err := c.protector(cmd.Context(), k, u.vaultKey, u.cloud, u.passwordFile, u.passwordFD, "WALLET_PASSWORD", "New wallet password: ")
			if err != nil {
				return err
			}
			return c.WithAdmin(cmd.Context(), func(a *admin.Client) error {
				if err := wallet.Create(cmd.Context(), c.path(), p, wallet.Options{Recorder: adminwallet.NewRecorder(a)}); err != nil {
					return explain(err)
				}
				return c.tell("made")
			})
		},
	}
	k.flags(cmd, "")
	return cmd
}

func (c *verbs) rewrap() *cobra.Command {
	var k keeping
	var file string
	var fd int
	cmd := &cobra.Command{
		Use: "rewrap", Short: "Change the password, its derivation, or what else opens the wallet", Args: frame.None,
		Long: `Give the wallet another key, kept in another way. Values stay as they are; who
has the old password and an old copy can open nothing newer.`,
		Example: `  portcullis wallet rewrap
  portcullis wallet rewrap --kdf argon2id --new-password-file new.txt
  portcullis wallet rewrap --age-recipient age1…`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.recorded(cmd.Context(), func(w *wallet.Wallet) error {
				p, err := c.protector(cmd.Context(), k, k.vaultKey, k.cloud, file, fd, "WALLET_NEW_PASSWORD", "New wallet password: ")
				if err != nil {
					return err
				}
				if err := w.Rewrap(cmd.Context(), p); err != nil {
					return err
				}
				return c.tell("wrapped again:")
			})
		},
	}
	k.flags(cmd, "new-vault-key")
	cmd.Flags().StringVar(&file, "new-password-file", "", "the new password is the first line of this `file`")
	cmd.Flags().IntVar(&fd, "new-password-fd", -1, "the new password is the first line of this open file `descriptor`")
	return cmd
}

// tell says what the wallet is now.
func (c *verbs) tell(done string) error {
	st, err := wallet.Inspect(c.path())
	if err != nil {
		return err
	}
	if c.JSON() {
		return c.PrintJSON(st)
	}
	return c.Printf("%s %s (%s)\n", done, c.path(), describe(st))
}

func describe(st wallet.Status) string {
	switch st.Kind {
	case wallet.KindPassword:
		return "password, " + describeKDF(st.KDF)
	case wallet.KindAge:
		return "age: " + strings.Join(st.Recipients, " ")
	}
	return st.Kind + " key " + st.Service
}

func describeKDF(p *kdf.Params) string {
	if p.Name == kdf.Argon2id {
		return fmt.Sprintf("%s, %d MiB, %d passes", p.Name, p.Memory>>10, p.Iterations)
	}
	return fmt.Sprintf("%s, %d iterations", p.Name, p.Iterations)
}

func (c *verbs) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say how the wallet is kept; needs no password and proves nothing", Args: frame.None,
		Example: "  portcullis wallet status --output json",
		RunE: func(*cobra.Command, []string) error {
			st, err := wallet.Inspect(c.path())
			if err != nil {
				return explain(err)
			}
			if c.JSON() {
				return c.PrintJSON(st)
			}
			weak := ""
			if st.KDF != nil && st.KDF.Weak() {
				weak = ", cheap to guess: 'portcullis wallet rewrap' mends that"
			}
			return c.Table([]string{"file", c.path()}, [][]string{
				{"id", st.ID}, {"changes", fmt.Sprint(st.Generation)}, {"opens with", describe(st) + weak}, {"bytes", fmt.Sprint(st.Size)},
			})
		},
	}
}

func (c *verbs) verify() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Open every value without showing it; exit code 3 if one does not", Args: frame.None,
		Example: "  portcullis wallet verify",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var n int
			err := c.looking(cmd.Context(), func(w *wallet.Wallet) (err error) {
				n, err = w.Verify()
				return err
			})
			broken := errors.Is(err, wallet.ErrDamaged) || errors.Is(err, wallet.ErrPassword)
			if err != nil && !broken {
				return err
			}
			out := map[string]any{"ok": err == nil, "values": n}
			text := fmt.Sprintf("%d values open; the file is as it was written\n", n)
			if err != nil {
				out["error"] = err.Error()
				text = frame.Printable(err.Error()) + "\n"
			}
			if c.JSON() {
				if perr := c.PrintJSON(out); perr != nil {
					return perr
				}
			} else if perr := c.Printf("%s", text); perr != nil {
				return perr
			}
			if err != nil {
				return frame.ErrNo
			}
			return nil
		},
	}
}

// importFlags say what is imported.
type importFlags struct {
	from, passwordFile, masterKeyFile string
	passwordFD                        int
	only                              []string
	dryRun                            bool
}

func (c *verbs) importing() *cobra.Command {
	var fl importFlags
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Take over secrets that others keep", Args: frame.One("the file to import"),
		Long: `Take over secrets from a file: all that can be trusted, in one change. What
cannot is left out, and said. Entries that the wallet has are not touched. The
file stays as it is: remove it, and rotate what others may have read.`,
		Example: `  portcullis wallet import wallet.json --from chrysalis --source-password-file old.txt
  portcullis wallet import .env --from env --only OPENAI_API_KEY,DATABASE_URL
  export -p > vars && portcullis wallet import vars --from shell --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := c.read(args[0], fl)
			if err != nil {
				return err
			}
			defer found.Wipe()
			run := c.recorded
			if fl.dryRun {
				run = c.looking
			}
			return run(cmd.Context(), func(w *wallet.Wallet) error {
				found.Items = slices.DeleteFunc(found.Items, func(it wallet.Item) bool {
					_, err := w.Entry(it.Name)
					if err == nil {
						found.Doubts = append(found.Doubts, it.Name+": left out: the wallet has an entry of that name")
					}
					return err == nil
				})
				if len(found.Items) > 0 && !fl.dryRun {
					if err := w.PutAll(cmd.Context(), found.Items, "wallet.import"); err != nil {
						return err
					}
				}
				return c.imported(found, fl.dryRun)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&fl.from, "from", "", "what the file is: chrysalis, env or shell")
	f.StringSliceVar(&fl.only, "only", nil, "variables to take; without it, those that sound like secrets")
	f.StringVar(&fl.passwordFile, "source-password-file", "", "`file` with the password of a chrysalis wallet")
	f.IntVar(&fl.passwordFD, "source-password-fd", -1, "open file `descriptor` with that password")
	f.StringVar(&fl.masterKeyFile, "master-key-file", "", "`file` with the 32 raw bytes of a chrysalis master key that somebody saved")
	f.BoolVar(&fl.dryRun, "dry-run", false, "say what would be imported")
	return cmd
}

func (c *verbs) read(path string, fl importFlags) (*foreign.Found, error) {
	b, err := disk.ReadAny(path, foreign.MaxFile)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	switch fl.from {
	case "env", "shell":
		return foreign.Variables(b, fl.only)
	case "chrysalis":
		var k foreign.Keys
		if fl.masterKeyFile != "" {
			if k.MasterKey, err = disk.Read(fl.masterKeyFile, 32); err != nil {
				return nil, err
			}
		} else if k.Password, err = c.password(fl.passwordFile, fl.passwordFD, "CHRYSALIS_PASSWORD", "", "Password of the file to import: "); err != nil {
			return nil, err
		}
		return foreign.Chrysalis(b, k, time.Now())
	}
	return nil, frame.Usagef("wallet import: --from: want chrysalis, env or shell")
}

func (c *verbs) imported(found *foreign.Found, dry bool) error {
	names := make([]string, len(found.Items))
	for i, it := range found.Items {
		names[i] = it.Name
	}
	if c.JSON() {
		return c.PrintJSON(map[string]any{"imported": names, "doubts": append([]string{}, found.Doubts...), "dry_run": dry})
	}
	for _, d := range found.Doubts {
		fmt.Fprintln(c.Err, "note:", frame.Printable(d))
	}
	verb := "imported"
	if dry {
		verb = "would import"
	}
	if len(names) == 0 {
		return c.Printf("%s nothing\n", verb)
	}
	return c.Printf("%s %s\n", verb, strings.Join(names, " "))
}

// exported is one entry in an export.
type exported struct {
	wallet.Entry
	Value []byte `json:"value"` // base64
}

func (c *verbs) export() *cobra.Command {
	var to []string
	var out string
	cmd := &cobra.Command{
		Use: "export", Short: "Write all current values, encrypted to age recipients", Args: frame.None,
		Long: `Write all entries with their current values as JSON, encrypted to age recipients:
'age --decrypt' opens it. There is no export in clear.`,
		Example: "  portcullis wallet export --age-recipient age1… --out backup.age",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(to) == 0 {
				return frame.Usagef("wallet export: give --age-recipient: secrets are not written in clear")
			}
			r, err := recipients(to)
			if err != nil {
				return err
			}
			return c.recorded(cmd.Context(), func(w *wallet.Wallet) error {
				return c.write(cmd, w, r, out)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&to, "age-recipient", nil, "who may read it; repeatable")
	f.StringVar(&out, "out", "", "`file` to make; standard output without it")
	return cmd
}

func (c *verbs) write(cmd *cobra.Command, w *wallet.Wallet, r wallet.AgeRecipients, path string) error {
	list, err := w.List()
	if err != nil {
		return err
	}
	all := make([]exported, 0, len(list))
	defer func() {
		for _, e := range all {
			clear(e.Value)
		}
	}()
	for _, e := range list {
		v, e, err := w.Reveal(cmd.Context(), e.Name, wallet.Current, true)
		if err != nil {
			return err
		}
		all = append(all, exported{e, v.Bytes()})
	}
	plain, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("encoding the export: %w", err)
	}
	defer clear(plain)
	var sealed bytes.Buffer
	enc, err := age.Encrypt(&sealed, r.Recipients...)
	if err == nil {
		_, err = enc.Write(plain)
	}
	if err == nil {
		err = enc.Close()
	}
	if err != nil {
		return fmt.Errorf("encrypting the export: %w", err)
	}
	if path == "" {
		if _, err := c.Out.Write(sealed.Bytes()); err != nil {
			return fmt.Errorf("writing the export: %w", err)
		}
		return nil
	}
	if err := disk.Write(disk.OS{}, path, sealed.Bytes()); err != nil {
		return err
	}
	return c.Printf("exported %d entries to %s\n", len(all), path)
}
