// Package trust knows the variables and options by which programs are told not
// to check certificates.
package trust

import "strings"

// Off reports whether a variable, or an option written like one, switches the
// check of certificates off.
func Off(name, value string) bool {
	v := strings.ToLower(strings.Trim(strings.TrimSpace(value), `"'`))
	no := v == "0" || v == "false" || v == "no" || v == "off"
	switch strings.ReplaceAll(strings.ToUpper(name), "-", "_") {
	case "NODE_TLS_REJECT_UNAUTHORIZED", "PYTHONHTTPSVERIFY", "SSL_VERIFY", "VERIFY_SSL", "TLS_VERIFY", "VERIFY_TLS", "HTTPX_VERIFY", "STRICT_SSL", "NPM_CONFIG_STRICT_SSL", "VERIFY_CERTS":
		return no
	case "GIT_SSL_NO_VERIFY", "SSL_NO_VERIFY", "INSECURE", "INSECURE_SKIP_VERIFY", "SKIP_TLS_VERIFY", "INSECURE_SKIP_TLS_VERIFY", "ALLOW_HTTP", "TLS_INSECURE":
		return !no && v != ""
	}
	return false
}

// Option reports whether an argument does, alone or with its value.
func Option(arg string) bool {
	switch arg {
	case "--insecure", "--allow-http", "--no-verify-ssl", "--no-ssl-verify", "--no-verify", "--skip-tls-verify", "--insecure-skip-tls-verify", "--no-check-certificate":
		return true
	}
	name, value, ok := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	return ok && Off(name, value)
}
