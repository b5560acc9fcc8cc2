// Package envelope encrypts what is kept: fields of records ([Ring]), keys and
// values of the wallet ([Box]). Everything is AES-256-GCM with a random nonce
// and bound to its place by associated data, so that what is sealed for one
// place opens in no other. A sealed field names its key, so that keys rotate
// while old fields still open.
package envelope
