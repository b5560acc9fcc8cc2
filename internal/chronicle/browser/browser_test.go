package browser_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/chronicle/browser"
)

func put(t *testing.T, home string, files ...string) {
	t.Helper()
	for _, f := range files {
		p := filepath.Join(home, filepath.FromSlash(f))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDiscover(t *testing.T) {
	tests := []struct {
		os, file, want string
	}{
		{"linux", ".config/google-chrome/Default/History", "chrome:Default"},
		{"linux", ".config/google-chrome/Profile 3/History", "chrome:Profile 3"},
		{"linux", ".var/app/com.google.Chrome/config/google-chrome/Default/History", "chrome:flatpak/Default"},
		{"linux", ".config/chromium/Default/History", "chromium:Default"},
		{"linux", "snap/chromium/common/chromium/Default/History", "chromium:snap/Default"},
		{"linux", ".config/microsoft-edge/Default/History", "edge:Default"},
		{"linux", ".config/BraveSoftware/Brave-Browser/Default/History", "brave:Default"},
		{"linux", "snap/brave/current/.config/BraveSoftware/Brave-Browser/Default/History", "brave:snap/Default"},
		{"linux", ".config/vivaldi/Default/History", "vivaldi:Default"},
		{"linux", ".config/opera/History", "opera:main"},
		{"linux", ".config/opera/Default/History", "opera:Default"},
		{"linux", ".mozilla/firefox/ab12.default-release/places.sqlite", "firefox:ab12.default-release"},
		{"linux", ".mozilla/firefox/ab12.default/places.sqlite", "firefox:ab12.default"},
		{"linux", "snap/firefox/common/.mozilla/firefox/x.default/places.sqlite", "firefox:snap/x.default"},
		{"linux", ".var/app/org.mozilla.firefox/.mozilla/firefox/x.default/places.sqlite", "firefox:flatpak/x.default"},
		{"darwin", "Library/Application Support/Google/Chrome/Default/History", "chrome:Default"},
		{"darwin", "Library/Application Support/BraveSoftware/Brave-Browser/Default/History", "brave:Default"},
		{"darwin", "Library/Application Support/Microsoft Edge/Profile 1/History", "edge:Profile 1"},
		{"darwin", "Library/Application Support/Vivaldi/Default/History", "vivaldi:Default"},
		{"darwin", "Library/Application Support/com.operasoftware.Opera/History", "opera:main"},
		{"darwin", "Library/Application Support/Firefox/Profiles/a.default-release/places.sqlite", "firefox:a.default-release"},
		{"darwin", "Library/Safari/History.db", "safari:Default"},
		{"darwin", "Library/Safari/Profiles/11-22/History.db", "safari:11-22"},
		{"windows", "AppData/Local/Google/Chrome/User Data/Default/History", "chrome:Default"},
		{"windows", "AppData/Local/Microsoft/Edge/User Data/Profile 2/History", "edge:Profile 2"},
		{"windows", "AppData/Local/BraveSoftware/Brave-Browser/User Data/Default/History", "brave:Default"},
		{"windows", "AppData/Local/Vivaldi/User Data/Default/History", "vivaldi:Default"},
		{"windows", "AppData/Local/Chromium/User Data/Default/History", "chromium:Default"},
		{"windows", "AppData/Roaming/Opera Software/Opera Stable/History", "opera:main"},
		{"windows", "AppData/Roaming/Mozilla/Firefox/Profiles/a.default-release/places.sqlite", "firefox:a.default-release"},
	}
	for _, tt := range tests {
		t.Run(tt.os+"/"+tt.want, func(t *testing.T) {
			home := t.TempDir()
			put(t, home, tt.file)
			got := browser.Discover(browser.Env{OS: tt.os, Home: home})
			if len(got) != 1 || got[0].ID() != tt.want {
				t.Fatalf("got %v, want %s", got, tt.want)
			}
			if got[0].History != filepath.Join(home, filepath.FromSlash(tt.file)) {
				t.Errorf("history %q", got[0].History)
			}
		})
	}
}

func ids(ps []browser.Profile) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.ID())
	}
	return out
}

func TestOrderOfProfiles(t *testing.T) {
	home := t.TempDir()
	put(t, home,
		".config/google-chrome/Profile 10/History", ".config/google-chrome/Profile 2/History",
		".config/google-chrome/Default/History", ".config/google-chrome/System Profile/History",
		".config/google-chrome/Work/History", ".config/google-chrome/Local State",
		".mozilla/firefox/old.default/places.sqlite", ".mozilla/firefox/new.default-release/places.sqlite",
		".mozilla/firefox/work.work/places.sqlite", ".mozilla/firefox/stray/places.sqlite",
		".config/google-chrome/Empty/Preferences",
	)
	ini := "[Profile1]\nName=default\nPath=old.default\nDefault=1\n[Profile0]\nPath=new.default-release\n" +
		"[Profile2]\nPath=work.work\n[Profile3]\nPath=gone\n[InstallABC]\nDefault=work.work\nLocked=1\n"
	if err := os.WriteFile(filepath.Join(home, ".mozilla/firefox/profiles.ini"), []byte(ini), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"chrome:Default", "chrome:Profile 2", "chrome:Profile 10", "chrome:Work",
		"firefox:work.work", "firefox:new.default-release", "firefox:old.default", "firefox:stray",
	}
	got := browser.Discover(browser.Env{OS: "linux", Home: home})
	if !slices.Equal(ids(got), want) {
		t.Errorf("got  %q\nwant %q", ids(got), want)
	}
}

func TestEnvironmentMovesTheFolders(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "google-chrome/Default/History", "Mozilla/Firefox/Profiles/a.default/places.sqlite")
	env := func(string) string { return dir }
	if got := ids(browser.Discover(browser.Env{OS: "linux", Home: "/nowhere", Getenv: env})); !slices.Equal(got, []string{"chrome:Default"}) {
		t.Errorf("XDG_CONFIG_HOME: %q", got)
	}
	if got := ids(browser.Discover(browser.Env{OS: "windows", Home: "/nowhere", Getenv: env})); !slices.Equal(got, []string{"firefox:a.default"}) {
		t.Errorf("APPDATA: %q", got)
	}
	relative := func(string) string { return "google-chrome/.." }
	if got := browser.Discover(browser.Env{OS: "linux", Home: "/nowhere", Getenv: relative}); len(got) != 0 {
		t.Errorf("relative variable used: %q", ids(got))
	}
	if got := browser.Discover(browser.Env{OS: "linux"}); got != nil {
		t.Errorf("found without a home: %q", ids(got))
	}
}

func TestAt(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "History", "places.sqlite")
	file, ok := browser.At("brave", filepath.Join(dir, "History"))
	if !ok || file.History != filepath.Join(dir, "History") || file.Bookmarks != filepath.Join(dir, "Bookmarks") {
		t.Errorf("file: %+v", file)
	}
	folder, ok := browser.At("firefox", dir)
	if !ok || folder.History != filepath.Join(dir, "places.sqlite") || folder.Bookmarks != folder.History {
		t.Errorf("folder: %+v", folder)
	}
	if _, ok := browser.At("lynx", dir); ok {
		t.Error("unknown browser accepted")
	}
	if _, ok := browser.FamilyOf("lynx"); ok || len(browser.Names()) != 8 {
		t.Error("names")
	}
}

func TestHistoryMustBeAFile(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".config/chromium/Default/History"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := browser.Discover(browser.Env{OS: "linux", Home: home}); len(got) != 0 {
		t.Errorf("a folder taken for a history: %q", ids(got))
	}
}
