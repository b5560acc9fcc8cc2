package inject

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis"
)

// static is a credential that is made of a secret alone and stays the same
// until that changes.
type static struct {
	secret Secret
	user   Secret // of basic, if the name is a secret too
	make   func(user, text string) Credential
	ready  atomic.Pointer[made]
}

// made is the credential of one reading.
type made struct {
	reading, user uint64
	cred          Credential
}

// Bearer sends the secret as "Authorization: Bearer".
func Bearer(s Secret) Credentials { return Header(s, "Authorization", "Bearer ") }

// Header sends the secret in a header field, with a text before it.
func Header(s Secret, name, before string) Credentials {
	return &static{secret: s, make: func(_, text string) Credential {
		return Credential{Fields: []portcullis.Field{{Name: name, Value: before + text}}}
	}}
}

// Query sends the secret as a parameter of the URL. Servers, and proxies on the
// way, write URLs to their logs: it is the last resort.
func Query(s Secret, name string) Credentials {
	return &static{secret: s, make: func(_, text string) Credential {
		return Credential{Query: url.QueryEscape(name) + "=" + url.QueryEscape(text)}
	}}
}

// Basic sends a name and the secret as "Authorization: Basic".
func Basic(s Secret, name string) Credentials {
	return &static{secret: s, make: func(_, text string) Credential { return basic(name, text) }}
}

// BasicPair sends a name that is a secret too, as databases and gateways give
// them out in pairs.
func BasicPair(name, password Secret) Credentials {
	return &static{secret: password, user: name, make: basic}
}

func basic(name, password string) Credential {
	return Credential{Fields: []portcullis.Field{{
		Name: "Authorization", Value: "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password)),
	}}}
}

// pairTries bounds how often a pair is read again that was swapped in between.
const pairTries = 3

// Authorize implements [Credentials].
func (s *static) Authorize(context.Context, *portcullis.Call) (Credential, error) {
	text, reading, err := s.secret.Get()
	if err != nil {
		return Credential{}, Unavailable(err)
	}
	var name string
	var user uint64
	if s.user != nil {
		for range pairTries {
			if name, user, err = s.user.Get(); err != nil {
				return Credential{}, Unavailable(err)
			}
			was := reading
			if text, reading, err = s.secret.Get(); err != nil {
				return Credential{}, Unavailable(err)
			}
			if was == reading {
				break
			}
		}
	}
	if m := s.ready.Load(); m != nil && m.reading == reading && m.user == user {
		return m.cred, nil
	}
	if !fit(text) || s.user != nil && (!fit(name) || strings.Contains(name, ":")) {
		return Credential{}, Unavailable(ErrUnfit)
	}
	m := &made{reading: reading, user: user, cred: s.make(name, text)}
	m.cred.Mark = m
	s.ready.Store(m)
	return m.cred, nil
}

// Refused implements [Credentials]: the secret may have been rotated where it
// is kept, so it is read again.
func (s *static) Refused(ctx context.Context, _ *portcullis.Call, used Credential) bool {
	m, ok := used.Mark.(*made)
	if !ok {
		return false
	}
	changed, err := s.secret.Refresh(ctx, m.reading)
	if s.user != nil {
		other, uerr := s.user.Refresh(ctx, m.user)
		return err == nil && changed || uerr == nil && other
	}
	return err == nil && changed
}
