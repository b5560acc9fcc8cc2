package ipfilter

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

func mustFilter(t testing.TB, c Config) *Filter {
	t.Helper()
	f, err := NewFilter(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFilter(t *testing.T) {
	for _, tc := range []struct {
		name        string
		allow, deny []string
		pass, stop  []string
	}{
		{
			name:  "the guide's allow list",
			allow: []string{"127.0.0.1", "192.168.1.100"},
			pass:  []string{"127.0.0.1", "192.168.1.100", "::ffff:127.0.0.1"},
			stop:  []string{"127.0.0.2", "192.168.1.101", "::1", "64:ff9b::127.0.0.1", "2002:7f00:1::"},
		},
		{
			name: "deny only",
			deny: []string{"203.0.113.0/24", "2001:db8:bad::/48"},
			pass: []string{"203.0.114.1", "2001:db8::1", "127.0.0.1"},
			stop: []string{"203.0.113.9", "::ffff:203.0.113.9", "2001:db8:bad::1",
				"64:ff9b::203.0.113.9", "64:ff9b:1:cb00:71:900::", "2002:cb00:7109::1", "2001:0:1:2:3:4:34ff:8ef6"},
		},
		{
			name:  "deny wins",
			allow: []string{"10.0.0.0/8", "64:ff9b::/96"},
			deny:  []string{"10.6.6.6"},
			pass:  []string{"10.6.6.5", "64:ff9b::10.6.6.5"},
			stop:  []string{"10.6.6.6", "64:ff9b::10.6.6.6", "11.0.0.1"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := mustFilter(t, Config{Allow: tc.allow, Deny: tc.deny})
			for _, a := range tc.pass {
				if err := f.CheckConn(context.Background(), &portcullis.Conn{Client: netip.MustParseAddr(a)}); err != nil {
					t.Errorf("%s: %v", a, err)
				}
			}
			for _, a := range append(tc.stop, "") {
				addr, _ := netip.ParseAddr(a)
				err := f.CheckConn(context.Background(), &portcullis.Conn{Client: addr})
				var e *portcullis.Error
				if !errors.As(err, &e) || e.Kind != portcullis.KindForbidden || e.Reason != "forbidden" ||
					e.Public != "IP not allowed" || e.Event != portcullis.EventUnauthorizedAccess {
					t.Errorf("%q: %+v", a, err)
				}
			}
		})
	}
	if f := mustFilter(t, Config{}); f != nil {
		t.Error("a Filter without lists")
	}
	if (&Filter{}).Name() != "ip" {
		t.Error("the name is part of metrics and may not change")
	}
}

func TestConfigValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]Config{
		`trusted_proxies[0]: "all": want an address`: {TrustedProxies: []string{"all"}},
		`allow_ips[1]: "x": want an address`:         {Allow: []string{"10.0.0.1", "x"}},
		`deny_ips[0]: "10.0.0.1/8": bits beyond`:     {Deny: []string{"10.0.0.1/8"}},
		`forwarded_header: "via": want`:              {ForwardedHeader: "via"},
	} {
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
}

func BenchmarkCheckConn(b *testing.B) {
	f := &Filter{allow: new(Prefixes), deny: benchmarkSet(b, 10_000)}
	for _, a := range []string{"93.184.216.34", "2606:4700:4700::1111"} {
		c := &portcullis.Conn{Client: netip.MustParseAddr(a)}
		b.Run(a, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f.CheckConn(context.Background(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
