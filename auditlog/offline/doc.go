// Package offline verifies an audit log from its folder alone, and exports it
// in the form that tools of others read. With package auditlog it is all that
// an auditor needs:
//
//	key, err := auditlog.NewVerifier("audit.example.com/gateway+5a6b7c8d+AV…")
//	report, err := offline.Verify(ctx, "data/audit", offline.VerifyOptions{Key: key})
//	if err == nil && !report.OK() { … report.Problems … }
package offline
