package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"

	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

func (c verbs) prove() *cobra.Command {
	var check, key string
	cmd := &cobra.Command{
		Use: "prove ID | --check FILE", Short: "Prove with one file that a record is in the log, or check such a proof", Args: cobra.MaximumNArgs(1),
		Long: `Prints a proof that the record with an event id, or of a number, is in the log.
It holds the record and a signed checkpoint, and is checked with the log's key
alone, without the log. Its form is c2sp.org/tlog-proof.`,
		Example: `  portcullis audit prove 019aa9c1-7d5b-7cc3-98c4-dc0c0c07398f > event.tlog-proof
  portcullis audit prove --check event.tlog-proof --key audit.example.com+5a6b7c8d+AV…`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			switch {
			case check != "" && len(args) == 0:
				return c.checkProof(check, key)
			case check != "" || len(args) == 0:
				return frame.Usagef("audit prove: want the id or number of one record, or --check and a file")
			}
			return c.makeProof(ctx, args[0], key)
		},
	}
	f := cmd.Flags()
	f.StringVar(&check, "check", "", "check the proof in a `file`; - is standard input")
	f.StringVar(&key, "key", "", "the `key` of the log: NAME+HASH+KEY (default: the data folder's)")
	return cmd
}

// proofView is a proof as JSON.
type proofView struct {
	Verified bool            `json:"verified"`
	Sequence uint64          `json:"sequence"`
	Origin   string          `json:"origin"`
	Size     uint64          `json:"size"`
	Root     string          `json:"root"`
	Entry    json.RawMessage `json:"entry"`
	Proof    string          `json:"proof"`
}

func view(p auditlog.Proof, c auditlog.Checkpoint) proofView {
	entry := json.RawMessage(p.Entry)
	if !json.Valid(entry) {
		entry = nil
	}
	return proofView{Verified: true, Sequence: p.Seq, Origin: c.Origin, Size: c.Size, Root: c.Root.String(), Entry: entry, Proof: string(p.Append(nil))}
}

func (c verbs) makeProof(ctx context.Context, id, keyText string) error {
	dir, err := c.dir("prove")
	if err != nil {
		return err
	}
	key, err := c.knownKey("prove", keyText, dir)
	if err != nil {
		return err
	}
	seq, entry, err := find(ctx, dir, id)
	if err != nil {
		return err
	}
	top, err := c.head(dir, key)
	if err != nil {
		return err
	}
	if seq >= top.Size {
		return fmt.Errorf("record %d is not covered by a checkpoint yet: a running gateway signs one within a second", seq)
	}
	p, err := auditlog.Prove(dir, top, seq, entry)
	if err != nil {
		return c.no(err)
	}
	if c.JSON() {
		return c.PrintJSON(view(p, top))
	}
	return c.Printf("%s", p.Append(nil))
}

// find looks for the record with an event id, or of a number.
func find(ctx context.Context, dir, id string) (uint64, []byte, error) {
	number, err := strconv.ParseUint(id, 10, 64)
	byNumber := err == nil
	if strings.Trim(id, "0123456789abcdefABCDEF-") != "" || len(id) > 64 {
		return 0, nil, frame.Usagef("audit prove: %q is neither the id of an event nor the number of a record", id)
	}
	want := []byte(`{"id":"` + strings.ToLower(id) + `"`)
	for line, err := range journal.All(dir, journal.Cursor{}) {
		switch {
		case err != nil && !journal.IsDamage(err):
			return 0, nil, err
		case err != nil:
			continue // 'audit verify' tells
		case byNumber && line.Seq == number, !byNumber && bytes.HasPrefix(line.Entry, want):
			return line.Seq, bytes.Clone(line.Entry), nil
		}
		if line.Seq&0xfff == 0 && ctx.Err() != nil {
			return 0, nil, ctx.Err()
		}
	}
	return 0, nil, fmt.Errorf("the log has no record %q", id)
}

func (c verbs) checkProof(file, keyText string) error {
	data, err := c.readProof(file)
	if err != nil {
		return err
	}
	key, err := c.proofKey(keyText)
	if err != nil {
		return err
	}
	p, err := auditlog.ParseProof(data)
	if err != nil {
		return c.no(err)
	}
	top, err := p.Verify(key)
	if err != nil {
		return c.no(err)
	}
	if c.JSON() {
		return c.PrintJSON(view(p, top))
	}
	return c.Printf("verified: record %d of %s, one of %d that were signed\n%s\n", p.Seq, top.Origin, top.Size, frame.Printable(string(p.Entry)))
}

// proofKey is the key that a proof is checked with. That in the folder of some
// log on this machine would say nothing about a proof from elsewhere.
func (c verbs) proofKey(text string) (note.Verifier, error) {
	if text != "" {
		return c.key("prove", text)
	}
	key, err := c.ownKey()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, frame.Usagef("audit prove: name the key of the log with --key; 'portcullis audit checkpoint --show-key' prints it where the log is")
	}
	return key, err
}

// maxProofFile is the longest proof that is read.
const maxProofFile = 4 << 20

func (c verbs) readProof(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(c.In, maxProofFile))
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, frame.Usagef("audit prove: there is no file %q", file)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, maxProofFile))
}
