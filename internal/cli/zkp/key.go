package zkp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// defaultKey is the file of a private key unless a flag says otherwise.
const defaultKey = "zkp.key"

func (c verbs) keygen() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "keygen", Short: "Make a private key in a file and print its public key", Args: frame.None,
		Long: `Make a private key: a random element of the field of BN254. It goes to a file
that only you can read and nowhere else. The public key, its Poseidon hash, is
what a gateway is given.`,
		Example: "  portcullis zkp keygen --out alice.key",
		RunE: func(*cobra.Command, []string) error {
			system, err := circuit.Load()
			if err != nil {
				return err
			}
			private, err := circuit.NewPrivateKey()
			if err != nil {
				return err
			}
			defer private.Clear()
			public, err := system.PublicKey(private)
			if err != nil {
				return err
			}
			if err := writeKey(out, private); err != nil {
				return err
			}
			text := groth16.FormatScalar(public)
			if c.JSON() {
				return c.PrintJSON(map[string]string{"public_key": text, "file": out})
			}
			return c.Printf("public key   %s\nprivate key  %s\n", text, frame.Printable(out))
		},
	}
	cmd.Flags().StringVar(&out, "out", defaultKey, "`file` for the private key; an existing one is never replaced")
	return cmd
}

func writeKey(path string, private *circuit.PrivateKey) (err error) {
	text, err := private.AppendDecimal(make([]byte, 0, 128))
	if err != nil {
		return err
	}
	text = append(text, '\n')
	defer clear(text)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: there is a file already, and it may be a key: choose another name", path)
	}
	if err != nil {
		return fmt.Errorf("writing the private key: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(text); err != nil {
		return fmt.Errorf("writing the private key: %w", err)
	}
	return f.Sync()
}

// privateKey reads a private key from a file, or from standard input for "-".
// Whoever gets it clears it.
func (c verbs) privateKey(verb, path string) (private *circuit.PrivateKey, err error) {
	in, name := c.In, "standard input"
	if path != "-" {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, frame.Usagef("%s: there is no file %q: 'portcullis zkp keygen' makes a private key", verb, path)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the private key: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			fmt.Fprintf(c.Err, "warning: others can read the private key: chmod 600 %s\n", frame.Printable(path))
		}
		in, name = f, path
	}
	var buf [128]byte
	defer clear(buf[:])
	n, err := io.ReadFull(in, buf[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("reading the private key: %w", err)
	}
	if private, err = circuit.ParsePrivateKey(buf[:n]); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return private, nil
}
