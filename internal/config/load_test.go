package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

func TestFind(t *testing.T) {
	work, home, xdg := t.TempDir(), t.TempDir(), t.TempDir()
	t.Chdir(work)
	find := func(flag string, pairs ...string) string {
		t.Helper()
		path, err := config.Find(flag, env(pairs...))
		if errors.Is(err, config.ErrNotFound) {
			return "none"
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	place := func(dir string) string {
		t.Helper()
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, config.FileName)
		write(t, path, "")
		return path
	}
	if got := find("", "HOME", home, "XDG_CONFIG_HOME", xdg); got != "none" {
		t.Errorf("nowhere: %q", got)
	}
	inHome := place(filepath.Join(home, ".config", "portcullis"))
	if got := find("", "HOME", home); got != inHome {
		t.Errorf("home: %q", got)
	}
	if got := find("", "HOME", home, "XDG_CONFIG_HOME", "relative"); got != inHome {
		t.Errorf("a relative XDG_CONFIG_HOME is to be ignored: %q", got)
	}
	if got := find("", "HOME", home, "XDG_CONFIG_HOME", xdg); got != "none" {
		t.Errorf("XDG_CONFIG_HOME without the file: %q", got)
	}
	inXDG := place(filepath.Join(xdg, "portcullis"))
	if got := find("", "HOME", home, "XDG_CONFIG_HOME", xdg); got != inXDG {
		t.Errorf("xdg: %q", got)
	}
	place(work)
	if got := find("", "HOME", home, "XDG_CONFIG_HOME", xdg); got != config.FileName {
		t.Errorf("working directory: %q", got)
	}
	if got := find("other.toml"); got != "other.toml" {
		t.Errorf("flag: %q", got)
	}
	if err := os.Remove(config.FileName); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(config.FileName, config.FileName); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Find("", env()); err == nil || errors.Is(err, config.ErrNotFound) {
		t.Errorf("a file that cannot be looked at is passed over: %v", err)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), config.FileName)
	text := strings.ReplaceAll(base, `"0123456789abcdef"`, `"${METRICS}"`)
	getenv := env("TOKEN", "x", "METRICS", "0123456789abcdef")
	write(t, path, text)
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	cfg, source, err := config.Load(link, getenv)
	if err != nil || len(cfg.Routes) != 2 || source.Path != link || len(source.Warnings) != 0 {
		t.Fatalf("%v %+v %v", cfg, source, err)
	}
	if got := source.Line("route[1].upstream"); got != 12 {
		t.Errorf("upstream is in line %d", got)
	}
	for _, mode := range []os.FileMode{0o620, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, source, err = config.Load(path, getenv)
		if err != nil || len(source.Warnings) != 1 || !strings.Contains(source.Warnings[0], "others may write this file") {
			t.Errorf("mode %o: %+v %v", mode, source, err)
		}
	}
}

func TestSecretsInTheFileAreWarnedOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), config.FileName)
	write(t, path, strings.ReplaceAll(base, `{ X = "s3cret" }`, `{ HOME = "/x", API_TOKEN = "s3cret", OTHER_KEY = "${TOKEN}" }`))
	_, source, err := config.Load(path, env("TOKEN", "x"))
	want := []string{
		path + `:8: route[0].env.API_TOKEN: a secret stands in the file: name an environment variable, as in "${NAME}"`,
		path + `:14: telemetry.metrics_token: a secret stands in the file: name an environment variable, as in "${NAME}"`,
	}
	if err != nil || !slices.Equal(source.Warnings, want) {
		t.Errorf("got %q, %v", source.Warnings, err)
	}
}

func TestLoadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := config.Load(dir, env()); err == nil || !strings.HasSuffix(err.Error(), "is not a regular file") {
		t.Errorf("folder: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := config.Load(pipe, env()); err == nil || !strings.HasSuffix(err.Error(), "is not a regular file") {
		t.Errorf("pipe: %v", err)
	}
	if _, _, err := config.Load(filepath.Join(dir, "none"), env()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	big := filepath.Join(dir, "big")
	write(t, big, strings.Repeat("#\n", tomlstrict.MaxBytes))
	if _, _, err := config.Load(big, env()); err == nil || err.Error() != big+":1: file is larger than 1MiB" {
		t.Errorf("big: %v", err)
	}
	bad := filepath.Join(dir, "bad")
	write(t, bad, "zz = 1")
	var errs config.Errors
	if _, _, err := config.Load(bad, env()); !errors.As(err, &errs) || errs[0].Line != 1 || errs[0].Path != "zz" {
		t.Errorf("bad: %v", err)
	}
}

func TestInjectionRulesAreReadWithTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "portcullis.toml")
	text := "[inspect]\ninjection_rules = \"" + filepath.Join(dir, "rules.toml") + "\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := config.Load(file, env()); err == nil || !strings.Contains(err.Error(), "injection_rules") || !strings.Contains(err.Error(), "portcullis.toml:2") {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules.toml"), []byte("[[rule]]\nkind = \"tool\"\nscore = 80\nwords = [\"kraken\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := config.Load(file, env()); err != nil {
		t.Error(err)
	}
}
