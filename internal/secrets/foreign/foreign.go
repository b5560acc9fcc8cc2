// Package foreign reads secrets that others keep: the wallet files of
// Chrysalis, .env files, exports of a shell. It trusts little of what it reads
// and says what it could not trust. Doubts never hold a value.
package foreign

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// MaxFile bounds a file to import, in bytes.
const MaxFile = 4 << 20

// maxEntries bounds the secrets of one file.
const maxEntries = 2000

// ErrFormat is wrapped by errors about a file that is not what it should be.
var ErrFormat = errors.New("the file to import")

// Found is what a file held.
type Found struct {
	Items  []wallet.Item
	Doubts []string // what was left out and why, what is imported but not proven
}

func (f *Found) doubt(format string, a ...any) {
	f.Doubts = append(f.Doubts, fmt.Sprintf(format, a...))
}

// Wipe overwrites all values.
func (f *Found) Wipe() {
	for i := range f.Items {
		clear(f.Items[i].Value)
	}
}

// add takes a secret unless one of that name or of another's size is there.
func (f *Found) add(it wallet.Item) {
	if len(it.Value) == 0 || len(it.Value) > wallet.MaxValue {
		f.doubt("%s: left out: a value has 1 to %d bytes", it.Name, wallet.MaxValue)
		return
	}
	f.Items = append(f.Items, it)
}

// providers are known by how names of variables begin.
var providers = [...][2]string{
	{"OPENAI", "openai"}, {"ANTHROPIC", "anthropic"}, {"CLAUDE", "anthropic"}, {"AZURE", "azure"}, {"GOOGLE", "google"}, {"GEMINI", "google"},
	{"COHERE", "cohere"}, {"HUGGINGFACE", "huggingface"}, {"HF_", "huggingface"}, {"REPLICATE", "replicate"}, {"GITHUB", "github"}, {"GH_", "github"},
	{"SLACK", "slack"}, {"AWS", "aws"}, {"OLLAMA", "ollama"},
}

func providerOf(variable string) string {
	for _, p := range providers {
		if strings.HasPrefix(strings.ToUpper(variable), p[0]) {
			return p[1]
		}
	}
	return ""
}

// secretWords are parts of the names of variables that hold secrets.
var secretWords = [...]string{"KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "DATABASE_URL", "DSN", "AUTH"}

// wanted decides whether a variable is imported: one that was asked for, or
// without a list one that sounds like a secret.
func wanted(name string, only []string) bool {
	if len(only) > 0 {
		return slices.Contains(only, name)
	}
	return slices.ContainsFunc(secretWords[:], func(w string) bool { return strings.Contains(strings.ToUpper(name), w) })
}
