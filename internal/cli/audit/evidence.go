package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"filippo.io/age"

	"github.com/portcullis-dev/portcullis/auditlog/bundle"
	"github.com/portcullis-dev/portcullis/auditlog/evidence"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// verifyEvidence verifies an archive that `incident evidence` wrote.
func (c verbs) verifyEvidence(flags verifyFlags) (err error) {
	key, err := c.proofKey(flags.key)
	if err != nil {
		return err
	}
	in := c.In
	if flags.evidence != "-" {
		f, err := os.Open(flags.evidence)
		if errors.Is(err, fs.ErrNotExist) {
			return frame.Usagef("audit verify: --evidence: there is no file %q", flags.evidence)
		}
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // it was only read
		in = f
	}
	plain, err := c.decrypt(in, flags.identity)
	if err != nil {
		return err
	}
	report, err := evidence.Verify(plain, key)
	if errors.Is(err, bundle.ErrTampered) {
		return c.no(err)
	}
	if err != nil {
		return err
	}
	if c.JSON() {
		return c.PrintJSON(struct {
			Verified bool `json:"verified"`
			*evidence.Report
		}{true, report})
	}
	text := fmt.Sprintf("verified   evidence of %s, made %s, signed by %s\n", report.Origin, report.Seal.Time.Format(time.RFC3339), report.Seal.Key)
	text += fmt.Sprintf("records    %d from number %d on, each in the log, and none left out\n", report.Records, report.First)
	if report.Removed > 0 {
		text += fmt.Sprintf("removed    %d records by retention: their hashes are proven\n", report.Removed)
	}
	if report.Uncovered > 0 {
		text += fmt.Sprintf("tail       %d records that no checkpoint covered: signed with the archive only\n", report.Uncovered)
	}
	return c.Printf("%sfiles      %d, none changed\n", text, len(report.Files))
}

// ageHead begins every file that age encrypted.
const ageHead = "age-encryption.org/"

// decrypt opens an encrypted archive.
func (c verbs) decrypt(in io.Reader, identity string) (io.Reader, error) {
	br := bufio.NewReader(in)
	head, err := br.Peek(len(ageHead))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case string(head) != ageHead:
		return br, nil
	case identity == "":
		return nil, frame.Usagef("audit verify: the archive is encrypted: name the age identity with --identity")
	}
	f, err := os.Open(identity)
	if err != nil {
		return nil, frame.Usagef("audit verify: --identity: %v", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	ids, err := age.ParseIdentities(f)
	if err != nil {
		return nil, frame.Usagef("audit verify: --identity: it holds no age identity")
	}
	plain, err := age.Decrypt(br, ids...)
	if err != nil {
		return nil, c.no(fmt.Errorf("the archive cannot be opened: %w", err))
	}
	return &sealedText{plain}, nil
}

// sealedText says that an encrypted archive was changed: age finds that before
// the signature does.
type sealedText struct{ r io.Reader }

func (s *sealedText) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", bundle.ErrTampered, err)
	}
	return n, err
}
