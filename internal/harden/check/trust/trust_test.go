package trust

import "testing"

func TestOff(t *testing.T) {
	for _, on := range []string{"NODE_TLS_REJECT_UNAUTHORIZED=0", "node_tls_reject_unauthorized=0", "--verify-ssl=false", "--insecure", "GIT_SSL_NO_VERIFY=true", `PYTHONHTTPSVERIFY="0"`, "--strict-ssl=off", "--allow-http"} {
		if !Option(on) {
			t.Errorf("%s: is let through", on)
		}
	}
	for _, off := range []string{"NODE_TLS_REJECT_UNAUTHORIZED=1", "NODE_TLS_REJECT_UNAUTHORIZED", "--verify-ssl=true", "--verify-ssl", "GIT_SSL_NO_VERIFY=0", "INSECURE=", "INSECURE=false", "--secure", "", "=", "-"} {
		if Option(off) {
			t.Errorf("%s: is taken for a switch", off)
		}
	}
}
