package ocsp_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/portcullis-dev/portcullis/internal/authn/mtls/ocsp"
	"github.com/portcullis-dev/portcullis/test/pki"
)

// world is an authority with a responder that says what a test wants.
type world struct {
	t      *testing.T
	root   *pki.Cert
	client *pki.Cert
	now    time.Time
	asked  atomic.Int64
	answer func(w http.ResponseWriter, r *http.Request)
	url    string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, root: pki.Root(t, "root"), now: time.Now()}
	w.client = w.root.Client(t, "x:a")
	w.answer = func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(w.response(xocsp.Good)) }
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		body, err := io.ReadAll(r.Body)
		if q, perr := xocsp.ParseRequest(body); err != nil || perr != nil || q.SerialNumber.Cmp(w.client.SerialNumber) != 0 {
			t.Errorf("question: %v, %v", err, perr)
		}
		w.answer(rw, r)
	}))
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

// response is one by the root, in force for an hour, with changes.
func (w *world) response(status int, change ...func(*xocsp.Response)) []byte {
	return w.signed(w.root, w.root, status, change...)
}

func (w *world) signed(issuer, by *pki.Cert, status int, change ...func(*xocsp.Response)) []byte {
	w.t.Helper()
	r := xocsp.Response{
		Status: status, SerialNumber: w.client.SerialNumber, ThisUpdate: w.now.Add(-time.Minute), NextUpdate: w.now.Add(time.Hour), RevokedAt: w.now,
	}
	if by != issuer {
		r.Certificate = by.Certificate
	}
	for _, f := range change {
		f(&r)
	}
	out, err := xocsp.CreateResponse(issuer.Certificate, by.Certificate, r, by.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) checker(mode string) *ocsp.Checker {
	c := ocsp.Default()
	c.Mode, c.Responder = mode, w.url
	return ocsp.New(c, http.DefaultClient, nil, slog.New(slog.DiscardHandler), func() time.Time { return w.now })
}

func (w *world) check(c *ocsp.Checker, staple []byte) error {
	return c.Check(context.Background(), sha256.Sum256(w.client.Raw), w.client.Certificate, w.root.Certificate, staple)
}

func TestResponses(t *testing.T) {
	w := newWorld(t)
	stranger := pki.Root(t, "root")
	delegate := w.root.Client(t, "x:d", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} })
	ended := w.root.Client(t, "x:d", func(c *x509.Certificate) {
		c.ExtKeyUsage, c.NotAfter = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, w.now.Add(-time.Second)
	})
	foreign := stranger.Client(t, "x:d", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning} })
	other := w.root.Client(t, "x:other")
	for name, c := range map[string]struct {
		body []byte
		want error
	}{
		"good":                    {w.response(xocsp.Good), nil},
		"revoked":                 {w.response(xocsp.Revoked), ocsp.ErrRevoked},
		"unknown":                 {w.response(xocsp.Unknown), ocsp.ErrUnknown},
		"by a delegate":           {w.signed(w.root, delegate, xocsp.Good), nil},
		"by an ended delegate":    {w.signed(w.root, ended, xocsp.Good), ocsp.ErrUnknown},
		"by a foreign delegate":   {w.signed(w.root, foreign, xocsp.Good), ocsp.ErrUnknown},
		"by the client itself":    {w.signed(w.root, w.client, xocsp.Good), ocsp.ErrUnknown},
		"by another client":       {w.signed(w.root, other, xocsp.Good), ocsp.ErrUnknown},
		"by a stranger":           {w.signed(stranger, stranger, xocsp.Good), ocsp.ErrUnknown},
		"about another":           {w.response(xocsp.Good, func(r *xocsp.Response) { r.SerialNumber = other.SerialNumber }), ocsp.ErrUnknown},
		"ended":                   {w.response(xocsp.Good, func(r *xocsp.Response) { r.NextUpdate = w.now.Add(-time.Second) }), ocsp.ErrUnknown},
		"from the future":         {w.response(xocsp.Good, func(r *xocsp.Response) { r.ThisUpdate = w.now.Add(30 * time.Minute) }), ocsp.ErrUnknown},
		"old and without an end":  {w.response(xocsp.Good, func(r *xocsp.Response) { r.ThisUpdate, r.NextUpdate = w.now.Add(-time.Hour), time.Time{} }), ocsp.ErrUnknown},
		"try later":               {xocsp.TryLaterErrorResponse, ocsp.ErrUnknown},
		"not a response":          {[]byte("x"), ocsp.ErrUnknown},
		"nothing":                 {nil, ocsp.ErrUnknown},
		"too large":               {make([]byte, 70<<10), ocsp.ErrUnknown},
		"good with trailing data": {append(w.response(xocsp.Good), 0), ocsp.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			w.answer = func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(c.body) }
			if err := w.check(w.checker(ocsp.Hard), nil); !errors.Is(err, c.want) {
				t.Errorf("hard: %v, want %v", err, c.want)
			}
			err := w.check(w.checker(ocsp.Soft), nil)
			if want := c.want; errors.Is(want, ocsp.ErrRevoked) != (err != nil) {
				t.Errorf("soft: %v", err)
			}
			before := w.asked.Load()
			if len(c.body) == 0 || len(c.body) > 64<<10 {
				return
			}
			w.answer = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNotFound) }
			if err := w.check(w.checker(ocsp.Hard), c.body); !errors.Is(err, c.want) {
				t.Errorf("stapled: %v, want %v", err, c.want)
			}
			if asked := w.asked.Load() > before; asked != errors.Is(c.want, ocsp.ErrUnknown) {
				t.Errorf("asked in spite of a staple: %t", asked)
			}
		})
	}
}

