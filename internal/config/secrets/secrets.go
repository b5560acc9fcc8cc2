// Package secrets is the section [secrets] of the configuration, and what a
// route says about the credential of its upstream.
package secrets

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/httpapi"
	"github.com/portcullis-dev/portcullis/internal/secrets/source/vault"
)

// Names of the sources.
const (
	Wallet     = "wallet"
	Env        = "env"
	File       = "file"
	Vault      = "vault"
	AWS        = "aws"
	GCP        = "gcp"
	Azure      = "azure"
	Kubernetes = "kubernetes"
)

// Secrets is [secrets].
type Secrets struct {
	Refresh    time.Duration     `toml:"refresh" doc:"How often a secret without a lease is read again, a tenth sooner or later. Files are looked at every 2s; a lease is renewed at two thirds of its time."`
	MaxAge     time.Duration     `toml:"max_age" doc:"How long a secret without a lease is used while its source does not answer. Then calls that need it get 502."`
	Wallet     WalletSection     `toml:"wallet" doc:"The gateway's own wallet: secret://wallet/NAME, or secret://wallet/provider/PROVIDER for the entry that stands for a provider."`
	Rotation   Rotation          `toml:"rotation" doc:"Rotation of the keys of providers in the wallet."`
	File       FileSection       `toml:"file" doc:"Secrets in files: secret://file/run/secrets/github is /run/secrets/github."`
	Vault      VaultSection      `toml:"vault" doc:"HashiCorp Vault or OpenBao: secret://vault/kv/github#token. Off without an address."`
	AWS        AWSSection        `toml:"aws" doc:"AWS Secrets Manager: secret://aws/prod/github#token. The credentials are those that AWS's own tools find."`
	GCP        GCPSection        `toml:"gcp" doc:"Google Cloud Secret Manager: secret://gcp/PROJECT/NAME. The credentials are those that Google's own tools find."`
	Azure      AzureSection      `toml:"azure" doc:"Azure Key Vault: secret://azure/VAULT/NAME. The credentials are those that Azure's own tools find."`
	Kubernetes KubernetesSection `toml:"kubernetes" doc:"Secrets of the cluster: secret://kubernetes/NAMESPACE/NAME#KEY. What is empty is found in the pod."`
}

// FileSection is [secrets.file].
type FileSection struct {
	InsecureWorldReadable bool `toml:"insecure_world_readable" doc:"INSECURE: accepts files that every user of the machine can read. Without it such a file is good only in a folder that is closed to others. Containers whose mounts have mode 0444 need it."`
}

// VaultSection is [secrets.vault].
type VaultSection struct {
	Address   string `toml:"address" example:"\"https://vault.example.com:8200\"" doc:"Address of the server; http only on this machine."`
	Namespace string `toml:"namespace" example:"\"team-a\"" doc:"Namespace of all references."`
	CA        string `toml:"ca" example:"\"/etc/portcullis/vault-ca.pem\"" doc:"PEM file of the authorities to trust instead of the system's."`
	Auth      string `toml:"auth" enum:"token|approle|kubernetes" doc:"How the gateway logs in."`
	Mount     string `toml:"mount" example:"\"approle\"" doc:"Where the method is mounted. By default its name."`
	Token     string `toml:"token" secret:"true" example:"\"secret://env/VAULT_TOKEN\"" doc:"For token: a reference to env or file."`
	RoleID    string `toml:"role_id" example:"\"portcullis\"" doc:"For approle."`
	SecretID  string `toml:"secret_id" secret:"true" example:"\"secret://file/run/secrets/vault-secret-id\"" doc:"For approle: a reference to env or file, read at each login."`
	Role      string `toml:"role" example:"\"portcullis\"" doc:"For kubernetes."`
	JWTFile   string `toml:"jwt_file" doc:"For kubernetes: token of the service account."`
}

// AWSSection is [secrets.aws].
type AWSSection struct {
	Region   string `toml:"region" example:"\"us-east-1\"" doc:"Region. By default as the environment says."`
	Endpoint string `toml:"endpoint" example:"\"https://vpce-1.secretsmanager.us-east-1.vpce.amazonaws.com\"" doc:"Address instead of the region's own."`
	CA       string `toml:"ca" example:"\"/etc/portcullis/aws-ca.pem\"" doc:"PEM file of the authorities to trust instead of the system's."`
}

// GCPSection is [secrets.gcp].
type GCPSection struct {
	Project  string `toml:"project" example:"\"my-project\"" doc:"Project of references without one."`
	Endpoint string `toml:"endpoint" example:"\"https://secretmanager.europe-west3.rep.googleapis.com\"" doc:"Address instead of the service's own."`
}

