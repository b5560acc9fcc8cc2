// Package dependencies judges what a project is built of: whether its lock files
// are there, whole and in step with what people wrote, where packages come from,
// which of them have known vulnerabilities and until when these are to be mended,
// and whether its SBOM tells the truth.
//
// All files are of strangers. They are read from the tree and never run; no
// package manager is called. Vulnerabilities come from a source that the caller
// gives; without one, the rules about them cannot tell.
package dependencies
