package ipfilter

import (
	"net/netip"
	"testing"
)

func TestUnwrap(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":                            "192.0.2.1",
		"::ffff:192.0.2.1":                     "192.0.2.1",
		"::ffff:0:192.0.2.1":                   "192.0.2.1", // ::ffff:0:0:0/96
		"::192.0.2.1":                          "192.0.2.1",
		"64:ff9b::192.0.2.1":                   "192.0.2.1",
		"64:ff9b:1::192.0.2.1":                 "192.0.2.1",
		"64:ff9b:1:fffe::192.0.2.1":            "192.0.2.1",
		"2002:c000:0201::1":                    "192.0.2.1",
		"2001:0:4136:e378:8000:63bf:3fff:fdfe": "192.0.2.1", // Teredo, inverted
		"2001:db8::200:5efe:192.0.2.1":         "192.0.2.1", // ISATAP
		"fe80::5efe:192.0.2.1%eth0":            "192.0.2.1",
		"2001:db8::1":                          "2001:db8::1",
		"::":                                   "::",
		"::1":                                  "::1",
		"fe80::1%eth0":                         "fe80::1",
		"64:ff9b:2::192.0.2.1":                 "64:ff9b:2::c000:201",
		"64:ff9b:0:0:1::":                      "64:ff9b:0:0:1::",
		"2001:1:4136:e378:8000:63bf:3fff:fdfe": "2001:1:4136:e378:8000:63bf:3fff:fdfe",
	} {
		if got := Unwrap(netip.MustParseAddr(in)); got != netip.MustParseAddr(want) {
			t.Errorf("Unwrap(%s) = %s, want %s", in, got, want)
		}
	}
	if Unwrap(netip.Addr{}).IsValid() {
		t.Error("the zero Addr unwraps to an address")
	}
}

func TestClassify(t *testing.T) {
	for want, addrs := range map[Class][]string{
		ClassPublic: {"8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
			"172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "192.0.1.0", "198.20.0.0", "223.255.255.255", "9.255.255.255"},
		ClassUnspecified: {"0.0.0.0", "0.1.2.3", "::", "64:ff9b::"},
		ClassLoopback:    {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::127.0.0.1"},
		ClassPrivate: {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "::ffff:10.0.0.1", "2002:a00:1::1",
			"2001:db8::5efe:10.0.0.1", "fec0::1", "::ffff:0:10.0.0.1"},
		ClassUniqueLocal:   {"fc00::1", "fdff::1"},
		ClassLinkLocal:     {"169.254.1.1", "fe80::1", "fe80::1%eth0", "febf::1"},
		ClassCarrierNAT:    {"100.64.0.1", "100.127.255.255"},
		ClassBenchmark:     {"198.18.0.1", "198.19.255.255", "2001:2::1"},
		ClassDocumentation: {"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"},
		ClassMulticast:     {"224.0.0.1", "239.255.255.255", "ff02::1"},
		ClassBroadcast:     {"255.255.255.255"},
		ClassReserved: {"240.0.0.1", "192.0.0.1", "192.88.99.1", "100::1", "64:ff9b:1::8.8.8.8", "::8.8.8.8", "5f00::1",
			"4000::1", "2001:0:808:808:0:0:f7f7:f7f7"},
	} {
		for _, a := range addrs {
			if got := Classify(netip.MustParseAddr(a)); got != want {
				t.Errorf("Classify(%s) = %s, want %s", a, got, want)
			}
		}
	}
	if Classify(netip.Addr{}) != ClassInvalid || IsPublic(netip.Addr{}) {
		t.Error("the zero Addr has a class")
	}
	if ClassLinkLocal.String() != "link-local" || Class(99).String() != "unknown" || ClassReserved.String() != "reserved" {
		t.Error("class names")
	}
}

// TestMetadataInDisguise is the regression test for server-side request forgery
// guards that missed addresses translated by NAT64 (CVE-2026-54450).
func TestMetadataInDisguise(t *testing.T) {
	for _, a := range []string{
		"169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192",
		"fd00:ec2::254", "fd20:ce::254", "fd00:ec2::254%eth0",
		"::ffff:169.254.169.254", "::169.254.169.254", "::ffff:0:a9fe:a9fe",
		"64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe",
		"64:ff9b:1::a9fe:a9fe",           // /96
		"64:ff9b:1:a9fe:a9:fe00::",       // /48
		"64:ff9b:1:a9:fe:a9fe::",         // /56
		"64:ff9b:1::a9:fea9:fe00:0",      // /64
		"2002:a9fe:a9fe::1",              // 6to4
		"2001:0:808:808:0:0:5601:5601",   // Teredo client
		"2001:0:a9fe:a9fe:0:0:f7f7:f7f7", // Teredo server
		"2001:db8::5efe:a9fe:a9fe",       // ISATAP
	} {
		addr := netip.MustParseAddr(a)
		if got := Classify(addr); got != ClassMetadata || IsPublic(addr) {
			t.Errorf("Classify(%s) = %s, want metadata", a, got)
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	for _, s := range []string{"8.8.8.8", "2606:4700:4700::1111"} {
		a := netip.MustParseAddr(s)
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Classify(a)
			}
		})
	}
}