// AzureSection is [secrets.azure].
type AzureSection struct {
	Vault    string `toml:"vault" example:"\"my-vault\"" doc:"Vault of references without one."`
	Suffix   string `toml:"suffix" doc:"What follows the name of a vault in its address."`
	Endpoint string `toml:"endpoint" example:"\"https://vault.internal.example\"" doc:"One address for all vaults, for private endpoints."`
}

// KubernetesSection is [secrets.kubernetes].
type KubernetesSection struct {
	Server    string `toml:"server" example:"\"https://10.0.0.1:443\"" doc:"Address of the API server."`
	CA        string `toml:"ca" example:"\"/etc/portcullis/cluster-ca.pem\"" doc:"PEM file of the cluster's authority."`
	TokenFile string `toml:"token_file" example:"\"/etc/portcullis/cluster-token\"" doc:"Token of the service account, read for each question."`
	Namespace string `toml:"namespace" example:"\"agents\"" doc:"Namespace of references without one."`
}

// Default returns the defaults of [secrets].
func Default() Secrets {
	r := source.DefaultRules()
	return Secrets{
		Refresh: r.Refresh, MaxAge: r.MaxAge,
		Wallet:   WalletSection{Password: "secret://env/WALLET_PASSWORD", Transit: TransitSection{Mount: "transit"}},
		Rotation: DefaultRotation(),
		Vault:    VaultSection{Auth: vault.MethodToken, JWTFile: "/var/run/secrets/kubernetes.io/serviceaccount/token"},
		Azure:    AzureSection{Suffix: "vault.azure.net"},
	}
}

// Rules returns the times as the resolver takes them.
func (s Secrets) Rules() source.Rules {
	r := source.DefaultRules()
	r.Refresh, r.MaxAge = s.Refresh, s.MaxAge
	return r
}

// Validate checks [secrets] without its tables.
func (s Secrets) Validate() error {
	return errors.Join(
		field.Between("refresh", s.Refresh, time.Second, 24*time.Hour),
		field.Between("max_age", s.MaxAge, time.Second, 30*24*time.Hour),
	)
}

// Validate checks [secrets.vault].
func (v VaultSection) Validate() error {
	if v.Address == "" {
		return nil
	}
	errs := []error{endpoint("address", v.Address)}
	switch v.Auth {
	case vault.MethodToken:
		errs = append(errs, near("token", v.Token))
	case vault.MethodAppRole:
		errs = append(errs, given("role_id", v.RoleID, "auth = \"approle\""), near("secret_id", v.SecretID))
	case vault.MethodKubernetes:
		errs = append(errs, given("role", v.Role, "auth = \"kubernetes\""), absolute("jwt_file", v.JWTFile))
	}
	if v.Mount != "" {
		for segment := range strings.SplitSeq(v.Mount, "/") {
			if !field.IsToken(segment) {
				errs = append(errs, errors.New(`mount: want a path such as "approle"`))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// Validate checks [secrets.aws].
func (a AWSSection) Validate() error { return endpoint("endpoint", a.Endpoint) }

// Validate checks [secrets.gcp].
func (g GCPSection) Validate() error { return endpoint("endpoint", g.Endpoint) }

// Validate checks [secrets.azure].
func (a AzureSection) Validate() error {
	var err error
	if a.Suffix == "" || strings.ContainsAny(a.Suffix, "/:@?#") {
		err = errors.New(`suffix: want a domain such as "vault.azure.net"`)
	}
	return errors.Join(err, endpoint("endpoint", a.Endpoint))
}

// Validate checks [secrets.kubernetes].
func (k KubernetesSection) Validate() error { return endpoint("server", k.Server) }

func endpoint(name, url string) error {
	if url == "" {
		return nil
	}
	if err := httpapi.CheckURL(url); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func given(name, value, why string) error {
	if value == "" {
		return fmt.Errorf("%s: needed for %s", name, why)
	}
	return nil
}

func absolute(name, path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s: want an absolute path", name)
	}
	return nil
}

// near checks a reference that another source needs: it may lead only to what
// is at hand without one.
func near(name, text string) error {
	ref, err := source.Parse(text)
	switch {
	case text == "":
		return fmt.Errorf("%s: must be given", name)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case ref.Source != Env && ref.Source != File:
		return fmt.Errorf("%s: want a reference to env or file", name)
	}
	return nil
}

// Check checks a reference of a route: its form, and that the source it names
// is there and configured.
func (s Secrets) Check(text string) error {
	ref, err := source.Parse(text)
	if err != nil {
		return err
	}
	switch {
	case !slices.Contains(Sources(), ref.Source):
		return fmt.Errorf("there is no source %q: want one of %s", ref.Source, strings.Join(Sources(), ", "))
	case ref.Source == Vault && s.Vault.Address == "":
		return errors.New("the source vault needs secrets.vault.address")
	}
	return nil
}

// Sources lists the names of all sources.
func Sources() []string { return []string{Wallet, Env, File, Vault, Kubernetes, AWS, GCP, Azure} }
