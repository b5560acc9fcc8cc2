package secrets

import (
	"errors"
	"fmt"
)

// WalletSection is [secrets.wallet]. What opens the wallet, its file says; where
// that is, only the configuration: a changed file could name another place.
type WalletSection struct {
	File     string          `toml:"file" example:"\"/var/lib/portcullis/keys.wallet\"" doc:"The wallet. By default the one in the data folder."`
	Password string          `toml:"password" secret:"true" doc:"Reference to its password, in env or file; read when the wallet is unlocked."`
	Identity string          `toml:"identity" secret:"true" example:"\"secret://file/run/secrets/wallet-identity\"" doc:"Reference to age identities, in env or file, for a wallet that is kept for them."`
	Transit  TransitSection  `toml:"transit" doc:"The transit engine of Vault or OpenBao, for a wallet whose key it keeps."`
	AWSKMS   AWSKMSSection   `toml:"aws_kms" doc:"AWS KMS, likewise. The credentials are those that AWS's own tools find."`
	GCPKMS   GCPKMSSection   `toml:"gcp_kms" doc:"Google Cloud KMS, likewise. The credentials are those that Google's own tools find."`
	AzureKey AzureKeySection `toml:"azure_key" doc:"A key in Azure Key Vault, likewise. The credentials are those that Azure's own tools find."`
}

// TransitSection is [secrets.wallet.transit].
type TransitSection struct {
	Address string `toml:"address" example:"\"https://vault.example.com:8200\"" doc:"Address of the server; http only on this machine."`
	Mount   string `toml:"mount" doc:"Where the engine is mounted."`
	Key     string `toml:"key" example:"\"portcullis\"" doc:"Name of the key there."`
	Token   string `toml:"token" secret:"true" example:"\"secret://file/run/secrets/vault-token\"" doc:"Reference to a token that may encrypt and decrypt with it, in env or file."`
}

// AWSKMSSection is [secrets.wallet.aws_kms].
type AWSKMSSection struct {
	Key      string `toml:"key" example:"\"arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\"" doc:"Id, ARN or alias of a symmetric key."`
	Region   string `toml:"region" example:"\"eu-central-1\"" doc:"Region. By default that of the ARN, or as the environment says."`
	Endpoint string `toml:"endpoint" example:"\"https://vpce-1.kms.eu-central-1.vpce.amazonaws.com\"" doc:"Address instead of the region's own."`
	CA       string `toml:"ca" example:"\"/etc/portcullis/aws-ca.pem\"" doc:"PEM file of the authorities to trust instead of the system's."`
}

// GCPKMSSection is [secrets.wallet.gcp_kms].
type GCPKMSSection struct {
	Key      string `toml:"key" example:"\"projects/my-project/locations/europe-west3/keyRings/portcullis/cryptoKeys/wallet\"" doc:"Name of a key for encrypting and decrypting."`
	Endpoint string `toml:"endpoint" example:"\"https://cloudkms.europe-west3.rep.googleapis.com\"" doc:"Address instead of the service's own."`
	CA       string `toml:"ca" example:"\"/etc/portcullis/gcp-ca.pem\"" doc:"PEM file of the authorities to trust instead of the system's."`
}

// AzureKeySection is [secrets.wallet.azure_key].
type AzureKeySection struct {
	Key      string `toml:"key" example:"\"https://my-vault.vault.azure.net/keys/wallet\"" doc:"An RSA key that may wrap and unwrap."`
	Endpoint string `toml:"endpoint" example:"\"https://vault.internal.example\"" doc:"Address instead of that of the vault, for private endpoints."`
	CA       string `toml:"ca" example:"\"/etc/portcullis/azure-ca.pem\"" doc:"PEM file of the authorities to trust instead of the system's."`
}

// Validate checks [secrets.wallet].
func (w WalletSection) Validate() error {
	errs := []error{near("password", w.Password)}
	if w.Identity != "" {
		errs = append(errs, near("identity", w.Identity))
	}
	return errors.Join(errs...)
}

// Validate checks [secrets.wallet.transit].
func (t TransitSection) Validate() error {
	if t.Key == "" && t.Address == "" && t.Token == "" {
		return nil
	}
	errs := []error{given("address", t.Address, "a transit key"), endpoint("address", t.Address), given("key", t.Key, "a transit key"), near("token", t.Token)}
	return errors.Join(errs...)
}

// Validate checks [secrets.wallet.aws_kms].
func (a AWSKMSSection) Validate() error { return keyed(a.Key, a.Endpoint, a.Region+a.CA) }

// Validate checks [secrets.wallet.gcp_kms].
func (g GCPKMSSection) Validate() error { return keyed(g.Key, g.Endpoint, g.CA) }

// Validate checks [secrets.wallet.azure_key].
func (a AzureKeySection) Validate() error { return keyed(a.Key, a.Endpoint, a.CA) }

func keyed(key, address, more string) error {
	if key == "" && address+more != "" {
		return fmt.Errorf("key: must be given")
	}
	return endpoint("endpoint", address)
}
