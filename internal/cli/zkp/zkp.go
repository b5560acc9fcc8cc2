// Package zkp is the verb group "portcullis zkp".
package zkp

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/setup"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

type verbs struct{ *frame.Frame }

// Command returns the group of verbs.
func Command(f *frame.Frame) *cobra.Command {
	c := verbs{f}
	return frame.Group("zkp", "Log in with zero-knowledge proofs: setup, keys, users, proofs",
		c.setup(), c.keygen(), c.prove(), c.verify(), c.enroll(), c.list(), c.remove(), c.login())
}

// folder is where the setup lies unless a flag says otherwise.
func (c verbs) folder() string { return filepath.Join(c.DataDir, "zkp") }

func (c verbs) setup() *cobra.Command {
	var out, verifying, zkey string
	var circuitOnly bool
	cmd := &cobra.Command{
		Use: "setup", Short: "Make the keys of the login circuit for development, or import those of a ceremony", Args: frame.None,
		Long: `Make the keys that proofs of the login circuit are made and verified with.

Without --import this process makes them alone: for development only, because
nobody else can know that it forgot the secrets with which anyone can log in as
anyone. For production run a ceremony with snarkjs on the circuit that
--circuit-only writes, and import its result. With --zkey it is checked that the
verification key is that of the login circuit; without, that cannot be seen.`,
		Example: `  portcullis zkp setup --out zkp
  portcullis zkp setup --circuit-only --out ceremony
  portcullis zkp setup --import verification_key.json --zkey login_final.zkey`,
		RunE: func(*cobra.Command, []string) error {
			if out == "" {
				out = c.folder()
			}
			switch {
			case circuitOnly && (verifying != "" || zkey != ""):
				return frame.Usagef("zkp setup: --circuit-only takes neither --import nor --zkey")
			case zkey != "" && verifying == "":
				return frame.Usagef("zkp setup: --zkey wants --import, the verification key of the same ceremony")
			case circuitOnly:
				if err := setup.Circuit(out); err != nil {
					return err
				}
				return c.showCircuit(out)
			}
			system, err := circuit.Load()
			if err != nil {
				return err
			}
			var note setup.Note
			if verifying == "" {
				note, err = setup.Develop(out, system)
			} else {
				note, err = setup.Import(out, verifying, zkey, system)
			}
			if err != nil {
				return err
			}
			return c.showSetup(out, note, verifying == "" || zkey != "")
		},
	}
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "`folder` for the files (default zkp in the data folder)")
	f.StringVar(&verifying, "import", "", "verification key of a ceremony, a `file` of snarkjs")
	f.StringVar(&zkey, "zkey", "", "proving key of the same ceremony, a `file` of snarkjs")
	f.BoolVar(&circuitOnly, "circuit-only", false, "write the circuit and nothing else")
	return cmd
}

func (c verbs) showCircuit(out string) error {
	source, r1cs := filepath.Join(out, setup.CircuitSource), filepath.Join(out, setup.CircuitR1CS)
	if c.JSON() {
		return c.PrintJSON(map[string]string{"circuit": circuit.Name, "source": source, "r1cs": r1cs})
	}
	return c.Printf("circuit  %s\nsource   %s\nr1cs     %s\n", circuit.Name, frame.Printable(source), frame.Printable(r1cs))
}

func (c verbs) showSetup(out string, note setup.Note, canProve bool) error {
	if note.Development {
		fmt.Fprintln(c.Err, "warning:", note.Warning)
	} else if !canProve {
		fmt.Fprintln(c.Err, "warning: without --zkey nothing shows that this key is for the login circuit")
	}
	vk, pk := filepath.Join(out, setup.VerificationKey), ""
	if canProve {
		pk = filepath.Join(out, setup.ProvingKey)
	}
	if c.JSON() {
		return c.PrintJSON(struct {
			Circuit     string `json:"circuit"`
			Development bool   `json:"development"`
			VK          string `json:"verification_key"`
			PK          string `json:"proving_key,omitempty"`
			SHA256      string `json:"verification_key_sha256"`
		}{note.Circuit, note.Development, vk, pk, note.KeySHA256})
	}
	kind := map[bool]string{true: "for development only", false: "imported"}[note.Development]
	if pk == "" {
		pk = "-"
	}
	return c.Printf("setup             %s\ncircuit           %s\nverification key  %s\nproving key       %s\nsha256            %s\n",
		kind, note.Circuit, frame.Printable(vk), frame.Printable(pk), note.KeySHA256)
}
