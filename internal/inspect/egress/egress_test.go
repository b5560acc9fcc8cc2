package egress_test

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/egress"
)

func TestSpellings(t *testing.T) {
	d := egress.New([]string{"localhost", "10.9.9.9"})
	for text, kind := range map[string]string{
		"http://127.0.0.1/": egress.KindPrivate, "http://2130706433/": egress.KindPrivate, "http://0x7f.1/": egress.KindPrivate,
		"http://0177.0.0.1/": egress.KindPrivate, "http://127.1/": egress.KindPrivate, "http://0/": egress.KindPrivate,
		"http://[::1]/": egress.KindPrivate, "http://[::ffff:10.0.0.1]/": egress.KindPrivate, "http://[64:ff9b::a00:1]/": egress.KindPrivate,
		"http://[2002:7f00:1::]/": egress.KindPrivate, "http://[fe80::1%25eth0]/": egress.KindPrivate, "http://１２７.０.０.１/": egress.KindPrivate,
		"http://%31%32%37.0.0.1/": egress.KindPrivate, "http://169.254.169.254/": egress.KindMetadata, "http://metadata.google.internal./": egress.KindMetadata,
		"http://[fd00:ec2::254]/": egress.KindMetadata, "http://good.com@10.0.0.1/": egress.KindPrivate, "http://good.com#@8.8.8.8/": "",
		`http:\\10.0.0.1\x`: egress.KindPrivate, "http://10.0.0.1.nip.io/": egress.KindPrivate, "http://app-0a000001.nip.io/": egress.KindPrivate,
		"http://db.internal/": egress.KindPrivate, "http://intranet/": egress.KindPrivate, "10.0.0.1:80/x": egress.KindPrivate, "192.168.1.1": egress.KindPrivate,
		"http://8.8.8.8/": "", "http://example.com/10.0.0.1": "", "http://localhost/": "", "http://10.9.9.9/": "", "2130706433": "", "10.5": "",
		"http://[::ffff:8.8.8.8]/": "", "http://256.1.1.1/": "", "http://[:::1]/": "", "http://127.0.0.1.evil.io/": "", "read 10.0.0.1 aloud": "",
		"http://100.128.0.1/": "", "http://100.64.0.1/": egress.KindPrivate, "http://198.19.0.1/": egress.KindPrivate, "http://172.32.0.1/": "",
	} {
		got := d.Find(nil, []byte(text))
		if kind == "" && len(got) > 0 || kind != "" && (len(got) != 1 || got[0].Kind != kind) {
			t.Errorf("%q: %v, want %q", text, got, kind)
		}
	}
}
