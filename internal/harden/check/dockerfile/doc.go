// Package dockerfile judges Dockerfiles, read with BuildKit's own parser: what
// the image is made of, who its programs run as, what stays in its layers, and
// whether it can start at all.
package dockerfile
