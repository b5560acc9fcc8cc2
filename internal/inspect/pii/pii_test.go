package pii_test

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/pii"
)

func TestMask(t *testing.T) {
	d, err := pii.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ kind, found, want string }{
		{pii.KindEmail, "nina@acme.io", "n***@acme.io"},
		{pii.KindEmail, "n@acme.io", "***@acme.io"},
		{pii.KindEmail, "no address", "****"},
		{pii.KindEmail, "@", "****"},
		{pii.KindEmail, "a@b@c", "****"},
		{pii.KindEmail, "a@", "****"},
		{pii.KindEmail, "\xff\xfe@x", "***@x"},
		{pii.KindCard, "4111 1111 1111 1111", "****-****-****-1111"},
		{pii.KindCard, "378282246310005", "****-****-****-0005"},
		{pii.KindCard, "1111", "****-****-****-****"},
		{pii.KindCard, "", "****-****-****-****"},
		{pii.KindSSN, "536-22-1234", "***-**-1234"},
		{pii.KindIBAN, "DE89370400440532013000", "DE** **** 3000"},
		{pii.KindPhone, "+49 151 1234567", "***-***-67"},
		{pii.KindIP, "81.2.69.142", "81.*.*.*"},
		{pii.KindIP, "2a00:1450::1", "2a00:****"},
		{pii.KindIP, "nonsense", "****"},
		{pii.KindPassport, "C01X00T47", "****"},
	} {
		if got := string(d.Mask(nil, tt.kind, []byte(tt.found))); got != tt.want {
			t.Errorf("mask of %q as %s is %q, want %q", tt.found, tt.kind, got, tt.want)
		}
	}
}

func TestLocales(t *testing.T) {
	if _, err := pii.New([]string{"xx"}); err == nil {
		t.Error("an unknown locale was taken")
	}
	only, err := pii.New([]string{"nl"})
	if err != nil {
		t.Fatal(err)
	}
	if got := only.Find(nil, []byte("SSN 536-22-1234")); len(got) != 0 {
		t.Errorf("American number found for the Netherlands: %v", got)
	}
	if got := only.Find(nil, []byte("BSN 111222333")); len(got) != 1 || got[0].Kind != pii.KindBSN {
		t.Errorf("Dutch number: %v", got)
	}
}

// TestPublished holds the checks to numbers that standards print.
func TestPublished(t *testing.T) {
	d, err := pii.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, kind := range map[string]string{
		"GB82 WEST 1234 5698 7654 32": pii.KindIBAN, "DE89370400440532013000": pii.KindIBAN, "FR1420041010050500013M02606": pii.KindIBAN,
		"4111 1111 1111 1111": pii.KindCard, "5555555555554444": pii.KindCard, "3782 822463 10005": pii.KindCard, "30569309025904": pii.KindCard,
		"CPF 529.982.247-25": pii.KindCPF, "Steuer-ID 86095742719": pii.KindSteuerID, "2 55 08 14 168 025 38": pii.KindNIR,
		"+44 (0)20 7946 0958": pii.KindPhone, "born on 3 March 1984": pii.KindBirthdate, "client 2a00:1450:4001:81b::200e": pii.KindIP,
	} {
		if got := d.Find(nil, []byte(text)); len(got) != 1 || got[0].Kind != kind || got[0].Score < 60 {
			t.Errorf("%q: %v, want one %s", text, got, kind)
		}
	}
	for _, text := range []string{"4111 1111 1111 1112", "GB82 WEST 1234 5698 7654 33", "529.982.247-26", "000-12-3456", "10.0.0.1 v1.2.3.4", "2024-01-15T10:00:00Z", "icon@2x.png"} {
		for _, f := range d.Find(nil, []byte(text)) {
			if f.Score >= 60 {
				t.Errorf("%q: %v", text, f)
			}
		}
	}
}
