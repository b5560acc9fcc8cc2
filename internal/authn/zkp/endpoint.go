package zkp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/jwt/jws"
	"github.com/portcullis-dev/portcullis/internal/protocol/problem"
)

// Paths of the endpoints.
const (
	ChallengePath = "/auth/zkp/challenge"
	VerifyPath    = "/auth/zkp/verify"
)

// MaxBody is the longest body of either endpoint, in bytes. A proof has 1 KB.
const MaxBody = 16 << 10

// Session is the answer to a good proof.
type Session struct {
	Token        string `json:"token"` // the access token again, for who knows only this name
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	SessionID    string `json:"session_id"`
	UserID       string `json:"userId"`
	AuthMethod   string `json:"authMethod"`
}

// ChallengeHandler answers [ChallengePath].
func (l *Login) ChallengeHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := readChallengeRequest(r)
		if err != nil {
			l.refuse(w, r, malformed(err))
			return
		}
		offer, err := l.Challenge(r.Context(), user, origin(r))
		switch {
		case err == nil:
			l.answer(w, r, http.StatusOK, "application/json", offer)
		case errors.Is(err, ErrTooMany):
			e := &portcullis.Error{Kind: portcullis.KindRateLimited, Reason: "rate_limited", Public: "Rate limit exceeded", RetryAfter: l.TTL / MaxWaitingPerUser, Err: err}
			ev := portcullis.Event{
				Type: portcullis.EventRateLimitExceeded, Severity: portcullis.SeverityWarn, Outcome: portcullis.OutcomeFailure,
				Actor: portcullis.Actor{ID: Enrolment{UserID: user}.Subject(), Method: Method, IP: origin(r)}, Reason: "challenges_waiting", RequestID: requestID(r), Action: "login",
			}
			if rerr := l.Registry.Recorder.Record(r.Context(), &ev); rerr != nil {
				e = unavailable(rerr)
			}
			l.refuse(w, r, e)
		default:
			l.Log.WarnContext(r.Context(), "no challenge given", "request_id", requestID(r), "error", err)
			l.refuse(w, r, unavailable(err))
		}
	})
}

// VerifyHandler answers [VerifyPath].
func (l *Login) VerifyHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := readAttempt(r)
		if err != nil {
			_, e := l.fail(r.Context(), a, "", reasonMalformed, err, malformed(err))
			l.refuse(w, r, e)
			return
		}
		grant, refused := l.Verify(r.Context(), a)
		if refused != nil {
			l.refuse(w, r, refused)
			return
		}
		l.answer(w, r, http.StatusOK, "application/json", Session{
			Token: grant.AccessToken, AccessToken: grant.AccessToken, TokenType: "Bearer", ExpiresIn: int64(grant.ExpiresIn / time.Second),
			RefreshToken: grant.RefreshToken, SessionID: grant.SessionID, UserID: a.userID, AuthMethod: Method,
		})
	})
}

func malformed(err error) *portcullis.Error {
	return &portcullis.Error{Kind: portcullis.KindMalformed, Reason: "input_rejected", Public: "Invalid request", Err: err}
}

func readChallengeRequest(r *http.Request) (string, error) {
	body, err := readBody(r)
	if err != nil {
		return "", err
	}
	var user string
	err = members(body, map[string]func(jsontext.Value) error{"userId": text(&user)})
	if err == nil {
		err = CheckUserID(user)
	}
	return user, err
}

// readAttempt reads a request to log in. The parts that a challenge is burned
// for (proof, inputs) are only cut out here and judged later.
func readAttempt(r *http.Request) (attempt, error) {
	a := attempt{requestID: requestID(r), by: portcullis.Actor{Method: Method, IP: origin(r)}}
	body, err := readBody(r)
	if err != nil {
		return a, err
	}
	var publicKey, signals jsontext.Value
	err = members(body, map[string]func(jsontext.Value) error{
		"userId": text(&a.userID), "challengeId": text(&a.challengeID), "proof": func(v jsontext.Value) error {
			a.proof = v
			return nil
		},
		"publicSignals": raw(&signals), "publicKey": raw(&publicKey),
	})
	if err != nil {
		return a, err
	}
	if err := CheckUserID(a.userID); err != nil {
		return a, err
	}
	a.by.ID = Enrolment{UserID: a.userID}.Subject()
	if len(a.challengeID) != 32 || strings.Trim(a.challengeID, "0123456789abcdef") != "" {
		return a, jws.Reason("challengeId: not one")
	}
	if len(a.proof) == 0 || a.proof.Kind() != '{' {
		return a, jws.Reason("proof: not an object")
	}
	a.claims = func(key, challenge Element) bool {
		ok := publicKey == nil || string(publicKey) == strconv.Quote(string(key))
		return (signals == nil || sameSignals(signals, key, challenge)) && ok
	}
	return a, nil
}

// sameSignals compares with the inputs that are verified, as public.json has
// them.
func sameSignals(v jsontext.Value, key, challenge Element) bool {
	got, err := jws.Texts(v, maxDigits)
	return v.Kind() == '[' && err == nil && len(got) == 2 && got[0] == string(key) && got[1] == string(challenge)
}

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	if len(body) > MaxBody {
		return nil, jws.Reason("too long")
	}
	return body, nil
}

// members reads an object that holds these members, those of its first
// readers, and no other.
func members(body []byte, known map[string]func(jsontext.Value) error) error {
	return jws.EachMember(body, nil, func(name string, v jsontext.Value) error {
		read := known[name]
		if read == nil {
			return jws.Reason("unknown member")
		}
		return read(v)
	})
}

func text(to *string) func(jsontext.Value) error {
	return func(v jsontext.Value) (err error) {
		*to, err = jws.Text(v, maxUserID)
		return err
	}
}

func raw(to *jsontext.Value) func(jsontext.Value) error {
	return func(v jsontext.Value) error {
		*to = v
		return nil
	}
}

// origin is the address of the caller as trusted proxies report it.
func origin(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr()
}

// requestID is that of the call; the gateway has put it into the header.
func requestID(r *http.Request) string { return r.Header.Get("X-Request-Id") }

func (l *Login) refuse(w http.ResponseWriter, r *http.Request, e *portcullis.Error) {
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	if e.Kind == portcullis.KindUnauthenticated { // RFC 9110 section 15.5.2 demands one
		w.Header().Set("WWW-Authenticate", `ZKP realm="portcullis"`)
	}
	l.write(w, r, e.Kind.Status(), problem.ContentType, problem.Append(nil, e, requestID(r)))
}

func (l *Login) answer(w http.ResponseWriter, r *http.Request, status int, contentType string, v any) {
	b, err := json.Marshal(v)
	if err != nil { // texts and integers always marshal
		l.refuse(w, r, unavailable(err))
		return
	}
	l.write(w, r, status, contentType, b)
}

func (l *Login) write(w http.ResponseWriter, r *http.Request, status int, contentType string, b []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(b); err != nil {
		l.Log.DebugContext(r.Context(), "answering a login", "error", err)
	}
}
