package dial

import (
	"net/netip"
	"testing"
)

func TestPolicyCheck(t *testing.T) {
	operator, insecure, public := Policy{}, Policy{InsecureAllowLinkLocal: true}, Policy{DenyPrivate: true}
	tests := []struct {
		addr                       string
		operator, insecure, public string // why it is refused, "" = allowed
	}{
		{"8.8.8.8", "", "", ""},
		{"2606:4700::1111", "", "", ""},
		{"127.0.0.1", "", "", "private"},
		{"::1", "", "", "private"},
		{"10.1.2.3", "", "", "private"},
		{"172.31.0.1", "", "", "private"},
		{"192.168.0.1", "", "", "private"},
		{"100.64.0.1", "", "", "private"},
		{"198.18.0.1", "", "", "private"},
		{"240.0.0.1", "", "", "private"},
		{"fd12::1", "", "", "private"},
		{"2001:db8::1", "", "", "private"},
		{"::ffff:10.0.0.1", "", "", "private"},
		{"64:ff9b::10.0.0.1", "", "", "private"},
		{"64:ff9b::8.8.8.8", "", "", ""},
		{"2002:0808:0808::1", "", "", ""},
		{"2002:0a00:0001::1", "", "", "private"},
		{"64:ff9b:1:808:8:800::", "", "", ""},

		{"169.254.169.254", "link-local", "", "link-local"},
		{"169.254.0.1", "link-local", "", "link-local"},
		{"fe80::1", "link-local", "", "link-local"},
		{"fe80::1%eth0", "link-local", "", "link-local"},
		{"febf::1", "link-local", "", "link-local"},
		{"::ffff:169.254.169.254", "link-local", "", "link-local"},
		{"::169.254.169.254", "link-local", "", "link-local"},
		{"::ffff:0:169.254.169.254", "link-local", "", "link-local"},
		{"64:ff9b::169.254.169.254", "link-local", "", "link-local"},
		{"64:ff9b:1::169.254.169.254", "link-local", "", "link-local"},
		{"64:ff9b:1:a9fe:a9:fe00::", "link-local", "", "link-local"},   // RFC 6052 /48
		{"64:ff9b:1:a9:fe:a9fe::", "link-local", "", "link-local"},     // /56
		{"64:ff9b:1:0:a9:fea9:fe00:0", "link-local", "", "link-local"}, // /64
		{"2002:a9fe:a9fe::1", "link-local", "", "link-local"},
		{"2001:0:a9fe:a9fe::1", "link-local", "", "link-local"},             // Teredo server
		{"2001:0:808:808:0:ffff:5601:5601", "link-local", "", "link-local"}, // Teredo client
		{"2606:4700::5efe:169.254.169.254", "link-local", "", "link-local"}, // ISATAP
		{"2606:4700::200:5efe:169.254.169.254", "link-local", "", "link-local"},

		{"fd00:ec2::254", "metadata", "", "metadata"},
		{"fd20:ce::254", "metadata", "", "metadata"},
		{"100.100.100.200", "metadata", "", "metadata"},
		{"192.0.0.192", "metadata", "", "metadata"},
		{"168.63.129.16", "metadata", "", "metadata"},
		{"64:ff9b::100.100.100.200", "metadata", "", "metadata"},

		{"0.0.0.0", "unspecified", "unspecified", "unspecified"},
		{"0.1.2.3", "unspecified", "unspecified", "unspecified"},
		{"::", "unspecified", "unspecified", "unspecified"},
		{"::ffff:0.0.0.0", "unspecified", "unspecified", "unspecified"},
		{"64:ff9b::", "unspecified", "unspecified", "unspecified"},
		{"224.0.0.1", "multicast", "multicast", "multicast"},
		{"255.255.255.255", "multicast", "multicast", "multicast"},
		{"ff02::1", "multicast", "multicast", "multicast"},
		{"64:ff9b::224.0.0.1", "multicast", "multicast", "multicast"},
	}
	for _, tt := range tests {
		addr := netip.MustParseAddr(tt.addr)
		for _, c := range []struct {
			name   string
			policy Policy
			want   string
		}{
			{"operator", operator, tt.operator},
			{"insecure", insecure, tt.insecure},
			{"public", public, tt.public},
		} {
			err := c.policy.Check(addr)
			got := ""
			if err != nil {
				got = err.(*AddressError).Why
			}
			// Allowing link-local says nothing of addresses that are private.
			if got != c.want {
				t.Errorf("%s policy on %s: got %q, want %q", c.name, tt.addr, got, c.want)
			}
		}
	}
	if err := operator.Check(netip.Addr{}); err == nil {
		t.Error("the zero address was allowed")
	}
	both := Policy{InsecureAllowLinkLocal: true, DenyPrivate: true}
	if err := both.Check(netip.MustParseAddr("169.254.169.254")); err == nil {
		t.Error("link-local was allowed although only public addresses are")
	}
}
