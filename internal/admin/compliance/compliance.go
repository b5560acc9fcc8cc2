// Package compliance is the part of the administration API that makes reports
// for auditors.
package compliance

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/privacy/evidence"
)

const path = "/api/v1/privacy/report"

// Reporter collects reports.
type Reporter interface {
	Report(ctx context.Context, f evidence.Framework, by portcullis.Actor) (evidence.Report, error)
}

// Group adds the operation to the API.
func Group(r Reporter) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "compliance-report", Method: http.MethodGet, Path: path, Summary: "How the gateway stands to the controls of a framework, with proofs"},
			func(ctx context.Context, in *struct {
				Framework string `query:"framework" required:"true" enum:"gdpr,soc2,hipaa"`
			}) (*admin.Body[evidence.Report], error) {
				out, err := r.Report(ctx, evidence.Framework(in.Framework), admin.Actor(ctx))
				if err != nil {
					return nil, s.Internal(ctx, err)
				}
				return &admin.Body[evidence.Report]{Body: out}, nil
			})
	}
}

// Ask asks for a report.
func Ask(ctx context.Context, c *admin.Client, f evidence.Framework) (evidence.Report, error) {
	return admin.Ask[evidence.Report](ctx, c, http.MethodGet, path+"?"+url.Values{"framework": {string(f)}}.Encode(), nil)
}
