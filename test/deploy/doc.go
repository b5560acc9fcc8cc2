// Package deploy holds what `portcullis generate` writes against the linters of
// others: kubeconform with the schemas of Kubernetes, helm, kube-score, actionlint
// and dockerfilelint. Its tests carry the build tag "conformance", because
// scripts/setup-tools has to build or fetch them; `make test` runs them.
package deploy
