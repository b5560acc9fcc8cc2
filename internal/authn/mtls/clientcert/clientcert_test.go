package clientcert_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authn/mtls/clientcert"
	"github.com/portcullis-dev/portcullis/test/pki"
)

func TestParse(t *testing.T) {
	root := pki.Root(t, "root")
	c := root.Client(t, "spiffe://example.org/a")
	good, up := clientcert.Encode(c.Certificate), clientcert.Encode(root.Certificate)
	text := strings.Trim(good, ":")
	for name, h := range map[string]struct {
		leaf, chain []string
		n           int // certificates; 0 = refused
	}{
		"one":                      {[]string{good}, nil, 1},
		"with a chain":             {[]string{good}, []string{up}, 2},
		"a chain of two":           {[]string{good}, []string{up + ", " + up}, 3},
		"a chain on two lines":     {[]string{good}, []string{up, up + "\t,\t" + up}, 4},
		"eight":                    {[]string{good}, []string{strings.Repeat(up+",", 6) + up}, 8},
		"nine":                     {[]string{good}, []string{strings.Repeat(up+",", 7) + up}, 0},
		"twice":                    {[]string{good, good}, nil, 0},
		"two in one line":          {[]string{good + ", " + good}, nil, 0},
		"chain alone":              {nil, []string{up}, 0},
		"empty":                    {[]string{""}, nil, 0},
		"empty bytes":              {[]string{"::"}, nil, 0},
		"one colon":                {[]string{":"}, nil, 0},
		"bare base64":              {[]string{text}, nil, 0},
		"string":                   {[]string{`"` + text + `"`}, nil, 0},
		"parameter":                {[]string{good + ";a=1"}, nil, 0},
		"space inside":             {[]string{":" + text[:8] + " " + text[8:] + ":"}, nil, 0},
		"line break inside":        {[]string{":" + text[:8] + "\n" + text[8:] + ":"}, nil, 0},
		"carriage return":          {[]string{":" + text[:8] + "\r\n" + text[8:] + ":"}, nil, 0},
		"no padding":               {[]string{":" + strings.TrimRight(base64.StdEncoding.EncodeToString(append(c.Raw, 0, 0)), "=") + ":"}, nil, 0},
		"URL alphabet":             {[]string{":" + base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 30)) + ":"}, nil, 0},
		"not a certificate":        {[]string{":AAAA:"}, nil, 0},
		"trailing byte":            {[]string{":" + base64.StdEncoding.EncodeToString(append(bytes.Clone(c.Raw), 0)) + ":"}, nil, 0},
		"cut off":                  {[]string{":" + base64.StdEncoding.EncodeToString(c.Raw[:len(c.Raw)-1]) + ":"}, nil, 0},
		"PEM":                      {[]string{":" + base64.StdEncoding.EncodeToString(pki.PEM(c)) + ":"}, nil, 0},
		"huge":                     {[]string{":" + strings.Repeat("A", 40000) + ":"}, nil, 0},
		"empty member":             {[]string{good}, []string{up + ",," + up}, 0},
		"trailing comma":           {[]string{good}, []string{up + ","}, 0},
		"chain not of a byte kind": {[]string{good}, []string{"x"}, 0},
	} {
		certs, err := clientcert.Parse(h.leaf, h.chain)
		if len(certs) != h.n || (err == nil) != (h.n > 0) {
			t.Errorf("%s: %d certificates, %v", name, len(certs), err)
		}
		if err != nil && strings.Contains(err.Error(), text[:12]) {
			t.Errorf("%s: the error repeats what was sent: %v", name, err)
		}
	}
}

// request has the fields of a header and, if cert is not nil, a certificate in
// the handshake.
func request(cert *x509.Certificate, fields ...string) *http.Request {
	r := &http.Request{Header: http.Header{}}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	if cert != nil {
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, OCSPResponse: []byte("staple")}
	}
	return r
}

func TestProxied(t *testing.T) {
	root := pki.Root(t, "root")
	a, b := root.Client(t, "x:a"), root.Client(t, "x:b")
	field := clientcert.Encode(a.Certificate)
	reader := clientcert.NewReader()
	for range 2 { // parsed, and remembered
		got := reader.Proxied(request(nil, clientcert.Header, field, clientcert.ChainHeader, clientcert.Encode(root.Certificate)))
		if got.Err != nil || !got.Proxied || len(got.Chain) != 2 || !got.Chain[0].Equal(a.Certificate) {
			t.Errorf("passed on: %+v", got)
		}
		if got := reader.Proxied(request(nil, clientcert.Header, field)); got.Err != nil || len(got.Chain) != 1 {
			t.Errorf("the same without its chain: %+v", got)
		}
		if got := reader.Proxied(request(nil, clientcert.Header, field, clientcert.Header, field)); got.Err == nil || got.Chain != nil {
			t.Errorf("twice: %+v", got)
		}
		if got := reader.Proxied(request(b.Certificate, clientcert.Header, field)); got.Err == nil || got.Chain != nil {
			t.Errorf("both ways: %+v", got)
		}
	}
	if got := reader.Proxied(request(b.Certificate)); got.Proxied || len(got.Chain) != 1 || string(got.Staple) != "staple" {
		t.Errorf("in the handshake: %+v", got)
	}
	if got := reader.Proxied(request(nil, "X-Ssl-Client-Cert", field, "X-Forwarded-Client-Cert", field, "Ssl-Client-Cert", field)); got.Err != nil || got.Chain != nil {
		t.Errorf("other headers are read: %+v", got)
	}
	if got := clientcert.Handshake(request(nil, clientcert.Header, field)); got.Chain != nil {
		t.Errorf("a header is read without a proxy: %+v", got)
	}
}

// FuzzParse: what is accepted has one form, which is the form it came in.
func FuzzParse(f *testing.F) {
	root := pki.Root(f, "root")
	f.Add(clientcert.Encode(root.Certificate), "")
	f.Add(clientcert.Encode(root.Certificate), clientcert.Encode(root.Certificate)+" , "+clientcert.Encode(root.Certificate))
	f.Add("::", ",")
	f.Add(":AAAA:;p", ":AA==:")
	f.Fuzz(func(t *testing.T, leaf, chain string) {
		lines := []string{chain}
		if chain == "" {
			lines = nil
		}
		certs, err := clientcert.Parse([]string{leaf}, lines)
		if err != nil {
			if certs != nil {
				t.Error("an error with certificates")
			}
			return
		}
		var members []string
		for _, c := range certs[1:] {
			members = append(members, clientcert.Encode(c))
		}
		strip := strings.NewReplacer(" ", "", "\t", "")
		if clientcert.Encode(certs[0]) != leaf || strings.Join(members, ",") != strip.Replace(chain) {
			t.Errorf("accepted in another form: %q, %q", leaf, chain)
		}
	})
}
