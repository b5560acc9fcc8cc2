// Package kubernetes judges Kubernetes manifests: pods by the project's own Pod
// Security checks, and beside them images, probes, service accounts, roles,
// services, ingresses, network policies, removed APIs and what only shows when
// manifests are read together.
//
// [Load] reads all manifests of a target once; [Rules] look at what it gives.
package kubernetes
