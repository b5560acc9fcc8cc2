package browser

import "path/filepath"

// root is a folder that may hold profiles of one browser.
type root struct {
	path    string
	variant string // "", "snap", "flatpak", "beta", …
}

// label names a profile below the root: "Default", "snap/Default".
func (r root) label(profile string) string {
	if r.variant == "" {
		return profile
	}
	return r.variant + "/" + profile
}

func roots(env Env, browser string) []root {
	switch env.OS {
	case "windows":
		return windowsRoots(env, browser)
	case "darwin":
		return macRoots(env, browser)
	}
	return linuxRoots(env, browser)
}

func linuxRoots(env Env, browser string) []root {
	config := env.get("XDG_CONFIG_HOME", filepath.Join(env.Home, ".config"))
	conf := func(variant string, parts ...string) root {
		return root{filepath.Join(append([]string{config}, parts...)...), variant}
	}
	home := func(variant string, parts ...string) root {
		return root{filepath.Join(append([]string{env.Home}, parts...)...), variant}
	}
	flatpak := func(app string, parts ...string) root {
		return home("flatpak", append([]string{".var", "app", app}, parts...)...)
	}
	switch browser {
	case "chrome":
		return []root{
			conf("", "google-chrome"), conf("beta", "google-chrome-beta"), conf("dev", "google-chrome-unstable"),
			flatpak("com.google.Chrome", "config", "google-chrome"),
		}
	case "chromium":
		return []root{
			conf("", "chromium"), home("snap", "snap", "chromium", "common", "chromium"),
			flatpak("org.chromium.Chromium", "config", "chromium"),
			flatpak("io.github.ungoogled_software.ungoogled_chromium", "config", "chromium"),
		}
	case "edge":
		return []root{
			conf("", "microsoft-edge"), conf("beta", "microsoft-edge-beta"), conf("dev", "microsoft-edge-dev"),
			flatpak("com.microsoft.Edge", "config", "microsoft-edge"),
		}
	case "brave":
		dir := []string{"BraveSoftware", "Brave-Browser"}
		return []root{
			conf("", dir...), conf("beta", "BraveSoftware", "Brave-Browser-Beta"),
			conf("nightly", "BraveSoftware", "Brave-Browser-Nightly"),
			home("snap", append([]string{"snap", "brave", "current", ".config"}, dir...)...),
			flatpak("com.brave.Browser", append([]string{"config"}, dir...)...),
		}
	case "vivaldi":
		return []root{
			conf("", "vivaldi"), conf("snapshot", "vivaldi-snapshot"),
			home("snap", "snap", "vivaldi", "current", ".config", "vivaldi"),
			flatpak("com.vivaldi.Vivaldi", "config", "vivaldi"),
		}
	case "opera":
		return []root{
			conf("", "opera"), conf("beta", "opera-beta"), conf("developer", "opera-developer"),
			home("snap", "snap", "opera", "current", ".config", "opera"),
			home("snap", "snap", "opera", "common", ".config", "opera"),
			flatpak("com.opera.Opera", "config", "opera"),
		}
	case "firefox":
		return []root{
			home("", ".mozilla", "firefox"), conf("", "mozilla", "firefox"),
			home("snap", "snap", "firefox", "common", ".mozilla", "firefox"),
			flatpak("org.mozilla.firefox", ".mozilla", "firefox"),
			flatpak("org.mozilla.firefox", "config", "mozilla", "firefox"),
		}
	}
	return nil
}

func macRoots(env Env, browser string) []root {
	support := func(variant string, parts ...string) root {
		return root{filepath.Join(append([]string{env.Home, "Library", "Application Support"}, parts...)...), variant}
	}
	switch browser {
	case "chrome":
		return []root{
			support("", "Google", "Chrome"), support("beta", "Google", "Chrome Beta"),
			support("canary", "Google", "Chrome Canary"),
		}
	case "chromium":
		return []root{support("", "Chromium")}
	case "edge":
		return []root{
			support("", "Microsoft Edge"), support("beta", "Microsoft Edge Beta"), support("dev", "Microsoft Edge Dev"),
		}
	case "brave":
		return []root{
			support("", "BraveSoftware", "Brave-Browser"), support("beta", "BraveSoftware", "Brave-Browser-Beta"),
			support("nightly", "BraveSoftware", "Brave-Browser-Nightly"),
		}
	case "vivaldi":
		return []root{support("", "Vivaldi"), support("snapshot", "Vivaldi Snapshot")}
	case "opera":
		return []root{support("", "com.operasoftware.Opera"), support("gx", "com.operasoftware.OperaGX")}
	case "firefox":
		return []root{support("", "Firefox")}
	case "safari":
		return []root{
			{filepath.Join(env.Home, "Library", "Safari"), ""},
			{filepath.Join(env.Home, "Library", "Containers", "com.apple.Safari", "Data", "Library", "Safari"), "container"},
		}
	}
	return nil
}

func windowsRoots(env Env, browser string) []root {
	local := env.get("LOCALAPPDATA", filepath.Join(env.Home, "AppData", "Local"))
	roaming := env.get("APPDATA", filepath.Join(env.Home, "AppData", "Roaming"))
	user := func(variant string, parts ...string) root {
		return root{filepath.Join(append(append([]string{local}, parts...), "User Data")...), variant}
	}
	switch browser {
	case "chrome":
		return []root{
			user("", "Google", "Chrome"), user("beta", "Google", "Chrome Beta"), user("canary", "Google", "Chrome SxS"),
		}
	case "chromium":
		return []root{user("", "Chromium")}
	case "edge":
		return []root{
			user("", "Microsoft", "Edge"), user("beta", "Microsoft", "Edge Beta"), user("dev", "Microsoft", "Edge Dev"),
		}
	case "brave":
		return []root{
			user("", "BraveSoftware", "Brave-Browser"), user("beta", "BraveSoftware", "Brave-Browser-Beta"),
			user("nightly", "BraveSoftware", "Brave-Browser-Nightly"),
		}
	case "vivaldi":
		return []root{user("", "Vivaldi")}
	case "opera":
		return []root{
			{filepath.Join(roaming, "Opera Software", "Opera Stable"), ""},
			{filepath.Join(roaming, "Opera Software", "Opera GX Stable"), "gx"},
		}
	case "firefox":
		return []root{
			{filepath.Join(roaming, "Mozilla", "Firefox"), ""},
			{filepath.Join(local, "Packages", "Mozilla.Firefox_n80bbvh6b1yt2", "LocalCache", "Roaming",
				"Mozilla", "Firefox"), "store"},
		}
	}
	return nil
}

// get reads an environment variable that names an absolute path.
func (e Env) get(name, fallback string) string {
	if e.Getenv != nil {
		if v := e.Getenv(name); filepath.IsAbs(v) {
			return filepath.Clean(v)
		}
	}
	return fallback
}
