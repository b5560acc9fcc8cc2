package basic

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

func (w *world) call(fields ...string) (portcullis.Principal, error) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://gw/mcp", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(fields) > 0 {
		r.Header["Authorization"] = fields
	}
	return w.Authenticator().Authenticate(w.t.Context(), &portcullis.Conn{HTTP: r, Client: home(), Reply: http.Header{}})
}

func encode(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }

// TestVector is the one of the requirements: admin:secret.
func TestVector(t *testing.T) {
	if name, pass, ok := parse("Basic YWRtaW46c2VjcmV0"); name != "admin" || pass != "secret" || !ok {
		t.Errorf("%q %q %t", name, pass, ok)
	}
	// RFC 7617, sections 2 and 2.1.
	if name, pass, ok := parse("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="); name != "Aladdin" || pass != "open sesame" || !ok {
		t.Errorf("%q %q %t", name, pass, ok)
	}
	if name, pass, ok := parse("Basic dGVzdDoxMjPCow=="); name != "test" || pass != "123£" || !ok {
		t.Errorf("%q %q %t", name, pass, ok)
	}
}

func TestAuthenticate(t *testing.T) {
	w := newWorld(t, cheap())
	v := w.add("alice")
	for _, field := range []string{encode("alice:" + good), "bAsIc " + encode("ALICE:" + good)[6:]} {
		if who, err := w.call(field); err != nil || who.ID != v.ID {
			t.Errorf("%q: %+v, %v", field, who, err)
		}
	}
	made, err := w.Add(t.Context(), Add{Name: "zoë", Password: "a:colon is a sign: è"})
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{encode("zoë:a:colon is a sign: è"), encode("Zoe\u0308:a:colon is a sign: e\u0300")} {
		if who, err := w.call(field); err != nil || who.ID != made.User.ID {
			t.Errorf("%q: %+v, %v", field, who, err)
		}
	}
}

// TestNotOurs: other credentials are for others to judge.
func TestNotOurs(t *testing.T) {
	w := newWorld(t, cheap())
	w.add("alice")
	for _, fields := range [][]string{
		nil, {""}, {"Bearer " + good}, {"Basics YTpi"}, {"Basi"}, {"DPoP x"}, {"Bearer " + encode("alice:" + good)[6:]},
		{encode("alice:" + good), encode("alice:" + good)},
	} {
		if who, err := w.call(fields...); !errors.Is(err, portcullis.ErrNoCredentials) || !who.IsZero() {
			t.Errorf("%q: %+v, %v", fields, who, err)
		}
	}
	if w.hasher.Computed() != 1 {
		t.Errorf("%d hashes", w.hasher.Computed()-1)
	}
}

// refusals are fields that are ours and no good.
func refusals() []string {
	return []string{
		"Basic", "Basic ", "Basic  " + encode("alice:" + good)[6:], "Basic\t" + encode("alice:" + good)[6:], encode("alice"), encode(""), encode(":" + good),
		encode("alice:"+good) + "=", strings.TrimRight(encode("alice:"+good+"x"), "="), encode("alice:"+good) + " ", encode("alice:" + good)[:20] + "\n" + encode("alice:" + good)[20:],
		encode("alice:" + good + "\x00"), encode("al\x00ice:" + good), encode("alice:\x7f" + good), encode("alice:\u0085" + good), encode("alice:\xff"),
		"Basic " + strings.Repeat("A", 4096), encode(strings.Repeat("a", 129) + ":" + good), encode("alice:" + strings.Repeat("x", 1025)),
		"Basic YWxpY2U6Y29ycmVjdCBob3JzZSBiYXR0ZXJ5QQ", "Basic " + base64.URLEncoding.EncodeToString([]byte("alice:~~~???>>>")),
		encode("alice:" + evil), encode("nobody:" + evil), encode("alice:" + strings.ToUpper(good)), encode("alice:" + good + " "), encode("alice: " + good),
		encode("alice:"), encode("a'--:" + good), encode("*:" + good), encode("../alice:" + good),
	}
}

func TestRefusals(t *testing.T) {
	for _, field := range refusals() {
		w := newWorld(t, cheap())
		w.add("alice")
		who, err := w.call(field)
		var e *portcullis.Error
		if !errors.As(err, &e) || !who.IsZero() {
			t.Errorf("%q: %+v, %v", field, who, err)
			continue
		}
		if e.Kind != refused || e.Public != "Invalid credentials" || e.Event != portcullis.EventAuthFailure || e.Attempted.Method != "basic" ||
			strings.Join(e.Header["Www-Authenticate"], "|") != `Basic realm="portcullis", charset="UTF-8"` {
			t.Errorf("%q: %+v", field, e)
		}
		if w.throttle.failed != 1 {
			t.Errorf("%q: %d failures counted", field, w.throttle.failed)
		}
	}
	w := newWorld(t, cheap())
	w.throttle.wait = time.Second
	_, err := w.call("Basic !")
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != locked || e.RetryAfter != time.Second || len(e.Header) != 0 {
		t.Errorf("%v", err)
	}
}

// TestNothingLeaks: no password, right or wrong, stands in a refusal, an event
// or the log, and no name that nobody has.
func TestNothingLeaks(t *testing.T) {
	const stranger = "canary-unknown-name"
	w := newWorld(t, cheap())
	w.add("alice")
	var said strings.Builder
	note := func(err error) {
		var e *portcullis.Error
		if errors.As(err, &e) {
			fmt.Fprintf(&said, "%+v %v %v\n", *e, e, e.Err)
		} else {
			fmt.Fprintln(&said, err)
		}
	}
	for _, field := range append(refusals(), encode("alice:"+good), encode(stranger+":"+evil), encode(evil+":"+stranger)) {
		_, err := w.call(field)
		note(err)
	}
	for range 12 {
		_, err := w.call(encode("alice:" + evil))
		note(err)
	}
	_, err := w.SetPassword(t.Context(), "alice", "short"+evil[:6], portcullis.Actor{})
	note(err)
	_, err = w.SetPassword(t.Context(), "alice", evil+"\x01", portcullis.Actor{})
	note(err)
	_, err = w.SetPassword(t.Context(), "alice", evil, portcullis.Actor{})
	note(err)
	w.store.err = errors.New("away")
	_, err = w.call(encode("alice:" + evil))
	note(err)
	fmt.Fprintf(&said, "%s\n%+v\n%v", w.log, w.journal.events, w.sessions.ended)
	for _, secret := range []string{good, evil, "canary", base64.StdEncoding.EncodeToString([]byte("alice:" + evil))} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%q stands in\n%s", secret, &said)
		}
	}
}
