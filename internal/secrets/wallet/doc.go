// Package wallet keeps secrets in one encrypted file.
package wallet
