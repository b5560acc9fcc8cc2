package guard

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject/oauth"
)

// issued sends tokens that an issuer gave. The mark of the last one is kept, so
// that a refused one can be told apart from its successor.
type issued struct {
	client *oauth.Client

	mu   sync.Mutex
	last inject.Credential
}

// newIssued returns what gets tokens at a URL that was checked.
func newIssued(o OAuth, tokenURL string, scopes []string, rt http.RoundTripper) *issued {
	if len(o.Scopes) > 0 {
		scopes = o.Scopes
	}
	return &issued{client: oauth.NewClient(oauth.Config{
		TokenURL: tokenURL, ClientID: o.ClientID, Secret: &numbered{read: o.Secret}, Scopes: scopes, Resource: o.Resource, InBody: o.InBody,
		HTTP: &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	})}
}

func (i *issued) apply(ctx context.Context, r *http.Request) ([]string, error) {
	c, err := i.client.Authorize(ctx, nil)
	if err != nil {
		var refused *portcullis.Error
		if errors.As(err, &refused) && refused.Err != nil {
			err = refused.Err // what it says is for callers of a gateway
		}
		return nil, &unreadable{"a token of the issuer", err}
	}
	i.mu.Lock()
	i.last = c
	i.mu.Unlock()
	var texts []string
	for _, f := range c.Fields {
		r.Header.Set(f.Name, f.Value)
		texts = append(texts, f.Value, bare(f.Value))
	}
	return texts, nil
}

// bare is a token without its scheme.
func bare(value string) string {
	const bearer = "Bearer "
	if len(value) > len(bearer) {
		return value[len(bearer):]
	}
	return value
}

func (i *issued) refused(ctx context.Context) bool {
	i.mu.Lock()
	last := i.last
	i.mu.Unlock()
	return i.client.Refused(ctx, nil, last)
}

// numbered gives a secret the form that the client of an issuer takes.
type numbered struct {
	read Secret

	mu   sync.Mutex
	text string
	seen uint64
}

func (n *numbered) Get() (string, uint64, error) {
	if n.read == nil {
		return "", 0, errors.New("there is no secret of the client")
	}
	text, err := n.read(context.Background())
	if err != nil {
		return "", 0, err
	}
	if text == "" || hasControl(text) {
		return "", 0, errUnfit
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.text != text {
		n.text = text
		n.seen++
	}
	return text, n.seen, nil
}

func (n *numbered) Refresh(_ context.Context, seen uint64) (bool, error) {
	_, now, err := n.Get()
	return now != seen, err
}
