#!/bin/sh
# For clusters with sealed-secrets instead of external-secrets (S3-13): makes
# 30-secret.yaml a SealedSecret, which may be kept in git. The values are read from
# the terminal and are neither arguments nor files.
#
#   sh sealed-secret.sh > ../30-secret.yaml
set -eu
umask 077
read_secret() {
  printf '%s: ' "$1" > /dev/tty
  stty -echo < /dev/tty
  IFS= read -r value < /dev/tty || value=
  stty echo < /dev/tty
  printf '\n' > /dev/tty
  if [ "${#value}" -lt "$2" ]; then
    echo "$1 needs at least $2 characters" >&2
    exit 1
  fi
  printf '%s' "$value" | base64 | tr -d '\n'
}
trap 'stty echo < /dev/tty' EXIT
wallet=$(read_secret wallet_password 12)
metrics=$(read_secret metrics_token 32)
cat << SECRET | kubeseal --format yaml --scope strict
apiVersion: v1
kind: Secret
metadata:
  name: portcullis-secrets
  namespace: portcullis
type: Opaque
data:
  wallet_password: $wallet
  metrics_token: $metrics
SECRET
