package ipfilter

import "net/netip"

// Class says what an address is for.
type Class uint8

// The classes. Everything but ClassPublic is a place that a request made on a
// caller's behalf has no business in. ClassInvalid is zero.
const (
	ClassInvalid       Class = iota
	ClassPublic              // globally reachable unicast
	ClassUnspecified         // 0.0.0.0/8, ::
	ClassLoopback            // 127.0.0.0/8, ::1
	ClassPrivate             // RFC 1918, fec0::/10
	ClassUniqueLocal         // fc00::/7
	ClassLinkLocal           // 169.254.0.0/16, fe80::/10
	ClassCarrierNAT          // 100.64.0.0/10
	ClassMetadata            // instance metadata and platform services of clouds
	ClassBenchmark           // 198.18.0.0/15, 2001:2::/48
	ClassDocumentation       // RFC 5737, RFC 3849, RFC 9637
	ClassMulticast           // 224.0.0.0/4, ff00::/8
	ClassBroadcast           // 255.255.255.255
	ClassReserved            // everything else that is not globally reachable
)

var classNames = [...]string{
	"invalid", "public", "unspecified", "loopback", "private", "unique-local", "link-local",
	"carrier-nat", "metadata", "benchmark", "documentation", "multicast", "broadcast", "reserved",
}

// String returns the name used in logs: "link-local".
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unknown"
}

// region is a prefix of the special-purpose registries.
type region struct {
	prefix netip.Prefix
	class  Class
}

func rule(prefix string, c Class) region { return region{netip.MustParsePrefix(prefix), c} }

// regions lists the special-purpose addresses of the IANA registries (RFC 6890
// and its updates, read in 2026) and the metadata services of cloud platforms.
// The first match counts, so single addresses stand before what contains them.
// It is never written to.
var regions = [...]region{
	rule("169.254.169.254/32", ClassMetadata), // AWS, GCP, Azure and others
	rule("169.254.170.2/32", ClassMetadata),   // AWS ECS task credentials
	rule("169.254.170.23/32", ClassMetadata),  // AWS EKS pod identity
	rule("168.63.129.16/32", ClassMetadata),   // Azure wire server, a public address
	rule("100.100.100.200/32", ClassMetadata), // Alibaba Cloud
	rule("192.0.0.192/32", ClassMetadata),     // Oracle Cloud
	rule("0.0.0.0/8", ClassUnspecified),
	rule("10.0.0.0/8", ClassPrivate),
	rule("100.64.0.0/10", ClassCarrierNAT),
	rule("127.0.0.0/8", ClassLoopback),
	rule("169.254.0.0/16", ClassLinkLocal),
	rule("172.16.0.0/12", ClassPrivate),
	rule("192.0.0.9/32", ClassPublic),  // port control protocol anycast
	rule("192.0.0.10/32", ClassPublic), // TURN anycast
	rule("192.0.0.0/24", ClassReserved),
	rule("192.0.2.0/24", ClassDocumentation),
	rule("192.88.99.0/24", ClassReserved), // 6to4 relays, deprecated
	rule("192.168.0.0/16", ClassPrivate),
	rule("198.18.0.0/15", ClassBenchmark),
	rule("198.51.100.0/24", ClassDocumentation),
	rule("203.0.113.0/24", ClassDocumentation),
	rule("224.0.0.0/4", ClassMulticast),
	rule("255.255.255.255/32", ClassBroadcast),
	rule("240.0.0.0/4", ClassReserved),

	rule("fd00:ec2::254/128", ClassMetadata), // AWS
	rule("fd00:ec2::23/128", ClassMetadata),  // AWS EKS pod identity
	rule("fd20:ce::254/128", ClassMetadata),  // GCP
	rule("fd00:42::42/128", ClassMetadata),   // Scaleway
	rule("::/128", ClassUnspecified),
	rule("::1/128", ClassLoopback),
	rule("64:ff9b:1::/48", ClassReserved), // local-use NAT64: never globally reachable
	rule("2001:1::1/128", ClassPublic),
	rule("2001:1::2/128", ClassPublic),
	rule("2001:2::/48", ClassBenchmark),
	rule("2001:3::/32", ClassPublic),     // AMT
	rule("2001:4:112::/48", ClassPublic), // AS112
	rule("2001:20::/28", ClassPublic),    // ORCHIDv2
	rule("2001:30::/28", ClassPublic),    // drone remote identification
	rule("2001:db8::/32", ClassDocumentation),
	rule("2001::/23", ClassReserved), // protocol assignments, Teredo included
	rule("3fff::/20", ClassDocumentation),
	rule("fc00::/7", ClassUniqueLocal),
	rule("fe80::/10", ClassLinkLocal),
	rule("fec0::/10", ClassPrivate), // site-local, deprecated
	rule("ff00::/8", ClassMulticast),
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
)

// Classify returns what a is for. An IPv6 address that carries IPv4 addresses
// gets their class if any of them is not public, so that a translated metadata
// address is a metadata address; only then does the carrying prefix count.
// Addresses outside any assigned range are ClassReserved.
func Classify(a netip.Addr) Class {
	if !a.IsValid() {
		return ClassInvalid
	}
	a = a.Unmap().WithZone("")
	own, carried := lookup(a), ClassPublic
	var room [embeddedMax]netip.Addr
	for _, v4 := range embedded(a, &room) {
		switch c := lookup(v4); {
		case c == ClassMetadata:
			return c
		case c != ClassPublic && (carried == ClassPublic || carried == ClassUnspecified):
			carried = c // zeros are often padding: anything else says more
		}
	}
	if carried == ClassPublic || carried == ClassUnspecified && own != ClassPublic {
		return own
	}
	return carried
}

func lookup(a netip.Addr) Class {
	for i := range regions {
		if regions[i].prefix.Contains(a) {
			return regions[i].class
		}
	}
	if a.Is4() || globalUnicast.Contains(a) || nat64.Contains(a) {
		return ClassPublic
	}
	return ClassReserved
}

// IsPublic reports whether a is globally reachable: what a request on behalf
// of a caller may connect to.
func IsPublic(a netip.Addr) bool { return Classify(a) == ClassPublic }
