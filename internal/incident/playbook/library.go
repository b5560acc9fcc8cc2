package playbook

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed builtin/*.toml
var builtin embed.FS

// Default is the playbook of an incident that no other fits.
const Default = "default"

// Library holds playbooks by their names. Nobody changes one that is in use.
type Library map[string]*Playbook

// BuiltIn returns the playbooks that come with the program.
func BuiltIn() (Library, error) {
	entries, err := builtin.ReadDir("builtin")
	if err != nil {
		return nil, fmt.Errorf("reading built-in playbooks: %w", err)
	}
	out := Library{}
	for _, e := range entries {
		text, err := builtin.ReadFile(path.Join("builtin", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading built-in playbooks: %w", err)
		}
		p, err := Parse(strings.TrimSuffix(e.Name(), ".toml"), text)
		if err != nil {
			return nil, err
		}
		p.BuiltIn = true
		out[p.Name] = p
	}
	return out, nil
}

// maxFiles bounds the playbooks of a folder.
const maxFiles = 200

// Load returns the built-in playbooks and those of a folder, which take the
// place of built-in ones of the same name. "" is no folder.
func Load(folder string) (Library, error) {
	out, err := BuiltIn()
	if err != nil || folder == "" {
		return out, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("reading playbooks: %w", err)
	}
	var errs []error
	n := 0
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".toml")
		if !ok || e.Type()&fs.ModeType != 0 && e.Type()&fs.ModeSymlink == 0 {
			continue
		}
		if n++; n > maxFiles {
			return nil, fmt.Errorf("%w: %s holds more than %d", ErrInvalid, folder, maxFiles)
		}
		p, err := load(filepath.Join(folder, e.Name()), name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out[name] = p
	}
	return out, errors.Join(errs...)
}

func load(file, name string) (*Playbook, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading a playbook: %w", err)
	case !info.Mode().IsRegular() || info.Size() > MaxFile:
		return nil, fmt.Errorf("%w: %s: want a file of at most %d bytes", ErrInvalid, file, MaxFile)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading a playbook: %w", err)
	}
	return Parse(name, text)
}

// Names lists them.
func (l Library) Names() []string { return slices.Sorted(maps.Keys(l)) }
