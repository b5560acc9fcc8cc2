// Package wallet keeps secrets in one encrypted file.
//
// A random wallet key protects everything. How it is kept itself stands in the
// header of the file: under a key derived from a password, for age identities,
// or by a key management system ([Protector], [Unlocker]). From the wallet key
// three keys are derived: one encrypts the list of entries, one authenticates
// the whole file, header included, one wraps a data key for each value. Values
// stay encrypted in memory until they are asked for.
//
// Every change reads the file again under a lock, writes a new one beside it
// and moves that over the old ([disk.Replace]): a reader, or whoever opens the
// wallet after a crash, finds the state before the change or after it.
//
// The intent of every change and every read of a value is recorded before it
// happens: not recorded, not done.
package wallet
