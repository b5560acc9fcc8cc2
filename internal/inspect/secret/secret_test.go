package secret_test

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/finding"
	"github.com/portcullis-dev/portcullis/internal/inspect/secret"
)

func find(d *secret.Detector, name, s string) []finding.Finding {
	return d.FindUnder(nil, []byte(name), []byte(s))
}

// The token was published by its issuer to show the checksum; it is revoked.
const published = "ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"

func TestChecksum(t *testing.T) {
	d := secret.New("", nil)
	if got := find(d, "", published); len(got) != 1 || got[0].Kind != secret.KindGitHub || got[0].Score < 90 {
		t.Errorf("published token: %v", got)
	}
	broken := published[:len(published)-1] + "8"
	if got := find(d, "", broken); len(got) != 1 || got[0].Score >= 60 {
		t.Errorf("token with a wrong checksum: %v, want a low score", got)
	}
}

func TestOwnKeys(t *testing.T) {
	d := secret.New("mcp_", func(text []byte) int {
		if len(text) >= 10 && string(text[:10]) == "mcp_abcdef" {
			return 10
		}
		return 0
	})
	got := find(d, "", "key mcp_abcdef and mcp_other")
	if len(got) != 1 || got[0] != (finding.Finding{Start: 4, End: 14, Kind: secret.KindOwn, Score: 95}) {
		t.Errorf("found %v", got)
	}
	if got := find(secret.New("", nil), "", "key mcp_abcdef"); len(got) != 0 {
		t.Errorf("found %v without a grammar", got)
	}
}

func TestTheNameCounts(t *testing.T) {
	d := secret.New("", nil)
	for _, tt := range []struct {
		name, value string
		found       bool
	}{
		{"password", "hunter22x", true}, {"note", "hunter22x", false}, {"password", "********", false}, {"password", "", false},
		{"apiKey", "Zk3vQ9tR7wLp2XcV8bNm", true}, {"nextPageToken", "Zk3vQ9tR7wLp2XcV8bNm", false}, {"token", "enabled", false},
		{"password", "${DB_PASSWORD}", false}, {"password", "see the wiki page", false}, {"secret", "a3b8f0c1-1111-4222-8333-444455556666", false},
	} {
		if got := find(d, tt.name, tt.value); len(got) > 0 != tt.found {
			t.Errorf("%s: %q: found %v", tt.name, tt.value, got)
		}
	}
}

func TestMaskShowsTheIssuerOnly(t *testing.T) {
	d := secret.New("", nil)
	for _, tt := range []struct{ kind, value, want string }{
		{secret.KindGitHub, published, "ghp_****"}, {secret.KindPassword, "hunter2", "****"}, {secret.KindGitHub, "", "****"},
		{secret.KindAWS, "\xff\xfe", "****"}, {"else", "AKIAX", "****"},
	} {
		if got := string(d.Mask(nil, tt.kind, []byte(tt.value))); got != tt.want {
			t.Errorf("mask of %q as %s is %q, want %q", tt.value, tt.kind, got, tt.want)
		}
	}
}

// TestValuesInValues: a text that assigns over and over costs no time that is
// quadratic, and what stands behind it is found as well, whole.
func TestValuesInValues(t *testing.T) {
	d := secret.New("", nil)
	value := strings.Repeat("Zk3vQ9tR7wLp2XcV8bNm", 10)
	text := strings.Repeat("?token=", 3000) + " and token=" + value + " end"
	got := find(d, "", text)
	if len(got) == 0 || text[got[len(got)-1].Start:got[len(got)-1].End] != value {
		t.Errorf("found %v, want the whole of the last value", got)
	}
}
