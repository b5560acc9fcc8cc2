// Package healthcheck is the verb that containers ask whether the gateway lives:
// an image without a shell has nothing else to ask with (S0-50).
package healthcheck

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 4 << 10

// Command returns the verb "healthcheck".
func Command(f *frame.Frame) *cobra.Command {
	var url string
	var ready bool
	timeout := 3 * time.Second
	cmd := &cobra.Command{
		Use: "healthcheck", Short: "Ask a gateway on this machine whether it is healthy", Args: frame.None,
		Long: `Ask the gateway of the configuration on this machine whether it is healthy, and
exit with 0 if it is. It is made for HEALTHCHECK of a container, where there is
no other program to ask with. --ready asks whether calls would be served.`,
		Example: `  portcullis healthcheck
  portcullis healthcheck --ready --url http://127.0.0.1:8080`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				cfg, _, err := f.LoadConfig()
				if err != nil {
					return err
				}
				if url, err = local(cfg); err != nil {
					return err
				}
			}
			path := "/health"
			if ready {
				path = "/ready"
			}
			return ask(cmd.Context(), url+path, timeout)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&url, "url", "", "`URL` of the gateway without a path (default: server.listen of the configuration)")
	fl.BoolVar(&ready, "ready", false, "ask whether calls would be served")
	fl.DurationVar(&timeout, "timeout", timeout, "how long to wait for the answer")
	return cmd
}

// local is where this machine reaches the listener of a configuration.
func local(cfg *config.Config) (string, error) {
	host, port, err := net.SplitHostPort(cfg.Server.Listen)
	if err != nil {
		return "", fmt.Errorf("server.listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	scheme := "http"
	if cfg.Server.TLS.Cert != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

func ask(ctx context.Context, url string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return frame.Usagef("--url: %w", err)
	}
	// The certificate is for the public name, and this asks on the machine
	// itself whether anything answers: no secret is sent, none is believed.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: isLoopback(req.URL.Hostname())}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("asking the gateway: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("the gateway answered %s", resp.Status)
	}
	return fmt.Errorf("the gateway answered %s: %s", resp.Status, frame.Printable(string(said)))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
