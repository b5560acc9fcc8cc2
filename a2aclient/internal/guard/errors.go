package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Problem is a kind of error. It is a constant, so that nobody can change it.
type Problem string

// Error says the kind in words.
func (p Problem) Error() string { return string(p) }

// Errors that say what kind of thing went wrong, for [errors.Is].
const (
	ErrURL       = Problem("the URL is not one that is called")
	ErrOrigin    = Problem("the agent names another origin")
	ErrRedirect  = Problem("the agent answers with a redirect")
	ErrNoCard    = Problem("there is no agent card")
	ErrCard      = Problem("the agent card is not valid")
	ErrSignature = Problem("the agent card is not signed by a key that is trusted")
	ErrAuth      = Problem("the agent asks for another credential")
	ErrReply     = Problem("the agent's answer does not fit the protocol")
	ErrEvent     = Problem("the agent sent an event that is not valid")
	ErrTooLarge  = Problem("the agent sends more than is taken")
	ErrBroken    = Problem("the stream ended before the task did")
	ErrSilent    = Problem("the agent sent nothing for too long")
	ErrID        = Problem("the id is not one that an agent gives")
	ErrMessage   = Problem("the message is not one that can be sent")
)

// AgentError is an agent's refusal, or what stands in front of it.
type AgentError struct {
	Status     int           // of HTTP
	Code       int           // of JSON-RPC; 0 if there is none
	Reason     string        // a word for programs, "" if there is none
	Message    string        // the agent's own words: not to be trusted, but safe to print
	RetryAfter time.Duration // 0 = the agent does not say
	kind       error         // of the SDK: a2a.ErrTaskNotFound …; nil = none fits
}

// Error says what the agent answered.
func (e *AgentError) Error() string {
	var b strings.Builder
	b.WriteString("the agent refuses")
	if e.Status != 0 && e.Status != http.StatusOK {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	if e.Code != 0 {
		fmt.Fprintf(&b, " (code %d)", e.Code)
	}
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	return b.String()
}

// Unwrap returns the SDK's error for the code, so that errors.Is(err,
// a2a.ErrTaskNotFound) works for every binding and version.
func (e *AgentError) Unwrap() error { return e.kind }

// maxWords bounds what is kept of an agent's own words, in runes.
const maxWords = 300

// Words makes a text of an agent safe to print: one line, bounded, without
// control and invisible characters.
func Words(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxWords {
			b.WriteString("…")
			break
		}
		switch {
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r):
			b.WriteRune(r)
		default:
			b.WriteRune('�')
		}
	}
	return strings.TrimSpace(b.String())
}

// own are the errors whose texts were written here, so that they may be shown.
var own = [...]error{
	ErrURL, ErrOrigin, ErrRedirect, ErrNoCard, ErrCard, ErrSignature, ErrAuth, ErrReply, ErrEvent,
	ErrTooLarge, ErrBroken, ErrSilent, ErrID, ErrMessage,
}

// Explain turns what the SDK returns into what callers get: errors of this
// package and of the network as they are, and nothing that repeats the bytes of
// an answer.
func Explain(err error) error {
	var agent *AgentError
	var ue *url.Error
	var ne net.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &agent):
		return agent
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	for _, mine := range own {
		if errors.Is(err, mine) {
			return innermost(err, mine)
		}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the agent did not answer in time: %w", context.DeadlineExceeded)
	case errors.As(err, &ue):
		return fmt.Errorf("calling the agent: %w", ue.Err) // without the URL, whose query may hold a key
	case errors.As(err, &ne):
		return fmt.Errorf("calling the agent: %w", ne)
	}
	for _, kind := range kinds {
		if errors.Is(err, kind.err) {
			return &AgentError{Reason: kind.reason, kind: kind.err}
		}
	}
	return fmt.Errorf("%w: it has another shape than the method's result", ErrReply)
}

// IsOwn reports whether an error is one of this package's kinds.
func IsOwn(err error) bool {
	for _, mine := range own {
		if errors.Is(err, mine) {
			return true
		}
	}
	return false
}

// innermost drops what the SDK and net/http wrote around an error of ours.
func innermost(err, mine error) error {
	for {
		inner := errors.Unwrap(err)
		var ours *fault
		if errors.As(err, &ours) {
			return ours
		}
		if inner == nil || !errors.Is(inner, mine) {
			return err
		}
		err = inner
	}
}

// fault is an error of this package on its way through the SDK, which would
// wrap its own words around it.
type fault struct {
	kind error
	text string // "" = what the kind says
}

func (f *fault) Error() string {
	if f.text == "" {
		return f.kind.Error()
	}
	return f.kind.Error() + ": " + f.text
}

func (f *fault) Unwrap() error { return f.kind }

// Faultf makes an error of a kind of this package.
func Faultf(kind error, format string, a ...any) error {
	return &fault{kind: kind, text: fmt.Sprintf(format, a...)}
}

// kind is an error of the protocol: its code in JSON-RPC, its word in HTTP+JSON.
type kind struct {
	code   int
	reason string
	err    error
}

// kinds are the errors that A2A 1.0 defines (section 5.4), and JSON-RPC's.
var kinds = [...]kind{
	{-32700, "PARSE_ERROR", a2a.ErrParseError},
	{-32600, "INVALID_REQUEST", a2a.ErrInvalidRequest},
	{-32601, "METHOD_NOT_FOUND", a2a.ErrMethodNotFound},
	{-32602, "INVALID_PARAMS", a2a.ErrInvalidParams},
	{-32603, "INTERNAL_ERROR", a2a.ErrInternalError},
	{-32001, "TASK_NOT_FOUND", a2a.ErrTaskNotFound},
	{-32002, "TASK_NOT_CANCELABLE", a2a.ErrTaskNotCancelable},
	{-32003, "PUSH_NOTIFICATION_NOT_SUPPORTED", a2a.ErrPushNotificationNotSupported},
	{-32004, "UNSUPPORTED_OPERATION", a2a.ErrUnsupportedOperation},
	{-32005, "CONTENT_TYPE_NOT_SUPPORTED", a2a.ErrUnsupportedContentType},
	{-32006, "INVALID_AGENT_RESPONSE", a2a.ErrInvalidAgentResponse},
	{-32007, "EXTENDED_AGENT_CARD_NOT_CONFIGURED", a2a.ErrExtendedCardNotConfigured},
	{-32008, "EXTENSION_SUPPORT_REQUIRED", a2a.ErrExtensionSupportRequired},
	{-32009, "VERSION_NOT_SUPPORTED", a2a.ErrVersionNotSupported},
	{0, "UNAUTHENTICATED", a2a.ErrUnauthenticated},
	{0, "UNAUTHORIZED", a2a.ErrUnauthorized},
}

func kindOf(code int, reason string) (kind, bool) {
	for _, k := range kinds {
		if code != 0 && k.code == code || reason != "" && k.reason == reason {
			return k, true
		}
	}
	return kind{}, false
}