// TestRemembered asks once for many callers, and again when the answer ends.
func TestRemembered(t *testing.T) {
	w := newWorld(t)
	c := w.checker(ocsp.Hard)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := w.check(c, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := w.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	w.now = w.now.Add(61 * time.Minute)
	w.answer = func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(w.response(xocsp.Revoked)) }
	if err := w.check(c, nil); !errors.Is(err, ocsp.ErrRevoked) || w.asked.Load() != 2 {
		t.Errorf("after its end: %v, asked %d times", err, w.asked.Load())
	}
}

func TestNobodyToAsk(t *testing.T) {
	w := newWorld(t)
	w.url = ""
	if err := w.check(w.checker(ocsp.Hard), nil); !errors.Is(err, ocsp.ErrUnknown) {
		t.Errorf("hard: %v", err)
	}
	if err := w.check(w.checker(ocsp.Hard), w.response(xocsp.Good)); err != nil {
		t.Errorf("stapled: %v", err)
	}
	if err := w.check(w.checker(ocsp.Off), w.response(xocsp.Revoked)); err != nil {
		t.Errorf("off: %v", err)
	}
	w.client = w.root.Client(t, "x:a", func(c *x509.Certificate) { c.OCSPServer = []string{"file:///etc/passwd"} })
	cfg := ocsp.Default()
	cfg.Mode, cfg.AIA = ocsp.Hard, true
	c := ocsp.New(cfg, nil, nil, slog.New(slog.DiscardHandler), time.Now)
	if err := w.check(c, nil); !errors.Is(err, ocsp.ErrUnknown) {
		t.Errorf("a file as responder: %v", err)
	}
}

// FuzzStaple wants no answer from bytes that nobody has signed.
func FuzzStaple(f *testing.F) {
	root := pki.Root(f, "root")
	client := root.Client(f, "x:a")
	other := pki.Root(f, "root")
	forged, err := xocsp.CreateResponse(other.Certificate, other.Certificate, xocsp.Response{
		Status: xocsp.Good, SerialNumber: client.SerialNumber, ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
	}, other.Key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(forged)
	f.Add([]byte(xocsp.TryLaterErrorResponse))
	cfg := ocsp.Default()
	cfg.Mode = ocsp.Hard
	f.Fuzz(func(t *testing.T, staple []byte) {
		c := ocsp.New(cfg, nil, nil, slog.New(slog.DiscardHandler), time.Now)
		if err := c.Check(context.Background(), sha256.Sum256(staple), client.Certificate, root.Certificate, staple); !errors.Is(err, ocsp.ErrUnknown) {
			t.Errorf("%v", err)
		}
	})
}
