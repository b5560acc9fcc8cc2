// Package bounds translates limits of the configuration into those of guards.
package bounds

import (
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/edge"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
	"github.com/portcullis-dev/portcullis/internal/ratelimit"
)

// Body are the limits on a caller who sends a body.
func Body(c config.ServerLimits) edge.Limits {
	l := edge.DefaultLimits()
	l.BodyTimeout = c.BodyTimeout
	return l
}

// Message are the limits on a message; what c does not say is as in l.
func Message(c config.MessageLimits, l jsonrpc.Limits) jsonrpc.Limits {
	l.MaxBytes, l.MaxDepth, l.MaxArray, l.MaxMembers, l.MaxString = int(c.Bytes), c.Depth, c.Array, c.Array, c.String
	return l
}

// Rate makes new counters for rules.
func Rate(rules []string) (*ratelimit.Set, error) {
	c := ratelimit.Config{MaxKeys: ratelimit.DefaultMaxKeys}
	for _, text := range rules {
		r, err := ratelimit.ParseRule(text)
		if err != nil {
			return nil, err
		}
		c.Rules = append(c.Rules, r)
	}
	return ratelimit.NewSet(c, nil)
}
