package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// FileName is the name of the configuration file where none is given.
const FileName = "portcullis.toml"

// ErrNotFound says that no configuration file is where one is looked for.
var ErrNotFound = errors.New("no configuration file found")

// Source says where a configuration came from.
type Source struct {
	Path     string   // file, or the name given to [Parse]
	Warnings []string // what is allowed and still not good, one line each

	origin *tomlstrict.Origin
	digest digest // of the content
}

// Line returns the line of a setting, such as "route[0].timeout", or of the
// table around it.
func (s *Source) Line(path string) int { return s.origin.Line(path) }

// Has reports whether a setting stands in the file.
func (s *Source) Has(path string) bool { return s.origin.Has(path) }

// Errors is every mistake of a file, one line each.
type Errors = tomlstrict.Errors

// ErrNotRegular says that what was named is there, but is a folder or a device.
var ErrNotRegular = errors.New("is not a regular file")

// Find returns the configuration file: the one named by the flag --config,
// else ./portcullis.toml, else $XDG_CONFIG_HOME/portcullis/portcullis.toml,
// else ~/.config/portcullis/portcullis.toml. It returns [ErrNotFound] if there
// is none; a file named by the flag is not looked for.
func Find(flag string, getenv func(string) (string, bool)) (string, error) {
	if flag != "" {
		return flag, nil
	}
	candidates := []string{FileName}
	if dir, _ := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		candidates = append(candidates, filepath.Join(dir, "portcullis", FileName))
	} else if home, _ := getenv("HOME"); filepath.IsAbs(home) {
		candidates = append(candidates, filepath.Join(home, ".config", "portcullis", FileName))
	}
	for _, c := range candidates {
		if _, err := os.Stat(c); err == nil {
			return c, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("looking for the configuration: %w", err)
		}
	}
	return "", ErrNotFound
}

// Load reads and checks a file. getenv is os.LookupEnv. Mistakes in the file
// are [Errors]; a file that cannot be read gives another error.
func Load(path string, getenv func(string) (string, bool)) (*Config, *Source, error) {
	data, warnings, err := read(path)
	if err != nil {
		return nil, nil, err
	}
	cfg, source, err := complete(path, data, getenv)
	if err != nil {
		return nil, nil, err
	}
	source.Warnings = append(warnings, source.Warnings...)
	return cfg, source, nil
}

// complete is Parse, and reads the files whose content is part of the
// configuration.
func complete(path string, data []byte, getenv func(string) (string, bool)) (*Config, *Source, error) {
	cfg, source, err := Parse(path, data, getenv)
	if err != nil {
		return nil, nil, err
	}
	if errs := append(cfg.loadSchemas(source.origin), cfg.loadInjectionRules(source.origin)...); len(errs) > 0 {
		return nil, nil, errs
	}
	return cfg, source, nil
}

// read returns the content of a regular file and what is wrong with its
// permissions.
func read(path string) ([]byte, []string, error) {
	// A named pipe would block the open itself, so the kind is asked first.
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("reading the configuration: %q %w", path, ErrNotRegular)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	defer f.Close()
	// One byte more than allowed, so that Parse sees a file that is too long.
	data, err := io.ReadAll(io.LimitReader(f, tomlstrict.MaxBytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	var warnings []string
	if info.Mode().Perm()&0o022 != 0 {
		warnings = append(warnings, fmt.Sprintf("%s: others may write this file (mode %04o): run chmod go-w on it", path, info.Mode().Perm()))
	}
	return data, warnings, nil
}

// Parse reads and checks a configuration. The name stands in messages. It reads
// no file: that of a schema is looked at by Load.
func Parse(name string, data []byte, getenv func(string) (string, bool)) (*Config, *Source, error) {
	tree, err := tomlstrict.Parse(name, data)
	if err != nil {
		return nil, nil, err
	}
	cfg := Default()
	decoder := tomlstrict.Decoder{Getenv: getenv, Prototypes: prototypes(), Reserved: whyReserved}
	origin, err := decoder.Decode(tree, cfg)
	var errs Errors
	if err != nil && !errors.As(err, &errs) {
		return nil, nil, err
	}
	errs = append(errs, validate(reflect.ValueOf(*cfg), "", origin)...)
	errs = append(errs, cfg.checkAcross(origin)...)
	if errs = errs.Sorted(); errs != nil {
		return nil, nil, errs
	}
	cfg.templates = origin.Templates()
	source := &Source{Path: name, origin: origin, digest: sha256.Sum256(data)}
	source.Warnings = cfg.warnings(name, origin)
	for _, path := range cfg.PlainSecrets() {
		source.Warnings = append(source.Warnings,
			fmt.Sprintf("%s:%d: %s: a secret stands in the file: name an environment variable, as in \"${NAME}\"", name, origin.Line(path), path))
	}
	return cfg, source, nil
}

// Validate checks a configuration that was not read from a file, such as one
// made from command-line flags. Mistakes are reported as of line 1 of "flags".
func (c *Config) Validate() error {
	tree, err := tomlstrict.Parse("flags", nil)
	if err != nil {
		return err
	}
	origin, err := tomlstrict.Decoder{}.Decode(tree, Default())
	if err != nil {
		return err
	}
	errs := append(validate(reflect.ValueOf(*c), "", origin), c.checkAcross(origin)...)
	if errs = errs.Sorted(); errs != nil {
		return errs
	}
	return nil
}
