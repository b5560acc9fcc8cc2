package a2a

import (
	"context"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
)

// Files is the guard "file_uris": a file part that is a URI makes whoever reads
// it fetch something. In messages of callers that is the agent, inside its
// network; in replies the caller. Hosts are judged by their names, and by their
// addresses. A name can be made to mean another address a moment later, so what
// fetches must check again; where it does not, the list of hosts is what holds.
type Files struct {
	mode    string
	hosts   []string
	resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

var _ portcullis.Inspector = (*Files)(nil)

// Name returns "file_uris".
func (*Files) Name() string { return "file_uris" }

// Inspect implements [portcullis.Inspector].
func (f *Files) Inspect(ctx context.Context, _ portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if !a2a.MayHoldFiles(m) {
		return m, nil
	}
	facts, err := a2a.Look(m)
	if err != nil {
		return nil, err
	}
	for _, uri := range facts.FileURIs {
		if why := f.refuses(ctx, uri, m.Direction); why != "" {
			return nil, &portcullis.Error{
				Kind: portcullis.KindForbidden, Reason: "content_blocked", Public: "A file URI is not allowed here",
				Event: portcullis.EventContentBlocked, Detail: "file URI: " + why,
			}
		}
	}
	return m, nil
}

// refuses says why a URI is refused, "" if it is not.
func (f *Files) refuses(ctx context.Context, uri string, d portcullis.Direction) string {
	if f.mode == "deny" {
		return "none are allowed"
	}
	host, why := httpsHost(uri)
	if why != "" {
		return why
	}
	for _, h := range f.hosts {
		if host == h || strings.HasSuffix(host, "."+h) {
			return ""
		}
	}
	if f.mode != "public" {
		return "host that is not on the list"
	}
	if why := notPublic(host); why != "" || d == portcullis.ToClient { // callers have names of their own
		return why
	}
	return resolvesInside(ctx, f.resolve, host)
}

// resolveTime is how long a name may take to be found.
const resolveTime = 3 * time.Second

// resolvesInside says why the addresses of a host are not public, one of them
// or all.
func resolvesInside(ctx context.Context, resolve func(context.Context, string) ([]netip.Addr, error), host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	addrs, err := resolve(ctx, host)
	if err != nil || len(addrs) == 0 {
		return "host that has no address"
	}
	for _, a := range addrs {
		if (dial.Policy{DenyPrivate: true}).Check(a) != nil {
			return "host with an address that is not public"
		}
	}
	return ""
}

// httpsHost returns the host of an https URL that everybody reads the same way.
func httpsHost(uri string) (host, why string) {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return "", "no URL"
	case u.Scheme != "https":
		return "", "not https"
	case u.User != nil:
		return "", "holds a user name or password"
	case u.Opaque != "" || u.Host == "" || strings.ContainsAny(uri, "\\\t\r\n "):
		return "", "not one reading"
	}
	host = strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	for _, c := range []byte(host) {
		if c >= 0x80 || strings.IndexByte("abcdefghijklmnopqrstuvwxyz0123456789-._:", c) < 0 {
			return "", "host of characters that can be read as others"
		}
	}
	if host == "" {
		return "", "no host"
	}
	return host, ""
}

// notPublic says why a host is none of the public internet, as far as its name
// tells.
func notPublic(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		if err := (dial.Policy{DenyPrivate: true}).Check(addr); err != nil {
			return "address that is not public"
		}
		return ""
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch {
	case last == host || strings.Contains(host, ":"):
		return "host without a domain"
	case strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x"):
		return "address in another spelling"
	}
	switch last {
	case "localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "test", "invalid", "onion", "arpa":
		return "name of a private network"
	}
	return ""
}
