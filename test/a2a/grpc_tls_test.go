package a2a

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/portcullis-dev/portcullis/test/harness"
	"github.com/portcullis-dev/portcullis/test/pki"
)

// TestGRPCOverTLS: callers prove by their certificates who they are, as over any
// other protocol.
func TestGRPCOverTLS(t *testing.T) {
	dir, servers, clients, others := t.TempDir(), pki.Root(t, "servers"), pki.Root(t, "clients"), pki.Root(t, "others")
	cert := servers.Server(t)
	pki.Write(t, filepath.Join(dir, "tls.crt"), pki.PEM(cert))
	pki.Write(t, filepath.Join(dir, "tls.key"), cert.KeyPEM(t))
	pki.Write(t, filepath.Join(dir, "ca.pem"), pki.PEM(clients))
	url, _ := startAgent(t)
	g := harness.Start(t, fmt.Sprintf("tls = { cert = %q, key = %q, client_ca = %q }\n", filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "ca.pem"))+
		"[[identity.mtls.rule]]\nmatch = \"spiffe://example.org/agent/*\"\nscopes = [\"skills:*\"]\n"+route(url, "auth = [\"mtls\"]\n"+withGRPC))
	pool := x509.NewCertPool()
	pool.AddCert(servers.Certificate)
	call := func(c *pki.Cert) error {
		config := &tls.Config{RootCAs: pool}
		if c != nil {
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				pair := c.TLS()
				return &pair, nil
			}
		}
		conn, err := grpc.NewClient(strings.TrimPrefix(g.Base, "https://"), grpc.WithTransportCredentials(credentials.NewTLS(config)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, err = pb.NewA2AServiceClient(conn).SendMessage(t.Context(), &pb.SendMessageRequest{Message: &pb.Message{
			MessageId: "m1", Role: pb.Role_ROLE_USER, Parts: []*pb.Part{{Content: &pb.Part_Text{Text: "hello"}}},
		}})
		return err
	}
	if err := call(clients.Client(t, "spiffe://example.org/agent/one")); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	for name, c := range map[string]*pki.Cert{"none": nil, "another authority's": others.Client(t, "spiffe://example.org/agent/one"), "another name": clients.Client(t, "spiffe://example.org/person/one")} {
		if err := call(c); status.Code(err) != codes.Unauthenticated && status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMarkedEventsOverGRPC: what a byte order mark makes a comment of for the
// gateway, which passes comments on, is none for callers of gRPC either.
func TestMarkedEventsOverGRPC(t *testing.T) {
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		var call struct{ ID json.RawMessage }
		if json.NewDecoder(r.Body).Decode(&call) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8") // as servers in Python write it
		event := "data: {\"jsonrpc\":\"2.0\",\"id\":" + string(call.ID) + ",\"result\":{\"statusUpdate\":{\"taskId\":\"t-1\",\"contextId\":\"c-1\",\"status\":{\"state\":%q}}}}\n\n"
		_, _ = io.WriteString(w, fmt.Sprintf(event, "TASK_STATE_WORKING")+"\xef\xbb\xbf"+strings.Replace(fmt.Sprintf(event, "TASK_STATE_WORKING"), "t-1", "hidden", 1)+fmt.Sprintf(event, "TASK_STATE_COMPLETED"))
	})
	g := harness.Start(t, route(up.Server.URL+"/agent", withGRPC))
	if r := invoke(t, dialGRPC(t, g, g.Key), "SendStreamingMessage", message("")); strings.Contains(r.Body, "hidden") || !strings.Contains(r.Body, "WORKING") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}
