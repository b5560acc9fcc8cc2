package zkp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/setup"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// The files of a proof, named as snarkjs does.
const (
	proofFile  = "proof.json"
	publicFile = "public.json"
)

func (c verbs) prove() *cobra.Command {
	var key, challenge, pk, out string
	cmd := &cobra.Command{
		Use: "prove", Short: "Prove that you hold a private key, for one challenge", Args: frame.None,
		Long: `Make proof.json and public.json for a challenge of a gateway, in the form of
snarkjs. The proving key is that of the gateway's setup, made by "zkp setup" or
by a ceremony. The private key is read from a file or, with --key -, from
standard input; it never leaves this process.`,
		Example: `  portcullis zkp prove --key alice.key --challenge 1234567890 --pk zkp/login.zkey --out proof
  portcullis zkp prove --key - --challenge 1234567890 < alice.key`,
		RunE: func(*cobra.Command, []string) error {
			if challenge == "" {
				return frame.Usagef("zkp prove: --challenge is required: the decimal number that the gateway gave")
			}
			number, err := groth16.ParseScalar(challenge)
			if err != nil {
				return frame.Usagef("zkp prove: --challenge: want a decimal number without leading zero, below the order of BN254")
			}
			if pk == "" {
				pk = filepath.Join(c.folder(), setup.ProvingKey)
			}
			system, err := circuit.Load()
			if err != nil {
				return err
			}
			proving, _, err := setup.LoadProvingKey(pk, system)
			if err != nil {
				return err
			}
			private, err := c.privateKey("zkp prove", key)
			if err != nil {
				return err
			}
			defer private.Clear()
			proof, public, err := proving.Prove(private, number)
			if err != nil {
				return err
			}
			return c.writeProof(out, proof, groth16.FormatPublic(public), groth16.FormatScalar(public[0]))
		},
	}
	f := cmd.Flags()
	f.StringVar(&key, "key", defaultKey, "`file` of the private key; - = standard input")
	f.StringVar(&challenge, "challenge", "", "`number` that the gateway gave, in decimal")
	f.StringVar(&pk, "pk", "", "proving key, a zkey `file` (default that of the setup in the data folder)")
	f.StringVar(&out, "out", ".", "`folder` for proof.json and public.json")
	return cmd
}

func (c verbs) writeProof(dir string, proof groth16.Proof, public []byte, publicKey string) error {
	text, err := json.Marshal(proof)
	if err != nil {
		return fmt.Errorf("writing the proof: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of the proof: %w", err)
	}
	// A proof opens the door until its challenge is used or over.
	paths := [2]string{filepath.Join(dir, proofFile), filepath.Join(dir, publicFile)}
	for i, data := range [2][]byte{text, public} {
		if err := os.WriteFile(paths[i], append(data, '\n'), 0o600); err != nil {
			return fmt.Errorf("writing the proof: %w", err)
		}
	}
	if c.JSON() {
		return c.PrintJSON(map[string]string{"proof": paths[0], "public": paths[1], "public_key": publicKey})
	}
	return c.Printf("proof       %s\npublic      %s\npublic key  %s\n", frame.Printable(paths[0]), frame.Printable(paths[1]), publicKey)
}

func (c verbs) verify() *cobra.Command {
	var vk, proof, public string
	cmd := &cobra.Command{
		Use: "verify", Short: "Say whether a proof holds", Args: frame.None,
		Long: `Verify a proof as the gateway does: three files in the form of snarkjs. Exit code
3 if the proof does not hold, or if one of the files is not what it should be.

It says nothing about whether the challenge is one that a gateway gave.`,
		Example: "  portcullis zkp verify --vk zkp/verification_key.json --proof proof.json --public public.json",
		RunE: func(*cobra.Command, []string) error {
			var data [3][]byte
			for i, f := range []struct{ flag, path string }{{"vk", vk}, {"proof", proof}, {"public", public}} {
				if f.path == "" {
					return frame.Usagef("zkp verify: --%s is required", f.flag)
				}
				var err error
				if data[i], err = readBounded(f.path); err != nil {
					return err
				}
			}
			return c.showVerdict(verdict(data[0], data[1], data[2]))
		},
	}
	f := cmd.Flags()
	f.StringVar(&vk, "vk", "", "verification key, a `file` of snarkjs")
	f.StringVar(&proof, "proof", "", "proof, a `file` of snarkjs")
	f.StringVar(&public, "public", "", "public inputs, a `file` of snarkjs")
	return cmd
}

// readBounded reads a little more than the parsers take, so that they are the
// ones that refuse it.
func readBounded(path string) (data []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

func verdict(vk, proof, public []byte) error {
	key, err := groth16.ParseKey(vk)
	if err != nil {
		return err
	}
	p, err := groth16.ParseProof(proof)
	if err != nil {
		return err
	}
	inputs, err := groth16.ParsePublic(public)
	if err != nil {
		return err
	}
	return key.Verify(p, inputs)
}

func (c verbs) showVerdict(err error) error {
	var refused *groth16.Error
	if err != nil && !errors.As(err, &refused) {
		return err
	}
	var printed error
	switch {
	case c.JSON() && refused == nil:
		printed = c.PrintJSON(map[string]any{"valid": true})
	case c.JSON():
		printed = c.PrintJSON(map[string]any{"valid": false, "reason": refused.Reason, "where": refused.Detail})
	case refused == nil:
		printed = c.Printf("valid\n")
	case refused.Detail == "":
		printed = c.Printf("not valid: %s\n", refused.Reason)
	default:
		printed = c.Printf("not valid: %s: %s\n", refused.Detail, refused.Reason)
	}
	if printed != nil || refused == nil {
		return printed
	}
	return fmt.Errorf("%w: %w", frame.ErrNo, err)
}
