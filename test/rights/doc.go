// Package rights tests the rights of persons on a whole gateway: who is erased
// is in no byte of what it leaves behind.
package rights
