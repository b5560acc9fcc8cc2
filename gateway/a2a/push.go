package a2a

import (
	"context"
	"net/netip"
	"net/url"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
)

// Push is the guard "push": where callers may ask to be notified. Only hosts
// that the operator wrote down may be named, over https, and none whose name
// leads to an address that is not public. Without such hosts there are no
// notifications. What delivers asks again, with [Push.Refuses].
type Push struct {
	hosts    []string
	insecure bool // private addresses and http too
	resolve  func(ctx context.Context, host string) ([]netip.Addr, error)
}

var _ portcullis.Inspector = (*Push)(nil)

// NewPush returns the guard of a route. resolve may be nil for that of the
// system.
func NewPush(rc *config.Route, resolve func(context.Context, string) ([]netip.Addr, error)) *Push {
	p := &Push{hosts: rc.A2A.Push.Hosts, insecure: rc.A2A.Push.InsecurePrivate, resolve: resolve}
	if rc.A2A.Push.Off() {
		p.hosts = nil
	}
	if resolve == nil {
		p.resolve = system
	}
	return p
}

// Name returns "push".
func (*Push) Name() string { return "push" }

// Inspect implements [portcullis.Inspector].
func (p *Push) Inspect(ctx context.Context, _ portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	switch m.Method {
	case a2a.CreatePushConfig, a2a.GetPushConfig, a2a.ListPushConfigs, a2a.DeletePushConfig:
		if len(p.hosts) == 0 {
			return nil, notSupported("push notifications are off")
		}
	}
	if !a2a.MayHoldPush(m) {
		return m, nil
	}
	facts, err := a2a.Look(m)
	if err != nil {
		return nil, err
	}
	for _, target := range facts.PushURLs {
		if len(p.hosts) == 0 {
			return nil, notSupported("push notifications are off")
		}
		if why := p.Refuses(ctx, target); why != "" {
			return nil, &portcullis.Error{
				Kind: portcullis.KindForbidden, Reason: "content_blocked", Public: "Notifications cannot be sent there",
				Event: portcullis.EventContentBlocked, Detail: "push target: " + why,
			}
		}
	}
	return m, nil
}

func notSupported(detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind: portcullis.KindMalformed, Code: a2a.CodePushNotSupported, Reason: "unsupported",
		Event: portcullis.EventInputRejected, Detail: detail,
	}
}

// Refuses says why notifications may not go to a URL, "" if they may.
func (p *Push) Refuses(ctx context.Context, target string) string {
	why, host := p.lists(target)
	if why != "" || p.insecure {
		return why
	}
	return resolvesInside(ctx, p.resolve, host)
}

// Lists is Refuses by the name of the target alone. Whoever connects judges the
// address.
func (p *Push) Lists(target string) string {
	why, _ := p.lists(target)
	return why
}

func (p *Push) lists(target string) (why, host string) {
	if rest, ok := strings.CutPrefix(target, "http://"); ok && p.insecure {
		target = "https://" + rest
	}
	if host, why = httpsHost(target); why != "" {
		return why, ""
	}
	u, err := url.Parse(target)
	if err != nil {
		return "no URL", ""
	}
	named := host
	if port := u.Port(); port != "" {
		named += ":" + port
	}
	if !p.named(host) && !p.named(named) {
		return "host that is not on the list", ""
	}
	if p.insecure {
		return "", host
	}
	if port := u.Port(); port != "" && port != "443" && !p.named(named) {
		return "port that is not on the list", ""
	}
	return notPublic(host), host
}

func (p *Push) named(host string) bool {
	for _, h := range p.hosts {
		if below, ok := strings.CutPrefix(h, "*"); host == h || ok && strings.HasSuffix(host, below) && host != below {
			return true
		}
	}
	return false
}
