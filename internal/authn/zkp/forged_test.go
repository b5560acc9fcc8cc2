package zkp

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"

	"github.com/portcullis-dev/portcullis"
)

// proofJSON is a proof that can be spoiled.
type proofJSON struct {
	A        []any  `json:"pi_a"`
	B        []any  `json:"pi_b"`
	C        []any  `json:"pi_c"`
	Protocol string `json:"protocol"`
	Curve    string `json:"curve"`
}

func spoil(t *testing.T, proof []byte, how func(*proofJSON)) []byte {
	t.Helper()
	var p proofJSON
	if err := json.Unmarshal(proof, &p); err != nil {
		t.Fatal(err)
	}
	how(&p)
	out, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// add returns a decimal text plus n.
func add(v any, n *big.Int) string {
	sum, ok := new(big.Int).SetString(v.(string), 10)
	if !ok {
		panic(v)
	}
	return sum.Add(sum, n).String()
}

// outsideSubgroup finds a point of G2's curve that has another order.
func outsideSubgroup(t *testing.T) []any {
	t.Helper()
	b, _ := new(big.Int).SetString("19485874751759354771024239261021720505790618469301721065564631296452457478373", 10)
	b1, _ := new(big.Int).SetString("266929791119991161246907387137283842545076965332900288569378510910307636690", 10)
	var twist bn254.E2 // 3/(9+u)
	twist.A0.SetBigInt(b)
	twist.A1.SetBigInt(b1)
	for n := uint64(1); ; n++ {
		var x, y2, y bn254.E2
		x.A0.SetUint64(n)
		y2.Square(&x).Mul(&y2, &x).Add(&y2, &twist)
		if y2.Legendre() != 1 {
			continue
		}
		y.Sqrt(&y2)
		p := bn254.G2Affine{X: x, Y: y}
		if p.IsOnCurve() && !p.IsInSubGroup() {
			text := func(e fp.Element) string { return e.BigInt(new(big.Int)).String() }
			return []any{[]any{text(x.A0), text(x.A1)}, []any{text(y.A0), text(y.A1)}, []any{"1", "0"}}
		}
	}
}

// try is one forged attempt: a body made from a challenge for alice and a
// valid proof for it.
type try struct {
	name   string
	body   func(w *world, o Offer, proof []byte) string
	status int
	reason string // of the event
	keeps  bool   // the challenge is good afterwards
}

// of makes a try whose proof is spoiled: all of them burn the challenge.
func of(name string, how func(*proofJSON)) try {
	return try{name, func(w *world, o Offer, proof []byte) string {
		return attemptBody("alice", o, spoil(w.t.(*testing.T), proof, how), "")
	}, 401, reasonProof, false}
}

// with makes a try with further members.
func with(name string, status int, reason string, extra func(o Offer) string) try {
	return try{name, func(_ *world, o Offer, proof []byte) string { return attemptBody("alice", o, proof, extra(o)) }, status, reason, status == 400}
}

func signals(key, challenge string) func(Offer) string {
	return func(Offer) string { return fmt.Sprintf(`,"publicSignals":[%s,%s]`, key, challenge) }
}

func quoted(e Element) string { return strconv.Quote(string(e)) }

func forgedProofs(t *testing.T) []try {
	one, q := big.NewInt(1), fp.Modulus()
	outside := outsideSubgroup(t)
	return []try{
		of("A off the curve", func(p *proofJSON) { p.A[0] = add(p.A[0], one) }),
		of("B off the curve", func(p *proofJSON) { p.B[0].([]any)[0] = add(p.B[0].([]any)[0], one) }),
		of("C off the curve", func(p *proofJSON) { p.C[1] = add(p.C[1], one) }),
		of("B outside the subgroup", func(p *proofJSON) { p.B = outside }),
		of("A at infinity", func(p *proofJSON) { p.A = []any{"0", "1", "0"} }),
		of("B at infinity", func(p *proofJSON) { p.B = []any{[]any{"0", "0"}, []any{"1", "0"}, []any{"0", "0"}} }),
		of("C at infinity, as zeros", func(p *proofJSON) { p.C = []any{"0", "0", "1"} }),
		of("all at infinity", func(p *proofJSON) {
			p.A, p.C = []any{"0", "0", "1"}, []any{"0", "0", "1"}
			p.B = []any{[]any{"0", "0"}, []any{"0", "0"}, []any{"1", "0"}}
		}),
		of("z = 2", func(p *proofJSON) { p.A[2] = "2" }),
		of("z = 2 in B", func(p *proofJSON) { p.B[2] = []any{"2", "0"} }),
		of("coordinate + q", func(p *proofJSON) { p.A[0] = add(p.A[0], q) }),
		of("leading zero", func(p *proofJSON) { p.A[0] = "0" + p.A[0].(string) }),
		of("plus sign", func(p *proofJSON) { p.A[0] = "+" + p.A[0].(string) }),
		of("negative", func(p *proofJSON) { p.A[1] = "-" + p.A[1].(string) }),
		of("hexadecimal", func(p *proofJSON) { p.A[0] = "0x1" }),
		of("blank", func(p *proofJSON) { p.A[0] = " " + p.A[0].(string) }),
		of("empty number", func(p *proofJSON) { p.A[0] = "" }),
		of("number without quotes", func(p *proofJSON) { p.A[0] = json.Number(p.A[0].(string)) }),
		of("exponent", func(p *proofJSON) { p.A[0] = json.Number("1e3") }),
		of("A and C swapped", func(p *proofJSON) { p.A, p.C = p.C, p.A }),
		of("coordinates swapped", func(p *proofJSON) { p.A[0], p.A[1] = p.A[1], p.A[0] }),
		of("B's parts swapped", func(p *proofJSON) { x := p.B[0].([]any); x[0], x[1] = x[1], x[0] }),
		of("A is C", func(p *proofJSON) { p.A = p.C }),
		of("A short", func(p *proofJSON) { p.A = p.A[:2] }),
		of("A long", func(p *proofJSON) { p.A = append(p.A, "1") }),
		of("A missing", func(p *proofJSON) { p.A = nil }),
		of("PLONK", func(p *proofJSON) { p.Protocol = "plonk" }),
		of("no protocol", func(p *proofJSON) { p.Protocol = "" }),
		of("another curve", func(p *proofJSON) { p.Curve = "bls12381" }),
		of("A negated alone", func(p *proofJSON) {
			y, _ := new(big.Int).SetString(p.A[1].(string), 10)
			p.A[1] = new(big.Int).Sub(q, y).String()
		}),
		{"proof with an unknown member", func(_ *world, o Offer, proof []byte) string {
			return attemptBody("alice", o, append([]byte(`{"x":1,`), proof[1:]...), "")
		}, 401, reasonProof, false},
		{"proof of another key for this user", func(w *world, o Offer, _ []byte) string {
			return attemptBody("alice", o, w.setup.prove(w.t, bobKey, o.Challenge), "")
		}, 401, reasonProof, false},
		{"proof of another key, named in the request", func(w *world, o Offer, _ []byte) string {
			return attemptBody("alice", o, w.setup.prove(w.t, bobKey, o.Challenge), `,"publicKey":`+quoted(bobKey)+`,"publicSignals":[`+quoted(bobKey)+`,`+quoted(o.Challenge)+`]`)
		}, 401, reasonInputs, false},
		{"proof for another challenge", func(w *world, o Offer, _ []byte) string {
			return attemptBody("alice", o, w.setup.prove(w.t, aliceKey, w.ask("alice").Challenge), "")
		}, 401, reasonProof, false},
		{"proof for another challenge, named in the request", func(w *world, o Offer, _ []byte) string {
			return attemptBody("alice", o, w.setup.prove(w.t, aliceKey, "7"), `,"publicSignals":[`+quoted(aliceKey)+`,"7"]`)
		}, 401, reasonInputs, false},
		{"proof of another setup", func(w *world, o Offer, _ []byte) string {
			return attemptBody("alice", o, newSetup(w.t).prove(w.t, aliceKey, o.Challenge), "")
		}, 401, reasonProof, false},
	}
}

func forgedInputs() []try {
	one, r := big.NewInt(1), fr.Modulus()
	key := string(aliceKey)
	return []try{
		with("signal + 1", 401, reasonInputs, func(o Offer) string {
			return signals(quoted(aliceKey), strconv.Quote(add(string(o.Challenge), one)))(o)
		}),
		with("signal + r", 401, reasonInputs, func(o Offer) string {
			return signals(quoted(aliceKey), strconv.Quote(add(string(o.Challenge), r)))(o)
		}),
		with("key + r", 401, reasonInputs, func(o Offer) string {
			return signals(strconv.Quote(add(key, r)), quoted(o.Challenge))(o)
		}),
		with("signal with a leading zero", 401, reasonInputs, func(o Offer) string { return signals(strconv.Quote("0"+key), quoted(o.Challenge))(o) }),
		with("signal without quotes", 401, reasonInputs, func(o Offer) string { return signals(key, string(o.Challenge))(o) }),
		with("signals swapped", 401, reasonInputs, func(o Offer) string { return signals(quoted(o.Challenge), quoted(aliceKey))(o) }),
		with("no signals", 401, reasonInputs, func(Offer) string { return `,"publicSignals":[]` }),
		with("one signal", 401, reasonInputs, func(Offer) string { return `,"publicSignals":[` + quoted(aliceKey) + `]` }),
		with("three signals", 401, reasonInputs, func(o Offer) string {
			return `,"publicSignals":[` + quoted(aliceKey) + `,` + quoted(o.Challenge) + `,"1"]`
		}),
		with("signals are null", 401, reasonInputs, func(Offer) string { return `,"publicSignals":null` }),
		with("signals are an object", 401, reasonInputs, func(Offer) string { return `,"publicSignals":{}` }),
		with("public key of another user", 401, reasonInputs, func(Offer) string { return `,"publicKey":` + quoted(bobKey) }),
		with("public key without quotes", 401, reasonInputs, func(Offer) string { return `,"publicKey":` + key }),
		with("public key null", 401, reasonInputs, func(Offer) string { return `,"publicKey":null` }),
		with("unknown member", 400, reasonMalformed, func(Offer) string { return `,"admin":true` }),
		with("member twice", 400, reasonMalformed, func(Offer) string { return `,"userId":"bob"` }),
		with("other case", 400, reasonMalformed, func(Offer) string { return `,"UserId":"bob"` }),
		with("deep", 400, reasonMalformed, func(Offer) string { return `,"publicSignals":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) }),
		with("long", 400, reasonMalformed, func(Offer) string { return `,"publicKey":"` + strings.Repeat("1", MaxBody) + `"` }),
		with("control characters", 400, reasonMalformed, func(Offer) string { return ",\"publicKey\":\"\x01\"" }),
	}
}

func forgedRequests() []try {
	whole := func(name, text string) try {
		return try{name, func(*world, Offer, []byte) string { return text }, 400, reasonMalformed, true}
	}
	return []try{
		whole("nothing", ""), whole("no object", `"alice"`), whole("list", `[]`), whole("empty object", `{}`),
		{"two documents", func(_ *world, o Offer, p []byte) string { return attemptBody("alice", o, p, "") + `{}` }, 400, reasonMalformed, true},
		{"not UTF-8", func(_ *world, o Offer, p []byte) string { return attemptBody("alice", o, p, ",\"publicKey\":\"\xff\"") }, 400, reasonMalformed, true},
		{"member twice in the proof", func(_ *world, o Offer, p []byte) string {
			return attemptBody("alice", o, append([]byte(`{"curve":"bn128",`), p[1:]...), "")
		}, 400, reasonMalformed, true},
		{"proof is a text", func(_ *world, o Offer, p []byte) string {
			return attemptBody("alice", o, []byte(strconv.Quote(string(p))), "")
		}, 400, reasonMalformed, true},
		{"no proof", func(_ *world, o Offer, _ []byte) string {
			return `{"userId":"alice","challengeId":"` + o.ChallengeID + `"}`
		}, 400, reasonMalformed, true},
		{"user id with blanks", func(_ *world, o Offer, p []byte) string { return attemptBody("alice x", o, p, "") }, 400, reasonMalformed, true},
		{"challenge id in capitals", func(_ *world, o Offer, p []byte) string {
			o.ChallengeID = strings.Repeat("A", 32)
			return attemptBody("alice", o, p, "")
		}, 400, reasonMalformed, true},
		{"unknown challenge", func(_ *world, o Offer, p []byte) string {
			o.ChallengeID = strings.Repeat("0", 32)
			return attemptBody("alice", o, p, "")
		}, 400, reasonChallenge, true},
		{"another user's challenge", func(w *world, o Offer, _ []byte) string {
			return attemptBody("bob", o, w.setup.prove(w.t, bobKey, o.Challenge), "")
		}, 400, reasonChallenge, true},
		{"other spelling of the user", func(_ *world, o Offer, p []byte) string { return attemptBody("Alice", o, p, "") }, 400, reasonChallenge, true},
		{"expired challenge", func(w *world, o Offer, p []byte) string {
			w.clock.move(MaxChallengeTTL)
			return attemptBody("alice", o, p, "")
		}, 400, reasonChallenge, false},
		{"unknown user", func(w *world, _ Offer, _ []byte) string {
			o := w.ask("nobody")
			return attemptBody("nobody", o, w.setup.prove(w.t, aliceKey, o.Challenge), "")
		}, 401, reasonUnknown, true},
		{"removed user", func(w *world, o Offer, p []byte) string {
			if _, err := w.Registry.Remove(w.t.Context(), "alice", portcullis.Actor{ID: "op"}); err != nil {
				w.t.Fatal(err)
			}
			w.journal.take()
			return attemptBody("alice", o, p, "")
		}, 401, reasonUnknown, false},
		{"replaced key", func(w *world, o Offer, p []byte) string {
			if _, err := w.Registry.Enrol(w.t.Context(), EnrolRequest{UserID: "alice", PublicKey: "5", Scopes: []string{"tools:*"}, Replace: true}); err != nil {
				w.t.Fatal(err)
			}
			w.journal.take()
			return attemptBody("alice", o, p, "")
		}, 401, reasonProof, false},
	}
}

// TestForged: what is not a proof of the enrolled key for the challenge that is
// waiting is refused, with the answer that tells least, one event, no session,
// and nothing of the request in either.
func TestForged(t *testing.T) {
	tries := slices.Concat(forgedProofs(t), forgedInputs(), forgedRequests())
	if len(tries) < 25 {
		t.Fatalf("only %d", len(tries))
	}
	w := newWorld(t)
	for _, tr := range tries {
		t.Run(tr.name, func(t *testing.T) {
			w := &world{Login: w.Login, t: t, setup: w.setup, store: w.store, sessions: w.sessions, journal: w.journal, clock: w.clock, pending: w.pending}
			w.store.all["alice"] = Enrolment{UserID: "alice", PublicKey: aliceKey, Scopes: []string{"tools:*"}}
			o := w.ask("alice")
			proof := w.setup.prove(t, aliceKey, o.Challenge)
			rec := w.send(tr.body(w, o, proof))
			w.wantRefused(t, rec.Code, rec.Header(), rec.Body.String(), tr.status, tr.reason)
			if _, there, err := w.pending.Take(t.Context(), o.ChallengeID, "alice", audience); err != nil || there != tr.keeps {
				t.Errorf("challenge still good: %v, want %v; %v", there, tr.keeps, err)
			}
		})
	}
	if len(w.sessions.opened) != 0 {
		t.Errorf("sessions: %+v", w.sessions.opened)
	}
}

func (w *world) wantRefused(t *testing.T, code int, h http.Header, body string, status int, reason string) {
	t.Helper()
	detail, public := "Invalid proof", reasonProof
	switch {
	case reason == reasonChallenge:
		detail, public = "Challenge expired", reasonChallenge
	case status == 400:
		detail, public = "Invalid request", "input_rejected"
	}
	want := fmt.Sprintf(`{"type":"about:blank","title":%q,"status":%d,"detail":%q,"reason":%q,"requestId":"req-1"}`, http.StatusText(status), status, detail, public)
	if code != status || body != want || h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/problem+json" ||
		(h.Get("WWW-Authenticate") != "") != (status == 401) {
		t.Errorf("%d %s\nwant %d %s", code, body, status, want)
	}
	events := w.journal.take()
	if len(events) != 1 {
		t.Fatalf("%d events: %+v", len(events), events)
	}
	e := events[0]
	if e.Type != portcullis.EventZKPAuthFailure || e.Outcome != portcullis.OutcomeFailure || e.Severity != portcullis.SeverityWarn ||
		e.Reason != reason || e.RequestID != "req-1" || e.Actor.IP.String() != "203.0.113.7" || e.Actor.Method != Method {
		t.Errorf("event %+v, want reason %s", e, reason)
	}
	for _, d := range e.Details {
		if text := d.Value.String(); len(text) > 100 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
			t.Errorf("event tells %s", d)
		}
	}
}

// TestLogin: a good proof opens a session, once.
func TestLogin(t *testing.T) {
	w := newWorld(t)
	o := w.ask("alice")
	if o.Audience != audience || o.ExpiresIn != 300 || !o.ExpiresAt.Equal(w.clock.time().Add(5*time.Minute)) || len(o.ChallengeID) != 32 {
		t.Errorf("offer %+v", o)
	}
	if again, err := Derive(audience, "alice", o.Nonce); err != nil || again != o.Challenge {
		t.Errorf("challenge %s does not follow from its nonce", o.Challenge)
	}
	proof := w.setup.prove(t, aliceKey, o.Challenge)
	body := attemptBody("alice", o, proof, `,"publicKey":`+quoted(aliceKey)+`,"publicSignals":[`+quoted(aliceKey)+`,`+quoted(o.Challenge)+`]`)
	rec := w.send(body)
	var s Session
	if err := json.Unmarshal(rec.Body.Bytes(), &s); err != nil || rec.Code != http.StatusOK || rec.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if s.Token == "" || s.Token != s.AccessToken || s.RefreshToken == "" || s.ExpiresIn != 900 || s.TokenType != "Bearer" || s.UserID != "alice" || s.AuthMethod != "zkp" {
		t.Errorf("%+v", s)
	}
	l := w.sessions.opened[0]
	if l.Subject != "zkp:alice" || l.Method != "zkp" || !slices.Equal(l.Scopes, []string{"tools:*"}) || !slices.Equal(l.Roles, []string{"editor"}) || l.By.IP.String() != "203.0.113.7" {
		t.Errorf("%+v", l)
	}
	events := w.journal.take()
	if len(events) != 1 || events[0].Type != portcullis.EventZKPAuthSuccess || events[0].Outcome != portcullis.OutcomeSuccess || events[0].Actor.ID != "zkp:alice" ||
		!slices.ContainsFunc(events[0].Details, func(a slog.Attr) bool { return a.Key == "public_key" && a.Value.String() == aliceKey.Fingerprint() }) {
		t.Errorf("%+v", events)
	}
	rec = w.send(body) // replayed
	w.wantRefused(t, rec.Code, rec.Header(), rec.Body.String(), 400, reasonChallenge)
	// The same proof in another shape that verifies, for the same challenge.
	o2 := w.ask("alice")
	rec = w.send(attemptBody("alice", o2, proof, ""))
	w.wantRefused(t, rec.Code, rec.Header(), rec.Body.String(), 401, reasonProof)
}
