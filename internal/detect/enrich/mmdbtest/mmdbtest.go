// Package mmdbtest makes MaxMind DB files for tests: just enough of the format,
// so that no vendor's data is needed.
package mmdbtest

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"os"
	"slices"
	"testing"
)

// Write writes a database of the given networks.
func Write(t testing.TB, name string, networks map[string]map[string]any) {
	t.Helper()
	if err := os.WriteFile(name, Database(networks), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Database returns a database of IPv6 with the given networks.
func Database(networks map[string]map[string]any) []byte {
	const none = -1
	nodes := [][2]int{{none, none}}
	var data []byte
	for _, text := range slices.Sorted(maps.Keys(networks)) {
		p := netip.MustParsePrefix(text)
		bits, addr := p.Bits(), p.Addr().As16()
		if p.Addr().Is4() {
			bits += 96
			clear(addr[:12]) // ::/96 is IPv4
		}
		n := 0
		for i := range bits {
			b := int(addr[i/8] >> (7 - i%8) & 1)
			if i == bits-1 {
				nodes[n][b] = -2 - len(data)
				break
			}
			if nodes[n][b] < 0 {
				nodes = append(nodes, [2]int{none, none})
				nodes[n][b] = len(nodes) - 1
			}
			n = nodes[n][b]
		}
		data = append(data, encode(networks[text])...)
	}
	var out []byte
	for _, n := range nodes {
		for _, r := range n {
			switch {
			case r == none:
				r = len(nodes)
			case r < 0:
				r = len(nodes) + 16 + (-2 - r)
			}
			out = binary.BigEndian.AppendUint32(out, uint32(r))
		}
	}
	out = append(out, make([]byte, 16)...)
	out = append(out, data...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return append(out, encode(map[string]any{
		"node_count": uint32(len(nodes)), "record_size": uint16(32), "ip_version": uint16(6), "database_type": "Test",
		"languages": []any{"en"}, "binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0),
		"build_epoch": uint64(1), "description": map[string]any{"en": "made by a test"},
	})...)
}

func encode(v any) []byte {
	head := func(kind, size int) []byte {
		var extended []byte
		if kind > 7 {
			kind, extended = 0, []byte{byte(kind - 7)}
		}
		if size < 29 {
			return append([]byte{byte(kind<<5 | size)}, extended...)
		}
		return append(append([]byte{byte(kind<<5 | 29)}, extended...), byte(size-29))
	}
	switch v := v.(type) {
	case string:
		return append(head(2, len(v)), v...)
	case uint16:
		return binary.BigEndian.AppendUint16(head(5, 2), v)
	case uint32:
		return binary.BigEndian.AppendUint32(head(6, 4), v)
	case uint64:
		return binary.BigEndian.AppendUint64(head(9, 8), v)
	case []any:
		out := head(11, len(v))
		for _, e := range v {
			out = append(out, encode(e)...)
		}
		return out
	case map[string]any:
		out := head(7, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(append(out, encode(k)...), encode(v[k])...)
		}
		return out
	}
	panic("no form for this type")
}

// Place is how MaxMind lays a place out.
func Place(country, city string) map[string]any {
	return map[string]any{
		"country": map[string]any{"iso_code": country}, "city": map[string]any{"names": map[string]any{"en": city}},
		"subdivisions": []any{map[string]any{"iso_code": "BE"}}, "autonomous_system_number": uint32(64496), "autonomous_system_organization": "Example Net",
	}
}
