package anonymous

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

func TestAuthenticate(t *testing.T) {
	who, err := Authenticator{}.Authenticate(t.Context(), &portcullis.Conn{Client: netip.MustParseAddr("192.0.2.1")})
	if err != nil || who.ID != "anonymous:192.0.2.1" || who.Method != "none" || slices.Contains(who.Scopes, "manage") {
		t.Errorf("%+v, %v", who, err)
	}
	if who, err := (Authenticator{}).Authenticate(t.Context(), &portcullis.Conn{}); err == nil || !who.IsZero() {
		t.Errorf("without an address: %+v, %v", who, err)
	}
}
