package wallet

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/internal/app/secrets/opener"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// cloudKeys name keys in the key management of clouds. Addresses and regions
// are those of the configuration, or as the tools of the cloud find them.
type cloudKeys struct{ aws, gcp, azure string }

func (k *cloudKeys) flags(cmd *cobra.Command, before string, persistent bool) {
	f := cmd.Flags()
	if persistent {
		f = cmd.PersistentFlags()
	}
	f.StringVar(&k.aws, before+"aws-kms-key", "", "id, ARN or alias of the `key` of AWS KMS that keeps the wallet key")
	f.StringVar(&k.gcp, before+"gcp-kms-key", "", "`name` of the key of Google Cloud KMS that keeps it: projects/…/cryptoKeys/…")
	f.StringVar(&k.azure, before+"azure-key", "", "`address` of the key in Azure Key Vault that keeps it: https://VAULT.vault.azure.net/keys/NAME")
}

// kind returns which cloud is meant; "" is none.
func (k *cloudKeys) kind() (string, error) {
	kind := ""
	for name, key := range map[string]string{wallet.KindAWS: k.aws, wallet.KindGCP: k.gcp, wallet.KindAzure: k.azure} {
		if key != "" && kind != "" {
			return "", frame.Usagef("keys of different clouds exclude each other")
		}
		if key != "" {
			kind = name
		}
	}
	return kind, nil
}

// cloud returns the service that keeps wallets of a kind.
func (c *verbs) cloud(ctx context.Context, k cloudKeys, kind string) (wallet.Service, error) {
	cfg, _, err := c.LoadConfig()
	if err != nil {
		return wallet.Service{}, err
	}
	w := cfg.Secrets.Wallet
	for given, to := range map[string]*string{k.aws: &w.AWSKMS.Key, k.gcp: &w.GCPKMS.Key, k.azure: &w.AzureKey.Key} {
		if given != "" {
			*to = given
		}
	}
	s, err := opener.Service(ctx, w, kind)
	if err != nil {
		return s, frame.UsageError{Err: err}
	}
	return s, nil
}
